"""Gate `coverage`: prediction intervals hold the truth as often as they promise."""

from __future__ import annotations

from typing import Literal

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.spec.base import Share, field
from tenure.stages.evaluation.gates.gate import Evidence, GateBase, Verdict, shown, verdict


class CoverageGate(GateBase):
    """The share of true values inside their prediction intervals is large enough. For models that give intervals."""

    type: Literal["coverage"] = field(Effect.EVALUATE, "The kind of gate.")
    min: Share = field(Effect.EVALUATE, "The least share that passes.", examples=[0.88])

    def condition(self) -> str:
        """`coverage of the prediction intervals >= 0.88`."""
        return f"coverage of the prediction intervals >= {shown(self.min)}"

    def judge(self, evidence: Evidence) -> Verdict:
        """Compare the share with the limit."""
        from tenure.ml.intervals import coverage

        ends = evidence.model.interval
        if ends is None:
            raise StageError(
                "the model gives no intervals",
                "the gate demands a coverage of prediction intervals, and the predictions have none",
                "remove the gate, or have training make intervals",
                path=evidence.path,
            )
        value = coverage(ends.low, ends.high, evidence.truth)
        passed = value >= self.min
        text = (
            f"{value:.1%} of the true values are inside their {ends.confidence:.0%} intervals, "
            f"{'at least' if passed else 'less than'} {self.min:.1%}"
        )
        return verdict(self, "coverage", "coverage", text, passed=passed, value=value, limit=self.min)
