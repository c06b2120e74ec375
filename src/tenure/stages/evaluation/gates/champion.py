"""Gate `champion`: the model is at least as good as the one that serves now, on the same rows."""

from __future__ import annotations

import math
from typing import Literal

from tenure.core.effect import Effect
from tenure.ml.metric_names import MetricName
from tenure.spec.base import field
from tenure.stages.evaluation.gates.gate import Evidence, GateBase, Verdict, shown, verdict


class ChampionGate(GateBase):
    """The model improves on the serving one by enough, on rows that neither has learned from."""

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
        "Demand besides that the model is surely not worse by more than this: the lower end of the interval of the "
        "paired difference.",
        None,
        ge=0.0,
        examples=[0.005],
    )
    confidence: float | None = field(
        Effect.EVALUATE,
        "Level of that interval; the one of the report when left out.",
        None,
        gt=0.5,
        lt=1.0,
        examples=[0.9],
    )
    on_no_comparison: Literal["pass", "fail"] = field(
        Effect.EVALUATE,
        "What follows where a champion serves and no fair comparison is possible: it learned from every row of the "
        "test part, has another target, or cannot read the rows. The first model and the champion itself always pass.",
        "pass",
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
        held = ", which has to be comparable" if self.on_no_comparison == "fail" else ""
        return f"{name} {demand} the champion's{sure}{held}"

    def judge(self, evidence: Evidence) -> Verdict:
        """Compare the paired difference on the same rows with what is demanded."""
        from tenure.ml.metrics import metric
        from tenure.ml.predictions import taken
        from tenure.ml.resampling import paired_difference

        name = self.metric or evidence.primary
        measure = metric(name, evidence.task, (*evidence.path, "metric"))
        if evidence.champion is None:
            passed = self.on_no_comparison == "pass" or not evidence.champion_missing
            return verdict(
                self, "champion", name, evidence.champion_note, passed=passed, limit=self.min_change,
                status="no_comparison" if evidence.champion_missing else None,
            )  # fmt: skip
        truth, model, champion = evidence.truth, evidence.model, evidence.champion
        if evidence.comparable is not None:
            rows = evidence.comparable
            truth, model, champion = truth[rows], taken(model, rows), taken(champion, rows)
        confidence = self.confidence or evidence.confidence
        difference = paired_difference(
            measure,
            truth,
            model,
            champion,
            confidence=confidence,
            resamples=evidence.resamples,
            seed=evidence.seed,
        )
        if not math.isfinite(difference.value):
            text = f"{name} is not defined on the rows of the test part"
            return verdict(self, "champion", name, text, passed=False, limit=self.min_change)
        reasons = []
        if difference.value < self.min_change:
            reasons.append(f"at least {shown(self.min_change)} is demanded")
        margin = self.non_inferiority_margin
        if margin is not None and not difference.low >= -margin:
            reasons.append(f"it may be worse by more than {shown(margin)}")
        text = (
            f"{name} better than {evidence.champion_name} by {shown(difference.value)} "
            f"({confidence:.0%} interval {shown(difference.low)} to {shown(difference.high)})"
        )
        if reasons:
            text += ": " + ", and ".join(reasons)
        return verdict(
            self, "champion", name, text, passed=not reasons, value=difference.value, limit=self.min_change
        )
