"""A split by time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, model_validator

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.core.units import parse_duration, parse_instant
from tenure.spec.base import DurationText, FieldProblem, SpecModel, field
from tenure.stages.data.lookup import require_time
from tenure.stages.data.point_in_time import interval
from tenure.stages.data.splits.shares import COLUMN, Rows, refuse_empty
from tenure.stages.data.values import as_sql

if TYPE_CHECKING:
    from tenure.stages.data.engine import Column, Table

_TYPE = ("data", "split", "type")
_SHARE = 0.2


def _moment(value: Any) -> Any:
    """YAML reads an unquoted date as one."""
    return value if isinstance(value, str) else value.isoformat() if hasattr(value, "isoformat") else value


def _instant(text: str) -> str:
    try:
        parse_instant(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is not a date or time; write it as 2026-01-31 or 2026-01-31T12:00:00Z"
        ) from None
    return text


Moment = Annotated[str, BeforeValidator(_moment), AfterValidator(_instant)]


class Datetime(SpecModel):
    """The latest rows are the test part, those before them the validation part: the model is judged on its future."""

    type: Literal["datetime"] = field(Effect.RETRAIN, "Split by time.")
    column: str | None = field(
        Effect.RETRAIN,
        "Column with the times; `data.timestamp_column` when left out.",
        None,
        examples=["booked_at"],
    )
    test: float | None = field(
        Effect.RETRAIN,
        "Share of the rows that judges the finished model and is used for nothing else; 0.2 when neither it nor "
        "`test_from` is given.",
        None,
        gt=0.0,
        lt=1.0,
    )
    validation: float | None = field(
        Effect.RETRAIN,
        "Share of the rows kept apart for choices made between training and test; cross-validation needs none.",
        None,
        ge=0.0,
        lt=1.0,
    )
    test_from: Moment | None = field(
        Effect.RETRAIN,
        "Rows from this moment on are the test part, instead of a share.",
        None,
        examples=["2026-01-01"],
    )
    validation_from: Moment | None = field(
        Effect.RETRAIN,
        "Rows from this moment to the test part are the validation part, instead of a share.",
        None,
        examples=["2025-10-01"],
    )
    gap: DurationText | None = field(
        Effect.RETRAIN,
        "Rows this close in front of the next part are used for nothing, so that a label known late or a window over "
        "the past does not reach across the cut. It is never shorter than `data.label.delay`.",
        None,
        examples=["7d"],
    )

    @model_validator(mode="after")
    def _cut_once(self) -> Self:
        for share, moment in (("test", "test_from"), ("validation", "validation_from")):
            if getattr(self, share) is not None and getattr(self, moment) is not None:
                raise FieldProblem(f"{share} and {moment} both say where the part begins", at=(moment,))
        if (self.test or _SHARE) + (self.validation or 0.0) >= 1.0 and self.test_from is None:
            raise ValueError(
                f"test ({self.test or _SHARE}) and validation ({self.validation}) leave no rows to train on"
            )
        if (
            self.test_from
            and self.validation_from
            and parse_instant(self.validation_from) >= parse_instant(self.test_from)
        ):
            raise FieldProblem("validation_from is not before test_from", at=("validation_from",))
        if self.test_from and self.validation is not None:
            raise FieldProblem(
                "a share of the rows before a given moment", at=("validation",), hint="use validation_from"
            )
        return self

    @property
    def sentence(self) -> str:
        """How much is kept for the test, for people."""
        return (
            f"the test from {self.test_from} on"
            if self.test_from
            else f"{self.test or _SHARE:.0%} for the test"
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that the split looks at."""
        return () if self.column is None else (self.column,)

    def assign(self, rows: Rows) -> Table:
        """The rows with the part of each, `gap` for those left out; rows of one instant are never torn apart."""
        name = self.column or rows.timestamp_column
        if name is None:
            raise StageError(
                "a datetime split needs a column with times",
                "neither data.split.column nor data.timestamp_column is set",
                "set data.timestamp_column, or choose another split type",
                path=COLUMN,
            )
        column = require_time(rows.table, name, COLUMN)
        rows.refuse_missing(column, "timestamp")
        share = self.test or _SHARE
        cuts = [("test", self._cut(rows.table, column, "test", self.test_from, share, None))]
        if self.validation or self.validation_from:
            earlier = share + (self.validation or 0.0)
            cut = self._cut(rows.table, column, "validation", self.validation_from, earlier, cuts[0][1])
            cuts.append(("validation", cut))
        gap = max(
            (duration for duration in (self.gap, rows.maturity) if duration),
            key=lambda duration: parse_duration(duration).approximate_seconds,
            default=None,
        )
        cases = []
        for part, cut in cuts:
            cases.append(f"WHEN {column.sql} >= {cut} THEN '{part}'")
            if gap is not None:
                cases.append(f"WHEN {column.sql} > {cut} - {interval(gap)} THEN 'gap'")
        assigned = rows.assigned(f"CASE {' '.join(cases)} ELSE 'train' END")
        return refuse_empty(assigned, 1.0, 1.0 if len(cuts) > 1 else 0.0)

    def _cut(
        self, table: Table, column: Column, part: str, given: str | None, share: float, before: str | None
    ) -> str:
        """Where a part begins, as SQL: the moment given, or the instant from which on nearest to `share` of the rows
        lie, later than the first and earlier than `before`."""
        if given is not None:
            sql = as_sql(given, "timestamp")
            assert sql is not None
            return sql
        earlier = "" if before is None else f"AND instant < {before}"
        instants = (
            f"SELECT {column.sql} AS instant, count(*) AS times FROM {table.view} GROUP BY {column.sql}"
        )
        found = table.engine.query(
            "SELECT instant::VARCHAR FROM "
            f"(SELECT instant, sum(times) OVER (ORDER BY instant DESC) AS later FROM ({instants})) "
            f"WHERE instant > (SELECT min({column.sql}) FROM {table.view}) {earlier} "
            f"ORDER BY abs(later / {table.rows} - {share!r}), instant LIMIT 1"
        )
        if not found:
            ((distinct,),) = table.query(f"count(DISTINCT {column.sql})")
            raise StageError(
                "too few instants to split by time",
                f"the rows have {distinct} distinct timestamp(s); training and {part} part need one each",
                "choose split type random or stratified",
                path=_TYPE,
            )
        return f"TIMESTAMP '{found[0][0]}'"
