from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from plans import hostile, plan, retraining, unchanged, waiting

from tenure.core.events import StepFinished
from tenure.plan.change import from_json, to_json
from tenure.render.answers import schema_files
from tenure.render.json import document, event_line, json_line


def test_the_schema_of_plans_is_a_schema_and_every_plan_keeps_it():
    schema = json.loads(schema_files()["plan.schema.json"])
    jsonschema.Draft202012Validator.check_schema(schema)
    made = json.loads(to_json(plan(retraining(), waiting(), unchanged(), hostile())))
    jsonschema.Draft202012Validator(schema).validate(made)
    made["models"][0]["changes"][0]["action"] = "explode"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(made)


def test_a_saved_plan_reads_back_as_it_was():
    made = plan(retraining(), waiting(), hostile())
    assert from_json(to_json(made)) == made


def test_an_event_is_one_line_with_its_kind_and_time():
    found = event_line(
        StepFinished("m/training/model", "replace", 1.5, "a\nb"), datetime(2026, 5, 3, tzinfo=UTC)
    )
    assert found.count("\n") == 1
    assert json.loads(found) == {
        "event": "stepfinished",
        "address": "m/training/model",
        "action": "replace",
        "seconds": 1.5,
        "sentence": "a\nb",
        "at": "2026-05-03T00:00:00Z",
    }


def test_paths_and_other_alphabets_are_written_as_they_are():
    assert json_line({"file": Path("a/b"), "name": "模型"}) == '{"file":"a/b","name":"模型"}\n'
    assert json.loads(document({"a": [1]})) == {"a": [1]}
