"""Fairness: how differently a model treats groups, with guards against groups too small to say anything about.

Definitions as in Fairlearn: a difference is the largest rate of a group less the smallest one, a ratio the smallest
divided by the largest. A group whose rate would rest on fewer rows than `min_group_rows` is not judged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Self

import msgspec
from pydantic import model_validator

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.spec.base import FieldProblem, field
from tenure.stages.evaluation.gates.gate import Evidence, GateBase, Verdict, shown, verdict

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tenure.ml.formulas import Floats, Scored
    from tenure.stages.evaluation.groups import Group

    Rate = Callable[[Scored], tuple[Floats, npt.NDArray[np.bool_]]]

FairnessMetric = Literal[
    "demographic_parity_difference",
    "demographic_parity_ratio",
    "equal_opportunity_difference",
    "equalized_odds_difference",
    "predictive_parity_difference",
    "accuracy_difference",
    "mean_error_difference",
    "mean_absolute_error_difference",
]
_RATES: dict[FairnessMetric, tuple[str, ...]] = {
    "demographic_parity_difference": ("selection_rate",),
    "demographic_parity_ratio": ("selection_rate",),
    "equal_opportunity_difference": ("true_positive_rate",),
    "equalized_odds_difference": ("true_positive_rate", "false_positive_rate"),
    "predictive_parity_difference": ("precision",),
    "accuracy_difference": ("accuracy",),
    "mean_error_difference": ("mean_error",),
    "mean_absolute_error_difference": ("mean_absolute_error",),
}
_NUMBERS = ("mean_error", "mean_absolute_error")


class FairnessCheck(GateBase):
    """How far the groups of a sensitive column are apart on the test part; with a limit it is a gate."""

    sensitive_column: str = field(
        Effect.EVALUATE,
        "The column whose values are the groups: any of the snapshot, whether or not the model sees it. A number with "
        "many values is cut into four parts of equal count. A condition such as `age >= 60` makes two groups.",
        examples=["gender"],
    )
    metric: FairnessMetric = field(
        Effect.EVALUATE,
        "What is compared. Two classes: `demographic_parity_*` (predicted positive), `equal_opportunity_difference` "
        "(positives found), `equalized_odds_difference` (positives found, false alarms; the worse one), "
        "`predictive_parity_difference` (precision). All classes: `accuracy_difference`. Numbers: "
        "`mean_error_difference` (too high or too low on average), `mean_absolute_error_difference`.",
        examples=["equal_opportunity_difference"],
    )
    max: float | None = field(
        Effect.EVALUATE,
        "The greatest difference that passes. Without a limit the report only shows it.",
        None,
        ge=0.0,
        examples=[0.1],
    )
    min: float | None = field(
        Effect.EVALUATE, "The least ratio that passes, 0.8 for instance.", None, ge=0.0, le=1.0
    )
    confidence: float | None = field(
        Effect.EVALUATE,
        "Demand the limit of the worse end of the confidence interval of this level, so that luck is not enough.",
        None,
        gt=0.5,
        lt=1.0,
        examples=[0.95],
    )
    min_group_rows: int = field(
        Effect.EVALUATE,
        "Fewest rows that the rate of a group may rest on: for `equal_opportunity_difference` its positive rows, say. "
        "A smaller group is `insufficient_data`: it is shown and named, and never counts as fair.",
        30,
        ge=1,
    )

    @model_validator(mode="after")
    def _has_its_limit_on_the_right_side(self) -> Self:
        ratio = self.metric.endswith("_ratio")
        if ratio and self.max is not None:
            raise FieldProblem("a greater ratio is fairer", at=("max",), hint="use min")
        if not ratio and self.min is not None:
            raise FieldProblem("a smaller difference is fairer", at=("min",), hint="use max")
        return self

    @property
    def limit(self) -> float | None:
        """What is compared with; None where it is only shown."""
        return self.min if self.max is None else self.max

    def condition(self) -> str:
        """`equal_opportunity_difference by gender <= 0.1`."""
        sure = f" with {self.confidence:.0%} confidence" if self.confidence else ""
        limit = (
            ""
            if self.limit is None
            else f" {'<=' if self.max is not None else '>='} {shown(self.limit)}{sure}"
        )
        return f"{self.metric} by {self.sensitive_column}{limit}"

    def judge(self, evidence: Evidence) -> Verdict:
        """Compare the difference or ratio of the groups that can be judged with the limit."""
        return self.verdict_of(self.assess(evidence))

    def verdict_of(self, found: Assessment) -> Verdict:
        """What follows from an assessment: fewer than two groups that can be judged are no proof of fairness."""
        name = f"{self.metric} by {self.sensitive_column}"
        small = [group for group in found.groups if group["status"] == "insufficient_data"]
        unjudged = ""
        if small:
            named = ", ".join(f"{group['group']} ({group['rows']} rows)" for group in small[:5])
            unjudged = f"; too few rows to judge {named}" + (
                f" and {len(small) - 5} more" if len(small) > 5 else ""
            )
        if found.value is None:
            return verdict(
                self, "fairness", self.metric, f"{name}: fewer than two groups have enough rows{unjudged}",
                passed=self.limit is None, limit=self.limit, status="insufficient_data",
            )  # fmt: skip
        text = f"{name} {shown(found.value)}"
        decisive = found.value
        if self.confidence is not None:
            end, word = (found.high, "upper") if self.max is not None else (found.low, "lower")
            decisive = found.value if end is None else end
            text += f", {word} end {shown(decisive)} of its {self.confidence:.0%} interval"
        if self.limit is None:
            return verdict(self, "fairness", self.metric, text + unjudged, passed=True, value=decisive)
        passed = decisive <= self.limit if self.max is not None else decisive >= self.limit
        signs = ("<=", ">") if self.max is not None else (">=", "<")
        text += f" {signs[0] if passed else signs[1]} {shown(self.limit)}"
        if found.lowest and found.highest:
            text += f" (lowest {found.lowest}, highest {found.highest})"
        return verdict(
            self, "fairness", self.metric, text + unjudged, passed=passed, value=decisive, limit=self.limit
        )

    def assess(self, evidence: Evidence) -> Assessment:
        """The rates of each group, and how far they are apart, with a bootstrap interval.

        Raises StageError for a metric that does not fit the task.
        """
        import numpy as np

        from tenure.ml.metrics import scored
        from tenure.ml.resampling import interval_of, resampled

        names = _RATES[self.metric]
        self._fits(names, evidence)
        groups = self._groups(evidence)
        rows = scored(evidence.truth, evidence.model)
        codes = np.full(len(rows.truth), len(groups))
        for position, group in enumerate(groups):
            codes[group.rows] = position
        rates = [_Rate(name, rows, codes, len(groups)) for name in names]
        ones = np.ones((len(rows.truth), 1))
        point = [rate.of(ones)[:, 0] for rate in rates]
        enough = np.all([rate.rows >= self.min_group_rows for rate in rates], axis=0)
        listed = [
            {
                "group": group.label,
                "rows": int(group.rows.sum()),
                "judged_rows": int(min(rate.rows[position] for rate in rates)),
                "rates": {
                    rate.name: float(values[position]) if np.isfinite(values[position]) else None
                    for rate, values in zip(rates, point, strict=True)
                },
                "status": "ok" if enough[position] else "insufficient_data",
            }
            for position, group in enumerate(groups)
        ]
        judged = np.flatnonzero(enough)
        if len(judged) < 2:
            return Assessment(
                self.sensitive_column, self.metric, None, None, None, evidence.confidence, listed
            )
        confidence = self.confidence or evidence.confidence
        value = float(self._apart([values[judged, None] for values in point])[0])
        draws = [
            self._apart([rate.of(weights)[judged] for rate in rates])
            for weights in resampled(len(rows.truth), evidence.resamples, evidence.seed)
        ]
        interval = interval_of(value, draws, len(rows.truth), confidence)
        widest = max(point, key=lambda values: float(np.ptp(values[judged])))
        lowest, highest = (groups[judged[int(pick(widest[judged]))]].label for pick in (np.argmin, np.argmax))
        return Assessment(
            self.sensitive_column, self.metric, value, float(interval.low), float(interval.high), confidence,
            listed, lowest, highest,
        )  # fmt: skip

    def _apart(self, rates: list[Floats]) -> Floats:
        """Rates of each group (groups, resamples) -> how far apart, per resample."""
        import numpy as np

        if self.metric.endswith("_ratio"):
            low, high = rates[0].min(axis=0), rates[0].max(axis=0)
            # Where nobody is chosen, all groups are treated alike.
            result: Floats = np.divide(low, high, out=np.ones_like(low), where=high > 0)
        else:
            result = np.max([values.max(axis=0) - values.min(axis=0) for values in rates], axis=0)
        return result

    def _fits(self, names: tuple[str, ...], evidence: Evidence) -> None:
        numbers = names[0] in _NUMBERS
        wanted = "regression" if numbers else "binary" if names != ("accuracy",) else None
        if (wanted is not None and evidence.task != wanted) or (
            not numbers and evidence.task == "regression"
        ):
            fitting = {
                "binary": "any but those of errors",
                "multiclass": "accuracy_difference",
                "regression": "mean_error_difference or mean_absolute_error_difference",
            }[evidence.task]
            raise StageError(
                "the fairness metric does not fit the task",
                f"{self.metric} is not defined for a {evidence.task} task",
                f"use {fitting}",
                path=(*evidence.path, "metric"),
            )

    def _groups(self, evidence: Evidence) -> tuple[Group, ...]:
        from tenure.stages.evaluation.groups import Group

        groups = evidence.groups(self.sensitive_column, (*evidence.path, "sensitive_column"))
        if len(groups) == 1 and groups[0].label == self.sensitive_column:
            groups = (groups[0], Group(f"not {groups[0].label}", ~groups[0].rows))
        return groups


class Assessment(msgspec.Struct, frozen=True):
    """How far the groups are apart; None where fewer than two can be judged. `lowest` and `highest` name the groups
    with the least and the greatest rate."""

    sensitive_column: str
    metric: str
    value: float | None
    low: float | None
    high: float | None
    confidence: float
    groups: list[dict[str, Any]]
    lowest: str = ""
    highest: str = ""


class _Rate:
    """A rate of each group: what is counted, and among which rows. `rows` (groups,) is how many these are."""

    def __init__(self, name: str, rows: Scored, codes: npt.NDArray[Any], groups: int) -> None:
        import numpy as np

        from tenure.ml.formulas import Groups

        positive, chosen = rows.truth == 1, rows.guess == 1
        everything = np.ones(len(rows.truth), dtype=bool)
        counted, among = {
            "selection_rate": (chosen, everything),
            "true_positive_rate": (chosen, positive),
            "false_positive_rate": (chosen, ~positive),
            "precision": (positive, chosen),
            "accuracy": (rows.truth == rows.guess, everything),
            "mean_error": (rows.guess - rows.truth, everything),
            "mean_absolute_error": (np.abs(rows.guess - rows.truth), everything),
        }[name]
        self.name = name
        self.groups = groups
        self._counted = Groups(codes, groups + 1, np.where(among, counted, 0).astype(np.float64))
        self._among = Groups(codes, groups + 1, among.astype(np.float64))
        self.rows = self._among.sums(np.ones((len(codes), 1)))[:groups, 0]

    def of(self, weights: Floats) -> Floats:
        """(groups, resamples); NaN where a group has no such rows."""
        from tenure.ml.formulas import ratio

        return ratio(
            self._counted.sums(weights)[: self.groups], self._among.sums(weights)[: self.groups], float("nan")
        )
