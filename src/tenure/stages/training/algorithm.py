"""What an algorithm is: its search space, the tasks it can do, and one verb that fits it to prepared rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from tenure.spec.base import SpecModel
from tenure.stages.training.space import Dimension, Value

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True)
class Rows:
    """Preprocessed rows: matrix (rows, features) in float64, and class positions or numbers (rows,).

    `cache` holds what an algorithm makes of the rows and can use again with other parameters.
    """

    matrix: npt.NDArray[np.float64]
    target: npt.NDArray[Any]
    cache: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Setting:
    """What is the same for every fit of a search."""

    task: str
    classes: int
    seed: int
    threads: int


@dataclass(frozen=True)
class Fit:
    """A fitted estimator, and what the fit itself found out (`rounds`), which a refit on all rows is given."""

    estimator: Any
    learned: Mapping[str, float] = field(default_factory=dict)


class Algorithm(SpecModel, ABC):
    """The base of every algorithm. Equal parameters, rows and seed give an equal model."""

    TASKS: ClassVar[tuple[str, ...]]
    START: ClassVar[Mapping[str, Value]]
    """Parameters that are tried first: good without any search."""
    MISSING_VALUES: ClassVar[bool] = True
    """Whether the algorithm takes NaN in the matrix."""

    def dimensions(self) -> dict[str, Dimension]:
        """The dimensions by parameter, in the order of the fields."""
        space = self.search_space  # type: ignore[attr-defined]
        return {name: getattr(space, name) for name in type(space).model_fields}

    def start(self) -> dict[str, Value]:
        """The parameters of the first trial, moved into the search space where it excludes them."""
        return {name: dimension.nearest(self.START[name]) for name, dimension in self.dimensions().items()}

    @abstractmethod
    def fit(self, params: Mapping[str, Any], rows: Rows, setting: Setting, validation: Rows | None) -> Fit:
        """Fit to rows. `validation` rows may decide when to stop and are not learned from."""


@contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Keep numerical libraries to so many threads: on small data, starting more costs more than it saves."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(limits=threads):
        yield
