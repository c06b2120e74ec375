"""Scoring a file with a model that gives intervals: both ends are columns of the output."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pytest
from sklearn.linear_model import Ridge
from tests.stages.deployment.test_batch import HEADER, RECIPE, ROWS, record, score

from tenure.artifacts.folder import FolderArtifactStore
from tenure.ml.design import design
from tenure.ml.intervals import Intervals
from tenure.ml.postprocessing import Postprocessing
from tenure.ml.predictor import Predictor, save
from tenure.ml.preprocessor import preprocessor
from tenure.ml.signature import Signature
from tenure.state.record import ModelState


def test_both_ends_are_columns(tmp_path):
    size = np.linspace(20, 100, 40)
    rows = design(RECIPE, pa.table({"size": size, "rooms": [2] * 40, "code": ["007", "042"] * 20}))
    prepared = preprocessor(RECIPE).fit(rows)
    model = Ridge().fit(prepared.transform(rows), 3 * size)
    signature = Signature(RECIPE.inputs, "regression", "price", accepted=("day", "ref"))
    intervals = Postprocessing(intervals=Intervals(0.9, (200.0,), (-5.0, -20.0), (10.0, 30.0)))
    predictor = Predictor(RECIPE, signature, prepared, model, None, intervals)
    store = FolderArtifactStore(tmp_path / "artifacts")
    artifacts = {name: store.put(data) for name, data in save(predictor).items()}
    version = record("governance/version", {"number": 1, "passed": True, "failed": []}, artifacts)
    endpoint = {"state": "serving", "routes": [{"version": 1, "share": 100}], "log": {"enabled": False}}
    records = {
        "governance/version": version,
        "data/snapshot": record("data/snapshot", {"timestamp": "day"}),
        "deployment/endpoint": record("deployment/endpoint", endpoint),
    }
    state = ModelState("flat", "l", 1, records=records, versions={1: version})

    out = pacsv.read_csv(score(state, store, tmp_path, HEADER + ROWS).output)
    said, low, high = (
        out.column(name).to_numpy() for name in ("prediction", "interval_low", "interval_high")
    )
    assert said[0] < 200 < said[1]
    assert low - said == pytest.approx(np.where(said < 200, -5.0, -20.0))
    assert high - said == pytest.approx(np.where(said < 200, 10.0, 30.0))
    assert out.num_rows == 3
