"""Nested cross-validation: an estimate by rows no trial has seen, which shows how much of a score was luck."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import root_mean_squared_error
from tests.stages.lab import Lab

from tenure.core.errors import Interrupted
from tenure.core.events import Note


def _noise(rows: int = 80) -> pa.Table:
    """Inputs that say nothing about the target."""
    generator = np.random.default_rng(3)
    columns = {f"x{k}": generator.normal(size=rows) for k in range(6)}
    return pa.table(columns | {"y": generator.choice(["no", "yes"], rows).tolist()})


def _lab(folder, table: pa.Table, **features) -> Lab:
    made = Lab(folder, table, "y")
    made.make_features(**features)
    return made


NESTED = {"folds": 3, "nested": {"folds": 3}}


def test_the_best_of_many_trials_on_noise_is_flattered_and_the_outer_folds_say_so(tmp_path):
    lab = _lab(tmp_path, _noise())
    few = {
        "search_space": {
            "n_estimators": {"type": "fixed", "value": 3},
            "min_samples_leaf": {"type": "fixed", "value": 1},
        }
    }
    value = lab.search(
        algorithms={"random_forest": few}, limits={"max_trials": 8}, cross_validation=NESTED
    ).value
    nested = value["nested"]
    assert value["score"] > 0.55
    assert nested["folds"] == len(nested["scores"]) == 3
    assert nested["score"] == pytest.approx(np.mean(nested["scores"]))
    assert nested["optimism"] == pytest.approx(np.mean(nested["inner_scores"]) - nested["score"])
    assert nested["optimism"] > 0.05
    assert abs(nested["score"] - 0.5) < 0.15


def test_each_outer_score_is_that_of_a_fit_on_the_other_rows(tmp_path):
    generator = np.random.default_rng(0)
    a = generator.normal(size=60)
    table = pa.table({"a": a, "y": 3 * a + generator.normal(size=60)})
    lab = _lab(tmp_path, table, numeric={"scaling": "none"})
    fixed = {"alpha": {"type": "fixed", "value": 1.0}}
    value = lab.search(
        algorithms={"ridge": {"search_space": fixed}}, limits={"max_trials": 1}, cross_validation=NESTED
    ).value
    scores = value["nested"]["scores"]
    # With one fixed trial the outer folds are those of plain cross-validation with so many folds.
    plain = lab.search(
        algorithms={"ridge": {"search_space": fixed}}, limits={"max_trials": 1}, cross_validation={"folds": 3}
    ).value
    assert scores == pytest.approx(plain["scores"])
    train = np.arange(60) % 4 != 3
    whole = Ridge(alpha=1.0).fit(a[train, None], table.column("y").to_numpy()[train])
    error = root_mean_squared_error(table.column("y").to_numpy()[train], whole.predict(a[train, None]))
    assert np.mean(scores) == pytest.approx(error, rel=0.25)


def test_the_winner_is_the_same_with_and_without(tmp_path):
    lab = _lab(tmp_path, _noise())
    twin = lab.again()
    limits = {"max_trials": 3}
    with_it = lab.search("logistic_regression", limits=limits, cross_validation=NESTED)
    without = twin.search("logistic_regression", limits=limits, cross_validation={"folds": 3})
    assert with_it.digest == without.digest
    assert "nested" not in without.value
    notes = [event.text for event in lab.events if isinstance(event, Note)]
    assert notes[0] == "outer fold 1 of 3: the search again on 40 rows"
    assert "on rows no trial has seen" in with_it.sentence


def test_a_search_that_was_stopped_in_an_outer_fold_goes_on_there(tmp_path):
    lab = _lab(tmp_path, _noise())
    twin = lab.again()
    limits = {"max_trials": 3}
    whole = lab.search("logistic_regression", limits=limits, cross_validation=NESTED)
    twin.stopping = lambda: sum(len(trials) for trials in twin.trials.kept.values()) >= 7
    with pytest.raises(Interrupted):
        twin.search("logistic_regression", limits=limits, cross_validation=NESTED)
    kept = {key: list(trials) for key, trials in twin.trials.kept.items()}
    assert [len(trials) for trials in kept.values()] == [3, 3, 1]
    twin.stopping = lambda: False
    again = twin.search("logistic_regression", limits=limits, cross_validation=NESTED)
    assert again.value["nested"] == whole.value["nested"]
    assert all(twin.trials.kept[key][: len(trials)] == trials for key, trials in kept.items())
