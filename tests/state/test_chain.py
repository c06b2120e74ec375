"""The audit chain: whatever is done to an exported log, it shows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenure.state.chain import export, genesis, link, parse, verify
from tenure.state.store import AuditEvent, AuditHead

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def a_log(length: int, log: str = "log-1") -> tuple[list[AuditEvent], AuditHead]:
    head, events = AuditHead(log, 0, genesis(log)), []
    for number in range(length):
        at = NOW + timedelta(minutes=number)
        event = link(
            head, at=at, actor="ada", action="step.done", subject="churn/training/model", data={"n": number}
        )
        events.append(event)
        head = AuditHead(log, event.seq, event.hash)
    return events, head


EVENTS, HEAD = a_log(6)


def test_the_hash_is_what_the_documentation_says() -> None:
    """Recomputed from the exported line with nothing but json and hashlib."""
    line = next(iter(export(EVENTS)))
    event = json.loads(line)
    claimed = event.pop("hash")
    content = json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert claimed == "sha256:" + hashlib.sha256(b"\x00" + content).hexdigest()
    assert event["previous"] == genesis("log-1")


def test_a_whole_log_holds() -> None:
    assert verify(EVENTS, HEAD) == []
    assert verify(parse(export(EVENTS)), HEAD) == []
    assert verify([], AuditHead("log-1", 0, genesis("log-1"))) == []


def rehashed(event: AuditEvent) -> AuditEvent:
    """What a forger who knows the rule would write."""
    body = json.loads(next(iter(export([event]))))
    del body["hash"]
    content = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return msgspec.structs.replace(event, hash="sha256:" + hashlib.sha256(b"\x00" + content).hexdigest())


def forged(events: list[AuditEvent], place: int, **changes: object) -> list[AuditEvent]:
    """One event changed, its own hash made right again."""
    return [
        *events[:place],
        rehashed(msgspec.structs.replace(events[place], **changes)),
        *events[place + 1 :],
    ]


TAMPERED: dict[str, Callable[[int], list[AuditEvent]]] = {
    "removed": lambda i: EVENTS[:i] + EVENTS[i + 1 :],
    "doubled": lambda i: EVENTS[: i + 1] + EVENTS[i:],
    "moved to the front": lambda i: [EVENTS[(i or 1)], *EVENTS[: (i or 1)], *EVENTS[(i or 1) + 1 :]],
    "inserted": lambda i: [*EVENTS[:i], a_log(9, "log-2")[0][i], *EVENTS[i:]],
    "replaced by one of another log": lambda i: [*EVENTS[:i], a_log(9, "log-2")[0][i], *EVENTS[i + 1 :]],
    "changed and hashed again": lambda i: forged(EVENTS, i, actor="eve"),
    "unchained": lambda i: forged(EVENTS, i, previous="sha256:" + "0" * 64),
    "renumbered": lambda i: forged(EVENTS, i, seq=i + 2),
}


@pytest.mark.parametrize("how", TAMPERED)
@pytest.mark.parametrize("place", range(6))
def test_tampering_is_found(how: str, place: int) -> None:
    assert verify(TAMPERED[how](place), HEAD)


@pytest.mark.parametrize("kept", range(6))
def test_a_cut_end_is_found_only_against_a_head(kept: int) -> None:
    shortened = EVENTS[:kept]
    assert verify(shortened) == [], "an unanchored chain cannot show that its end is missing"
    (problem,) = verify(shortened, HEAD)
    assert "cut off" in problem.text
    assert verify(shortened, checkpoints=[HEAD])


def test_a_log_rewritten_from_the_start_is_found_against_a_checkpoint() -> None:
    rewritten, its_head = a_log(6, "log-1")
    rewritten = forged(rewritten[:1], 0, actor="eve")
    head = AuditHead("log-1", 1, rewritten[0].hash)
    for number in range(5):
        event = link(head, at=NOW, actor="ada", action="step.done", subject="x", data={"n": number})
        rewritten.append(event)
        head = AuditHead("log-1", event.seq, event.hash)
    assert verify(rewritten, head) == [], "whoever may write the state can rewrite log and head together"
    checkpoint = AuditHead("log-1", EVENTS[2].seq, EVENTS[2].hash)
    assert verify(rewritten, head, [checkpoint])
    assert verify(EVENTS, its_head, [checkpoint]) == []


def test_a_gap_shows_even_when_everything_after_it_was_hashed_again() -> None:
    later = link(AuditHead("log-1", 3, EVENTS[1].hash), at=NOW, actor="eve", action="x", subject="y", data={})
    (problem,) = verify([*EVENTS[:2], later])
    assert (problem.seq, "missing" in problem.text) == (4, True)


def test_events_after_the_recorded_end_are_found() -> None:
    earlier = AuditHead("log-1", 4, EVENTS[3].hash)
    assert [problem.seq for problem in verify(EVENTS, earlier)] == [6]
    assert verify(EVENTS, HEAD, [earlier]) == []


def test_another_log_is_no_stand_in() -> None:
    other, head = a_log(6, "log-2")
    assert verify(other, head) == []
    assert verify(other, HEAD)
    assert verify(EVENTS, HEAD, [AuditHead("log-2", 1, EVENTS[0].hash)])


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_flipped_bit_of_an_export_is_found(data: st.DataObject) -> None:
    exported = bytearray(b"".join(export(EVENTS)))
    position = data.draw(st.integers(0, len(exported) - 1))
    exported[position] ^= 1 << data.draw(st.integers(0, 7))
    try:
        events = list(parse(bytes(exported).splitlines()))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return
    # `t` for `T` within a time is another way to write the same.
    assert events == list(EVENTS) or verify(events, HEAD)


def test_values_that_json_cannot_say_become_plain() -> None:
    data = {"when": NOW, "score": float("nan"), "n": 2.0}
    event = link(HEAD, at=NOW, actor="ada", action="x", subject="y", data=data)
    assert event.data == {"when": "2026-03-01T12:00:00Z", "score": None, "n": 2.0}
    assert verify(parse(export([*EVENTS, event]))) == []
