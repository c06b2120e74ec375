"""Explanation `permutation`: how much worse the model gets when a column is shuffled (Breiman 2001, Fisher 2019)."""

from __future__ import annotations

from typing import Literal

from tenure.core.effect import Effect
from tenure.spec.base import SpecModel, field
from tenure.stages.evaluation.explanations.explanation import (
    Asked,
    Explanation,
    Importance,
    answered,
    chosen_rows,
    curve,
)

_MOST_PREDICTIONS = 1_000_000


class Permutation(SpecModel):
    """How much worse the primary metric gets on the test part when the values of one input column are shuffled.

    Works for every model. Columns that say the same cover for one another: each alone looks less important.
    """

    type: Literal["permutation"] = field(Effect.EVALUATE, "The kind of explanation; may be left out.")
    rows: int = field(
        Effect.EVALUATE, "Most rows of the test part to shuffle, drawn at random.", 1000, ge=50, le=100_000
    )
    repeats: int = field(
        Effect.EVALUATE, "How often each column is shuffled; the importance is the mean.", 3, ge=1, le=100
    )

    def explain(self, asked: Asked) -> Explanation:
        """Shuffle one input column after the other. Fewer rows are used where there are very many columns."""
        import numpy as np
        import pyarrow as pa

        from tenure.ml.metrics import score

        names = [column.name for column in asked.predictor.signature.inputs]
        most = max(50, min(self.rows, _MOST_PREDICTIONS // (self.repeats * max(1, len(names)))))
        rows = chosen_rows(asked, most)
        table = asked.table.select(names).take(pa.array(rows))
        truth = asked.truth[rows]
        sign = 1.0 if asked.measure.goal == "maximize" else -1.0
        intact = score(asked.measure, truth, asked.predictor.predict(table))
        plain = answered(asked.predictor, table)
        found = []
        for position, name in enumerate(names):
            # Each column its own stream, so that another column does not change what is said of this one.
            generator = np.random.default_rng([asked.seed, position])
            column = table.column(name)
            losses = []
            for _ in range(self.repeats):
                shuffled = table.set_column(
                    position, name, column.take(pa.array(generator.permutation(len(rows))))
                )
                losses.append(
                    sign * (intact - score(asked.measure, truth, asked.predictor.predict(shuffled)))
                )
            known = [loss for loss in losses if np.isfinite(loss)]
            found.append(
                Importance(
                    name,
                    float(np.mean(known)) if known else 0.0,
                    float(min(known, default=0.0)),
                    float(max(known, default=0.0)),
                    () if plain is None else curve(asked, table, name, plain[0]),
                )
            )
        found.sort(key=lambda item: (-item.value, item.column))
        return Explanation(
            "permutation",
            f"how much worse {asked.measure.name} gets when the column is shuffled",
            "" if plain is None else plain[1],
            len(rows),
            tuple(found),
        )
