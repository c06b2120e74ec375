"""Gate `baseline`: the model is better than predicting without looking."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from tenure.core.effect import Effect
from tenure.ml.metric_names import MetricName
from tenure.spec.base import FieldProblem, field
from tenure.stages.evaluation.gates.gate import Evidence, GateBase, Verdict, shown, verdict


class BaselineGate(GateBase):
    """The model beats the naive baseline by a share of the baseline's value."""

    type: Literal["baseline"] = field(Effect.EVALUATE, "The kind of gate.")
    metric: MetricName | None = field(
        Effect.EVALUATE, "The metric; the one the search made as good as it could when left out.", None
    )
    min_relative_change: float = field(
        Effect.EVALUATE,
        "Least improvement as a share of the baseline's value: 0.05 demands 5 % less error, or a 5 % greater score.",
        0.0,
        examples=[0.05],
    )

    @model_validator(mode="after")
    def _metric_has_a_baseline(self) -> Self:
        if self.metric == "r2":
            raise FieldProblem(
                "the r2 of the mean is 0, so no share of it can be demanded",
                at=("metric",),
                hint="use rmse here, or a metric gate on r2",
            )
        return self

    def condition(self) -> str:
        """What is demanded of the model compared with the baseline."""
        return f"{self.metric or 'the primary metric'} better than the baseline by {self.min_relative_change:.1%}"

    def judge(self, evidence: Evidence) -> Verdict:
        """Compare the relative improvement over the baseline with the least one."""
        import math

        from tenure.ml.metrics import metric, score

        # The mean explains no variance, which leaves nothing to take a share of.
        name = self.metric or ("rmse" if evidence.primary == "r2" else evidence.primary)
        measure = metric(name, evidence.task, (*evidence.path, "metric"))
        value, naive = (score(measure, evidence.truth, item) for item in (evidence.model, evidence.baseline))
        gain = value - naive if measure.goal == "maximize" else naive - value
        # A baseline of 0 (F1 of the majority, say) is beaten by any gain and cannot be beaten by a share.
        change = gain / abs(naive) if naive else math.copysign(math.inf, gain) if gain else 0.0
        both = f"{name} {shown(value)} against {shown(naive)} of the baseline"
        if not math.isfinite(gain):
            text = f"{name} is not defined on the rows of the test part"
            return verdict(self, "baseline", name, text, passed=False)
        passed = change >= self.min_relative_change and gain > 0
        moved = (
            f"{abs(change):.1%} {'better' if gain > 0 else 'worse'}" if math.isfinite(change) else "better"
        )
        if not gain:
            moved = "no better"
        text = f"{both}: {moved}" + (
            "" if passed else f", at least {self.min_relative_change:.1%} better is demanded"
        )
        return verdict(
            self, "baseline", name, text, passed=passed, value=change, limit=self.min_relative_change
        )
