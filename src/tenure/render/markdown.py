"""A plan as a comment on a pull request: GitHub and GitLab flavoured Markdown, below the platforms' size limit.

One screen first: what happens to how many models, the worst of them, what they wait for. Everything else is folded.
Whatever comes from a spec or a data set passes through `render/markup.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from tenure.core.digest import short
from tenure.plan.action import Action
from tenure.plan.change import Change, ModelPlan, Plan
from tenure.plan.view import Blocker
from tenure.render.markup import code, escaped, html, units
from tenure.render.plan import value_changes
from tenure.render.wording import (
    KNOWN_LATER,
    approvals,
    blockers,
    count,
    counts_words,
    effect_words,
    estimate,
    evidence_words,
    go_on,
    headline,
    leading,
    moment,
    short_digest,
    value_words,
)

LIMIT = 65_536
"""Characters a comment may have on GitHub; GitLab allows a million."""

MARKER = "<!-- tenure plan: {environment} -->"
"""First line, by which a CI job finds its earlier comment and replaces it."""

ROWS = 12
"""Models on the first screen."""

WAITING = 6
"""Approvals and blockers on the first screen."""

VALUE_CELLS = 120
_SMALLEST = 120
_NOTES = 10
_VALUES = 12
_LIST_SHARE = 0.4
"""Of the room, what the list of all models may take before the details of each."""


def plan_markdown(plan: Plan, limit: int = LIMIT, where: Sequence[str] = ()) -> str:
    """The plan as Markdown of fewer than `limit` characters; details that do not fit are counted, never cut in half.

    `where` holds the global options and overrides that the command to carry it out has to repeat.
    """
    changed = sorted((model for model in plan.models if model.changed), key=_severity, reverse=True)
    head = [*_head(plan, changed), ""]
    tail = list(_tail(plan, where))
    room = limit - _size([*head, *tail]) - 400
    listed = list(_list(changed[ROWS:], int(room * _LIST_SHARE)))
    room -= _size(listed)
    body: list[str] = []
    left_out = 0
    for model in changed:
        # Where not even a heading fits any more, nothing needs to be laid out to know it.
        block = [*_details(model), ""] if room > _SMALLEST else []
        if _size(block) > room or not block:
            left_out += 1
            continue
        room -= _size(block)
        body += block
    if left_out:
        where = "run `tenure plan` or open the plan file"
        body += [f"_Details of {count(left_out, 'model')} do not fit here: {where}._", ""]
    return "\n".join([*head, *listed, *body, *tail]).rstrip() + "\n"


def _severity(model: ModelPlan) -> tuple[bool, int]:
    """What is looked at first: the costliest effect, and what waits before what does not."""
    return model.effect is not None, model.effect.severity if model.effect is not None else len(model.blocked)


def _size(lines: Sequence[str]) -> int:
    return sum(units(text) + 1 for text in lines)


# ---- the first screen ------------------------------------------------------------------------------------------------


def _head(plan: Plan, changed: list[ModelPlan]) -> Iterator[str]:
    yield MARKER.format(environment=re.sub(r"[^\w.-]", "", plan.environment))
    yield f"### Tenure plan for {escaped(plan.environment)}: {escaped(headline(plan))}"
    if not changed:
        return
    yield ""
    yield from _table(changed[:ROWS])
    if len(changed) > ROWS:
        yield f"| | and {count(len(changed) - ROWS, 'more model')}, listed below | | | |"
    yield ""
    if plan.acting:
        yield f"**Estimated time** {escaped(estimate(plan.models).words)}"
        yield ""
    yield from _first(_waiting(changed), WAITING, "more approval or blocker", "more approvals and blockers")


def _table(models: Iterable[ModelPlan]) -> Iterator[str]:
    yield "| | model | effect | changes | time |"
    yield "|---|---|---|---|---|"
    for model in models:
        cells = (
            code(leading(model).symbol),
            f"**{escaped(model.model)}**",
            escaped(effect_words(model)),
            escaped(counts_words(model.changes)),
            escaped(estimate([model]).brief if model.acting else ""),
        )
        yield "| " + " | ".join(cells) + " |"


def _waiting(changed: Iterable[ModelPlan]) -> Iterator[str]:
    for model in changed:
        for text in approvals(model):
            yield f"- **Approval** {escaped(model.model)}: {escaped(text)}"
        for address, blocker in blockers(model):
            yield f"- **Blocked** {code(address)}: {escaped(blocker.text)}{_way_out(blocker)}"


def _first(lines: Iterable[str], most: int, one: str, several: str) -> Iterator[str]:
    """The first lines, and how many more there are."""
    lines = list(lines)
    yield from lines[:most]
    left = len(lines) - most
    if left > 0:
        yield f"- and {left:,} {one if left == 1 else several}"


# ---- what is folded --------------------------------------------------------------------------------------------------


def _list(models: list[ModelPlan], room: int) -> Iterator[str]:
    """The models that are not on the first screen, a row each, as many as fit."""
    if not models:
        return
    rows = list(_table(models))
    kept = [*rows[:2]]
    used = _size(kept) + 200
    for row in rows[2:]:
        if used + units(row) + 1 > room:
            break
        used += units(row) + 1
        kept.append(row)
    yield f"<details><summary>{count(len(models), 'more model')}</summary>"
    yield ""
    yield from kept
    if len(kept) < len(rows):
        yield f"| | and {len(rows) - len(kept):,} that do not fit here | | | |"
    yield ""
    yield "</details>"
    yield ""


def _details(model: ModelPlan) -> Iterator[str]:
    summary = f"{html(model.model)}: {html(counts_words(model.changes))}"
    yield f"<details><summary><b>{summary}</b></summary>"
    yield ""
    yield f"{code(model.file)}, {escaped(model.lifecycle)}"
    yield ""
    yield from (f"> {escaped(note)}" for note in model.notes)
    for change in model.changes:
        if change.action is not Action.NONE:
            yield from _change(change)
    yield ""
    yield "</details>"


def _change(change: Change) -> Iterator[str]:
    local = change.address.split("/", 1)[-1]
    yield f"- {code(change.action.symbol)} {code(local)} {escaped(change.sentence)}"
    for item in change.fields:
        old, new = value_words(item.old, VALUE_CELLS), value_words(item.new, VALUE_CELLS)
        yield f"  - {code(item.path)}: {code(old)} → {code(new)} ({item.effect.value})"
    if change.action.acts and not change.known:
        before = short_digest(change.before) if isinstance(change.before, str) else None
        yield f"  - result: {code(before) + ' → ' if before else ''}{escaped(KNOWN_LATER)}"
    elif change.action.acts and not change.fields:
        for path, old, new in list(value_changes(change.before, change.after))[:_VALUES]:
            yield f"  - {code(path)}: {code(value_words(old, VALUE_CELLS))} → {code(value_words(new, VALUE_CELLS))}"
    yield from (f"  - if {escaped(item.text)}" for item in change.conditions)
    for blocker in change.blockers:
        yield f"  - **blocked** {escaped(blocker.text)}{_way_out(blocker)}"
    for cause in change.causes:
        evidence = evidence_words(cause.evidence)
        yield f"  - because {escaped(cause.sentence)}" + (f" ({escaped(evidence)})" if evidence else "")
    yield from (f"  - note: {escaped(note)}" for note in change.notes)


# ---- the end ---------------------------------------------------------------------------------------------------------


def _tail(plan: Plan, where: Sequence[str]) -> Iterator[str]:
    yield from (f"> {escaped(note)}" for note in plan.notes[:_NOTES])
    if len(plan.notes) > _NOTES:
        yield f"> and {count(len(plan.notes) - _NOTES, 'more note')}."
    if plan.unmanaged:
        names = ", ".join(escaped(name) for name in plan.unmanaged[:20])
        more = f" and {len(plan.unmanaged) - 20} more" if len(plan.unmanaged) > 20 else ""
        yield f"> Recorded, but without a spec: {names}{more}. Nothing is deleted."
    command = go_on(plan, where)
    if command:
        yield ""
        yield f"Carry it out with {code(command)}."
    yield ""
    yield f"<sub>plan {code(short(plan.digest))}, {moment(plan.at)}, Tenure {escaped(plan.tool_version)}</sub>"


def _way_out(blocker: Blocker) -> str:
    return f" → {code(blocker.hint)}" if blocker.hint else ""
