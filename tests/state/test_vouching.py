"""The audit log says about each record what was made; edits show, and honest lives never look like one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from tenure.graph.resource import Sort
from tenure.state.record import Record
from tenure.state.store import AuditEvent
from tenure.state.vouching import Vouching

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def made(model: str, digest: str = "d", serial: int = 1, local: str = "training/model") -> Record:
    """All by one apply, as the first one of a fleet makes them."""
    return Record(
        address=f"{model}/{local}", sort=Sort.ARTIFACT, fingerprint="f", content="c", metadata="m", config={},
        effects={}, digest=digest, value={}, artifacts={"model": digest}, inputs={}, at=NOW, by="ada", apply_id="a",
        serial=serial,
    )  # fmt: skip


def told(record: Record, **changes: Any) -> AuditEvent:
    data = {"apply": record.apply_id, "serial": record.serial, "digest": record.digest, "ordinal": None,
            "fingerprint": record.fingerprint, "artifacts": record.artifacts}  # fmt: skip
    return AuditEvent(1, NOW, "ada", "step.done", record.address, data | changes, "", "")


def verdict(records: list[Record], events: list[AuditEvent]) -> tuple[list[str], list[str]]:
    """What is contradicted, and what nobody speaks of."""
    with Vouching() as vouching:
        for record in records:
            model, _, local = record.address.partition("/")
            vouching.add(model, local, record, record.address)
        wrong = [said for event in events if (said := vouching.hear(event))]
        return wrong, list(vouching.left())


def test_one_apply_of_many_models() -> None:
    records = [made(model, digest) for model, digest in (("a", "1"), ("b", "2"), ("c", "2"), ("d", "4"))]
    assert verdict(records, [told(record) for record in reversed(records)]) == ([], [])


def test_a_record_that_was_edited_among_them() -> None:
    honest = [made("a", "1"), made("b", "2")]
    assert verdict([honest[0], made("b", "x")], [told(one) for one in honest]) == (["b/training/model"], [])


def test_a_record_with_the_content_of_another_model() -> None:
    honest = [made("a", "1"), made("b", "2")]
    assert verdict([honest[0], made("b", "1")], [told(one) for one in honest]) == (["b/training/model"], [])


def test_a_model_that_was_forgotten_says_nothing_about_the_others() -> None:
    gone, stays = made("a", "1"), made("b", "2")
    assert verdict([stays], [told(gone), told(stays)]) == ([], [])


def test_a_model_with_another_name_since() -> None:
    before = made("a", "1")
    after = msgspec.structs.replace(before, address="z/training/model")
    assert verdict([after], [told(before)]) == ([], [])
    edited = msgspec.structs.replace(after, digest="x")
    assert verdict([edited], [told(before)]) == ([], ["z/training/model"])


def test_a_record_nobody_speaks_of() -> None:
    assert verdict([made("a")], [told(made("a"), serial=2)]) == ([], ["a/training/model"])


def test_events_about_something_else() -> None:
    other = msgspec.structs.replace(told(made("a", "x")), action="step.failed")
    without = msgspec.structs.replace(told(made("a", "x")), data={"apply": "a", "serial": 1})
    assert verdict([made("a")], [other, without, told(made("a"))]) == ([], [])
