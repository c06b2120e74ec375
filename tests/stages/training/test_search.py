from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError
from tests.stages.lab import Lab

from tenure.core.errors import Interrupted, StageError
from tenure.core.events import StepProgress
from tenure.ml.predictor import load
from tenure.ml.snapshot import PART
from tenure.stages.training.algorithms import Algorithms
from tenure.stages.training.ridge import Ridge
from tenure.stages.training.section import Training
from tenure.state.store import Trial

ROWS = 120
FEW_TREES = {"search_space": {"n_estimators": {"type": "fixed", "value": 5}}}


def _table(rows: int = ROWS) -> pa.Table:
    generator = np.random.default_rng(5)
    a, b = generator.normal(size=rows), generator.normal(size=rows)
    return pa.table(
        {
            "a": a,
            "b": [None if i % 11 == 0 else float(v) for i, v in enumerate(b)],
            "c": generator.choice(["u", "v"], rows).tolist(),
            "y": np.where(a + 0.5 * b + generator.normal(size=rows) * 0.4 > 0, "yes", "no").tolist(),
        }
    )


@pytest.fixture
def lab(tmp_path) -> Lab:
    made = Lab(tmp_path, _table(), "y")
    made.make_features()
    return made


def _trials(lab: Lab) -> list[Trial]:
    (kept,) = lab.trials.kept.values()
    return kept


def _told(trial: Trial) -> tuple:
    return (trial.number, trial.algorithm, trial.params, trial.scores, trial.status)


def test_the_same_seed_gives_the_same_search_and_the_same_model(lab):
    twin = lab.again()
    search = {"algorithms": {"xgboost": FEW_TREES, "logistic_regression": {}}, "limits": {"max_trials": 4}}
    first, second = (item.search(**search) for item in (lab, twin))
    assert [_told(trial) for trial in _trials(lab)] == [_told(trial) for trial in _trials(twin)]
    assert first.digest == second.digest
    assert lab.fit().artifacts == twin.fit().artifacts
    other = lab.again()
    other.search(seed=8, **search)
    assert [trial.scores for trial in _trials(other)] != [trial.scores for trial in _trials(lab)]


def test_a_stopped_search_continues_with_the_trials_it_would_have_had(lab):
    twin = lab.again()
    search = {
        "algorithms": {"random_forest": FEW_TREES, "logistic_regression": {}},
        "limits": {"max_trials": 16},
    }
    whole = lab.search(**search)
    twin.stopping = lambda: len(next(iter(twin.trials.kept.values()), [])) >= 9
    with pytest.raises(Interrupted, match="trials, which are kept"):
        twin.search(**search)
    kept = len(_trials(twin))
    assert 9 <= kept < 16
    twin.stopping = lambda: False
    twin.events.clear()
    resumed = twin.search(**search)
    assert [_told(trial) for trial in _trials(twin)] == [_told(trial) for trial in _trials(lab)]
    assert resumed.digest == whole.digest
    done = [event.done for event in twin.events if isinstance(event, StepProgress)]
    assert done == list(range(kept + 1, 17))


def test_a_finished_search_runs_nothing_again(lab):
    first = lab.search("logistic_regression")
    lab.events.clear()
    assert lab.search("logistic_regression").digest == first.digest
    assert lab.events == []


def test_the_starting_point_of_every_algorithm_comes_first(lab):
    lab.search("logistic_regression", "random_forest", limits={"max_trials": 2})
    first, second = _trials(lab)
    blocks = Algorithms.model_validate({"logistic_regression": {}, "random_forest": {}}).listed()
    assert (first.algorithm, first.params) == ("logistic_regression", blocks["logistic_regression"].start())
    assert (second.algorithm, second.params) == ("random_forest", blocks["random_forest"].start())


def test_the_winner_has_the_best_mean_of_its_folds(lab):
    value = lab.search("logistic_regression", limits={"max_trials": 8}).value
    done = [trial for trial in _trials(lab) if trial.status == "done"]
    assert value["score"] == max(np.mean(trial.scores) for trial in done)
    assert value["metric"] == "roc_auc"
    assert value["trials"] == 8
    assert value["cross_validation"] == "5 stratified folds"
    stored = msgspec.json.decode(
        lab.artifacts.get(lab.records["training/search"].artifacts["trials"]), type=list[Trial]
    )
    assert stored == _trials(lab)


def test_search_spaces_of_the_spec_are_kept_to(lab):
    space = {
        "C": {"type": "loguniform", "low": 5, "high": 6},
        "max_iter": {"type": "choice", "choices": [200, 300]},
    }
    lab.search(algorithms={"logistic_regression": {"search_space": space}}, limits={"max_trials": 6})
    assert all(
        5 <= trial.params["C"] <= 6 and trial.params["max_iter"] in (200, 300) for trial in _trials(lab)
    )
    assert len({trial.params["C"] for trial in _trials(lab)}) > 3


def test_random_sampling_and_a_metric_to_minimise(lab):
    value = lab.search(
        "logistic_regression", sampling_algorithm="random", objective={"primary_metric": "log_loss"}
    ).value
    assert (value["metric"], value["goal"]) == ("log_loss", "minimize")
    assert value["score"] == min(trial.score for trial in _trials(lab) if trial.score is not None)


def test_early_termination_gives_up_trials_that_fall_behind(lab):
    space = {"C": {"type": "choice", "choices": [1.0, 1e-9]}}
    algorithms = {"logistic_regression": {"search_space": space}}
    objective = {"primary_metric": "log_loss"}
    lab.search(algorithms=algorithms, objective=objective, limits={"max_trials": 8})
    given_up = [trial for trial in _trials(lab) if trial.status == "stopped"]
    assert given_up
    assert all(
        trial.params["C"] == 1e-9 and trial.score is None and len(trial.scores) in (1, 2)
        for trial in given_up
    )
    patient = lab.again()
    patient.search(
        algorithms=algorithms,
        objective=objective,
        limits={"max_trials": 8},
        early_termination={"type": "none"},
    )
    assert {trial.status for trial in _trials(patient)} == {"done"}


def test_early_stopping_of_boosting_finds_the_number_of_rounds(lab):
    search = lab.search("xgboost", limits={"max_trials": 1})
    assert 1 <= search.value["params"]["rounds"] < 200
    lab.fit()
    predictor = load(
        {name: lab.artifacts.get(blob) for name, blob in lab.records["training/model"].artifacts.items()}
    )
    assert predictor.estimator.num_boosted_rounds() == search.value["params"]["rounds"]


def test_a_timeout_ends_the_search_after_at_least_one_trial(lab):
    value = lab.search("random_forest", limits={"max_trials": 50, "timeout": "1ms"}).value
    assert value["ended_by"] == "timeout"
    # No more than were under way when the first was done.
    assert 1 <= value["trials"] <= 2


class _Failing(Ridge):
    TASKS = ("binary",)

    def fit(self, params, rows, setting, validation):
        raise ValueError("matrix is singular\nand more")


def _failing_ridge(monkeypatch) -> None:
    real = Algorithms.listed
    monkeypatch.setattr(
        Algorithms,
        "listed",
        lambda self: {name: _Failing() if name == "ridge" else block for name, block in real(self).items()},
    )


def test_failing_trials_are_recorded_and_do_not_end_the_search(lab, monkeypatch):
    _failing_ridge(monkeypatch)
    value = lab.search("ridge", "logistic_regression", limits={"max_trials": 9}).value
    failed = [trial for trial in _trials(lab) if trial.status == "failed"]
    assert value["algorithm"] == "logistic_regression"
    # After three failures without a success the algorithm gets no more turns.
    assert [trial.algorithm for trial in failed] == ["ridge"] * 3
    assert failed[0].note == "ValueError: matrix is singular"
    assert value["failed"] == 3


def test_when_every_trial_fails_the_reason_is_given(lab, monkeypatch):
    _failing_ridge(monkeypatch)
    with pytest.raises(StageError, match="every trial of the search failed") as caught:
        lab.search("ridge", limits={"max_trials": 9})
    assert caught.value.detail == "ridge: ValueError: matrix is singular"


def test_the_model_learns_from_the_validation_part_too(tmp_path):
    parts = ["train"] * 70 + ["validation"] * 25 + ["test"] * 25
    made = Lab(tmp_path, _table().append_column(PART, pa.array(parts)), "y")
    made.make_features()
    value = made.search("logistic_regression", limits={"max_trials": 1}).value
    assert value["cross_validation"] == "validation part"
    assert len(value["scores"]) == 1
    assert made.fit().value["rows"] == 95
    crossed = made.search(
        "logistic_regression", limits={"max_trials": 1}, cross_validation={"folds": 3}
    ).value
    assert crossed["cross_validation"] == "3 stratified folds"


def test_after_a_split_by_time_folds_look_ahead_only(tmp_path):
    table = _table().append_column(
        "day",
        pa.array([datetime(2024, 1, 1) + timedelta(days=i) for i in range(ROWS)]),  # noqa: DTZ001
    )
    made = Lab(tmp_path, table, "y", timestamp="day", split_type="datetime")
    made.make_features()
    assert made.search("logistic_regression").value["cross_validation"] == "5 time_series folds"


def test_fold_preprocessing_sees_training_rows_only(lab, monkeypatch):
    """A preprocessor fitted on all rows would let validation rows shape what the model learns from."""
    import tenure.ml.preprocessor as module

    seen = []
    real = module.preprocessor

    def spying(*args):
        made = real(*args)
        fit = made.fit_transform
        made.fit_transform = lambda design, *rest: (seen.append(design.rows), fit(design, *rest))[1]
        return made

    monkeypatch.setattr(module, "preprocessor", spying)
    lab.search("logistic_regression", limits={"max_trials": 3})
    # 90 training rows, five folds: each preprocessor saw four fifths, and once per fold for all trials.
    assert seen == [72] * 5


@pytest.mark.parametrize(
    ("algorithm", "block", "summary", "path"),
    [
        ("ridge", {}, "the algorithm does not fit the task", ("training", "algorithms", "ridge")),
        (
            "logistic_regression",
            {"objective": {"primary_metric": "rmse"}},
            "the metric is not one for binary models",
            ("training", "objective", "primary_metric"),
        ),
        (
            "logistic_regression",
            {"cross_validation": {"folds": 50}},
            "too few rows for cross-validation",
            ("training", "cross_validation", "folds"),
        ),
        (
            "logistic_regression",
            {"cross_validation": {"type": "time_series"}},
            "time_series folds need a timestamp",
            ("training", "cross_validation", "type"),
        ),
    ],
)
def test_what_does_not_fit_the_data_points_into_the_spec(lab, algorithm, block, summary, path):
    with pytest.raises(StageError, match=summary) as caught:
        lab.search(algorithm, **block)
    assert caught.value.path == path


def test_linear_algorithms_refuse_missing_values_in_words(lab):
    lab.make_features(numeric={"missing_value_strategy": "none"})
    with pytest.raises(StageError, match="does not take missing values"):
        lab.search("logistic_regression")
    assert lab.search("xgboost", "random_forest", "hist_gradient_boosting").value["failed"] == 0


def test_one_class_in_the_training_part(tmp_path):
    table = _table(40)
    ordered = table.take(pa.array(np.argsort(np.array(table["y"].to_pylist()), kind="stable")))
    no = ordered["y"].to_pylist().count("no")
    parts = ["train"] * no + ["test"] * (40 - no)
    made = Lab(tmp_path, ordered.append_column(PART, pa.array(parts)), "y")
    made.make_features()
    with pytest.raises(StageError, match="one class only") as caught:
        made.search("logistic_regression")
    assert "'no'" in caught.value.detail


def test_a_single_training_row(tmp_path):
    table = pa.table({"a": [1.0, 2.0], "y": [0.5, 1.5], PART: ["train", "test"]})
    made = Lab(tmp_path, table, "y")
    made.make_features(include=["a"])
    with pytest.raises(StageError, match="too few rows for cross-validation"):
        made.search("ridge")


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({}, "no algorithm is listed"),
        ({"xgbost": {}}, "Extra inputs"),
        ({"xgboost": {"search_space": {"max_dept": {"type": "fixed", "value": 3}}}}, "Extra inputs"),
        (
            {"xgboost": {"search_space": {"max_depth": {"type": "int", "low": 9, "high": 2}}}},
            "greater than high",
        ),
        ({"xgboost": {"search_space": {"max_depth": {"type": "integer"}}}}, "expected tags"),
    ],
)
def test_blocks_that_cannot_be_meant(block, message):
    with pytest.raises(ValidationError, match=message):
        Training.model_validate({"algorithms": block})


def test_a_bare_name_means_the_defaults():
    assert Training.model_validate({"algorithms": {"xgboost": None}}).algorithms.listed().keys() == {
        "xgboost"
    }


def test_a_goal_against_the_metric_is_refused():
    with pytest.raises(ValidationError, match="a metric to minimize"):
        Training.model_validate(
            {"algorithms": {"ridge": {}}, "objective": {"primary_metric": "rmse", "goal": "maximize"}}
        )
