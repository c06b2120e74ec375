"""A plan as a comment on a pull request: GitHub and GitLab flavoured Markdown, below the platforms' size limit.

Everything from a spec or a data set is escaped: no name can open a link, mention a person, or end a code span.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tenure.core.digest import short
from tenure.plan.action import Action
from tenure.plan.change import Change, ModelPlan, Plan
from tenure.plan.view import Blocker
from tenure.render.page import plain
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
"""Characters a comment may have on GitHub; other platforms allow more."""

MARKER = "<!-- tenure plan: {environment} -->"
"""First line, by which a CI job finds its earlier comment and replaces it."""

VALUE_CELLS = 120
_SPECIAL = re.compile(r"([\\`*_{}\[\]|~>$])|^(?=[-+#=])|(?<=^\d)(?=[.)])")
_LINKS = re.compile(r"(@(?=\w)|#(?=\d)|www(?=\.)|:(?=//))")
_MODELS = 100


def plan_markdown(plan: Plan, limit: int = LIMIT) -> str:
    """The plan as Markdown of fewer than `limit` characters; details that do not fit are counted, never cut in half."""
    changed = [model for model in plan.models if model.changed]
    head = [*_head(plan, changed), ""]
    tail = list(_tail(plan))
    room = limit - sum(len(text) + 1 for text in [*head, *tail]) - 200
    body: list[str] = []
    left_out = 0
    for model in changed:
        block = "\n".join(_details(model))
        if len(block) + 2 > room:
            left_out += 1
            continue
        room -= len(block) + 2
        body += [block, ""]
    if left_out:
        body += [
            f"_Details of {count(left_out, 'model')} do not fit here: run `tenure plan` or open the plan file._",
            "",
        ]
    return "\n".join([*head, *body, *tail]).rstrip() + "\n"


def escaped(text: Any) -> str:
    """Text as Markdown shows it literally, on one line; `@name` does not mention anybody and HTML is not read."""
    text = plain(str(text)).replace("&", "&amp;").replace("<", "&lt;")
    text = _SPECIAL.sub(lambda found: "\\" + (found[1] or ""), text)
    return _LINKS.sub("\\1\u200b", text)


def code(text: Any) -> str:
    """Text as a code span, whatever backticks it holds."""
    text = plain(str(text))
    fence = "`" * (max((len(run) for run in re.findall(r"`+", text)), default=0) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") or not text.strip() else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def _head(plan: Plan, changed: list[ModelPlan]) -> Iterator[str]:
    yield MARKER.format(environment=escaped(plan.environment))
    yield f"### Tenure plan for {escaped(plan.environment)}: {escaped(headline(plan))}"
    if not changed:
        return
    yield ""
    yield "| | model | effect | changes | time |"
    yield "|---|---|---|---|---|"
    for model in changed[:_MODELS]:
        cells = (
            code(leading(model).symbol),
            f"**{escaped(model.model)}**",
            escaped(effect_words(model)),
            escaped(counts_words(model.changes)),
            escaped(estimate([model]).brief if model.acting else ""),
        )
        yield "| " + " | ".join(cells) + " |"
    if len(changed) > _MODELS:
        yield f"| | and {len(changed) - _MODELS} more | | | |"
    yield ""
    if plan.acting:
        yield f"**Estimated time** {escaped(estimate(plan.models).words)}"
        yield ""
    for model in changed[:_MODELS]:
        for text in approvals(model):
            yield f"- **Approval** {escaped(model.model)}: {escaped(text)}"
        for address, blocker in blockers(model):
            yield f"- **Blocked** {code(address)}: {escaped(blocker.text)}{_way_out(blocker)}"


def _details(model: ModelPlan) -> Iterator[str]:
    summary = f"{_html(model.model)}: {_html(counts_words(model.changes))}"
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
        for path, old, new in list(value_changes(change.before, change.after))[:12]:
            yield f"  - {code(path)}: {code(value_words(old, VALUE_CELLS))} → {code(value_words(new, VALUE_CELLS))}"
    yield from (f"  - if {escaped(item.text)}" for item in change.conditions)
    for blocker in change.blockers:
        yield f"  - **blocked** {escaped(blocker.text)}{_way_out(blocker)}"
    for cause in change.causes:
        evidence = evidence_words(cause.evidence)
        yield f"  - because {escaped(cause.sentence)}" + (f" ({escaped(evidence)})" if evidence else "")
    yield from (f"  - note: {escaped(note)}" for note in change.notes)


def _tail(plan: Plan) -> Iterator[str]:
    yield from (f"> {escaped(note)}" for note in plan.notes)
    if plan.unmanaged:
        names = ", ".join(escaped(name) for name in plan.unmanaged[:20])
        more = f" and {len(plan.unmanaged) - 20} more" if len(plan.unmanaged) > 20 else ""
        yield f"> Recorded, but without a spec: {names}{more}. Nothing is deleted."
    command = go_on(plan)
    if command:
        yield ""
        yield f"Carry it out with {code(command)}."
    yield ""
    yield f"<sub>plan {code(short(plan.digest))}, {moment(plan.at)}, Tenure {escaped(plan.tool_version)}</sub>"


def _way_out(blocker: Blocker) -> str:
    return f" → {code(blocker.hint)}" if blocker.hint else ""


def _html(text: str) -> str:
    return plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("@", "@\u200b")
