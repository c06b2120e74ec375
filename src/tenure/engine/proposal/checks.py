"""Checks that today's data fulfil, with slack: what is far outside of everything seen is worth stopping for."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from tenure.engine.proposal.facts import Facts
from tenure.engine.proposal.proposing import Proposal

MOST_VALUES = 12
MOST_RANGES = 60
_SLACK = 0.5
_LONGEST = 40


class Range(msgspec.Struct, frozen=True):
    """A range that a column stays in, and the one that was seen."""

    column: str
    low: float
    high: float
    seen: tuple[float, float]


class Checks(msgspec.Struct, frozen=True):
    """The rules proposed. `only_warn` when they come from a part of the rows."""

    rows: int
    present: tuple[str, ...]
    keys: tuple[str, ...]
    ranges: tuple[Range, ...]
    sets: tuple[Facts, ...]
    only_warn: bool


def checks_of(proposal: Proposal) -> Checks:
    """The checks of a proposal, about the columns the model sees, the target, and identifiers."""
    seen = [column.facts for column in proposal.seen]
    target = next(c.facts for c in proposal.columns if c.facts.name == proposal.target.name)
    keys = [
        column.facts.name
        for column in proposal.columns
        if column.left == "identifier" and column.facts.unique and not column.facts.nulls
    ]
    return Checks(
        rows=max(1, proposal.taught // 2),
        present=tuple(fact.name for fact in seen if not fact.nulls),
        keys=tuple(keys[:1]),
        ranges=_ranges([*seen, target] if proposal.target.task == "regression" else seen),
        sets=tuple(fact for fact in seen if fact.type == "string" and _is_a_list(fact)),
        only_warn=not proposal.read.whole,
    )


def _is_a_list(fact: Facts) -> bool:
    return 0 < len(fact.listed) <= MOST_VALUES and all(len(value) <= _LONGEST for value, _ in fact.listed)


def _ranges(columns: Sequence[Facts]) -> tuple[Range, ...]:
    found = []
    for fact in columns:
        if fact.type not in ("number", "integer") or fact.minimum is None or fact.constant:
            continue
        low, high = float(fact.minimum), float(fact.maximum)
        if low == high:  # and missing in other rows: one value is no range
            continue
        slack = _SLACK * (high - low)
        # A number that is never negative stays so; it is a count, an amount or a share.
        floor = 0.0 if low >= 0 and low - slack < 0 else _round(low - slack, math.floor)
        ceiling = 1.0 if low >= 0 and 0.5 < high <= 1 else _round(high + slack, math.ceil)
        found.append(Range(fact.name, floor, ceiling, (low, high)))
    return tuple(found[:MOST_RANGES])


def _round(value: float, towards: object) -> float:
    """The value to two significant digits, away from the range."""
    if value == 0 or not math.isfinite(value):
        return 0.0 if value == 0 else value
    step = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    scaled = value / step
    rounded = math.floor(scaled) if towards is math.floor else math.ceil(scaled)
    return float(f"{rounded * step:.12g}")
