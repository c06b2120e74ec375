"""How several sources belong together: one join after the other, each adding columns of one more source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from tenure.core.effect import Effect
from tenure.spec.base import DurationText, FieldProblem, SpecModel, field

if TYPE_CHECKING:
    from tenure.stages.data.sources import Source


class AsOf(SpecModel):
    """Each row of `left` sees what was known at its own time: the latest row of `right` that had happened and had
    arrived by then."""

    by: str = field(
        Effect.RETRAIN,
        "The timestamp column of `left` that says when a row asks, usually the moment of the prediction.",
        min_length=1,
        examples=["booked_at"],
    )
    lookback: DurationText | None = field(
        Effect.RETRAIN,
        "Rows of `right` that happened longer ago are not used; no limit when left out.",
        None,
        examples=["6h", "90d"],
    )


class Join(SpecModel):
    """Adds columns of the source `right` to the rows of `left`. A row of `left` never becomes several rows."""

    left: str = field(Effect.RETRAIN, "A source: the first one, or one joined before.", examples=["flights"])
    right: str = field(
        Effect.RETRAIN,
        "The source whose columns are added. Its keys must be unique, unless `as_of` or `aggregate` makes one row of "
        "several. A column whose name is taken is called `<source>_<column>`.",
        examples=["weather"],
    )
    on: str | tuple[str, ...] | dict[str, str] = field(
        Effect.RETRAIN,
        "The columns that must be equal: one name, several, or a mapping from the name in `left` to that in `right`. "
        "Missing values match nothing. With `as_of` it may be left out: every row is then about the same thing.",
        (),
        examples=["tailnum", ["origin", "time_hour"], {"dest": "faa"}],
    )
    how: Literal["left", "inner"] = field(
        Effect.RETRAIN, "`left` keeps rows of `left` without a match, `inner` drops them.", "left"
    )
    as_of: AsOf | None = field(
        Effect.RETRAIN,
        "Join by time, so that no row sees what was not yet known at its own time. `right` needs a "
        "`timestamp_column`; its `created_timestamp_column` and `source_delay` say from when a row was known.",
        None,
        examples=[{"by": "booked_at", "lookback": "90d"}],
    )
    aggregate: dict[str, str] = field(
        Effect.RETRAIN,
        "Name of a new column and the SQL aggregate it holds, over the rows of `right` with equal keys; with `as_of` "
        "over those within the look-back that were known. Only these columns are added.",
        dict,
        examples=[{"mean_temp": "avg(temp)", "storms": "count_if(wind_speed > 40)"}],
    )

    @model_validator(mode="after")
    def _says_what_to_look_at(self) -> Self:
        if self.aggregate and self.as_of is not None and self.as_of.lookback is None:
            raise FieldProblem(
                "an aggregate by time needs a window", at=("as_of",), hint="set lookback, such as 30d"
            )
        return self

    @property
    def keys(self) -> dict[str, str]:
        """Column of `left` -> column of `right`."""
        if isinstance(self.on, dict):
            return self.on
        return {name: name for name in ((self.on,) if isinstance(self.on, str) else self.on)}


def problems(joins: Sequence[Join], sources: Mapping[str, Source]) -> list[str]:
    """What is wrong with the joins of some sources, as sentences."""
    if not joins:
        listed = ", ".join(sources)
        return [] if len(sources) == 1 else [f"join says nothing about how {listed} belong together"]
    found = []
    joined = {joins[0].left}
    for number, join in enumerate(joins, 1):
        if not join.keys and join.as_of is None:
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
        if join.right in sources:
            found += [f"join {number} {problem}" for problem in _problems_of_time(join, sources[join.right])]
        joined.add(join.right)
    unused = [name for name in sources if name not in joined]
    if unused and not found:
        found.append(f"no join uses {', '.join(unused)}")
    return found


def _problems_of_time(join: Join, right: Source) -> Iterator[str]:
    if join.as_of is not None and right.timestamp_column is None:
        yield f"is as_of, so {join.right!r} needs a timestamp_column that says when its rows happened"
    if join.as_of is None and (right.created_timestamp_column or right.source_delay):
        yield (
            f"is not as_of, so it would show rows of {join.right!r} before they arrived, although the source says "
            "when they do; give it as_of"
        )
