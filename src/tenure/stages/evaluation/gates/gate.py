"""What all gates have, what they look at, and what they say."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import field as attribute
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tenure.core.effect import Effect
from tenure.spec.base import SpecModel, field
from tenure.stages.evaluation.waiver import Waiver

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from tenure.ml.predictions import Predictions
    from tenure.ml.predictor import Predictor
    from tenure.ml.task import Task
    from tenure.stages.evaluation.groups import Group

Status = Literal["passed", "failed", "waived", "insufficient_data", "no_comparison"]


class Verdict(msgspec.Struct, frozen=True):
    """Whether a gate holds, in a sentence with the numbers it rests on. `limit` is what `value` was compared with.

    `status` says more than `passed`: what could not be judged for want of rows or of something to compare with, and
    what failed and is waived (`passed` is then true). `measured` marks what another machine would measure otherwise.
    """

    type: str
    metric: str
    passed: bool
    enforced: bool
    text: str
    value: float | None = None
    limit: float | None = None
    status: Status = "passed"
    waiver: dict[str, str] | None = None
    measured: bool = False


@dataclass(frozen=True)
class Evidence:
    """What gates may look at: the rows of the test part and what each candidate says about them.

    `truth` (rows,). `champion` is None when there is none to compare with; `champion_note` then says why, and
    `champion_missing` whether a comparison was due. `comparable` (rows,) masks the rows the champion was not fitted on;
    None: all of them. `groups` cuts the rows by a column or a condition. `value` is the block `business.value`.
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
    champion_missing: bool = False
    table: pa.Table | None = None
    predictor: Predictor | None = None
    size: int = 0
    value: Mapping[str, Any] | None = None
    slices: tuple[str, ...] = ()
    min_slice_rows: int = 1
    groups: Callable[[str, tuple[str | int, ...]], tuple[Group, ...]] = attribute(
        default=lambda text, path: ()
    )


class GateBase(SpecModel, ABC):
    """The base of every gate."""

    enforcement: Literal["enforce", "warn"] = field(
        Effect.EVALUATE,
        "`enforce` keeps a model that fails from being released; `warn` only says so.",
        "enforce",
    )
    waiver: Waiver | None = field(
        Effect.EVALUATE, "Lets a model that fails pass until a day, on somebody's word.", None
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


def verdict(
    gate: GateBase,
    kind: str,
    metric: str,
    text: str,
    *,
    passed: bool,
    value: float | None = None,
    limit: float | None = None,
    status: Status | None = None,
    measured: bool = False,
) -> Verdict:
    """The verdict of a gate. A value that is no number is left out."""
    import math

    return Verdict(
        type=kind,
        metric=metric,
        passed=passed,
        enforced=gate.enforced,
        text=text,
        value=value if value is not None and math.isfinite(value) else None,
        limit=limit,
        status=status or ("passed" if passed else "failed"),
        measured=measured,
    )


def shown(value: float) -> str:
    """A number with four significant digits."""
    return f"{value:.4g}"
