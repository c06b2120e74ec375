"""A trial of the search as it is fitted again after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tenure.stages.training.algorithm import Algorithm


@dataclass(frozen=True)
class Candidate:
    """A trial of the search as it is fitted again: `settings` are what its block says besides the search space."""

    name: str
    params: Mapping[str, Any]
    settings: Mapping[str, Any]
    score: float | None

    @property
    def algorithm(self) -> Algorithm:
        """The algorithm with the settings of the spec."""
        from tenure.stages.training.algorithms import Algorithms

        return Algorithms.model_validate({self.name: dict(self.settings)}).listed()[self.name]
