"""Joins by time: a row sees what had happened and had arrived by its own time, and nothing later.

Two times of every right row matter: when it happened (`event`) and from when it was known (`visible`, never before the
event). At time t the answer is the latest event among the rows visible by t. Rows are ranked by event, so that is the
highest rank so far in the order of becoming visible: a running maximum, and then one join on `visible <= t`. Late and
corrected values need no comparison of every pair of rows, and each step runs out of core.

Ties: of rows with one event time the one that arrived last counts, then the one that stands last in the source.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from tenure.core.units import parse_duration
from tenure.ml.quoting import quoted
from tenure.stages.data.aggregates import listed, one_thread

if TYPE_CHECKING:
    from tenure.ml.signature import ColumnType
    from tenure.stages.data.engine import Column, Table

_DAYS_OF_A_MONTH = 31
_PAIRS_AT_ONCE = 4_000_000
_FRESH, _HELD_BACK, _TOO_OLD, _NOT_YET = range(4)


class Question(NamedTuple):
    """What the rows of `left` ask of those of `right`: names of columns, and how far back an answer may lie.

    `keys` are pairs of columns that must be equal. `created` holds the times from which rows were known, `delay` is
    a constant that stands in where there is none.
    """

    left: Table
    right: Table
    keys: Sequence[tuple[str, str]]
    asked: str
    event: str
    created: str | None = None
    delay: str | None = None
    lookback: str | None = None


class Seen(NamedTuple):
    """How many left rows saw a row; `held_back` of them an older one, since a later had not arrived; and why others
    saw none although something had happened: it was `too_old`, or `not_yet_known`."""

    matched: int
    held_back: int
    too_old: int
    not_yet_known: int


def latest(question: Question) -> tuple[Table, Seen]:
    """For each left row that sees one, the right row it sees: `n` of both, in columns `left` and `right`."""
    engine = question.left.engine
    keys = ", ".join(_keys(question))
    same = " AND ".join(f"a.{key} = b.{key}" for key in _keys(question))
    recent = f"coalesce({{}}.event >= {_earliest(question)}, false)"
    found = engine.store(
        {"left": "integer", "right": "integer", "state": "integer"},
        f"""
        WITH known AS MATERIALIZED ({_known(question)}),
        steps AS (
            SELECT {keys}, visible, max(top) OVER (PARTITION BY {keys} ORDER BY visible) AS rank
            FROM (SELECT {keys}, visible, max(rank) AS top FROM known GROUP BY {keys}, visible)
        ),
        happened AS (SELECT {keys}, event, max(rank) AS rank FROM known GROUP BY {keys}, event),
        asking AS ({_asking(question)}),
        seen AS (
            SELECT a.*, b.rank AS seen FROM asking a
            ASOF LEFT JOIN steps b ON {same} AND a.asked >= b.visible
        ),
        compared AS (
            SELECT a.*, b.rank AS newest FROM seen a
            ASOF LEFT JOIN happened b ON {same} AND a.asked >= b.event
        )
        SELECT a.row, b.source, CASE
            WHEN {recent.format("b")} THEN CASE WHEN a.seen = a.newest THEN {_FRESH} ELSE {_HELD_BACK} END
            WHEN {recent.format("c")} THEN {_NOT_YET}
            ELSE {_TOO_OLD} END
        FROM compared a LEFT JOIN known b ON a.seen = b.rank JOIN known c ON a.newest = c.rank ORDER BY a.row
        """,
    )
    left, right, state = found.columns
    counts = dict(found.query(f"{state.sql}, count(*)", f"GROUP BY {state.sql}"))
    held_back = counts.get(_HELD_BACK, 0)
    seen = Seen(
        counts.get(_FRESH, 0) + held_back, held_back, counts.get(_TOO_OLD, 0), counts.get(_NOT_YET, 0)
    )
    return found.filter(f"{state.sql} <= {_HELD_BACK}").select([left.name, right.name]), seen


def summarised(
    question: Question, aggregates: Mapping[str, str], types: Mapping[str, ColumnType], reads: Sequence[str]
) -> Table:
    """For each left row with rows in its window their aggregates, behind `n` of the left row in column `left`.

    The window holds the right rows with equal keys that happened within the look-back and were visible; of several
    versions of one event (same keys and time) only the last that was visible. `reads` are the columns of the right
    side that the aggregates look at. They run on one thread and in the order of the events, since a sum of fractions
    depends on the order of its terms, and on a share of the windows at a time, since a median keeps the values of its
    windows in memory.
    """
    engine, keys = question.left.engine, ", ".join(_keys(question))
    assert question.lookback is not None
    # Two neighbouring buckets as wide as the look-back cover every window, so that rows are joined on equal values.
    bucket = f"floor(epoch({{}}) / {_seconds(question.lookback)})::BIGINT"
    columns = [question.right.column(name) for name in reads]
    read = "".join(f", r.{column.sql} AS u{at}" for at, column in enumerate(columns))
    offered = engine.write(
        f"SELECT k.*, {bucket.format('event')} + step.later AS bucket{read} FROM ({_known(question)}) k "
        f"JOIN {question.right.view} r ON k.source = r.n, (VALUES (0), (1)) step(later) ORDER BY k.rank"
    )
    asking = engine.write(_asking(question))
    moments = engine.write(
        f"SELECT DISTINCT {keys}, asked, {bucket.format('asked')} AS bucket FROM {asking} "
        f"WHERE asked IS NOT NULL ORDER BY asked, {keys}"
    )
    shares = _shares(question, moments, offered)
    names = ", ".join([keys, "asked", *(f"v{at}" for at in range(len(aggregates)))])
    windows = [
        f"SELECT {names} FROM ({_windows(question, aggregates, types, columns, moments, offered, (share, shares))})"
        for share in range(shares)
    ]
    with one_thread(engine):
        made = engine.write(windows[0])
        for window in windows[1:]:
            engine.query(f"INSERT INTO {made} {window}")
    same = " AND ".join([*(f"a.{key} = b.{key}" for key in _keys(question)), "a.asked = b.asked"])
    values = ", ".join(f"b.v{at}" for at in range(len(aggregates)))
    return engine.store(
        {"left": "integer", **{name: types[name] for name in aggregates}},
        f"SELECT a.row, {values} FROM {asking} a JOIN {made} b ON {same} ORDER BY a.row",
    )


def _shares(question: Question, moments: str, offered: str) -> int:
    """In how many shares the windows are computed, so that each looks at a bounded number of rows."""
    group = ", ".join([*_keys(question), "bucket"])
    ((pairs,),) = question.left.engine.query(
        f"SELECT coalesce(sum(a.times * b.times), 0)::DOUBLE FROM "
        f"(SELECT {group}, count(*) AS times FROM {moments} GROUP BY {group}) a JOIN "
        f"(SELECT {group}, count(*) AS times FROM {offered} GROUP BY {group}) b USING ({group})"
    )
    return max(1, math.ceil(float(pairs) / _PAIRS_AT_ONCE))


def _windows(
    question: Question,
    aggregates: Mapping[str, str],
    types: Mapping[str, ColumnType],
    columns: Sequence[Column],
    moments: str,
    offered: str,
    share: tuple[int, int],
) -> str:
    """SELECT of the aggregates of each window, behind its keys and the moment it ends. Some columns are `__k0`, ... and
    `__asked` inside, since there the columns of the user go by their names."""
    keys = _keys(question)
    group = ", ".join([*(f"a.{key}" for key in keys), "a.asked"])
    same = " AND ".join(f"a.{key} = b.{key}" for key in [*keys, "bucket"])
    inside = [*(f'a.{key} AS "__{key}"' for key in keys), 'a.asked AS "__asked"']
    inside += [f"b.u{at} AS {quoted(column.name)}" for at, column in enumerate(columns)]
    by = ", ".join([*(f'"__{key}"' for key in keys), '"__asked"'])
    named = ", ".join([*(f'"__{key}" AS {key}' for key in keys), '"__asked" AS asked'])
    part, parts = share
    chosen = (
        ""
        if parts == 1
        else f"WHERE hash({', '.join(f'a.{key}' for key in keys)}, a.bucket) % {parts} = {part}"
    )
    versions = (
        f"QUALIFY row_number() OVER (PARTITION BY {group}, b.event ORDER BY b.rank DESC) = 1"
        if question.created
        else ""
    )
    return (
        f"SELECT {named}, {listed(aggregates, types)} FROM (SELECT {', '.join(inside)} FROM {moments} a "
        f"JOIN {offered} b ON {same} AND b.visible <= a.asked AND b.event >= {_earliest(question)} "
        f"{chosen} {versions} ORDER BY {group}, b.rank) GROUP BY {by}"
    )


def interval(duration: str) -> str:
    """A duration as an interval in SQL: calendar months stay months."""
    parsed = parse_duration(duration)
    return f"(to_months({parsed.months}) + to_microseconds({round(parsed.seconds * 1_000_000)}))"


def _seconds(duration: str) -> float:
    """At least as many seconds as a duration may have."""
    parsed = parse_duration(duration)
    return max(parsed.months * _DAYS_OF_A_MONTH * 86400 + parsed.seconds, 0.001)


def _earliest(question: Question) -> str:
    return (
        "'-infinity'::TIMESTAMP" if question.lookback is None else f"a.asked - {interval(question.lookback)}"
    )


def _keys(question: Question) -> list[str]:
    """What the keys are called on both sides; without any, all rows share one."""
    return [f"k{at}" for at in range(max(1, len(question.keys)))]


def _as_keys(columns: Iterable[str]) -> list[str]:
    return [f"{column} AS k{at}" for at, column in enumerate(columns)] or ["0 AS k0"]


def _asking(question: Question) -> str:
    """SELECT of the left rows: `row`, their keys and `asked`."""
    left = question.left
    keys = _as_keys(left.column(name).sql for name, _ in question.keys)
    return f"SELECT n AS row, {', '.join(keys)}, {left.column(question.asked).sql} AS asked FROM {left.view}"


def _known(question: Question) -> str:
    """SELECT of the right rows that can be seen at all: their keys, `event`, `visible`, `rank` and `source`."""
    right = question.right
    keys = [right.column(name).sql for _, name in question.keys]
    event = right.column(question.event).sql
    arrivals = [] if question.created is None else [right.column(question.created).sql]
    if question.delay is not None:
        arrivals.append(f"{event} + {interval(question.delay)}")
    arrived = f"coalesce({', '.join(arrivals)})" if arrivals else event
    there = " AND ".join(f"{item} IS NOT NULL" for item in (*keys, event, arrived))
    return (
        f"SELECT {', '.join(_as_keys(keys))}, {event} AS event, greatest({event}, {arrived}) AS visible, "
        f"row_number() OVER (ORDER BY {event}, {arrived}, n) AS rank, n AS source FROM {right.view} WHERE {there}"
    )
