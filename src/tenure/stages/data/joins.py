"""Several sources as one table: plain joins on equal keys, each adding the columns of one more source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from tenure.core.effect import Effect
from tenure.core.errors import StageBlocked, StageError
from tenure.spec.base import SpecModel, field
from tenure.stages.data.lookup import Where, repeated, require

if TYPE_CHECKING:
    from tenure.stages.data.engine import Table


class Join(SpecModel):
    """Adds the columns of the source `right` to the rows of `left`. A row of `left` never becomes several rows."""

    left: str = field(Effect.RETRAIN, "A source: the first one, or one joined before.", examples=["flights"])
    right: str = field(
        Effect.RETRAIN,
        "The source whose columns are added. Its keys must be unique. A column whose name is taken is called "
        "`<source>_<column>`.",
        examples=["weather"],
    )
    on: str | tuple[str, ...] | dict[str, str] = field(
        Effect.RETRAIN,
        "The columns that must be equal: one name, several, or a mapping from the name in `left` to that in `right`. "
        "Missing values match nothing.",
        examples=["tailnum", ["origin", "time_hour"], {"dest": "faa"}],
    )
    how: Literal["left", "inner"] = field(
        Effect.RETRAIN, "`left` keeps rows of `left` without a match, `inner` drops them.", "left"
    )

    @property
    def keys(self) -> dict[str, str]:
        """Column of `left` -> column of `right`."""
        if isinstance(self.on, dict):
            return self.on
        return {name: name for name in ((self.on,) if isinstance(self.on, str) else self.on)}


def problems(joins: Sequence[Join], sources: Sequence[str]) -> list[str]:
    """What is wrong with the joins of some sources, as sentences."""
    if not joins:
        return (
            [] if len(sources) == 1 else [f"join says nothing about how {', '.join(sources)} belong together"]
        )
    found = []
    joined = {joins[0].left}
    for number, join in enumerate(joins, 1):
        if not join.keys:
            found.append(f"join {number} has no columns in on")
        found += [
            f"join {number} names {name!r}, which is no source; there are {', '.join(sources)}"
            for name in (join.left, join.right)
            if name not in sources
        ]
        if join.left in sources and join.left not in joined:
            found.append(f"join {number} starts from {join.left!r}, which is not joined before it")
        if join.right in joined:
            found.append(f"join {number} adds {join.right!r} a second time")
        joined.add(join.right)
    unused = [name for name in sources if name not in joined]
    if unused and not found:
        found.append(f"no join uses {', '.join(unused)}")
    return found


def join_all(tables: Mapping[str, Table], joins: Sequence[Join]) -> tuple[Table, list[dict[str, Any]]]:
    """The joined table in the order of the first source, and for each join how many rows found a match.

    Raises StageError for unknown or incomparable keys, StageBlocked when keys of `right` repeat.
    """
    first = joins[0].left
    result = tables[first]
    names = {(first, column): column for column in result.names}
    facts = []
    for position, join in enumerate(joins):
        where: Where = ("data", "join", position)
        right = tables[join.right]
        keys = {}
        for left_key, right_key in join.keys.items():
            require(tables[join.left], left_key, (*where, "on"))
            require(right, right_key, (*where, "on"))
            keys[names[join.left, left_key]] = right_key
        _refuse_incomparable(result, right, keys, (*where, "on"))
        _refuse_fan_out(right, join, (*where, "on"))
        for column in right.names:
            matched = next((left for left, key in keys.items() if key == column), None)
            names[join.right, column] = matched or _free(column, join.right, result, right, where)
        added = {c: names[join.right, c] for c in right.names if c not in keys.values()}
        before = result.rows
        result, matches = _join(result, right, keys, added, join.how)
        facts.append({"right": join.right, "rows": before, "matched": matches})
    return result, facts


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


def _refuse_incomparable(left: Table, right: Table, keys: Mapping[str, str], where: Where) -> None:
    for left_key, right_key in keys.items():
        kinds = {str(left.column(left_key).type), str(right.column(right_key).type)}
        if len(kinds - {"integer"} | ({"number"} if "integer" in kinds else set())) > 1:
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
            "add the columns that make the key unique, or reduce the source to one row per key",
            path=where,
        )


def _join(
    left: Table, right: Table, keys: Mapping[str, str], added: Mapping[str, str], how: str
) -> tuple[Table, int]:
    condition = " AND ".join(
        f"a.{left.column(one).sql} = b.{right.column(other).sql}" for one, other in keys.items()
    )
    items = [f"a.{column.sql}" for column in left.columns] + [f"b.{right.column(name).sql}" for name in added]
    columns = {column.name: column.type for column in left.columns} | {
        new: right.column(name).type for name, new in added.items()
    }
    joined = left.engine.store(
        columns,
        f"SELECT {', '.join(items)} FROM {left.view} AS a {how} JOIN {right.view} AS b ON {condition} ORDER BY a.n",
    )
    if how == "inner":
        return joined, joined.rows
    ((matches,),) = left.engine.query(
        f"SELECT count(*) FROM {left.view} AS a SEMI JOIN {right.view} AS b ON {condition}"
    )
    return joined, matches
