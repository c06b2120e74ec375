"""Gate `size`: the model is small enough."""

from __future__ import annotations

from typing import Literal

from tenure.core.effect import Effect
from tenure.core.units import format_size, parse_size
from tenure.spec.base import SizeText, field
from tenure.stages.evaluation.gates.gate import Evidence, GateBase, Verdict, verdict


class SizeGate(GateBase):
    """The files of the model together are not larger than this."""

    type: Literal["size"] = field(Effect.EVALUATE, "The kind of gate.")
    max: SizeText = field(Effect.EVALUATE, "The greatest size that passes.", examples=["50MB"])

    def condition(self) -> str:
        """`size <= 50MB`."""
        return f"size <= {self.max}"

    def judge(self, evidence: Evidence) -> Verdict:
        """Compare the size of the files with the limit."""
        limit = parse_size(self.max)
        passed = evidence.size <= limit
        text = f"size {format_size(evidence.size)} {'<=' if passed else '>'} {self.max}"
        return verdict(
            self, "size", "size", text, passed=passed, value=float(evidence.size), limit=float(limit)
        )
