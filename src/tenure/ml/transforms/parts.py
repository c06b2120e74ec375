"""Transform `parts`: what recurs in a timestamp (the hour, the day of the week, the month) becomes numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from tenure.core.effect import Effect
from tenure.ml.transforms.base import Action, Learned, Reads, Target, Transform
from tenure.spec.base import field

DatetimePart = Literal["year", "quarter", "month", "day", "dayofweek", "dayofyear", "hour", "minute"]

_CYCLES: dict[str, float] = {
    "quarter": 4.0, "month": 12.0, "day": 31.0, "dayofweek": 7.0, "dayofyear": 365.25, "hour": 24.0, "minute": 60.0,
}  # fmt: skip


class Parts(Transform):
    """Parts of a timestamp in UTC, as plain numbers or as cycles."""

    type: Literal["parts"] = field(Effect.RETRAIN, "Take parts of a timestamp.")
    parts: tuple[DatetimePart, ...] = field(
        Effect.RETRAIN, "The parts.", ("month", "dayofweek", "dayofyear", "hour"), min_length=1
    )
    cyclical: bool = field(
        Effect.RETRAIN,
        "Give each part as sine and cosine, so that December is next to January; the year stays a number.",
        True,
    )

    TAKES: ClassVar[Reads] = "timestamp"

    def fit(self, values: Any, target: Target | None) -> Learned:
        """Nothing to learn."""
        return {}

    def compiled(self, learned: Learned) -> Action:
        """From datetime64[us] (rows,) to numbers; NaT becomes NaN."""
        return self._numbers

    def names(self, columns: Sequence[str], learned: Learned) -> list[tuple[str, int]]:
        """`COLUMN__part`, and for a cycle `COLUMN__part_sin` and `COLUMN__part_cos`."""
        (name,) = columns
        names = []
        for part in self.parts:
            cyclic = self.cyclical and part in _CYCLES
            names += [f"{name}__{part}_sin", f"{name}__{part}_cos"] if cyclic else [f"{name}__{part}"]
        return [(name, 0) for name in names]

    def _numbers(self, moments: Any) -> Any:
        import numpy as np

        missing = np.isnat(moments)
        # Any instant will do where there is none: the result is overwritten with NaN.
        moments = np.where(missing, np.datetime64(0, "us"), moments)
        columns = []
        for part in self.parts:
            number = _part(part, moments)
            if self.cyclical and part in _CYCLES:
                angle = 2 * np.pi * number / _CYCLES[part]
                columns += [np.sin(angle), np.cos(angle)]
            else:
                columns.append(number)
        matrix = np.column_stack(columns)
        matrix[missing] = np.nan
        return matrix


def _part(part: DatetimePart, moments: Any) -> Any:
    """One part of instants (rows,), float64."""
    import numpy as np

    days = moments.astype("datetime64[D]")
    if part == "hour" or part == "minute":
        second = (moments - days).astype("timedelta64[s]").astype(np.int64)
        number = second // 3600 if part == "hour" else second // 60 % 60
    elif part == "dayofweek":
        number = (days.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday; Monday is 0
    elif part == "day":
        number = (days - moments.astype("datetime64[M]")).astype(np.int64) + 1
    else:
        years = moments.astype("datetime64[Y]")
        if part == "year":
            number = years.astype(np.int64) + 1970
        elif part == "dayofyear":
            number = (days - years).astype(np.int64) + 1
        else:
            month = (moments.astype("datetime64[M]") - years).astype(np.int64)
            number = month // 3 + 1 if part == "quarter" else month + 1
    return number.astype(np.float64)
