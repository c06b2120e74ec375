from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tenure.spec.schema import check, schema_of, write

GOOD: dict[str, Any] = {"apiVersion": "tenure/v1", "kind": "Model", "name": "churn"}


@pytest.fixture
def validator(document_class: type[Any]) -> Draft202012Validator:
    schema = schema_of(document_class)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"gates": [{"metric": "auc", "min": 0.5}, {"type": "champion", "metric": "auc"}]},
        {
            "gates": [{"metric": "auc", "min": "${var.least}"}],
            "share": "${env:SHARE}",
            "enabled": "${var.on}",
        },
        {"limits": {"timeout": "${var.t}", "max_trials": 3}, "strategy": "${var.s}"},
        {"defaults": [{"limits": "quick"}, "_self_"], "variables": {"a": 1}},
        {"sources": {"a": {"type": "csv", "path": "x"}}},
    ],
)
def test_the_schema_accepts_what_may_be_written(
    validator: Draft202012Validator, more: dict[str, Any]
) -> None:
    assert not list(validator.iter_errors(GOOD | more))


@pytest.mark.parametrize(
    "more",
    [
        {"nmae": "x"},
        {"name": 5},
        {"kind": "model"},
        {"share": 2},
        {"share": "lots"},
        {"limits": {"max_trials": 0}},
        {"limits": {"timeout": "5 minutes"}},
        {"strategy": "other"},
        {"gates": [{"metric": "auc", "minimum": 1}]},
        {"gates": [{"type": "champion"}]},
        {"sources": {"a": {"path": "x"}}},
        {"sources": {"a": {"type": "cvs", "path": "x"}}},
        {"defaults": "quick"},
    ],
)
def test_the_schema_refuses_what_validation_refuses(
    validator: Draft202012Validator, more: dict[str, Any]
) -> None:
    assert list(validator.iter_errors(GOOD | more))


def test_a_field_says_what_it_is_and_what_changing_it_costs(document_class: type[Any]) -> None:
    schema = schema_of(document_class)
    share = schema["properties"]["share"]
    assert (share["title"], share["default"], share["x-effect"]) == ("Share", 1.0, "release")
    assert share["description"] == "A share. Changing it updates the endpoint and never retrains."
    assert schema["properties"]["limits"]["default"] == {}
    assert schema["$defs"]["Csv"]["properties"]["type"]["const"] == "csv"
    assert schema["$defs"]["Csv"]["properties"]["path"]["examples"] == ["data/x.csv"]
    assert schema["$defs"]["Sql"]["properties"]["connection"]["x-secret"] is True


def test_files_are_written_once_and_differences_found(tmp_path: Path, document_class: type[Any]) -> None:
    documents = {"model": document_class}
    path = tmp_path / "schemas" / "model.schema.json"
    assert check(path.parent, documents) == [f"{path} is missing."]
    assert write(path.parent, documents) == [path]
    assert write(path.parent, documents) == []
    assert check(path.parent, documents) == []
    schema = json.loads(path.read_text())
    schema["title"] = "Other"
    path.write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n")
    (difference,) = check(path.parent, documents)
    assert "is out of date from line" in difference
