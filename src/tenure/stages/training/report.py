"""The search report: one self-contained page about what a search tried, what decided, and where its time went."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tenure.core.units import format_instant, format_seconds, format_size
from tenure.ml.report.axes import number
from tenure.ml.report.chart import COLOURS, Axis, Mark, Series, Trace, chart, legend, parallel
from tenure.ml.report.page import markup, render
from tenure.ml.report.plots import Bar, bars
from tenure.stages.training.importance import FEWEST, is_log, mean_score
from tenure.stages.training.results import Results, results_of, spread

if TYPE_CHECKING:
    from tenure.artifacts.store import ArtifactStore
    from tenure.state.record import ModelState, Record
    from tenure.state.store import Trial

TEMPLATE = "report.html.jinja"
SEARCH = "training/search"
_MOST_DOTS = 600
_MOST_LINES = 150
_MOST_SLICES = 6
_MOST_AXES = 8
_MOST_RANKED = 15
_MOST_ALGORITHMS = 4


def report_of(state: ModelState, artifacts: ArtifactStore, now: datetime) -> str | None:
    """The report of a recorded search; None when there is none, or its model was adopted."""
    record = state.records.get(SEARCH)
    found = None if record is None else results_of(record, artifacts)
    return None if record is None or found is None else report_html(state.model, record, found, now)


def report_html(model: str, record: Record, found: Results, now: datetime) -> str:
    """The page."""
    value = record.value
    names = [item.name for item in found.algorithms]
    best = found.ranked[0] if found.ranked else None
    return render(
        __package__,
        TEMPLATE,
        model=model,
        value=value,
        found=found,
        chosen=next((trial for trial in found.trials if trial.number == value["trial"]), best),
        made=format_instant(record.at.replace(microsecond=0)),
        now=format_instant(now.replace(microsecond=0)),
        seconds=format_seconds,
        size=format_size,
        spread=spread,
        text=_text,
        headline=f"{value['algorithm']}: {value['metric']} {number(value['score'])}",
        counts={
            "done": len(found.ranked),
            "stopped": sum(trial.status == "stopped" for trial in found.trials),
            "failed": sum(trial.status == "failed" for trial in found.trials),
            "cached": sum(trial.cached for trial in found.trials),
        },
        legend=legend(names[:COLOURS]) if len(names) <= COLOURS else None,
        history=markup(_history(found, names)),
        over_time=markup(_over_time(found)),
        budget=markup(_budget(found)),
        importance=[_importance(found, name) for name in names if _has_importance(found, name)],
        fewest=FEWEST,
        coordinates=[_coordinates(found, name) for name in _tried_most(found)],
        slices=_slices(found, value["algorithm"]),
        curves=_curves(found),
        ranked=found.ranked[:_MOST_RANKED],
        weighed=value.get("weighed", []),
    )


def _history(found: Results, names: Sequence[str]) -> str:
    """Each trial by its number, and the best so far."""
    shown = _thinned(found)
    series = [
        Series(
            name,
            [
                Mark(
                    trial.number,
                    score,
                    _title(trial, found.metric),
                    kind="none" if trial.score is None else "",
                )
                for trial in shown
                if trial.algorithm == name and (score := mean_score(trial)) is not None
            ],
            "dots",
        )
        for name in names
    ]
    best: list[Mark] = []
    for trial in found.trials:
        if trial.score is not None and (not best or _better(trial.score, best[-1].y, found.goal)):
            best.append(Mark(trial.number, trial.score))
    if best:
        best.append(Mark(found.trials[-1].number, best[-1].y))
    # The line comes behind the series of the algorithms, so that their colours are those of the legend.
    return chart(
        [*series, Series("best so far", best, "steps")],
        name=f"{found.metric} of each trial, and the best so far",
        x_label="trial",
        y_label=found.metric,
    )


def _over_time(found: Results) -> str:
    marks = [Mark(seconds, score, f"trial {n}: {number(score)}") for n, seconds, score in found.progress]
    if marks:
        marks.append(Mark(found.seconds, marks[-1].y, f"end: {number(marks[-1].y)}"))
    return chart(
        [Series("best so far", marks, "steps")],
        name=f"best {found.metric} so far against seconds since the search began",
        x_label="seconds since the search began",
        y_label=f"best {found.metric} so far",
        height=200,
    )


def _budget(found: Results) -> str:
    return bars(
        [
            Bar(item.name, item.share, f"{item.name}: {format_seconds(item.seconds)} in {item.trials} trials")
            for item in found.algorithms
        ],
        name="share of the time of all trials by algorithm",
        percent=True,
        most=1.0,
    )


def _has_importance(found: Results, name: str) -> bool:
    return any(item.algorithm == name for item in found.importance)


def _importance(found: Results, name: str) -> dict[str, Any]:
    rows = [Bar(item.parameter, item.share) for item in found.importance if item.algorithm == name]
    return {
        "name": name,
        "svg": markup(bars(rows, name=f"importance of the parameters of {name}", percent=True, most=1.0)),
    }


def _tried_most(found: Results) -> list[str]:
    ranked = sorted(found.algorithms, key=lambda item: -item.trials)
    return [item.name for item in ranked if item.trials >= 3 and _varied(found, item.name)][:_MOST_ALGORITHMS]


def _varied(found: Results, name: str) -> list[str]:
    """Parameters of which the algorithm's trials have different values: important ones first."""
    own = [trial.params for trial in found.trials if trial.algorithm == name]
    known = list(dict.fromkeys(parameter for params in own for parameter in params))
    varied = [
        parameter
        for parameter in known
        if len({repr(params[parameter]) for params in own if parameter in params}) > 1
    ]
    rank = {item.parameter: n for n, item in enumerate(found.importance) if item.algorithm == name}
    return sorted(varied, key=lambda parameter: (rank.get(parameter, len(rank) + 10_000), parameter))


def _coordinates(found: Results, name: str) -> dict[str, Any]:
    """The trials of one algorithm across its parameters and their score; better ones stand out."""
    parameters = _varied(found, name)[: _MOST_AXES - 1]
    scored = [
        (trial, score)
        for trial in found.trials
        if trial.algorithm == name and (score := mean_score(trial)) is not None
    ]
    # The best are drawn whatever the number of trials.
    scored = sorted(scored, key=lambda pair: pair[1], reverse=found.goal == "maximize")[:_MOST_LINES]
    strengths = [1.0 - n / max(len(scored) - 1, 1) for n in range(len(scored))]
    axes, places = [], []
    for parameter in parameters:
        axis, at = _axis(parameter, [trial.params.get(parameter) for trial, _ in scored])
        axes.append(axis)
        places.append(at)
    axis, at = _axis(found.metric, [score for _, score in scored], top_is_best=found.goal)
    axes.append(axis)
    places.append(at)
    traces = [
        Trace([column[n] for column in places], strengths[n], _title(trial, found.metric))
        for n, (trial, _) in enumerate(scored)
    ]
    return {
        "name": name,
        "svg": markup(parallel(axes, traces, name=f"trials of {name} across its parameters")),
    }


def _axis(
    name: str, values: Sequence[Any], *, top_is_best: str = "maximize"
) -> tuple[Axis, list[float | None]]:
    """An axis for these values, and the place of each on it; None where a trial has no such parameter."""
    known = [value for value in values if value is not None]
    if known and all(isinstance(value, int | float) and not isinstance(value, bool) for value in known):
        low, high = float(min(known)), float(max(known))
        log = is_log(known)
        places = [None if value is None else _place(float(value), low, high, log) for value in values]
        ticks = [(0.0, number(low)), (1.0, number(high))]
        if top_is_best == "minimize":
            return Axis(name, [(1.0 - at, text) for at, text in ticks]), [
                None if place is None else 1.0 - place for place in places
            ]
        return Axis(name, ticks), places
    distinct = sorted({str(value) for value in known})
    step = {text: (n / (len(distinct) - 1) if len(distinct) > 1 else 0.5) for n, text in enumerate(distinct)}
    return (
        Axis(name, [(at, text) for text, at in step.items()]),
        [None if value is None else step[str(value)] for value in values],
    )


def _place(value: float, low: float, high: float, log: bool) -> float:
    if high <= low:
        return 0.5
    if log:
        return (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))
    return (value - low) / (high - low)


def _slices(found: Results, name: str) -> list[dict[str, Any]]:
    """Score against each parameter of the winner's algorithm, the important ones first."""
    slices = []
    for parameter in _varied(found, name):
        pairs = [
            (trial, trial.params[parameter], score)
            for trial in _thinned(found)
            if trial.algorithm == name
            and isinstance(trial.params.get(parameter), int | float)
            and not isinstance(trial.params.get(parameter), bool)
            and (score := mean_score(trial)) is not None
        ]
        if len(pairs) < 3:
            continue
        marks = [
            Mark(float(at), score, _title(trial, found.metric), kind="none" if trial.score is None else "")
            for trial, at, score in pairs
        ]
        drawn = chart(
            [Series(name, marks, "dots")],
            name=f"{found.metric} against {parameter}",
            x_label=parameter,
            y_label=found.metric,
            x_log=is_log([at for _, at, _ in pairs]),
            width=380,
            height=180,
        )
        slices.append({"name": parameter, "svg": markup(drawn)})
        if len(slices) == _MOST_SLICES:
            break
    return slices


def _curves(found: Results) -> Any:
    """The loss by rounds of the best trials that were watched."""
    watched = [trial for trial in found.ranked if len(trial.curve) > 1][:COLOURS]
    if not watched:
        return None
    series = [
        Series(f"trial {trial.number}", [Mark(rounds, loss) for rounds, loss in sorted(trial.curve.items())])
        for trial in watched
    ]
    drawn = chart(
        series,
        name="loss on the first fold by rounds, of the best trials",
        x_label="rounds",
        y_label="loss on the first fold",
        height=220,
    )
    return legend([item.name for item in series]) + markup(drawn)


def _thinned(found: Results) -> Sequence[Trial]:
    """The trials to draw: all, or of very many every n-th, with those that were the best so far."""
    if len(found.trials) <= _MOST_DOTS:
        return found.trials
    step = -(-len(found.trials) // _MOST_DOTS)
    improved = {n for n, _, _ in found.progress}
    return [trial for trial in found.trials if trial.number % step == 0 or trial.number in improved]


def _title(trial: Trial, metric: str) -> str:
    ended = {"done": "", "stopped": f", given up after {len(trial.scores)} fold(s)", "failed": ", failed"}
    return (
        f"trial {trial.number}, {trial.algorithm}: {metric} {number(mean_score(trial))}{ended[trial.status]}; "
        + (_text(trial.params))
    )


def _text(params: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {number(value) if isinstance(value, float) else value}" for name, value in params.items()
    )


def _better(score: float, than: float, goal: str) -> bool:
    return score > than if goal == "maximize" else score < than
