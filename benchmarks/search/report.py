"""From what each tool found on each set to the figures: time to the target, and test scores at given times."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

MARKS = (30.0, 60.0, 120.0)


class Candidate(NamedTuple):
    """A better candidate: seconds since the process was started, and its score on the test rows."""

    at: float
    test: float


class Found(NamedTuple):
    """One run: when the tool had started up and read its rows, and its better candidates in order of time.

    `until` is when it was stopped or had ended: what it did not reach until then took longer.
    """

    ready: float
    until: float
    better: tuple[Candidate, ...]

    def at(self, seconds: float) -> float | None:
        """The test score of the candidate it held then; None when it held none."""
        held = [item.test for item in self.better if item.at <= seconds]
        return held[-1] if held else None

    def time_to(self, target: float, larger: bool) -> tuple[float, bool]:
        """Seconds until it held a candidate that reaches the target for the first time, and whether it ever did."""
        for item in self.better:
            if (item.test >= target) if larger else (item.test <= target):
                return item.at, True
        return self.until, False


def ratios(
    runs: Mapping[str, Mapping[str, Found]], targets: Mapping[str, tuple[float, bool]], peer: str
) -> tuple[float, float]:
    """Geometric means over the sets of our time to target by the peer's: without start-up, and with it.

    A peer that does not reach the target counts with the time it was given, which flatters it.
    """
    without, whole = [], []
    for name, found in runs.items():
        if peer not in found or "tenure" not in found:
            continue
        target, larger = targets[name]
        (ours, _), (theirs, _) = (found[tool].time_to(target, larger) for tool in ("tenure", peer))
        whole.append(math.log(ours / theirs))
        without.append(math.log(_net(ours, found["tenure"]) / _net(theirs, found[peer])))
    return math.exp(_mean(without)), math.exp(_mean(whole))


def _net(seconds: float, found: Found) -> float:
    # A hundredth of a second is what the clock of a busy machine can tell.
    return max(0.01, seconds - found.ready)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def standing(ours: float | None, others: Sequence[float | None], error: float, larger: bool) -> str:
    """How our test score compares with the best of the others: better, equal (within a standard error), worse."""
    known = [item for item in others if item is not None]
    if ours is None:
        return "none"
    if not known:
        return "alone"
    best = max(known) if larger else min(known)
    lead = ours - best if larger else best - ours
    return "better" if lead > 0 else "equal" if lead >= -error else "worse"
