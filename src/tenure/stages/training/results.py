"""What a search did, made from its recorded trials: for the report and for `tenure show`."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from tenure.core.decoding import json_decoder
from tenure.core.errors import ArtifactError
from tenure.stages.training.importance import Importance, importances
from tenure.state.store import Trial

if TYPE_CHECKING:
    from tenure.artifacts.store import ArtifactStore
    from tenure.state.record import Record

TRIALS = "trials"
ENDED = {
    "max_trials": "all trials that max_trials allows were made",
    "timeout": "the time that timeout allows was over",
    "nothing left to try": "every combination of the search space was tried",
}


class AlgorithmResult(msgspec.Struct, frozen=True):
    """The trials of one algorithm: how they ended, the best score, the seconds they took, and the share of them."""

    name: str
    trials: int
    done: int
    stopped: int
    failed: int
    best: float | None
    seconds: float
    share: float


class Results(msgspec.Struct, frozen=True):
    """A search that is over. `ranked` are the finished trials, best first; `progress` holds (number, seconds since the
    search began, score) of each trial that was the best so far; `given_up` counts trials by the number of folds they
    had; `failures` says why trials failed, and how often."""

    trials: tuple[Trial, ...]
    ranked: tuple[Trial, ...]
    metric: str
    goal: str
    algorithms: tuple[AlgorithmResult, ...]
    progress: tuple[tuple[int, float, float], ...]
    given_up: dict[int, int]
    failures: dict[str, int]
    importance: tuple[Importance, ...]
    ended_by: str
    seconds: float


def results_of(record: Record, artifacts: ArtifactStore) -> Results | None:
    """The results of a recorded search; None for an adopted model, and where the list of trials is lost or foreign."""
    if TRIALS not in record.artifacts or record.value.get("adopted"):
        return None
    try:
        trials = json_decoder(tuple[Trial, ...]).decode(artifacts.get(record.artifacts[TRIALS]))
    except (ArtifactError, msgspec.DecodeError):
        return None
    return results(record.value, trials) if trials else None


def results(value: Mapping[str, Any], trials: Sequence[Trial]) -> Results:
    """The results of these trials; `value` is that of the record."""
    metric = str(value["metric"])
    goal = str(value["goal"])
    sign = -1.0 if goal == "maximize" else 1.0
    ordered = tuple(sorted(trials, key=lambda trial: trial.number))
    ranked = sorted(
        (trial for trial in ordered if trial.score is not None),
        key=lambda trial: (sign * (trial.score or 0.0), trial.number),
    )
    total = sum(trial.seconds for trial in ordered) or 1.0
    given_up: dict[int, int] = {}
    failures: dict[str, int] = {}
    for trial in ordered:
        if trial.status == "stopped":
            given_up[len(trial.scores)] = given_up.get(len(trial.scores), 0) + 1
        elif trial.status == "failed":
            reason = f"{trial.algorithm}: {trial.note}"
            failures[reason] = failures.get(reason, 0) + 1
    return Results(
        trials=ordered,
        ranked=tuple(ranked),
        metric=metric,
        goal=goal,
        algorithms=tuple(
            _algorithm(name, [trial for trial in ordered if trial.algorithm == name], sign, total)
            for name in dict.fromkeys(trial.algorithm for trial in ordered)
        ),
        progress=_progress(ordered, sign),
        given_up=dict(sorted(given_up.items())),
        failures=failures,
        importance=importances(ordered, goal),
        ended_by=ENDED.get(str(value.get("ended_by", "")), str(value.get("ended_by", ""))),
        seconds=max(trial.started + trial.seconds for trial in ordered),
    )


def spread(trial: Trial) -> float | None:
    """The standard error of a trial's score: over its folds, or as recorded for a single one."""
    if len(trial.scores) > 1:
        return statistics.stdev(trial.scores) / math.sqrt(len(trial.scores))
    return trial.noise


def _algorithm(name: str, trials: Sequence[Trial], sign: float, total: float) -> AlgorithmResult:
    scores = [trial.score for trial in trials if trial.score is not None]
    seconds = sum(trial.seconds for trial in trials)
    return AlgorithmResult(
        name=name,
        trials=len(trials),
        done=len(scores),
        stopped=sum(trial.status == "stopped" for trial in trials),
        failed=sum(trial.status == "failed" for trial in trials),
        best=(max(scores) if sign < 0 else min(scores)) if scores else None,
        seconds=seconds,
        share=seconds / total,
    )


def _progress(trials: Sequence[Trial], sign: float) -> tuple[tuple[int, float, float], ...]:
    """Improvements in the order in which trials ended."""
    found: list[tuple[int, float, float]] = []
    for trial in sorted(trials, key=lambda trial: (trial.started + trial.seconds, trial.number)):
        if trial.score is not None and (not found or sign * trial.score < sign * found[-1][2]):
            found.append((trial.number, trial.started + trial.seconds, trial.score))
    return tuple(found)
