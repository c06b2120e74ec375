"""Checks across stages: what no section can see alone, each with the place and a way out."""

from __future__ import annotations

from typing import Any

import pytest
from tests.engine.projects import BASE, merged

from tenure.core.diagnostics import Severity
from tenure.lifecycle import Model
from tenure.rules import RULES, check


def findings(changes: dict[str, Any]) -> list[tuple[tuple[str | int, ...], Severity]]:
    return [(item.path, item.severity) for item in check(Model.model_validate(merged(BASE, changes)))]


def test_a_sound_document_has_no_findings() -> None:
    assert findings({}) == []


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"deployment": None}, ("monitoring",)),
        ({"features": {"include": ["petal", "kind"]}}, ("features", "include", 1)),
        (
            {
                "data": {"refresh": "pinned"},
                "monitoring": {"policies": [{"when": "performance.critical", "do": "retrain"}]},
            },
            ("monitoring", "policies", 0, "do"),
        ),
        ({"retirement": {"successor": {"model": "flowers"}}}, ("retirement", "successor", "model")),
        (
            {"retirement": {"criteria": [{"type": "performance", "signal": "speed", "below": 0.5}]}},
            ("retirement", "criteria", 0, "signal"),
        ),
    ],
)
def test_what_contradicts_across_sections_is_found_where_it_stands(
    changes: dict[str, Any], path: tuple[str | int, ...]
) -> None:
    assert [found for found, _ in findings(changes)] == [path]


def test_every_finding_has_a_way_out() -> None:
    document = Model.model_validate(merged(BASE, {"deployment": None, "features": {"include": ["kind"]}}))
    assert all(item.hint and item.detail and item.summary.endswith(".") for item in check(document))
    assert len(RULES) == len({rule.__name__ for rule in RULES})
