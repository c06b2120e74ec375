"""Gate `metric`: the model is good enough on the test part."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import model_validator

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.ml.metric_names import MINIMIZED, MetricName
from tenure.spec.base import FieldProblem, field
from tenure.stages.evaluation.gates.gate import Evidence, GateBase, Status, Verdict, shown, verdict

if TYPE_CHECKING:
    import numpy.typing as npt

    from tenure.ml.metrics import Metric
    from tenure.ml.predictions import Predictions
    from tenure.stages.evaluation.groups import Group


class MetricGate(GateBase):
    """A metric on the test part keeps to a limit; with `confidence`, the end of its interval does; with `slices`, it
    does so in each of them."""

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
    slices: Literal["all"] | tuple[str, ...] | None = field(
        Effect.EVALUATE,
        "Demand the limit in each slice too: `all` of `evaluation.slices`, or some of them. One with fewer rows than "
        "`evaluation.min_slice_rows` is not judged, and said to be.",
        None,
        examples=["all", ["region"]],
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
        """`accuracy >= 0.65`, with the confidence it is demanded at and the slices it is demanded in."""
        sure = f" with {self.confidence:.0%} confidence" if self.confidence else ""
        where = ""
        if self.slices is not None:
            where = f", and in every slice{'' if self.slices == 'all' else ' of ' + ', '.join(self.slices)}"
        return f"{self.metric} {'>=' if self.min is not None else '<='} {shown(self._limit)}{sure}{where}"

    def judge(self, evidence: Evidence) -> Verdict:
        """Compare the value, or the worse end of its interval, with the limit: on all rows, then in each slice."""
        from tenure.ml.metrics import metric

        measure = metric(self.metric, evidence.task, (*evidence.path, "metric"))
        rows = len(evidence.truth)
        decisive, subject = self._decisive(measure, evidence.truth, evidence.model, evidence)
        if rows < self.min_rows:
            return verdict(
                self, "metric", self.metric,
                f"{subject}, on {rows} rows where at least {self.min_rows} are demanded",
                passed=False, value=decisive, limit=self._limit, status="insufficient_data",
            )  # fmt: skip
        if not math.isfinite(decisive):
            text = f"{self.metric} is not defined on the {rows} rows of the test part"
            return verdict(self, "metric", self.metric, text, passed=False, limit=self._limit)
        passed = self._holds(decisive)
        signs = (">=", "<") if self.min is not None else ("<=", ">")
        text = f"{subject} {signs[0] if passed else signs[1]} {shown(self._limit)}"
        status: Status | None = None
        if self.slices is not None:
            held, said, judged = self._in_slices(measure, evidence)
            status = "insufficient_data" if passed and held and not judged else None
            passed, text = passed and held and judged, f"{text}; {said}"
        return verdict(
            self, "metric", self.metric, text, passed=passed, value=decisive, limit=self._limit, status=status
        )

    def _decisive(
        self, measure: Metric, truth: npt.NDArray[Any], model: Predictions, evidence: Evidence
    ) -> tuple[float, str]:
        """What is compared with the limit, and how to say it."""
        from tenure.ml.metrics import score
        from tenure.ml.resampling import bootstrap

        value = score(measure, truth, model)
        if self.confidence is None:
            return value, f"{self.metric} {shown(value)}"
        interval = bootstrap(
            measure,
            truth,
            model,
            confidence=self.confidence,
            resamples=evidence.resamples,
            seed=evidence.seed,
        )
        end, word = (interval.low, "lower") if self.min is not None else (interval.high, "upper")
        return (
            end,
            f"{self.metric} {shown(value)}, {word} end {shown(end)} of its {self.confidence:.0%} interval",
        )

    def _in_slices(self, measure: Metric, evidence: Evidence) -> tuple[bool, str, bool]:
        """Whether the limit holds in every slice that can be judged, in words, and whether any could be."""
        from tenure.ml.predictions import taken

        below, small, judged = [], [], 0
        for name, group in self._groups(evidence):
            label = group.label if group.label == name else f"{name} = {group.label}"
            rows = int(group.rows.sum())
            if rows < max(self.min_rows, evidence.min_slice_rows):
                small.append(f"{label} ({rows} rows)")
                continue
            judged += 1
            value, _ = self._decisive(
                measure, evidence.truth[group.rows], taken(evidence.model, group.rows), evidence
            )
            # Not defined on its rows (one class only, say): that is no sign of a weakness.
            if math.isfinite(value) and not self._holds(value):
                below.append((value, f"{label} {shown(value)} on {rows} rows"))
        below.sort(key=lambda item: item[0], reverse=self.max is not None)
        side = "below" if self.min is not None else "above"
        said = (
            f"in all {judged} slices"
            if not below
            else f"{side} it in {', '.join(text for _, text in below[:5])}"
        )
        if len(below) > 5:
            said += f" and {len(below) - 5} more"
        if not judged:
            said = "no slice has enough rows to be judged"
        elif small:
            said += f"; too few rows to judge {', '.join(small[:5])}" + (
                f" and {len(small) - 5} more" if len(small) > 5 else ""
            )
        return not below, said, judged > 0

    def _groups(self, evidence: Evidence) -> list[tuple[str, Group]]:
        assert self.slices is not None
        path = (*evidence.path, "slices")
        if self.slices == "all":
            names = evidence.slices
            if not names:
                raise StageError(
                    "there are no slices",
                    "the gate demands its limit in all slices",
                    "add evaluation.slices",
                    path=path,
                )
        else:
            names = self.slices
        return [(name, group) for name in names for group in evidence.groups(name, path)]

    def _holds(self, value: float) -> bool:
        return value >= self.min if self.min is not None else value <= self._limit

    @property
    def _limit(self) -> float:
        limit = self.min if self.min is not None else self.max
        assert limit is not None
        return limit
