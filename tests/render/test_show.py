"""What `tenure show` says about a recorded model."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tenure.engine.life import Shown
from tenure.graph.resource import Sort
from tenure.render.show import in_order, model_lines, record_lines
from tenure.render.text import Screen, paint
from tenure.state.record import Approval, Fact, Record, Tombstone

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def record(local: str, *needs: str, value: dict[str, Any] | None = None) -> Record:
    inputs = dict.fromkeys(needs, "sha256:1")
    return Record(
        f"m/{local}",
        Sort.ARTIFACT,
        "",
        "",
        "",
        {},
        {},
        "sha256:2",
        value or {},
        {},
        inputs,
        NOW,
        "ann",
        "a",
        1,
    )


RECORDS = {
    item.address.split("/", 1)[1]: item
    for item in (
        record("deployment/endpoint", "governance/version", value={"routes": [{"version": 1, "share": 100}]}),
        record("retirement/policy", value={"state": "active"}),
        record("training/model", "training/search"),
        record("governance/version", "training/model", value={"number": 1}),
        record("training/search", "data/snapshot"),
        record("data/snapshot", value={"rows": 120, "hostile": "\x1b[31mred"}),
    )
}


def text(lines: Any) -> str:
    return paint(lines, Screen(width=100, colour=False))


def test_records_stand_as_a_model_passes_its_stages() -> None:
    assert [item.address.split("/", 1)[1] for item in in_order(RECORDS)] == [
        "data/snapshot",
        "training/search",
        "training/model",
        "governance/version",
        "retirement/policy",
        "deployment/endpoint",
    ]


def test_records_that_name_one_another_are_still_shown() -> None:
    circle = {
        "training/model": record("training/model", "training/search"),
        "training/search": record("training/search", "training/model"),
    }
    assert len(in_order(circle)) == 2


def test_a_model_is_shown_with_decisions_causes_and_its_end() -> None:
    state = Shown(
        "m", "lineage", 7, RECORDS, {1: RECORDS["governance/version"]},
        facts=(Fact("f", "m", "breach", "k", "retrain", "propose", "Accuracy fell.", {}, NOW, "monitor"),),
        approvals=(Approval("m", "sha256:3", "owner", "approve", "looked at it", "bob", NOW),),
        tombstone=Tombstone("m", "lineage", NOW, "ann", "m2", None),
    )  # fmt: skip
    shown = text(model_lines(state))
    for part in ("data/snapshot", "rows 120", "Accuracy fell.", "bob", "looked at it", "m2"):
        assert part in shown
    assert "\x1b" not in shown


def test_one_record_is_shown_in_full() -> None:
    shown = text(record_lines(RECORDS["data/snapshot"]))
    assert "sha256:2" in shown
    assert "red" in shown
    assert "\x1b" not in shown
