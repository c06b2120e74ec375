"""The words every view of a plan shares, so that terminal and pull request say the same. Pure."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from tenure.core.digest import PREFIX, short
from tenure.core.effect import Effect
from tenure.core.units import format_seconds
from tenure.plan.action import Action
from tenure.plan.change import Change, ModelPlan, Plan
from tenure.plan.view import Blocker

KNOWN_LATER = "(known after apply)"
ABSENT = "(not set)"

EFFECT_WORDS = {
    Effect.METADATA: "metadata only: nothing runs",
    Effect.OPERATE: "operate: no retraining",
    Effect.RELEASE: "release: no retraining",
    Effect.REAPPROVE: "reapprove: approvals re-open",
    Effect.EVALUATE: "evaluate: no retraining",
    Effect.REDEPLOY: "redeploy: no retraining",
    Effect.ADJUST: "adjust: no new search",
    Effect.RETRAIN: "retrain",
    Effect.BREAKING: "breaking: retrain, and consumers must know",
    Effect.RETIRE: "retire: nothing is destroyed",
}

PAST = {
    Action.CREATE: "to create",
    Action.UPDATE: "to update",
    Action.REPLACE: "to replace",
    Action.PROMOTE: "to promote",
    Action.RETIRE: "to retire",
    Action.ADOPT: "to adopt",
    Action.FORGET: "to forget",
    Action.BLOCKED: "blocked",
    Action.NONE: "unchanged",
}

_LEADING = (
    Action.FORGET,
    Action.RETIRE,
    Action.REPLACE,
    Action.ADOPT,
    Action.CREATE,
    Action.PROMOTE,
    Action.UPDATE,
    Action.BLOCKED,
)


class Estimate(NamedTuple):
    """Time an apply would take: the sum over the steps with history, and how many steps have none."""

    seconds: float
    known: int
    unknown: int

    @property
    def words(self) -> str:
        """`about 2 min`, `at least 2 min (3 of 8 steps have no history)` or `unknown: no step has run before`."""
        if not self.known:
            return "unknown: none of these steps has run before" if self.unknown else "none"
        if self.unknown:
            return f"{self.brief} ({self.unknown} of {self.known + self.unknown} steps have no history)"
        return f"{self.brief}, as the last time"

    @property
    def brief(self) -> str:
        """`about 2 min`, `at least 2 min`, `unknown`."""
        if not self.known:
            return "unknown"
        return f"{'at least' if self.unknown else 'about'} {format_seconds(self.seconds)}"


def estimate(models: Iterable[ModelPlan]) -> Estimate:
    """What the steps of these plans took the last time, added up as if they ran one after another."""
    seconds = [change.seconds for model in models for change in model.acting]
    known = [value for value in seconds if value is not None]
    return Estimate(sum(known), len(known), len(seconds) - len(known))


def leading(model: ModelPlan) -> Action:
    """The one action that stands for the whole model on the first screen."""
    actions = {change.action for change in model.changes}
    if Action.CREATE in actions and model.serial == 0:
        return Action.CREATE
    return next((action for action in _LEADING if action in actions), Action.NONE)


def effect_words(model: ModelPlan) -> str:
    """The worst effect of a model's changes in plain words; without an edited field, what the changes amount to."""
    if model.effect is not None:
        return EFFECT_WORDS[model.effect]
    match leading(model):
        case Action.CREATE:
            return "new: everything is made" if model.serial == 0 else "made for the first time"
        case Action.REPLACE:
            return "made anew"
        case Action.PROMOTE:
            return "release: no retraining"
        case Action.RETIRE:
            return EFFECT_WORDS[Effect.RETIRE]
        case Action.ADOPT:
            return "taken over as it is: no retraining"
        case Action.FORGET:
            return "forgotten: its records leave the state, its artifacts stay"
        case Action.UPDATE:
            return "updated in place"
        case Action.BLOCKED:
            return "waits"
        case Action.NONE:
            return "no change"


def counts_words(changes: Iterable[Change], *, unchanged: bool = False) -> str:
    """`5 to replace, 2 to update`, in the order of `Action`."""
    actions = [change.action for change in changes]
    counted = [(action, actions.count(action)) for action in Action if unchanged or action is not Action.NONE]
    return ", ".join(f"{count} {PAST[action]}" for action, count in counted if count)


def headline(plan: Plan) -> str:
    """`1 of 12 models changes, 11 are unchanged`, or that nothing does."""
    total = len(plan.models)
    if not total:
        return "No model is selected"
    acting = sum(1 for model in plan.models if model.acting)
    waiting = sum(1 for model in plan.models if model.blocked and not model.acting)
    same = total - acting - waiting
    if not acting and not waiting:
        return (
            "Nothing to do: the model is as its spec says"
            if total == 1
            else f"Nothing to do: {total} models are as their specs say"
        )
    if not acting:
        parts = [f"{waiting} of {count(total, 'model')} {'waits' if waiting == 1 else 'wait'}"]
    else:
        parts = [f"{acting} of {count(total, 'model')} {'changes' if acting == 1 else 'change'}"]
        if waiting:
            parts.append(f"{waiting} {'waits' if waiting == 1 else 'wait'}")
    if same:
        parts.append(f"{same} {'is' if same == 1 else 'are'} unchanged")
    return ", ".join(parts)


def approvals(model: ModelPlan) -> list[str]:
    """The approvals a plan will need on its way, each once; those it waits for now are among its blockers."""
    found = [
        item.text for change in model.changes for item in change.conditions if item.kind.startswith("approv")
    ]
    return list(dict.fromkeys(found))


def blockers(model: ModelPlan) -> list[tuple[str, Blocker]]:
    """What stands in the way, each once, with the first address it holds up; waiting for another step is not listed."""
    found: dict[tuple[str, str], tuple[str, Blocker]] = {}
    for change in model.changes:
        for blocker in change.blockers:
            if blocker.kind != "need":
                found.setdefault((blocker.kind, blocker.text), (change.address, blocker))
    return list(found.values())


def value_words(value: Any, cells: int = 0) -> str:
    """A configuration value on one line as YAML's flow style would have it; digests shortened; clipped to `cells`."""
    if value is None:
        text = ABSENT
    elif isinstance(value, str):
        text = (
            short_digest(value)
            if value.startswith(PREFIX)
            else value
            if _bare(value)
            else json.dumps(value, ensure_ascii=False)
        )
    elif isinstance(value, float):
        text = f"{value:.6g}" if abs(value - round(value, 6)) > 1e-12 else repr(value)
    elif isinstance(value, dict | list | tuple | bool | int):
        text = json.dumps(value, ensure_ascii=False, default=str)
    else:
        text = str(value)
    return text if not cells or len(text) <= cells else text[: cells - 1] + "…"


def short_digest(value: str) -> str:
    """`sha256:1a2b3c4d`, long enough to recognise."""
    return PREFIX + short(value)


def evidence_words(evidence: dict[str, Any]) -> str:
    """`value 0.52, min 0.6, windows 3`: the scalar part of a cause's evidence."""
    flat = [
        (key, value)
        for key, value in evidence.items()
        if isinstance(value, str | int | float) and value != ""
    ]
    return ", ".join(f"{key.replace('_', ' ')} {number(value)}" for key, value in flat)


def number(value: Any) -> str:
    """A scalar for people: four significant digits, digests shortened."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, str) and value.startswith(PREFIX):
        return short(value)
    return str(value)


def moment(value: datetime) -> str:
    """`2013-01-31 06:00 UTC`."""
    return f"{value:%Y-%m-%d %H:%M} UTC" if not value.second else f"{value:%Y-%m-%d %H:%M:%S} UTC"


def count(number_of: int, noun: str) -> str:
    """`1 model`, `2 models`."""
    return f"{number_of:,} {noun}{'' if number_of == 1 else 's'}"


def command(*words: str) -> str:
    """A command line to copy: words quoted as a shell needs it."""
    return shlex.join(("tenure", *words))


def go_on(plan: Plan, where: Sequence[str] = ()) -> str | None:
    """The command that carries the plan out, or None when there is nothing to do. `where` repeats global options."""
    if not plan.acting:
        return None
    acting = [model.model for model in plan.models if model.acting]
    return command("apply", *(acting if len(acting) <= 3 and len(acting) < len(plan.models) else ()), *where)


def _bare(text: str) -> bool:
    return (
        bool(text)
        and text == text.strip()
        and text.isprintable()
        and text.lower() not in ("null", "true", "false")
    )
