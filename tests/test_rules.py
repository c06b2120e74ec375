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
        ({"evaluation": {"gates": [{"type": "value", "min_per_1000": 1}]}}, ("evaluation", "gates", 0)),
        (
            {"evaluation": {"gates": [{"metric": "accuracy", "min": 0.5, "slices": "all"}]}},
            ("evaluation", "gates", 0, "slices"),
        ),
        (
            {"retirement": {"criteria": [{"type": "performance", "signal": "speed", "below": 0.5}]}},
            ("retirement", "criteria", 0, "signal"),
        ),
        (
            {"training": {"decision_threshold": {"type": "maximize", "value": "business"}}},
            ("training", "decision_threshold", "value"),
        ),
        (
            {
                "business": {"value": {"currency": "EUR", "correct": 1}},
                "training": {"decision_threshold": {"type": "maximize", "value": "business"}},
            },
            ("training", "decision_threshold", "value"),
        ),
        (
            {"data": {"task": "regression"}, "training": {"class_weights": "balanced"}},
            ("training", "class_weights"),
        ),
    ],
)
def test_what_contradicts_across_sections_is_found_where_it_stands(
    changes: dict[str, Any], path: tuple[str | int, ...]
) -> None:
    assert [found for found, _ in findings(changes)] == [path]


def test_a_threshold_by_value_has_one() -> None:
    by_value = {"decision_threshold": {"type": "maximize", "value": "business"}}
    worth = {"value": {"currency": "EUR", "true_positive": 5}}
    assert findings({"training": by_value, "business": worth}) == []


def test_every_finding_has_a_way_out() -> None:
    document = Model.model_validate(merged(BASE, {"deployment": None, "features": {"include": ["kind"]}}))
    assert all(item.hint and item.detail and item.summary.endswith(".") for item in check(document))
    assert len(RULES) == len({rule.__name__ for rule in RULES})
