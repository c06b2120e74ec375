"""Where a search begins when there was one before: with what won then, and what came close."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from tenure.core.decoding import converted, json_decoder
from tenure.core.errors import ArtifactError
from tenure.stages.training.algorithm import Algorithm
from tenure.state.store import Trial

if TYPE_CHECKING:
    from tenure.stages.base import StageContext

MOST_STARTS = 3
"""Parameters taken from the last search: its winner, and the best of the others."""


class Start(msgspec.Struct, frozen=True):
    """Parameters to begin with."""

    algorithm: str
    params: dict[str, Any]


def warm_starts(algorithms: Mapping[str, Algorithm], context: StageContext) -> tuple[Start, ...]:
    """What the last search found, moved into the search spaces of this one; best first.

    They are an input of the search, and recorded with it. A search that is made again from the very same inputs, after
    its blobs were lost, begins where it began, not where it ended.
    """
    previous = context.previous
    if previous is None or previous.value.get("adopted"):
        return ()
    if previous.fingerprint == context.fingerprint:
        return tuple(converted(previous.value.get("warm_start", []), list[Start]))
    found = [Start(previous.value["algorithm"], previous.value["params"]), *_others(previous, context)]
    starts: list[Start] = []
    for one in found:
        if one.algorithm in algorithms:
            moved = Start(one.algorithm, algorithms[one.algorithm].moved(one.params))
            if moved not in starts:
                starts.append(moved)
    return tuple(starts[:MOST_STARTS])


def _others(previous: Any, context: StageContext) -> list[Start]:
    """Every finished trial of the last search, best first; none when the list of them is lost."""
    try:
        trials = json_decoder(list[Trial]).decode(context.artifacts.get(previous.artifacts["trials"]))
    except (ArtifactError, KeyError, msgspec.DecodeError):
        return []
    sign = -1.0 if previous.value.get("goal") == "maximize" else 1.0
    done = [trial for trial in trials if trial.score is not None]
    done.sort(key=lambda trial: (sign * (trial.score or 0.0), trial.number))
    return [Start(trial.algorithm, trial.params) for trial in done]
