"""Greedy ensembles against an exhaustive look at every step, and through search, fit and answers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import log_loss, root_mean_squared_error
from tests.stages.lab import Lab

from tenure.core.errors import Interrupted
from tenure.core.events import StepProgress
from tenure.ml.metrics import metric
from tenure.ml.predictor import load
from tenure.ml.predictor_files import ENSEMBLE, PREDICTOR
from tenure.stages.training.ensembling import greedy, leading, mean_score
from tenure.state.store import Trial

RMSE = metric("rmse", "regression")
LOSS = metric("log_loss", "binary")


def _trial(number: int, algorithm: str, score: float | None, **params: float) -> Trial:
    return Trial(number, algorithm, params, (), score, "done" if score is not None else "failed", 0.1)


def test_the_best_of_each_algorithm_comes_first_and_equal_trials_once():
    trials = [
        _trial(0, "a", 5.0, x=1), _trial(1, "a", 1.0, x=2), _trial(2, "b", 3.0, x=1), _trial(3, "a", 2.0, x=3),
        _trial(4, "c", None, x=1), _trial(5, "a", 1.0, x=2), _trial(6, "b", 3.0, x=9),
    ]  # fmt: skip
    assert [trial.number for trial in leading(trials, RMSE, 9)] == [1, 2, 3, 6, 0]
    assert [trial.number for trial in leading(trials, RMSE, 3)] == [1, 2, 3]
    assert [trial.number for trial in leading(trials, metric("r2", "regression"), 2)] == [0, 2]


def test_each_step_takes_the_candidate_that_helps_most():
    generator = np.random.default_rng(0)
    truth = generator.normal(size=300)
    said = [truth + generator.normal(size=300) * noise for noise in (0.5, 0.6, 0.7, 3.0)]
    fold = np.zeros(300, int)
    found = greedy(said, truth, fold, RMSE, 6)
    chosen = [0]
    for _ in range(5):
        tried = [
            root_mean_squared_error(truth, np.mean([said[k] for k in [*chosen, n]], axis=0)) for n in range(4)
        ]
        chosen.append(int(np.argmin(tried)))
    scores = [
        root_mean_squared_error(truth, np.mean([said[k] for k in chosen[:n]], axis=0)) for n in range(1, 7)
    ]
    length = int(np.argmin(scores)) + 1
    assert found.shares == pytest.approx(np.bincount(chosen[:length], minlength=4) / length)
    assert found.score == pytest.approx(min(scores))
    assert found.alone == pytest.approx(root_mean_squared_error(truth, said[0]))
    assert found.score < found.alone
    assert found.shares[3] == 0


def test_where_nothing_helps_the_best_stays_alone():
    truth = np.random.default_rng(1).normal(size=50)
    found = greedy([truth + 0.1, truth + 5.0], truth, np.zeros(50, int), RMSE, 5)
    assert found.shares == (1.0, 0.0)
    assert found.score == found.alone


def test_a_score_is_the_mean_over_the_folds():
    generator = np.random.default_rng(2)
    p = generator.uniform(0.05, 0.95, 90)
    truth = (generator.random(90) < p).astype(int)
    said, fold = np.column_stack([1 - p, p]), np.repeat([0, 1, 2], 30)
    expected = np.mean([log_loss(truth[fold == k], said[fold == k]) for k in range(3)])
    assert mean_score(said, truth, fold, LOSS) == pytest.approx(expected)


def test_a_fold_with_one_class_does_not_count():
    auc = metric("roc_auc", "binary")
    said = np.column_stack([[0.9, 0.2, 0.5, 0.6], [0.1, 0.8, 0.5, 0.4]])
    assert mean_score(said, np.array([0, 1, 0, 0]), np.array([0, 0, 1, 1]), auc) == 1.0


# --- through the stage ------------------------------------------------------------------------------------------


@pytest.fixture
def lab(tmp_path) -> Lab:
    generator = np.random.default_rng(3)
    a, b = generator.normal(size=(2, 320))
    y = 2 * a + np.where(b > 0, 1.5, -1.0) * (a > 0) + generator.normal(size=320) * 0.3
    made = Lab(tmp_path, pa.table({"a": a, "b": b, "y": y}), "y")
    made.remembers = True
    made.make_features()
    few = {"search_space": {"n_estimators": {"type": "fixed", "value": 20}}}
    made.search(algorithms={"ridge": {}, "random_forest": few, "extra_trees": few}, limits={"max_trials": 6})
    return made


ASKED = {"type": "greedy", "size": 4, "candidates": 4}


def test_an_ensemble_answers_from_one_file_as_its_members_together(lab):
    single = lab.fit()
    output = lab.fit(ensemble=ASKED)
    assert {PREDICTOR, ENSEMBLE} <= set(output.artifacts)
    facts = output.value["ensemble"]
    assert sum(member["weight"] for member in facts["members"]) == pytest.approx(1.0)
    assert len(facts["members"]) >= 2
    assert facts["score"] < facts["alone"]
    assert facts["alone"] == pytest.approx(single.value["score"], rel=0.05)
    assert output.value["algorithm"] == "ensemble"
    assert output.value["score"] == facts["score"]
    predictor = load({name: lab.artifacts.get(blob) for name, blob in output.artifacts.items()})
    assert {member.form for member in predictor.estimator.members} == {"linear", "tree"}
    assert lab.evaluate(gates=[{"type": "baseline"}]).value["passed"]
    assert output.value["size"] > single.value["size"]


def test_the_same_ensemble_again_fits_nothing(lab):
    first = lab.fit(ensemble=ASKED)
    second = lab.fit(ensemble=ASKED, intervals={"type": "conformal"})
    assert not second.value["fitted_again"]
    assert not second.value["out_of_fold"]["predicted_again"]
    assert second.value["ensemble"] == first.value["ensemble"]
    assert second.artifacts[ENSEMBLE] == first.artifacts[ENSEMBLE]
    lab.remembers = False
    assert lab.fit(ensemble=ASKED, intervals={"type": "conformal"}).digest == second.digest
    other = lab.fit(ensemble=ASKED | {"candidates": 2})
    assert other.value["fitted_again"]


def test_intervals_of_an_ensemble_are_those_of_its_own_errors(lab):
    output = lab.fit(intervals={"type": "conformal", "confidence": 0.8}, ensemble=ASKED)
    said = pq.read_table(pa.BufferReader(lab.artifacts.get(output.artifacts["out_of_fold"])))
    errors = said.column("truth").to_numpy() - said.column("prediction").to_numpy()
    assert output.value["intervals"]["width"] == pytest.approx(
        np.subtract(*np.quantile(errors, [0.9, 0.1])), rel=0.05
    )
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(output.value["ensemble"]["score"], rel=0.05)


def test_it_says_how_far_it_is_and_stops_when_asked(lab):
    lab.events.clear()
    lab.fit(ensemble=ASKED)
    done = [event.done for event in lab.events if isinstance(event, StepProgress)]
    assert done == [1, 2, 3, 4]
    lab.stopping = lambda: sum(isinstance(event, StepProgress) for event in lab.events) >= 6
    with pytest.raises(Interrupted, match="the search is kept"):
        lab.fit(seed=8, ensemble=ASKED)


def test_a_search_with_one_trial_has_an_ensemble_of_one(lab):
    lab.search("ridge", limits={"max_trials": 1})
    output = lab.fit(ensemble=ASKED)
    assert [member["weight"] for member in output.value["ensemble"]["members"]] == [1.0]
