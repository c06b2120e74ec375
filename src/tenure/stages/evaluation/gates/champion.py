"""Gate `champion`: the model is at least as good as the one that serves now, on the same rows."""

from __future__ import annotations

from typing import Literal

from tenure.core.effect import Effect
from tenure.ml.metric_names import MetricName
from tenure.spec.base import field
from tenure.stages.evaluation.gates.gate import Evidence, GateBase, Verdict, shown


class ChampionGate(GateBase):
    """The model improves on the serving one by enough; passes when there is none to compare with."""

    type: Literal["champion"] = field(Effect.EVALUATE, "The kind of gate.")
    metric: MetricName | None = field(
        Effect.EVALUATE, "The metric; the one the search made as good as it could when left out.", None
    )
    min_change: float = field(
        Effect.EVALUATE,
        "Least improvement in units of the metric; counted so that better is positive. Below 0 allows some loss.",
        0.0,
    )
    non_inferiority_margin: float | None = field(
        Effect.EVALUATE,
        "Demand besides that, at the confidence of the report, the model is not worse by more than this: the lower "
        "end of the interval of the paired difference.",
        None,
        ge=0.0,
        examples=[0.005],
    )

    def condition(self) -> str:
        """What is demanded of the model compared with the champion."""
        name = self.metric or "the primary metric"
        sure = (
            f", surely no worse than by {shown(self.non_inferiority_margin)}"
            if self.non_inferiority_margin is not None
            else ""
        )
        demand = {True: "not below", False: f"{shown(self.min_change)} better than"}[self.min_change == 0]
        return f"{name} {demand} the champion's{sure}"

    def judge(self, evidence: Evidence) -> Verdict:
        """Compare the paired difference on the same rows with what is demanded."""
        import math

        from tenure.ml.metrics import metric
        from tenure.ml.predictions import taken
        from tenure.ml.resampling import paired_difference

        name = self.metric or evidence.primary
        measure = metric(name, evidence.task, (*evidence.path, "metric"))
        if evidence.champion is None:
            return Verdict(
                "champion", name, True, self.enforced, evidence.champion_note, None, self.min_change
            )
        truth, model, champion = evidence.truth, evidence.model, evidence.champion
        if evidence.comparable is not None:
            rows = evidence.comparable
            truth, model, champion = truth[rows], taken(model, rows), taken(champion, rows)
        difference = paired_difference(
            measure,
            truth,
            model,
            champion,
            confidence=evidence.confidence,
            resamples=evidence.resamples,
            seed=evidence.seed,
        )
        if not math.isfinite(difference.value):
            text = f"{name} is not defined on the rows of the test part"
            return Verdict("champion", name, False, self.enforced, text, None, self.min_change)
        reasons = []
        if difference.value < self.min_change:
            reasons.append(f"at least {shown(self.min_change)} is demanded")
        margin = self.non_inferiority_margin
        if margin is not None and not difference.low >= -margin:
            reasons.append(f"it may be worse by more than {shown(margin)}")
        text = (
            f"{name} better than {evidence.champion_name} by {shown(difference.value)} "
            f"({evidence.confidence:.0%} interval {shown(difference.low)} to {shown(difference.high)})"
        )
        if reasons:
            text += ": " + ", and ".join(reasons)
        return Verdict("champion", name, not reasons, self.enforced, text, difference.value, self.min_change)
