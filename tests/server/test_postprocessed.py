"""What is learned after the search reaches every answer: plain rows, V2 tensors, metadata, and the prediction log."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from tests.server.conftest import ROW, predictor

from tenure.ml.calibration import Sigmoid
from tenure.ml.inference_log import read_log
from tenure.ml.postprocessing import Postprocessing
from tenure.ml.predictions import Interval, Predictions
from tenure.ml.predictor import Predictor, save
from tenure.ml.signature import Signature
from tenure.server.main import start
from tenure.server.protocol import Asked, model_metadata, read_tensors, write_rows, write_tensors

SAID = Predictions(np.array([3.0, 5.0]), None, (), Interval(np.array([1.0, 2.0]), np.array([4.0, 9.0]), 0.9))
TENSORS = {
    "inputs": [
        {"name": "age", "shape": [1], "datatype": "FP64", "data": [ROW["age"]]},
        {"name": "visits", "shape": [1], "datatype": "INT64", "data": [ROW["visits"]]},
        {"name": "plan", "shape": [1], "datatype": "BYTES", "data": [ROW["plan"]]},
    ]
}


def _with(postprocessing: Postprocessing) -> Predictor:
    bare = predictor()
    return Predictor(bare.recipe, bare.signature, bare.preprocessor, bare.estimator, None, postprocessing)


def test_a_plain_answer_has_its_interval():
    answers = write_rows("m", 1, ["a", "b"], SAID, ())["predictions"]
    assert answers[1] == {
        "id": "b",
        "prediction": 5.0,
        "interval": {"low": 2.0, "high": 9.0, "confidence": 0.9},
    }


def test_tensors_have_both_ends_or_those_that_were_asked_for():
    document = write_tensors("m", 1, Asked([{}, {}]), ["a", "b"], SAID, ())
    _, low, high = document["outputs"]
    assert low == {
        "name": "interval_low", "shape": [2], "datatype": "FP64", "data": [1.0, 2.0], "parameters": {"confidence": 0.9},
    }  # fmt: skip
    assert (high["name"], high["data"]) == ("interval_high", [4.0, 9.0])
    tensor = {"name": "x", "shape": [2], "datatype": "FP64", "data": [1.0, 2.0]}
    asked = read_tensors({"inputs": [tensor], "outputs": [{"name": "interval_high"}]})
    assert [o["name"] for o in write_tensors("m", 1, asked, ["a", "b"], SAID, ())["outputs"]] == [
        "interval_high"
    ]


def test_metadata_names_the_ends_of_a_model_that_gives_intervals():
    number = Signature((), "regression", "y", ())
    assert [o["name"] for o in model_metadata("m", number, [1])["outputs"]] == ["prediction"]
    outputs = model_metadata("m", number, [1], 0.8)["outputs"]
    assert [o["name"] for o in outputs] == ["prediction", "interval_low", "interval_high"]
    assert outputs[1]["parameters"] == {"confidence": 0.8}


@pytest.mark.parametrize(("threshold", "label"), [(0.999, "no"), (0.0, "yes")])
def test_a_label_follows_the_threshold_and_a_probability_the_calibration(world, clients, threshold, label):
    raw = predictor()
    made = _with(Postprocessing(Sigmoid(((0.5, 1.0),)), threshold))
    artifacts = {name: world.artifacts.put(data) for name, data in save(made).items()}
    value = {"number": 1, "passed": True, "failed": [], "status": "candidate", "model_digest": "1"}
    world.record("churn", "governance/version", value, artifacts=artifacts, ordinal=1)
    world.endpoint({1: 100})
    running = start(world.store, world.artifacts, world.predictions, poll_seconds=0.02)
    try:
        asking = clients(running.url)
        answer = asking.predict()[2]["predictions"][0]
        prediction, probabilities = asking("POST", "/v2/models/churn/infer", TENSORS)[2]["outputs"]
    finally:
        running.stop()
    said = answer["probabilities"]["yes"]
    assert answer["prediction"] == label
    assert prediction["data"] == [label]
    assert probabilities["data"][1] == pytest.approx(said, abs=1e-12)
    bare = raw.predict(pa.table({name: [value] for name, value in ROW.items()})).probabilities[0, 1]
    assert said == pytest.approx(1 / (1 + np.exp(-(0.5 * np.log(bare / (1 - bare)) + 1.0))), abs=1e-9)
    logged = read_log(world.predictions / "churn").table
    assert logged.column("prediction").to_pylist() == [label, label]
    assert logged.column("score_yes").to_pylist() == pytest.approx([said, said], abs=1e-12)
