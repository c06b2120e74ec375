"""What all gates have, what they look at, and what they say."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tenure.core.effect import Effect
from tenure.spec.base import SpecModel, field

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tenure.ml.predictions import Predictions
    from tenure.ml.task import Task


class Verdict(msgspec.Struct, frozen=True):
    """Whether a gate holds, in a sentence with the numbers it rests on. `limit` is what `value` was compared with."""

    type: str
    metric: str
    passed: bool
    enforced: bool
    text: str
    value: float | None = None
    limit: float | None = None


@dataclass(frozen=True)
class Evidence:
    """What gates may look at: the rows of the test part and what each candidate says about them.

    `truth` (rows,). `champion` is None when there is none to compare with; `champion_note` then says why.
    `comparable` (rows,) masks the rows the champion was not fitted on; None: all of them.
    """

    task: Task
    primary: str
    truth: npt.NDArray[Any]
    model: Predictions
    baseline: Predictions
    champion: Predictions | None
    champion_name: str
    champion_note: str
    confidence: float
    resamples: int
    seed: int
    path: tuple[str | int, ...]
    comparable: npt.NDArray[np.bool_] | None = None


class GateBase(SpecModel, ABC):
    """The base of every gate."""

    enforcement: Literal["enforce", "warn"] = field(
        Effect.EVALUATE,
        "`enforce` keeps a model that fails from being released; `warn` only says so.",
        "enforce",
    )

    @property
    def enforced(self) -> bool:
        """Whether a failure blocks the release."""
        return self.enforcement == "enforce"

    @abstractmethod
    def condition(self) -> str:
        """What is demanded, as the plan shows it before anything is trained."""

    @abstractmethod
    def judge(self, evidence: Evidence) -> Verdict:
        """Whether it holds. Raises StageError for a metric that does not fit the task."""


def shown(value: float) -> str:
    """A number with four significant digits."""
    return f"{value:.4g}"
