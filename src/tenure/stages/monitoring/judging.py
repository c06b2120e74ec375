"""What every signal is handed and gives back: the rows of one window, and the judgement of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import msgspec

if TYPE_CHECKING:
    import pyarrow as pa

    from tenure.ml.reference import Reference
    from tenure.ml.windows import Window

Verdict = Literal["ok", "warn", "critical", "insufficient_data"]
Level = Literal["warn", "critical"]
LEVELS: tuple[Level, ...] = ("warn", "critical")

FEWEST_ROWS = 200
ROWS_PER_BIN = 20
"""A distance between histograms says nothing with fewer rows than these; a spec may set `window.min_rows` itself."""


class Judgement(msgspec.Struct, frozen=True):
    """The verdict of a signal about one window.

    `value` is the number behind it, None when there is too little to compute it from. `pressure` says by level how
    close the window came: 1 and more is a breach, and an alert clears only below `alerting.clear_ratio`. `sentence`
    is for people, `evidence` JSON-able numbers for the report.
    """

    verdict: Verdict
    value: float | None
    pressure: dict[Level, float]
    sentence: str
    evidence: dict[str, Any]


@dataclass(frozen=True)
class WindowRows:
    """The rows that one version predicted in one window, and what to hold them against.

    `labelled` are those whose truth has arrived (column `label`), `recent` the labelled rows of the windows before
    that count towards the same alert (`most_recent` at the most). `promised` holds the metrics the version was
    released with.
    """

    window: Window
    rows: pa.Table
    labelled: pa.Table
    recent: Sequence[pa.Table]
    most_recent: int
    reference: Reference
    min_rows: int | None
    seasonal: bool
    redacted: frozenset[str]
    promised: Mapping[str, float]


class Signal(Protocol):
    """One kind of signal: a block of the spec with its verb. The contract suite runs over every kind there is."""

    needs_labels: ClassVar[bool]

    def check(self, name: str, reference: Reference) -> None:
        """Compare the block with the model it is to watch; raises StageError with the path of the field."""

    def judge(self, rows: WindowRows) -> Judgement:
        """The verdict on one window. Deterministic: the same rows always get the same judgement."""


def insufficient(sentence: str, **evidence: Any) -> Judgement:
    """Too little to judge by: neither good nor bad, and never counted as either."""
    return Judgement("insufficient_data", None, {}, sentence, evidence)


def verdict_of(pressure: Mapping[Level, float]) -> Verdict:
    """The worst level whose threshold is reached."""
    reached: list[Verdict] = [level for level in LEVELS if pressure.get(level, 0.0) >= 1]
    return reached[-1] if reached else "ok"


def rounded(value: float, digits: int = 6) -> float:
    """A number as it is kept in evidence: six significant digits are plenty for a person."""
    return float(f"{value:.{digits}g}")
