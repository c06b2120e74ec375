"""What a transform is: its fields in YAML, what it learns from training rows, and plain array code that applies it.

There is one code for training, files and serving: what was learned is numbers and names, and `compiled` makes a
function of them. That function gives a row the same bits alone as among thousands, so it never multiplies matrices.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from tenure.spec.base import SpecModel

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Reads = Literal["number", "text", "timestamp"]
"""How a column is read: float64 with NaN where it is missing, `design.Text`, or datetime64[us] with NaT."""

Learned = dict[str, Any]
"""What a transform found out: arrays of numbers or truth values, and lists of text, by name."""

Action = Callable[[Any], Any]
"""From the values of a step to those of the next: matrices (rows, columns) in float64, but for the first step."""


@dataclass(frozen=True)
class Target:
    """What the training rows should give: class positions (int64) or numbers (float64), (rows,); the labels of the
    classes, none for a regression; and the start of all chance."""

    values: npt.NDArray[Any]
    classes: tuple[str | bool | int | float, ...] = ()
    seed: int = 7


class Transform(SpecModel, ABC):
    """The base of every transform. Fitted to equal rows it learns the same, and it never looks at other columns."""

    TAKES: ClassVar[Reads] = "number"
    MONOTONE: ClassVar[bool] = False
    """Whether the order of values stays, and ties stay ties: then a tree cannot tell the difference."""
    NEEDS_TARGET: ClassVar[bool] = False

    @property
    def completes(self) -> bool:
        """Whether there is a number for a missing one."""
        return self.TAKES == "text"

    @abstractmethod
    def fit(self, values: Any, target: Target | None) -> Learned:
        """What the training rows teach. Columns without any value are no error."""

    def fit_transform(self, values: Any, target: Target | None) -> tuple[Learned, npt.NDArray[np.float64]]:
        """What was learned, and the training rows as an algorithm should see them while it learns."""
        learned = self.fit(values, target)
        return learned, self.compiled(learned)(values)

    @abstractmethod
    def compiled(self, learned: Learned) -> Action:
        """The transform as a function. It may change a matrix it is given."""

    def names(self, columns: Sequence[str], learned: Learned) -> list[tuple[str, int]]:
        """Name of each output column, and the position of the input column it comes from."""
        return [(name, position) for position, name in enumerate(columns)]
