"""Recorded state for the terminal: all models, one model, one record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from tenure.core.address import Address
from tenure.core.leaves import flatten
from tenure.core.units import format_seconds
from tenure.engine.life import Served, Shown
from tenure.render.page import BLANK, Line, Styled, clip, line, table
from tenure.render.result import fact_lines, observation_lines
from tenure.render.wording import count, moment, number, short_digest, value_words
from tenure.state.record import ModelState, Record

LATEST_OBSERVATIONS = 8


def models_lines(states: Sequence[ModelState], environment: str) -> list[Line]:
    """One line per model: where it is in its life, what serves, since when, what is open."""
    if not states:
        return [line(f"Nothing is recorded in {environment} yet. Begin with: tenure plan")]
    rows: list[Sequence[Styled]] = [
        tuple(
            Styled(title, "quiet")
            for title in ("model", "state", "serves", "latest", "changed", "open causes")
        )
    ]
    for state in sorted(states, key=lambda item: item.model):
        last = max((record.at for record in state.records.values()), default=None)
        causes = sum(1 for fact in state.facts if fact.settled_at is None)
        rows.append(
            (
                Styled(state.model, "strong"),
                Styled(lifecycle(state)),
                Styled(serving(state)),
                Styled(str(max(state.versions)) if state.versions else "-"),
                Styled(moment(last) if last else "-"),
                Styled(str(causes) if causes else "-", "caution" if causes else ""),
            )
        )
    return [line(Styled(f"{count(len(states), 'model')} in {environment}", "title")), *table(rows)]


def model_lines(state: Shown, at: datetime | None = None) -> list[Line]:
    """What is recorded about one model, now or as it was at a moment: first what serves, who let it, and why."""
    when = f"  as it was on {moment(at)}" if at else ""
    head = line(
        Styled(state.model, "title"),
        Styled(f"  {lifecycle(state)}, serial {state.serial}, serves {serving(state)}"),
        Styled(when, "quiet"),
    )
    lines = [head, *(text for one in state.served for text in _served(one, past=at is not None))]
    if state.tombstone is not None:
        stone = state.tombstone
        if stone.moved:
            lines.append(line(f"Renamed to {stone.successor} on {moment(stone.at)} by {stone.by}.", indent=2))
            return lines
        successor = f", succeeded by {stone.successor}" if stone.successor else ""
        lines.append(
            line(
                f"Retired on {moment(stone.at)} by {stone.by}{successor}. The name is not used again.",
                indent=2,
            )
        )
    lines += [BLANK, *table([_row(record) for record in in_order(state.records)], indent=2)]
    lines += [*_versions(state), *_facts(state), *_decisions(state)]
    latest = sorted(state.observations, key=lambda item: item.window_end)[-LATEST_OBSERVATIONS:]
    if latest:
        lines += [BLANK, line(Styled("latest observations", "quiet")), *observation_lines(latest)]
    return lines


def record_lines(record: Record) -> list[Line]:
    """One record in full: what it is, what it was made from, what came out, and its configuration."""
    number_of = f"  version {record.ordinal}" if record.ordinal is not None else ""
    about = [
        (
            "made",
            f"{moment(record.at)} by {record.by}, apply {record.apply_id}, in {format_seconds(record.seconds)}",
        ),
        ("digest", record.digest),
        ("fingerprint", record.fingerprint),
        *((f"from {need}", digest) for need, digest in sorted(record.inputs.items())),
        *((f"artifact {name}", digest) for name, digest in sorted(record.artifacts.items())),
        *(("cause", cause) for cause in record.causes),
    ]
    return [
        line(Styled(record.address, "title"), Styled(f"  {record.sort.value}{number_of}", "quiet")),
        *table([(Styled(name, "quiet"), value) for name, value in about], indent=2),
        *_tree("value", record.value),
        *_tree("configuration", record.config),
    ]


def in_order(records: Mapping[str, Record]) -> list[Record]:
    """The records by stage, as a model passes them, and within a stage each after those it was made from."""
    from tenure.lifecycle import STAGES

    position = {stage.NAME: number for number, stage in enumerate(STAGES)}
    seen: set[str] = set()
    placed: list[Record] = []

    def place(local: str) -> None:
        if local in seen or local not in records:
            return
        seen.add(local)
        for need in sorted(records[local].inputs):
            place(need)
        placed.append(records[local])

    for local in sorted(records):
        place(local)
    return sorted(placed, key=lambda record: position.get(Address(record.address).stage, len(position)))


def facts_lines(value: Any) -> list[Line]:
    """A small answer (counts, paths) as names and values."""
    plain = msgspec.to_builtins(value, enc_hook=str)
    if not isinstance(plain, dict):
        return [line(str(plain))]
    rows = [
        (Styled(path.replace("_", " "), "quiet"), number(item))
        for path, item in flatten(plain)
        if item is not None
    ]
    return table(rows)


def lifecycle(state: ModelState) -> str:
    """Where the model is in its life, as recorded."""
    if state.tombstone is not None:
        return f"now {state.tombstone.successor}" if state.tombstone.moved else "retired"
    policy = state.records.get("retirement/policy")
    return str(policy.value.get("state", "active")) if policy else "active"


def serving(state: ModelState) -> str:
    """`version 3`, `version 3 (95 %), version 4 (5 %)` or `nothing`."""
    endpoint = state.records.get("deployment/endpoint")
    routes = endpoint.value.get("routes", []) if endpoint else []
    if not isinstance(routes, list) or not routes or state.tombstone is not None:
        return "nothing"
    if len(routes) == 1:
        return f"version {routes[0].get('version')}"
    return ", ".join(f"version {route.get('version')} ({number(route.get('share'))} %)" for route in routes)


def _served(one: Served, *, past: bool) -> Iterator[Line]:
    """One version that serves, or served then: since when, by whom and why; who approved it; how it came to be."""
    verb = "served" if past else "serves"
    released = "released" if one.since == one.share_since else f"released on {moment(one.since)}"
    yield line(
        Styled(f"version {one.version} {verb} {number(one.share)} %", "strong"),
        f" since {moment(one.share_since)}, {released} by {one.by}{_because(one.because)}",
        indent=2,
    )
    for approval in one.approvals:
        said = f"approved by {approval.by} as {approval.role} on {moment(approval.at)}: {approval.reason}"
        yield line(said, indent=4)
    if one.made_at is not None:
        yield line(f"made on {moment(one.made_at)}{_because(one.made_because)}", indent=4)


def _because(why: str) -> str:
    return f" because {why.rstrip('.')}." if why else "."


def _row(record: Record) -> tuple[Styled, ...]:
    return (
        Styled(record.address.split("/", 1)[-1], "strong"),
        Styled(moment(record.at)),
        Styled(short_digest(record.digest), "quiet"),
        Styled(clip(_gist(record.value), 90), "quiet"),
    )


def _gist(value: Mapping[str, Any]) -> str:
    """The first few scalars of a value."""
    scalars = [
        (key, item) for key, item in value.items() if isinstance(item, str | int | float) and item != ""
    ]
    return ", ".join(f"{key.replace('_', ' ')} {number(item)}" for key, item in scalars[:5])


def _versions(state: ModelState) -> Iterator[Line]:
    if state.versions:
        yield BLANK
        yield line(Styled("versions", "quiet"))
        rows = [(Styled(f"{state.model}@{ordinal}"), moment(record.at), clip(_gist(record.value), 90))
                for ordinal, record in sorted(state.versions.items())]  # fmt: skip
        yield from table(rows, indent=2)


def _facts(state: ModelState) -> Iterator[Line]:
    facts = [fact for fact in state.facts if fact.settled_at is None]
    if facts:
        yield BLANK
        yield line(Styled("open causes", "quiet"))
        for fact in facts:
            yield from fact_lines(fact)


def _decisions(state: ModelState) -> Iterator[Line]:
    if state.approvals or state.acknowledgements:
        yield BLANK
        yield line(Styled("decisions", "quiet"))
    for approval in state.approvals:
        word = "approved" if approval.decision == "approve" else "rejected"
        said = f"{moment(approval.at)}  {word} by {approval.by} as {approval.role}: {approval.reason}"
        yield line(said, Styled(f"  {short_digest(approval.subject)}", "quiet"), indent=2)
    for item in state.acknowledgements:
        yield line(f"{moment(item.at)}  {item.consumer} acknowledged by {item.by}: {item.reason}", indent=2)


def _tree(title: str, value: Mapping[str, Any]) -> Iterator[Line]:
    leaves = [(path, item) for path, item in flatten(dict(value)) if path]
    if leaves:
        yield BLANK
        yield line(Styled(title, "quiet"))
        yield from table([(Styled(path), value_words(item)) for path, item in leaves], indent=2, widest=64)
