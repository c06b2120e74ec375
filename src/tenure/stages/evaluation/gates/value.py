"""Gate `value`: the predictions are worth enough, by what `business.value` says of each outcome."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.spec.base import FieldProblem, field
from tenure.stages.evaluation.gates.gate import Evidence, GateBase, Verdict, verdict


class ValueGate(GateBase):
    """1,000 predictions on the test part are worth enough: in themselves, or more than those of the baseline."""

    type: Literal["value"] = field(Effect.EVALUATE, "The kind of gate.")
    min_per_1000: float | None = field(
        Effect.EVALUATE,
        "Least value of 1,000 predictions, in the currency of `business.value`.",
        None,
        examples=[2500],
    )
    min_gain_per_1000: float | None = field(
        Effect.EVALUATE,
        "Least gain of 1,000 predictions over those of the naive baseline.",
        None,
        examples=[1000],
    )
    confidence: float | None = field(
        Effect.EVALUATE,
        "Demand it of the lower end of the confidence interval of this level.",
        None,
        gt=0.5,
        lt=1.0,
        examples=[0.95],
    )

    @model_validator(mode="after")
    def _has_a_limit(self) -> Self:
        if self.min_per_1000 is None and self.min_gain_per_1000 is None:
            raise FieldProblem("the gate has no limit", hint="add min_per_1000")
        return self

    def condition(self) -> str:
        """`value of 1,000 predictions >= 2500`."""
        sure = f" with {self.confidence:.0%} confidence" if self.confidence else ""
        demands = []
        if self.min_per_1000 is not None:
            demands.append(f"value of 1,000 predictions >= {money(self.min_per_1000)}{sure}")
        if self.min_gain_per_1000 is not None:
            demands.append(f"its gain over the baseline >= {money(self.min_gain_per_1000)}{sure}")
        return " and ".join(demands)

    def judge(self, evidence: Evidence) -> Verdict:
        """Compare the value, and the paired gain, or the lower ends of their intervals, with the limits."""
        from tenure.ml.resampling import bootstrap, paired_difference
        from tenure.ml.value import value_metric

        if evidence.value is None:
            raise StageError(
                "no outcome has a value",
                "the gate demands a value, and the spec does not say what an outcome is worth",
                "add business.value",
                path=evidence.path,
            )
        measure = value_metric(evidence.value, evidence.task)
        options = {"resamples": evidence.resamples, "seed": evidence.seed}
        confidence = self.confidence or evidence.confidence
        worth = bootstrap(measure, evidence.truth, evidence.model, confidence=confidence, **options)
        gain = paired_difference(
            measure,
            evidence.truth,
            evidence.model,
            evidence.baseline,
            confidence=confidence,
            **options,
        )
        currency = evidence.value["currency"]
        said, passed, decisive, limits = [], True, [], []
        for name, found, limit in (
            ("value of 1,000 predictions", worth, self.min_per_1000),
            ("gain over the baseline", gain, self.min_gain_per_1000),
        ):
            if limit is None:
                continue
            end = found.value if self.confidence is None else found.low
            sure = (
                ""
                if self.confidence is None
                else f", lower end {money(end)} of its {confidence:.0%} interval"
            )
            said.append(
                f"{name} {money(found.value)} {currency}{sure} {'>=' if end >= limit else '<'} {money(limit)}"
            )
            passed = passed and end >= limit
            decisive.append(end)
            limits.append(limit)
        return verdict(
            self, "value", measure.name, "; ".join(said), passed=passed, value=decisive[0], limit=limits[0]
        )


def money(value: float) -> str:
    """An amount: whole from 100 on, with four significant digits below."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.4g}"
