"""What an algorithm is: its search space, where a search begins, the tasks it can do, and one verb that fits it."""

from __future__ import annotations

import re
import threading
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from tenure.spec.base import SpecModel
from tenure.stages.training.space import Dimension, Value

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Form = Literal["linear", "tree"]
"""How the matrix is prepared: for algorithms that add features up (scaled numbers, indicators of categories), or for
those that only compare values of one feature (numbers as they are, categories as codes)."""

Watch = Callable[[int, float], bool]
"""Told the number of rounds done and the loss on the validation rows (smaller is better); true means: stop now."""


def never_stop(rounds: int, loss: float) -> bool:
    """The watch of a fit that nobody waits for."""
    return False


@dataclass(frozen=True)
class Rows:
    """Preprocessed rows: matrix (rows, features) in float64, class positions or numbers (rows,), and what each row
    counts (rows,), None when all count the same.

    The matrix may be mapped from a file, and is not to be written to. `cache` holds what an algorithm makes of the rows
    and can use again with other parameters; it belongs to one thread.
    """

    matrix: npt.NDArray[np.float64]
    target: npt.NDArray[Any]
    weights: npt.NDArray[np.float64] | None = None
    cache: dict[Any, Any] = field(default_factory=dict)


Batch = Callable[[], Rows]
"""Some rows, read when they are asked for, which may be more than once."""


@dataclass(frozen=True)
class Setting:
    """What is the same for every fit of a search. `metric` is the primary one, empty where nobody has named one.

    `watch` is for algorithms with ROUNDS: with validation rows they call it after each round with the loss they stop
    early by, and stop when it says so. `target_variance` is that of a number among the rows of the sample, for fits in
    parts, none of which sees all rows. With a `quantile` an algorithm with QUANTILES estimates that of a number,
    not its mean; there are no validation rows then.
    """

    task: str
    classes: int
    seed: int
    threads: int
    metric: str = ""
    watch: Watch = never_stop
    target_variance: float | None = None
    quantile: float | None = None


@dataclass(frozen=True)
class Fit:
    """A fitted estimator, and what the fit itself found out (`rounds`), which a refit on all rows is given."""

    estimator: Any
    learned: Mapping[str, float] = field(default_factory=dict)


class Algorithm(SpecModel, ABC):
    """The base of every algorithm. Equal parameters, rows and seed give an equal model."""

    TASKS: ClassVar[tuple[str, ...]]
    PORTFOLIO: ClassVar[tuple[Mapping[str, Value], ...]]
    """Parameters a search begins with, best first: the first is good without any search, and quick. Every parameter
    has a value in one of them."""
    PORTFOLIO_OF_LARGE: ClassVar[tuple[Mapping[str, Value], ...]] = ()
    """Takes its place above LARGE_ROWS rows, where other parameters do well; empty where the same do."""
    LARGE_ROWS: ClassVar[int] = 10_000
    FORM: ClassVar[Form] = "linear"
    """Which form of the prepared matrix it takes."""
    COST: ClassVar[float] = 1.0
    """Roughly how long a fit to 20,000 rows takes, or 100 rounds of it, as a multiple of a linear model's with all its
    preparation: whose turn it is depends on it."""
    ROUNDS: ClassVar[str | None] = None
    """The parameter that limits the number of rounds, for algorithms that work in rounds, validate each, and can stop
    after any: they call `Setting.watch`. None for those that cannot be stopped half-way."""
    CONDITIONS: ClassVar[Mapping[str, tuple[str, tuple[Value, ...]]]] = {}
    """Parameters that count only where another one, earlier in the order of the fields, has one of the given values.
    Where they do not count, `params` does not have them."""
    MISSING_VALUES: ClassVar[bool] = True
    """Whether the algorithm takes NaN in the matrix."""
    PACKAGES: ClassVar[tuple[str, ...]] = ("scikit-learn",)
    """The distributions that may provide the library behind it; a trial by another version of it is another trial."""
    MODULES: ClassVar[tuple[str, ...]] = ("sklearn.base",)
    """What `fit` imports. It is imported by one thread at a time: two that import halves of the same library at once
    may each see the other's half unfinished."""
    IN_PARTS: ClassVar[bool] = False
    """Whether it can be fitted to rows that no process holds all of: `fit_part`."""
    QUANTILES: ClassVar[bool] = False
    """Whether it estimates quantiles of a number: `Setting.quantile`."""
    VERSION: ClassVar[int] = 1
    """Raised when equal parameters, rows and seed would give another model than before."""

    def dimensions(self) -> dict[str, Dimension]:
        """The dimensions by parameter, in the order of the fields."""
        space = self.search_space  # type: ignore[attr-defined]
        return {name: getattr(space, name) for name in type(space).model_fields}

    def counts(self, name: str, params: Mapping[str, Value]) -> bool:
        """Whether a parameter matters, given those before it."""
        if name not in self.CONDITIONS:
            return True
        other, values = self.CONDITIONS[name]
        return params.get(other) in values

    def moved(self, wanted: Mapping[str, Value]) -> dict[str, Value]:
        """Parameters moved into the search space where it excludes them, completed from the portfolio."""
        params: dict[str, Value] = {}
        for name, dimension in self.dimensions().items():
            if self.counts(name, params):
                usual = (member[name] for member in self.PORTFOLIO if name in member)
                params[name] = dimension.nearest(wanted[name] if name in wanted else next(usual))
        return params

    def starts(self, rows: int = 0) -> tuple[dict[str, Value], ...]:
        """The portfolio for a table of so many rows within the search space, each member once."""
        found: list[dict[str, Value]] = []
        large = rows > self.LARGE_ROWS and self.PORTFOLIO_OF_LARGE
        for member in self.PORTFOLIO_OF_LARGE if large else self.PORTFOLIO:
            params = self.moved(member)
            if params not in found:
                found.append(params)
        return tuple(found)

    def start(self) -> dict[str, Value]:
        """The parameters of the first trial."""
        return self.starts()[0]

    def settled(self) -> dict[str, Any]:
        """What the block says beside the search space, where that is not the default: part of what a model is made
        from."""
        return self.model_dump(mode="json", exclude={"search_space"}, exclude_defaults=True, by_alias=True)

    def fit_part(self, params: Mapping[str, Any], batches: Sequence[Batch], setting: Setting) -> Any:
        """Fit together with others who each hold a part of the rows, and are found by what the caller has set up; all
        get an equal estimator. Only for algorithms with IN_PARTS."""
        raise NotImplementedError

    def check_rows(self, count: int) -> None:
        """Raise StageError for more rows than the algorithm takes; asked before a search begins."""

    @abstractmethod
    def fit(self, params: Mapping[str, Any], rows: Rows, setting: Setting, validation: Rows | None) -> Fit:
        """Fit to rows. `validation` rows may decide when to stop and are not learned from."""


@contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Keep numerical libraries to so many threads: on small data, starting more costs more than it saves.

    Where the thread is limited to as many already, nothing is done: finding the libraries takes milliseconds.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    before = getattr(_limited, "threads", None)
    if before == threads:
        yield
        return
    with threadpool_limits(limits=threads):
        _limited.threads = threads
        try:
            yield
        finally:
            _limited.threads = before


@contextmanager
def quietly() -> Iterator[None]:
    """Ignore what libraries warn of while they fit: a fit that is not quite at its optimum is still judged by its score
    on rows it has not seen.

    Warnings are ignored for the process, not for a thread, while any fit is under way. Others may bring back what was
    before (libraries that ignore some of them for a moment); whoever begins a fit turns them off again.
    """
    with _quiet.lock:
        _quiet.under_way += 1
        if _IGNORED not in warnings.filters[:1]:
            warnings.filterwarnings("ignore", message=_ANY)
    try:
        yield
    finally:
        with _quiet.lock:
            _quiet.under_way -= 1
            if _quiet.under_way == 0:
                with suppress(ValueError):
                    cast("list[Any]", warnings.filters).remove(_IGNORED)


@dataclass
class _Quiet:
    """How many fits are under way that warnings are off for."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    under_way: int = 0


_ANY = ".*"
_IGNORED = ("ignore", re.compile(_ANY, re.IGNORECASE), Warning, None, 0)
"""The filter as the module `warnings` keeps it; nobody else has one with such a message."""
_quiet = _Quiet()
_limited = threading.local()
