from __future__ import annotations

import json
import sys
from pathlib import Path

import jsonschema
import msgspec
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from plans import plan, retraining

from tenure.cli.main import VERBS
from tenure.core.diagnostics import Diagnostic, Severity
from tenure.core.errors import SpecError, StageError, StalePlan
from tenure.core.events import StepProgress
from tenure.plan.change import from_json
from tenure.render.answers import STEPS, Card, Validation, answer_text, answers, answers_schema, failed
from tenure.render.json import plain


def test_the_schema_is_a_schema_that_describes_every_answer_and_every_struct():
    schema = answers_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["properties"].keys() == answers().keys()
    undescribed = [
        name
        for name, one in schema["$defs"].items()
        if "properties" in one and not (one.get("description") or "").strip().endswith((".", "`"))
    ]
    assert undescribed == []


def test_every_step_of_an_apply_is_a_line_of_it():
    from tenure.core import events

    kinds = {
        kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, events.Event)
    }
    assert set(STEPS) == kinds - {events.Event}


def test_an_answer_says_its_format_first_and_a_plan_is_printed_as_it_is_saved():
    text = answer_text(Card("m", None, "# Card", Path("card.md")))
    assert text.startswith('{\n  "format_version": "1.0",\n')
    assert json.loads(text)["file"] == "card.md"
    assert answer_text(Validation(True, ()), one_line=True).count("\n") == 1
    made = plan(retraining())
    assert from_json(answer_text(made).encode()) == made


def test_an_error_for_a_program_has_type_and_exit_code_and_what_else_there_is_to_say():
    assert plain(failed(StalePlan("Stale.", "d", "h"))) == {
        "error": {"type": "StalePlan", "summary": "Stale.", "detail": "d", "hint": "h", "exit_code": 4}
    }
    found = Diagnostic(Severity.ERROR, "Unknown key.")
    assert plain(failed(SpecError([found])))["error"]["diagnostics"][0]["summary"] == "Unknown key."
    stage = StageError("Broken.", path=("data", "sources", 0))
    stage.address = "m/data/snapshot"
    said = plain(failed(stage))["error"]
    assert (said["address"], said["path"]) == ("m/data/snapshot", ("data", "sources", 0))


def test_another_major_version_is_no_answer_of_this_schema():
    validator = jsonschema.Draft202012Validator(answers_schema())
    text = json.loads(answer_text(Validation(True, ())))
    validator.validate({"validate": text})
    for version in ("2.0", "1", 1.0):
        with pytest.raises(jsonschema.ValidationError):
            validator.validate({"validate": text | {"format_version": version}})


def test_a_line_of_progress_needs_its_time():
    validator = jsonschema.Draft202012Validator(answers_schema())
    line = msgspec.to_builtins(StepProgress("m/a/b", 1, 2))
    validator.validate({"apply": line | {"at": "2026-05-03T10:00:00Z"}})
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({"apply": line})


def test_every_verb_has_an_answer_or_a_reason_not_to():
    told_in_words = {"demo"}
    described = {verb.split(" ")[0] for verb in answers()}
    assert set(VERBS) - described == told_in_words
