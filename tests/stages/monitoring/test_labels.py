"""Labels as people deliver them: any delimiter, ids that look like numbers, files that cannot be used."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tenure.core.errors import StageError
from tenure.ml.inference_log import read_labels
from tenure.stages.monitoring.labels import ingest
from tenure.state.record import ModelState, Record

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def record(local: str, value: dict[str, Any]) -> Record:
    return Record(f"m/{local}", "artifact", "", "", "", {}, {}, "", value, {}, {}, NOW, "a", "a", 1)  # type: ignore[arg-type]


def state(id_column: str | None = "order") -> ModelState:
    records = {
        "data/snapshot": record("data/snapshot", {"target": "kept", "classes": ["no", "yes"]}),
        "deployment/endpoint": record("deployment/endpoint", {"log": {"id_column": id_column}}),
    }
    return ModelState("m", "l", 2, records)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_and_ids_stay_text(tmp_path: Path, delimiter: str) -> None:
    file = tmp_path / "labels.csv"
    rows = [["order", "kept", "note"], ["007", "yes", "a"], ["008", "no", "b"], ["009", "", "c"]]
    file.write_text("".join(delimiter.join(row) + "\n" for row in rows))
    counts = ingest(state(), file, tmp_path / "labels")
    assert (counts.new, counts.skipped) == (2, 1)
    assert read_labels(tmp_path / "labels").table.to_pydict() == {
        "id": ["007", "008"],
        "label": ["yes", "no"],
    }
    assert ingest(state(), file, tmp_path / "labels").duplicates == 2


@pytest.mark.parametrize(
    ("content", "summary"),
    [
        ("order_id,kept\n1,yes\n", "a column is missing from the labels"),
        ("order,keep\n1,yes\n", "a column is missing from the labels"),
        ("", "a column is missing from the labels"),
        ("order,kept\n1,1\n2,0\n", "no label is a class of the model"),
    ],
)
def test_a_file_that_cannot_be_used_is_a_clear_error(tmp_path: Path, content: str, summary: str) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(content)
    with pytest.raises(StageError) as error:
        ingest(state(), file, tmp_path / "labels")
    assert error.value.summary == summary
    assert error.value.hint


def test_yes_and_no_are_not_taken_for_truth_values(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("order,kept\n1,yes\n2,no\n")
    ingest(state(), file, tmp_path / "labels")
    assert read_labels(tmp_path / "labels").table.column("label").to_pylist() == ["yes", "no"]


def test_a_file_that_is_no_table_is_a_clear_error(tmp_path: Path) -> None:
    file = tmp_path / "labels.parquet"
    file.write_bytes(b"not parquet")
    with pytest.raises(StageError, match="cannot be read"):
        ingest(state(), file, tmp_path / "labels")


def test_a_missing_file_and_a_model_without_predictions(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="cannot be found"):
        ingest(state(), tmp_path / "nothing.csv", tmp_path / "labels")
    with pytest.raises(StageError, match="no predictions yet"):
        ingest(ModelState("m", "l", 0), tmp_path / "nothing.csv", tmp_path / "labels")


def test_without_an_id_column_the_prediction_id_joins(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("prediction_id,kept\nab12,yes\n")
    assert ingest(state(None), file, tmp_path / "labels").new == 1
