"""The block `training.distributed`: how a model is fitted to more rows than fit into the memory of one process."""

from __future__ import annotations

from tenure.core.effect import Effect
from tenure.spec.base import SpecModel, field
from tenure.stages.training.preparation import Sample


class Distributed(SpecModel):
    """The final fit learns from all rows, which no process holds all of; the search works on a sample of them."""

    search_rows: int = field(
        Effect.RETRAIN,
        "How many rows the search and all that follows from its folds work on: a sample drawn by the seed. Medians, "
        "categories and other statistics of the features are learned from it, too.",
        200_000,
        ge=1000,
        le=100_000_000,
    )
    parts: int = field(
        Effect.RETRAIN,
        "Into how many parts the rows are cut. Each is fitted by one thread, so that no more cores are used than there "
        "are parts. The same parts give the same model on one machine as on many.",
        8,
        ge=1,
        le=1024,
    )

    def sample(self, seed: int) -> Sample:
        """The rows of the search."""
        return Sample(self.search_rows, seed)
