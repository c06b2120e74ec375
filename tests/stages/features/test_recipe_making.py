from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError
from tests.stages.lab import Lab

from tenure.core.errors import StageError
from tenure.core.events import Note
from tenure.ml.recipe import decode
from tenure.ml.signature import Signature
from tenure.stages.features.section import Features

ROWS = 60


def _table() -> pa.Table:
    generator = np.random.default_rng(3)
    return pa.table(
        {
            "row_id": list(range(ROWS)),
            "name": [f"person {i}" for i in range(ROWS)],
            "age": generator.integers(20, 60, ROWS).tolist(),
            "income": [
                None if i % 10 == 0 else float(v) for i, v in enumerate(generator.normal(50, 9, ROWS))
            ],
            "city": generator.choice(["Bern", "Oslo", "Rome"], ROWS).tolist(),
            "member": generator.choice([True, False], ROWS).tolist(),
            "since": [datetime(2024, 1, 1) + timedelta(days=i) for i in range(ROWS)],  # noqa: DTZ001
            "empty": pa.array([None] * ROWS, pa.float64()),
            "constant": ["x"] * ROWS,
            "bought": generator.choice(["no", "yes"], ROWS).tolist(),
        }
    )


@pytest.fixture
def lab(tmp_path) -> Lab:
    return Lab(tmp_path, _table(), "bought")


def _recipe(lab: Lab):
    return decode(lab.artifacts.get(lab.records["features/recipe"].artifacts["recipe"]))


def test_without_a_section_useful_columns_are_chosen_and_the_rest_is_explained(lab):
    value = lab.make_features().value
    assert value["features"] == ["age", "income", "city", "member", "since"]
    assert value["notes"] == [
        "column row_id is left out: it numbers the rows",
        "column name is left out: every row has another text, as ids do",
        "column empty is left out: it has no value in the training part",
        "column constant is left out: it has the same value in every row of the training part",
    ]
    assert (value["task"], value["target"], value["classes"]) == ("binary", "bought", ["no", "yes"])
    said = [(event.address, event.text) for event in lab.events if isinstance(event, Note)]
    assert said == [("lab/features/recipe", note) for note in value["notes"]]


def test_the_signature_describes_the_training_part(lab):
    signature = msgspec.convert(lab.make_features().value["signature"], Signature)
    inputs = {column.name: column for column in signature.inputs}
    train = _table().take([i for i in range(ROWS) if i % 4 != 3])
    assert list(inputs) == ["age", "income", "city", "member", "since"]
    assert (inputs["age"].minimum, inputs["age"].maximum) == (
        min(train["age"].to_pylist()),
        max(train["age"].to_pylist()),
    )
    assert inputs["city"].categories == ("Bern", "Oslo", "Rome")
    assert inputs["income"].nullable
    assert not inputs["age"].nullable
    assert inputs["since"].minimum == "2024-01-01T00:00:00"
    assert signature.accepted == ("row_id", "name", "empty", "constant", "bought")


def _parts(lab: Lab) -> list[list[str]]:
    treatments = [item for item in _recipe(lab).treatments if item.column == "since" and item.tree]
    return [list(item.tree[0]["parts"]) for item in treatments]


def test_dates_have_no_hour_and_times_have(lab, tmp_path):
    lab.make_features()
    assert _parts(lab) == [["month", "dayofweek", "dayofyear"]]
    timed = _table().set_column(6, "since", pa.array([datetime(2024, 1, 1, i % 24) for i in range(ROWS)]))  # noqa: DTZ001
    other = Lab(tmp_path, timed, "bought")
    other.make_features()
    assert _parts(other) == [["month", "dayofweek", "dayofyear", "hour"]]


def test_included_columns_are_taken_even_if_they_look_useless(lab):
    assert lab.make_features(include=["constant", "age"]).value["features"] == ["age", "constant"]


def test_excluded_columns_may_still_be_read_by_derived_ones(lab):
    value = lab.make_features(
        exclude=["income", "since", "city", "member"],
        derived=[
            {"name": "log_income", "expression": "ln(INCOME)"},
            {"name": "rich", "expression": "log_income > 4"},
            {"name": "weekday", "expression": "dayname(since)"},
        ],
    ).value
    assert value["features"] == ["age", "log_income", "rich", "weekday"]
    assert [column["name"] for column in value["signature"]["inputs"]] == ["age", "income", "since"]
    assert [(column.name, column.type) for column in _recipe(lab).derived] == [
        ("log_income", "number"),
        ("rich", "boolean"),
        ("weekday", "string"),
    ]


@pytest.mark.parametrize(
    ("block", "path", "hint"),
    [
        ({"include": ["age", "city", "incme"]}, ("features", "include", 2), "did you mean 'income'?"),
        ({"exclude": ["City"]}, ("features", "exclude", 0), "did you mean 'city'?"),
        ({"include": ["bought"]}, ("features", "include", 0), "remove it from features.include"),
        (
            {"derived": [{"name": "a", "expression": "1"}, {"name": "x", "expression": "agee * 2"}]},
            ("features", "derived", 1, "expression"),
            "did you mean 'age'?",
        ),
        (
            {"derived": [{"name": "x", "expression": "bought = 'yes'"}]},
            ("features", "derived", 0, "expression"),
            "",
        ),
        (
            {"derived": [{"name": "Age", "expression": "1"}]},
            ("features", "derived", 0, "name"),
            "give the derived column a name of its own",
        ),
        (
            {"derived": [{"name": "x", "expression": "sum(age)"}]},
            ("features", "derived", 0, "expression"),
            "write one SQL expression over the columns of a row, such as `income / nullif(household, 0)`",
        ),
    ],
)
def test_what_does_not_fit_the_columns_points_into_the_spec(lab, block, path, hint):
    with pytest.raises(StageError) as caught:
        lab.make_features(**block)
    assert caught.value.path == path
    assert caught.value.hint == hint


def test_an_expression_that_fails_on_a_row_is_found_before_training(lab):
    with pytest.raises(StageError, match="cannot be computed") as caught:
        lab.make_features(derived=[{"name": "number", "expression": "CAST(city AS INTEGER)"}])
    assert "'number'" in caught.value.detail


def test_nothing_left_to_learn_from(lab):
    with pytest.raises(StageError, match="no column is left"):
        lab.make_features(include=["since"], datetime={"parts": []})


def test_a_feature_that_gives_the_target_away_is_noted(tmp_path):
    table = _table()
    late = [f"reason {v}" if v == "yes" else None for v in table["bought"].to_pylist()]
    value = Lab(tmp_path, table.append_column("outcome", pa.array(late)), "bought").make_features().value
    assert [note for note in value["notes"] if "alone predicts" in note] == [
        "column outcome alone predicts the target almost without error (AUC 1): check that it is known in advance"
    ]


def test_a_number_that_gives_the_target_away_is_noted(tmp_path):
    generator = np.random.default_rng(0)
    y = generator.normal(size=80)
    table = pa.table({"same": np.exp(y), "near": y + generator.normal(size=80), "y": y})
    notes = Lab(tmp_path, table, "y").make_features().value["notes"]
    assert [note.split()[1] for note in notes] == ["same"]
    classes = pa.table({"split": y, "near": table["near"], "y": (y > 0).astype(int)})
    notes = Lab(tmp_path, classes, "y").make_features().value["notes"]
    assert [note.split()[1] for note in notes] == ["split"]


def test_the_digest_depends_on_the_block_and_the_data_only(lab):
    first = lab.make_features()
    assert lab.make_features().digest == first.digest
    assert lab.make_features(numeric={"scaling": "minmax"}).digest != first.digest


def test_contradictions_in_the_block():
    with pytest.raises(ValidationError, match="both included and excluded"):
        Features.model_validate({"include": ["a"], "exclude": ["a"]})
    with pytest.raises(ValidationError, match="two columns are called"):
        Features.model_validate(
            {"derived": [{"name": "a", "expression": "1"}, {"name": "a", "expression": "2"}]}
        )


def test_of_a_large_training_part_a_sample_decides_and_says_so(lab, monkeypatch):
    from tenure.ml import snapshot
    from tenure.stages.features import making

    def refused(*_):
        raise AssertionError("all rows at once")

    monkeypatch.setattr(making, "MOST_ROWS", 30)
    monkeypatch.setattr(snapshot, "read_parts", refused)
    value = lab.make_features().value
    assert value["features"] == ["age", "income", "city", "member", "since"]
    assert "decided by 30 of the 45 training rows, categories and ranges too" in value["notes"]
