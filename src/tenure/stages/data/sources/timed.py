"""What every source may say about time: when its rows happened, and from when they were known."""

from __future__ import annotations

from tenure.core.effect import Effect
from tenure.ml.written import WrittenFile
from tenure.spec.base import DurationText, SpecModel, field


class Timed(SpecModel):
    """The base of every source. Joins with `as_of` use these columns, so that no row sees what came later."""

    timestamp_column: str | None = field(
        Effect.RETRAIN,
        "The column that says when a row happened, for joins with `as_of`.",
        None,
        min_length=1,
        examples=["measured_at"],
    )
    created_timestamp_column: str | None = field(
        Effect.RETRAIN,
        "The column that says from when a row was known, such as when it was loaded. A value that was filled in later "
        "is not seen before, and a row that has none is seen only where `source_delay` is given.",
        None,
        min_length=1,
        examples=["loaded_at"],
    )
    source_delay: DurationText | None = field(
        Effect.RETRAIN,
        "How long after it happened a row is known, where no column says so.",
        None,
        examples=["1h"],
    )

    @property
    def written(self) -> WrittenFile | None:
        """How text files of such rows are written; None where no text is read, so that nothing is said of it."""
        return None
