"""Carrying out the joins of a spec: the rows of the first source, with columns of one more source after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tenure.core.errors import StageBlocked, StageError
from tenure.stages.data import aggregates, point_in_time
from tenure.stages.data.lookup import Where, repeated, require, require_time
from tenure.stages.data.point_in_time import Question
from tenure.stages.data.times import read_times

if TYPE_CHECKING:
    from tenure.ml.signature import ColumnType
    from tenure.stages.data.engine import Table
    from tenure.stages.data.joins import Join
    from tenure.stages.data.sources import Source


def join_all(
    tables: Mapping[str, Table], joins: Sequence[Join], sources: Mapping[str, Source]
) -> tuple[Table, list[dict[str, Any]]]:
    """The joined table in the order of the first source, and for each join how many rows found a match.

    Raises StageError for keys and times that cannot be compared and for a join that matches nothing, StageBlocked when
    a join would make several rows of one.
    """
    tables = _with_times(tables, joins, sources)
    first = joins[0].left
    result = tables[first]
    names = {(first, column): column for column in result.names}
    facts = []
    for position, join in enumerate(joins):
        where: Where = ("data", "join", position)
        right = tables[join.right]
        keys = []
        for left_key, right_key in join.keys.items():
            require(tables[join.left], left_key, (*where, "on"))
            require(right, right_key, (*where, "on"))
            keys.append((names[join.left, left_key], right_key))
        _refuse_incomparable(result, right, keys, (*where, "on"))
        before = result.rows
        question = _question(join, tables[join.left], result, right, keys, names, sources[join.right], where)
        result, fact = _joined(join, question, result, right, keys, names, where)
        facts.append({"right": join.right, "rows": before} | fact)
        if before and not fact["matched"]:
            raise _nothing_matches(join, fact, where)
    return result, facts


def _with_times(
    tables: Mapping[str, Table], joins: Sequence[Join], sources: Mapping[str, Source]
) -> dict[str, Table]:
    """The tables with the columns that joins by time look at as timestamps, where they hold them as text."""
    read = dict(tables)
    for join in joins:
        if join.as_of is not None:
            right = sources[join.right]
            for name, column in (
                (join.left, join.as_of.by),
                (join.right, right.timestamp_column),
                (join.right, right.created_timestamp_column),
            ):
                if column is not None:
                    read[name] = read_times(read[name], column).table
    return read


def sentences(facts: Sequence[Mapping[str, Any]]) -> list[str]:
    """What people should know about the joins, from what `join_all` counted."""
    found = []
    for fact in facts:
        if fact["matched"] < fact["rows"]:
            reasons = [f"{fact[key]} {word}" for key, word in _REASONS.items() if fact.get(key)]
            found.append(
                f"{fact['rows'] - fact['matched']} of {fact['rows']} rows have no match in {fact['right']}"
                + (f" ({', '.join(reasons)})" if reasons else "")
            )
        if fact.get("held_back"):
            found.append(
                f"{fact['held_back']} row(s) see an older row of {fact['right']}, since a later one had not arrived "
                "by their time"
            )
    return found


_REASONS = {"too_old": "found only older ones", "not_yet_known": "found only some not yet known"}


def _question(
    join: Join,
    origin: Table,
    result: Table,
    right: Table,
    keys: Sequence[tuple[str, str]],
    names: Mapping[tuple[str, str], str],
    source: Source,
    where: Where,
) -> Question | None:
    """What the rows ask of the past, with every column looked up; None for a join that is not by time."""
    if join.as_of is None or source.timestamp_column is None:
        return None
    require_time(origin, join.as_of.by, (*where, "as_of", "by"))
    at_source: Where = ("data", "sources", join.right)
    require_time(right, source.timestamp_column, (*at_source, "timestamp_column"))
    if source.created_timestamp_column is not None:
        require_time(right, source.created_timestamp_column, (*at_source, "created_timestamp_column"))
    return Question(
        result,
        right,
        keys,
        names[join.left, join.as_of.by],
        source.timestamp_column,
        source.created_timestamp_column,
        source.source_delay,
        join.as_of.lookback,
    )


def _joined(
    join: Join,
    question: Question | None,
    left: Table,
    right: Table,
    keys: Sequence[tuple[str, str]],
    names: dict[tuple[str, str], str],
    where: Where,
) -> tuple[Table, dict[str, Any]]:
    """The left rows with the columns of one more source, and what was counted; `names` learns the new columns."""
    fact: dict[str, Any] = {}
    if join.aggregate:
        place = (*where, "aggregate")
        types, reads = aggregates.types_of(right, join.aggregate, place)
        for name in join.aggregate:
            _refuse_taken(name, left, (*place, name))
            names[join.right, name] = name
        if question is None:
            made = aggregates.grouped(left, right, keys, join.aggregate, types, reads)
        else:
            made = point_in_time.summarised(question, join.aggregate, types, reads)
        empty = aggregates.of_no_rows(right, join.aggregate, types)
        return _widened(left, made, list(join.aggregate), join.how, empty), {"matched": made.rows}
    added = _added(join, right, keys, left, names, where, without=question.created if question else None)
    if question is not None:
        found, seen = point_in_time.latest(question)
        fact = seen._asdict()
        if question.created is None:
            # A constant delay holds back a row of every question; only late arrivals are worth a word.
            del fact["held_back"]
    else:
        _refuse_fan_out(right, join, (*where, "on"))
        found = _equal(left, right, keys)
        fact = {"matched": found.rows}
    return _fetched(left, right, found, added, join.how), fact


def _added(
    join: Join,
    right: Table,
    keys: Sequence[tuple[str, str]],
    left: Table,
    names: dict[tuple[str, str], str],
    where: Where,
    without: str | None,
) -> dict[str, str]:
    """The columns of `right` to be added and what they are called then; `without` steers the join and is not kept."""
    same = {right_key: left_key for left_key, right_key in keys}
    added = {}
    for column in right.names:
        if column in same:
            names[join.right, column] = same[column]
        elif column != without:
            added[column] = names[join.right, column] = _free(column, join.right, left, right, where)
    return added


def _free(column: str, source: str, left: Table, right: Table, where: Where) -> str:
    if column not in left.names:
        return column
    name = f"{source}_{column}"
    if name in left.names or name in right.names:
        raise StageError(
            "a column name is taken",
            f"column {column!r} of {source!r} would be called {name!r}, which is there already",
            "rename one of them in its source",
            path=(*where, "right"),
        )
    return name


def _refuse_taken(name: str, left: Table, place: Where) -> None:
    if name in left.names:
        raise StageError(
            "a column name is taken",
            f"there is a column {name!r} already",
            "give the aggregate a name of its own",
            path=place,
        )


def _refuse_incomparable(left: Table, right: Table, keys: Sequence[tuple[str, str]], where: Where) -> None:
    for left_key, right_key in keys:
        kinds = {left.column(left_key).type, right.column(right_key).type}
        if len(kinds) > 1 and kinds != {"integer", "number"}:
            raise StageError(
                "keys of different types",
                f"{left_key!r} and {right_key!r} are compared, and they are {' and '.join(sorted(kinds))}",
                "give both the same type, with types of a csv source or in the query of a sql source",
                path=where,
            )


def _refuse_fan_out(right: Table, join: Join, where: Where) -> None:
    columns = list(join.keys.values())
    extra, examples = repeated(right, columns, 3)
    if extra:
        raise StageBlocked(
            "a join would multiply rows",
            f"source {join.right!r} has {extra} row(s) that repeat an earlier key in {', '.join(columns)}, such as "
            f"{'; '.join(examples)}: each row of {join.left!r} with such a key would become several",
            "add the columns that make the key unique, give the join as_of or aggregate, or reduce the source to one "
            "row per key",
            path=where,
        )


def _nothing_matches(join: Join, fact: Mapping[str, Any], where: Where) -> StageError:
    reasons = [f"{fact[key]} row(s) {word}" for key, word in _REASONS.items() if fact.get(key)]
    return StageError(
        "a join matches nothing",
        f"no row of {join.left!r} finds a row of {join.right!r}"
        + (f": {'; '.join(reasons)}" if reasons else ""),
        "widen as_of.lookback, or check the times of both sources"
        if reasons
        else f"compare the values of {', '.join(join.keys) or 'the times'} in both sources",
        path=(*where, "as_of" if reasons else "on"),
    )


def _equal(left: Table, right: Table, keys: Sequence[tuple[str, str]]) -> Table:
    """`n` of each left row that has a match, and of the right row it matches."""
    same = " AND ".join(f"a.{left.column(a).sql} = b.{right.column(b).sql}" for a, b in keys)
    return left.engine.store(
        {"left": "integer", "right": "integer"},
        f"SELECT a.n, b.n FROM {left.view} a JOIN {right.view} b ON {same} ORDER BY a.n",
    )


def _fetched(left: Table, right: Table, found: Table, added: Mapping[str, str], how: str) -> Table:
    """The left rows with columns of the right rows that `found` pairs them with."""
    pair = {column.name: column.sql for column in found.columns}
    items = [f"a.{column.sql}" for column in left.columns]
    items += [f"b.{right.column(name).sql}" for name in added]
    return left.engine.store(
        _types(left) | {name: right.column(column).type for column, name in added.items()},
        f"SELECT {', '.join(items)} FROM {left.view} a {how.upper()} JOIN {found.view} p ON a.n = p.{pair['left']} "
        f"{how.upper()} JOIN {right.view} b ON b.n = p.{pair['right']} ORDER BY a.n",
    )


def _widened(left: Table, made: Table, added: Sequence[str], how: str, empty: Table) -> Table:
    """The left rows with columns of `made`, which names them in its first; those of `empty` where there is none."""
    row = made.columns[0].sql
    items = [f"a.{column.sql}" for column in left.columns]
    items += [
        f"CASE WHEN b.{row} IS NULL THEN e.{none.sql} ELSE b.{value.sql} END"
        for none, value in zip(empty.columns, made.columns[1:], strict=True)
    ]
    return left.engine.store(
        _types(left) | {name: column.type for name, column in zip(added, empty.columns, strict=True)},
        f"SELECT {', '.join(items)} FROM {left.view} a {how.upper()} JOIN {made.view} b "
        f"ON a.n = b.{row} CROSS JOIN {empty.view} e ORDER BY a.n",
    )


def _types(table: Table) -> dict[str, ColumnType]:
    return {column.name: column.type for column in table.columns}
