"""What every retirement criterion promises; a new kind is tested as soon as it is in the union with an example here."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter

from tenure.plan.view import View
from tenure.spec.base import config_of, effects_of
from tenure.stages.retirement.section import Criterion
from tenure.state.record import Observation, Record

KINDS = get_args(get_args(Criterion)[0])
NOW = datetime(2026, 6, 1, tzinfo=UTC)

# Kind -> fields; days after NOW at which it does not hold yet, and at which it does (None: not a matter of time).
EXAMPLES: dict[str, tuple[dict[str, Any], int | None, int | None]] = {
    "age": ({"since_last_training": "30d"}, 29, 30),
    "date": ({"on": "2026-06-11"}, 9, 10),
    "performance": ({"below": 0.5, "violation_windows": 1, "evaluation_windows": 1}, None, None),
}


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def name(request: pytest.FixtureRequest) -> str:
    (found,) = get_args(request.param.model_fields["type"].annotation)
    assert request.param.__module__.rsplit(".", 1)[1] == found
    return str(found)


def criterion(name: str) -> Any:
    return TypeAdapter(Criterion).validate_python({"type": name} | EXAMPLES[name][0])


def view(days: int = 0, value: float | None = None) -> View:
    model = Record("m/training/model", "artifact", "", "", "", {}, {}, "d", {}, {}, {}, NOW, "a", "a", 1)  # type: ignore[arg-type]
    seen = ()
    if value is not None:
        seen = (Observation("m", "performance", NOW, NOW + timedelta(days=1), "ok", value, {}, "1", NOW),)
    return View("m", "active", NOW + timedelta(days=days), {"training/model": model}, {}, observations=seen)


def test_every_field_has_a_cost_and_survives_the_state(name: str) -> None:
    item = criterion(name)
    assert "type" in effects_of(item)
    assert TypeAdapter(Criterion).validate_python(json.loads(json.dumps(config_of(item)))) == item


def test_it_holds_from_its_day_on_and_says_why(name: str) -> None:
    _, before, after = EXAMPLES[name]
    if before is None or after is None:
        assert criterion(name).matched(view(value=0.6)) is None
        assert criterion(name).matched(view(value=0.4))
        return
    assert criterion(name).matched(view(before)) is None
    sentence = criterion(name).matched(view(after))
    assert isinstance(sentence, str)
    assert sentence


def test_a_model_that_was_never_trained_matches_nothing_but_dates(name: str) -> None:
    empty = View("m", "active", NOW, {}, {})
    assert criterion(name).matched(empty) is None
