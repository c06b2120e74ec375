"""Gate `metric`: the model is good enough on the test part."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from tenure.core.effect import Effect
from tenure.ml.metric_names import MINIMIZED, MetricName
from tenure.spec.base import FieldProblem, field
from tenure.stages.evaluation.gates.gate import Evidence, GateBase, Verdict, shown


class MetricGate(GateBase):
    """A metric on the test part keeps to a limit; with `confidence`, the end of its interval does."""

    type: Literal["metric"] = field(Effect.EVALUATE, "The kind of gate; may be left out.", "metric")
    metric: MetricName = field(Effect.EVALUATE, "The metric.", examples=["accuracy"])
    min: float | None = field(Effect.EVALUATE, "The least value that passes.", None, examples=[0.65])
    max: float | None = field(
        Effect.EVALUATE, "The greatest value that passes, for metrics of which less is better.", None
    )
    confidence: float | None = field(
        Effect.EVALUATE,
        "Demand the limit of the worse end of the confidence interval of this level, so that luck is not enough.",
        None,
        gt=0.5,
        lt=1.0,
        examples=[0.95],
    )
    min_rows: int = field(
        Effect.EVALUATE, "Fewest rows of the test part on which the gate can be passed at all.", 1, ge=1
    )

    @model_validator(mode="after")
    def _has_one_limit_on_the_right_side(self) -> Self:
        if self.min is None and self.max is None:
            side = "max" if self.metric in MINIMIZED else "min"
            raise FieldProblem("the gate has no limit", hint=f"add {side}")
        if self.metric in MINIMIZED and self.min is not None:
            raise FieldProblem(
                f"less {self.metric} is better, so a least value lets bad models pass",
                at=("min",),
                hint="use max",
            )
        if self.metric not in MINIMIZED and self.max is not None:
            raise FieldProblem(
                f"more {self.metric} is better, so a greatest value keeps good models out",
                at=("max",),
                hint="use min",
            )
        return self

    def condition(self) -> str:
        """`accuracy >= 0.65`, with the confidence it is demanded at."""
        sure = f" with {self.confidence:.0%} confidence" if self.confidence else ""
        return f"{self.metric} {'>=' if self.min is not None else '<='} {shown(self._limit)}{sure}"

    def judge(self, evidence: Evidence) -> Verdict:
        """Compare the value, or the worse end of its interval, with the limit."""
        import math

        from tenure.ml.metrics import metric, score
        from tenure.ml.resampling import bootstrap

        measure = metric(self.metric, evidence.task, (*evidence.path, "metric"))
        rows = len(evidence.truth)
        value = score(measure, evidence.truth, evidence.model)
        subject, decisive = f"{self.metric} {shown(value)}", value
        if self.confidence is not None:
            interval = bootstrap(
                measure,
                evidence.truth,
                evidence.model,
                confidence=self.confidence,
                resamples=evidence.resamples,
                seed=evidence.seed,
            )
            decisive = interval.low if self.min is not None else interval.high
            end = "lower" if self.min is not None else "upper"
            subject += f", {end} end {shown(decisive)} of its {self.confidence:.0%} interval"
        if rows < self.min_rows:
            passed, text = False, f"{subject}, on {rows} rows where at least {self.min_rows} are demanded"
        elif not math.isfinite(decisive):
            passed, text = False, f"{self.metric} is not defined on the {rows} rows of the test part"
        elif self.min is not None:
            passed = decisive >= self.min
            text = f"{subject} {'>=' if passed else '<'} {shown(self.min)}"
        else:
            passed = decisive <= self._limit
            text = f"{subject} {'<=' if passed else '>'} {shown(self._limit)}"
        return Verdict(
            "metric",
            self.metric,
            passed,
            self.enforced,
            text,
            decisive if math.isfinite(decisive) else None,
            self._limit,
        )

    @property
    def _limit(self) -> float:
        limit = self.min if self.min is not None else self.max
        assert limit is not None
        return limit
