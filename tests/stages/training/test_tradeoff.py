"""A secondary objective: the smaller of two models that nobody can tell apart."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError
from tests.stages.lab import Lab

from tenure.core.errors import StageError
from tenure.stages.training import timing
from tenure.stages.training.section import Training
from tenure.stages.training.tradeoff import SAME_LATENCY, Secondary

FOREST = {"search_space": {"n_estimators": {"type": "choice", "choices": [30, 2]}}}


def _lab(folder, noise: float) -> Lab:
    generator = np.random.default_rng(1)
    a, b = generator.normal(size=(2, 240))
    y = np.where(a + generator.normal(size=240) * noise > 0, "yes", "no")
    made = Lab(folder, pa.table({"a": a, "b": b, "y": y.tolist()}), "y")
    made.make_features()
    return made


def _searched(lab: Lab, secondary: dict | None):
    objective = {} if secondary is None else {"secondary": secondary}
    return lab.search(
        algorithms={"random_forest": FOREST, "logistic_regression": {}},
        limits={"max_trials": 7},
        objective=objective,
    )


def test_of_models_that_are_about_as_good_the_smallest_wins(tmp_path):
    lab = _lab(tmp_path, noise=1.0)
    plain = _searched(lab.again(), None)
    output = _searched(lab, {"metric": "size", "within": 3.0})
    weighed = output.value["weighed"]
    near = [one for one in weighed if one["near"]]
    assert len({one["algorithm"] for one in near}) == 2
    chosen = min(near, key=lambda one: one["size"])
    assert output.value["trial"] == chosen["trial"]
    assert output.value["score"] == chosen["score"]
    assert "weighed" not in plain.value
    largest = max(near, key=lambda one: one["size"])
    assert largest["size"] > 3 * chosen["size"]
    # What was measured is the model that is fitted in the end.
    assert lab.fit().value["size"] == chosen["size"]
    assert all(one["milliseconds"] > 0 for one in weighed)


def test_the_front_has_what_no_other_beats_in_both(tmp_path):
    weighed = _searched(_lab(tmp_path, noise=1.0), {"metric": "size", "within": 3.0}).value["weighed"]
    for one in weighed:
        beaten = any(
            (other["score"] >= one["score"] and other["size"] < one["size"])
            or (other["score"] > one["score"] and other["size"] <= one["size"])
            for other in weighed
        )  # fmt: skip
        assert one["front"] == (not beaten)


def test_without_tolerance_the_best_wins_as_ever(tmp_path):
    lab = _lab(tmp_path, noise=1.0)
    plain = _searched(lab.again(), None)
    assert _searched(lab, {"metric": "size", "within": 0}).value["trial"] == plain.value["trial"]


def test_what_is_too_large_is_passed_over_however_good(tmp_path):
    lab = _lab(tmp_path, noise=1.0)
    sizes = sorted(
        one["size"] for one in _searched(lab.again(), {"metric": "size", "within": 9}).value["weighed"]
    )
    most = (sizes[0] + sizes[-1]) // 2
    output = _searched(lab, {"metric": "size", "within": 0, "max": f"{most}B"})
    chosen = next(one for one in output.value["weighed"] if one["trial"] == output.value["trial"])
    assert chosen["size"] <= most
    with pytest.raises(StageError, match="no model is small enough") as caught:
        _searched(lab.again(), {"metric": "size", "max": "100B"})
    assert caught.value.path[-1] == "max"


def test_the_same_seed_chooses_the_same(tmp_path):
    lab = _lab(tmp_path, noise=1.0)
    asked = {"metric": "size", "within": 3.0}
    one, other = (_searched(item, asked) for item in (lab, lab.again()))
    assert one.digest == other.digest
    plain = [
        [{k: v for k, v in w.items() if k != "milliseconds"} for w in o.value["weighed"]]
        for o in (one, other)
    ]
    assert plain[0] == plain[1]


def test_of_models_that_are_about_as_good_the_quickest_wins(tmp_path, monkeypatch):
    lab = _lab(tmp_path, noise=1.0)
    monkeypatch.setattr(timing, "quickest_milliseconds", _larger_is_quicker)
    output = _searched(lab.again(), {"metric": "latency", "within": 3.0})
    weighed = {one["trial"]: one for one in output.value["weighed"]}
    near = [one for one in weighed.values() if one["near"]]
    quickest = min(one["milliseconds"] for one in near)
    chosen = weighed[output.value["trial"]]
    # Of those that are as quick for all a clock can tell the best one.
    assert chosen["score"] == max(
        one["score"] for one in near if one["milliseconds"] <= SAME_LATENCY * quickest
    )
    assert chosen["algorithm"] == "random_forest"
    smallest = _searched(lab.again(), {"metric": "size", "within": 3.0}).value
    assert smallest["algorithm"] == "logistic_regression"
    on_front = [one for one in weighed.values() if one["front"]]
    assert on_front == sorted(on_front, key=lambda one: -one["milliseconds"])
    with pytest.raises(StageError, match="no model is quick enough") as caught:
        _searched(lab, {"metric": "latency", "max": "1ms"})
    assert "ms and more" in caught.value.detail
    assert caught.value.path[-1] == "max"


def _larger_is_quicker(predictor, design):
    """A clock that a busy machine does not disturb."""
    return 3.0 if "Forest" in type(predictor.estimator).__name__ else 30.0


def test_the_time_of_a_row_is_really_taken(tmp_path):
    weighed = _searched(_lab(tmp_path, noise=1.0), {"metric": "latency", "within": 9}).value["weighed"]
    assert all(0 < one["milliseconds"] < 1000 for one in weighed)


@pytest.mark.parametrize(
    ("asked", "hint"),
    [({"metric": "size", "max": "5ms"}, "5MB"), ({"metric": "latency", "max": "5MB"}, "2ms")],
)
def test_the_most_is_in_the_unit_of_what_decides(asked, hint):
    with pytest.raises(ValidationError) as caught:
        Secondary.model_validate(asked)
    (problem,) = caught.value.errors()
    error = problem["ctx"]["error"]
    assert error.at == ("max",)
    assert hint in error.hint


def test_an_ensemble_is_no_small_model():
    with pytest.raises(ValidationError, match="larger than any of its members"):
        Training.model_validate(
            {
                "algorithms": {"ridge": {}},
                "objective": {"secondary": {"metric": "size"}},
                "ensemble": {"type": "greedy"},
            }
        )
