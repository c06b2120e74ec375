from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from tests.stages.lab import Lab

from tenure.core.errors import StageError
from tenure.ml.predictor import load
from tenure.ml.snapshot import PART


def _table(rows: int = 60) -> pa.Table:
    generator = np.random.default_rng(1)
    a = generator.normal(size=rows)
    return pa.table(
        {
            "a": a,
            "c": generator.choice(["u", "v"], rows).tolist(),
            "y": 3 * a + generator.normal(size=rows) * 0.1,
        }
    )


@pytest.fixture
def lab(tmp_path) -> Lab:
    made = Lab(tmp_path, _table(), "y")
    made.make_features()
    made.search("ridge", limits={"max_trials": 1})
    return made


def test_the_stored_model_predicts_rows_as_they_come(lab):
    output = lab.fit()
    assert set(output.artifacts) == {"predictor.json", "preprocessor.msgpack", "estimator.skops"}
    predictor = load({name: lab.artifacts.get(blob) for name, blob in output.artifacts.items()})
    labels = predictor.predict(pa.table({"c": ["v", "never seen"], "a": [1.0, -1.0]})).labels
    assert labels == pytest.approx([3.0, -3.0], abs=0.3)


def test_facts_about_the_model(lab):
    value = lab.fit().value
    assert value["algorithm"] == "ridge"
    assert value["params"] == lab.records["training/search"].value["params"]
    assert value["rows"] == 45
    assert value["features"] == 3
    assert value["milliseconds"]["rows"] == 45
    assert 0 < value["milliseconds"]["one_row"] < 1000
    assert value["size"] == sum(
        lab.artifacts.size(blob) for blob in lab.records["training/model"].artifacts.values()
    )


def test_the_model_depends_on_what_it_learned_from(lab, tmp_path):
    first = lab.fit()
    assert lab.fit().digest == first.digest
    other = Lab(tmp_path, _table().slice(0, 56), "y")
    other.make_features()
    other.search("ridge", limits={"max_trials": 1})
    assert other.fit().digest != first.digest


def test_a_column_without_values_in_the_training_part_is_no_obstacle(tmp_path):
    parts = [["train", "train", "train", "test"][i % 4] for i in range(60)]
    late = [float(i) if part == "test" else None for i, part in enumerate(parts)]
    table = _table().append_column("late", pa.array(late, pa.float64())).append_column(PART, pa.array(parts))
    made = Lab(tmp_path, table, "y")
    for strategy in ("median", "none"):
        made.make_features(include=["a", "late"], numeric={"missing_value_strategy": strategy})
        made.search(
            algorithms={
                "hist_gradient_boosting": {
                    "search_space": {"min_samples_leaf": {"type": "fixed", "value": 5}}
                }
            },
            limits={"max_trials": 1},
        )
        made.fit()
        assert made.evaluate(gates=[{"type": "baseline"}]).value["passed"]


def test_a_target_with_gaps_is_refused(tmp_path):
    table = _table().set_column(2, "y", pa.array([None if i == 4 else float(i) for i in range(60)]))
    made = Lab(tmp_path, table, "y")
    with pytest.raises(StageError, match="the target has missing values") as caught:
        made.make_features()
    assert "drop_null_target" in caught.value.hint
