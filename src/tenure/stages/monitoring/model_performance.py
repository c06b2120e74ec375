"""Signal `model_performance`: the predictions are compared with what turned out to be true.

A window with few labels cannot confirm a loss by itself, and a long window finds it late. So a window below the
limit is judged alone and pooled with the one, two, ... windows before it that count towards the same alert. It is
critical when one of these pools excludes the limit, else a warning. The pools share an error of 5 % (Bonferroni), so
that looking several times does not raise false alarms. Because the window itself has to be below the limit too, a
pool of bad windows never outlives a recovery.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import model_validator

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.spec.base import SpecModel, field
from tenure.stages.monitoring.judging import Judgement, WindowRows, insufficient, rounded

if TYPE_CHECKING:
    import pyarrow as pa

    from tenure.ml.metrics import Metric
    from tenure.ml.predictions import Predictions
    from tenure.ml.reference import Reference
    from tenure.ml.resampling import Interval

CONFIDENCE = 0.95
RESAMPLES = 2000
_JUST_BELOW = 0.999999


class ModelPerformance(SpecModel):
    """Computes a metric on the predictions whose truth has arrived (`tenure labels`).

    Beyond the limit is a warning; it is critical when a confidence interval of the window, or of the latest windows
    pooled, lies wholly beyond it.
    """

    needs_labels: ClassVar[bool] = True

    type: Literal["model_performance"] = field(
        Effect.OPERATE, "Predictions compared with what turned out to be true."
    )
    metric: str = field(Effect.OPERATE, "The metric, such as `accuracy`, `roc_auc`, `rmse` or `mae`.")
    min: float | None = field(
        Effect.OPERATE, "The metric must not be below this (for metrics where more is better).", None
    )
    max: float | None = field(
        Effect.OPERATE, "The metric must not be above this (for errors, where less is better).", None
    )
    max_drop: float | None = field(
        Effect.OPERATE, "How much worse than in the evaluation of the released version it may be.", None, gt=0
    )
    min_labels: int = field(
        Effect.OPERATE,
        "Labelled rows a window needs to be judged; with fewer it counts neither way.",
        25,
        ge=2,
    )

    @model_validator(mode="after")
    def _limited(self) -> ModelPerformance:
        if self.min is None and self.max is None and self.max_drop is None:
            raise ValueError("give a limit: min, max or max_drop")
        if self.min is not None and self.max is not None:
            raise ValueError("give either min or max, whichever way the metric is better")
        return self

    def check(self, name: str, reference: Reference) -> None:
        """The metric must exist for the model's task, and the limit must be on the side where it gets worse."""
        from tenure.ml.metrics import metric

        where = ("monitoring", "signals", name)
        found = metric(self.metric, reference.task, (*where, "metric"))
        wrong = "max" if found.goal == "maximize" else "min"
        if getattr(self, wrong) is not None:
            right = "min" if wrong == "max" else "max"
            raise StageError(
                "the limit is on the wrong side",
                f"{self.metric} is {'better' if wrong == 'max' else 'worse'} when it is larger, so {wrong} limits "
                "what is good",
                f"Write {right} instead of {wrong}.",
                path=(*where, wrong),
            )

    def judge(self, rows: WindowRows) -> Judgement:
        """The performance of one window's labelled rows."""
        from tenure.ml.metrics import metric

        found, task = rows.labelled, rows.reference.task
        counts = {"labels": found.num_rows, "unlabelled": rows.rows.num_rows - found.num_rows}
        if found.num_rows < self.min_labels:
            return insufficient(
                f"{found.num_rows} of {rows.rows.num_rows} rows have a label; {self.min_labels} are needed",
                **counts,
            )
        item = metric(self.metric, task)
        limit = self._limit(item, rows.promised)
        if limit is None:
            return insufficient(
                f"the released version was not evaluated by {self.metric}, so a drop is unknown", **counts
            )
        # Every interval has the confidence that the pools share, so that what is shown is what decides.
        confidence = 1 - (1 - CONFIDENCE) / (rows.most_recent + 1)
        own = _interval(item, found, rows, confidence)
        if not math.isfinite(own.value):
            return insufficient(f"{self.metric} is not defined on these {found.num_rows} rows", **counts)
        beyond = _beyond(item, own.value, limit)
        pool = _confirming(item, limit, rows, confidence) if beyond else None
        ratio = _ratio(item, own.value, limit)
        evidence = {
            "metric": self.metric,
            "goal": item.goal,
            "limit": rounded(limit),
            "interval": _numbers(own),
            "confidence": rounded(confidence, 4),
            **counts,
        }
        if pool is not None:
            windows, interval = pool
            evidence["pooled"] = _numbers(interval) | {"windows": windows}
        return Judgement(
            "critical" if pool else "warn" if beyond else "ok",
            rounded(own.value),
            {"warn": ratio, "critical": ratio if pool or not beyond else min(ratio, _JUST_BELOW)},
            _sentence(self.metric, item, own, pool, limit),
            evidence,
        )

    def _limit(self, item: Metric, promised: Mapping[str, float]) -> float | None:
        """The stricter of the absolute limit and the allowed drop; None when neither is known."""
        absolute = self.min if item.goal == "maximize" else self.max
        before = promised.get(self.metric)
        if self.max_drop is None or before is None:
            return absolute
        relative = before - self.max_drop if item.goal == "maximize" else before + self.max_drop
        if absolute is None:
            return relative
        return max(absolute, relative) if item.goal == "maximize" else min(absolute, relative)


def _confirming(
    item: Metric, limit: float, rows: WindowRows, confidence: float
) -> tuple[int, Interval] | None:
    """The shortest pool of the latest windows that excludes the limit, and how many windows it takes; None if none."""
    import pyarrow as pa

    tables = [rows.labelled, *reversed(rows.recent)]
    for windows in range(1, len(tables) + 1):
        if tables[windows - 1].num_rows or windows == 1:
            pooled = pa.concat_tables(tables[:windows], promote_options="permissive")
            interval = _interval(item, pooled, rows, confidence)
            if _excludes(item, interval, limit):
                return windows, interval
    return None


def _interval(item: Metric, table: pa.Table, rows: WindowRows, confidence: float) -> Interval:
    from tenure.ml.resampling import bootstrap
    from tenure.ml.task import class_of

    labels = table.column("label").to_pylist()
    if rows.reference.task == "regression":
        truth: list[Any] = [float(value) for value in labels]
    else:
        truth = [_class(class_of(value), rows.reference.classes) for value in labels]
    predictions = _predictions(table, rows.reference)
    return bootstrap(item, truth, predictions, confidence=confidence, resamples=RESAMPLES)


def _predictions(table: pa.Table, reference: Reference) -> Predictions:
    """The logged rows as predictions again."""
    import numpy as np

    from tenure.ml.inference_log import score_column
    from tenure.ml.predictions import Predictions
    from tenure.ml.task import class_of

    given = table.column("prediction").to_pylist()
    if reference.task == "regression":
        return Predictions(np.asarray(given, dtype=np.float64), None, ())
    labels = np.empty(len(given), dtype=object)
    labels[:] = [_class(class_of(value), reference.classes) for value in given]
    names = [score_column(name) for name in reference.classes]
    scores = None
    if set(names) <= set(table.column_names):
        scores = np.column_stack([table.column(name).to_numpy() for name in names])
    return Predictions(labels, scores, reference.classes)


def _class(value: Any, classes: tuple[Any, ...]) -> Any:
    """The class a label means; a class stored as text (`"1"`, `"true"`) is found by its spelling."""
    if value in classes:
        return value
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return next(
        (item for item in classes if (str(item).lower() if isinstance(item, bool) else str(item)) == text),
        value,
    )


def _beyond(item: Metric, value: float, limit: float) -> bool:
    return value < limit if item.goal == "maximize" else value > limit


def _excludes(item: Metric, interval: Interval, limit: float) -> bool:
    edge = interval.high if item.goal == "maximize" else interval.low
    return math.isfinite(edge) and _beyond(item, edge, limit)


def _ratio(item: Metric, value: float, limit: float) -> float:
    """How close to the limit, 1 at it: of the distance to a perfect score where there is one, else of the error."""
    if item.goal == "maximize":
        worse, allowed = 1 - value, 1 - limit
    else:
        worse, allowed = value, limit
    if allowed <= 0:
        return 0.0 if worse <= allowed else 1.0
    ratio = rounded(max(worse, 0.0) / allowed)
    # Rounding must not move a value to the other side of the limit.
    return max(ratio, 1.0) if _beyond(item, value, limit) else min(ratio, _JUST_BELOW)


def _numbers(interval: Interval) -> dict[str, Any]:
    return {
        "value": rounded(interval.value),
        "low": rounded(interval.low) if math.isfinite(interval.low) else None,
        "high": rounded(interval.high) if math.isfinite(interval.high) else None,
        "n": interval.n,
    }


def _sentence(name: str, item: Metric, own: Interval, pool: tuple[int, Interval] | None, limit: float) -> str:
    side = "below" if item.goal == "maximize" else "above"
    text = f"{name} {own.value:.3g} on {own.n} labelled rows"
    if not _beyond(item, own.value, limit):
        return f"{text} is within the limit {limit:.3g}"
    text = f"{text} is {side} the limit {limit:.3g}"
    if pool is None:
        return f"{text}, which may be chance ({own.low:.3g} to {own.high:.3g})"
    windows, interval = pool
    if windows == 1:
        return f"{text} ({interval.low:.3g} to {interval.high:.3g})"
    spread = f"{interval.value:.3g} ({interval.low:.3g} to {interval.high:.3g})"
    return f"{text}; the last {windows} windows together: {spread} on {interval.n} rows"
