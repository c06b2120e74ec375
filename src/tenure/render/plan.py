"""A plan for the terminal: one screen that says what it comes to, then every change with its reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tenure.core.digest import PREFIX, short
from tenure.core.leaves import flatten
from tenure.graph.resource import Sort
from tenure.plan.action import Action
from tenure.plan.change import Change, FieldChange, ModelPlan, Plan
from tenure.plan.view import Condition
from tenure.render.page import BLANK, Line, Styled, line, table
from tenure.render.wording import (
    KNOWN_LATER,
    approvals,
    blockers,
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

VALUE_CELLS = 56
"""Longest value shown; JSON and Markdown's source, the plan itself, have it in full."""

VALUE_LEAVES = 12
"""Most leaves of a binding's value listed one by one."""

LEAVES_PER_KEY = 2
"""Most leaves listed below one key of a binding's value; more are shown as one value."""

PATH_CELLS = 44
"""Longest path that still sets the width of its column."""

MODELS_ON_SCREEN = 40
"""Most models listed on the first screen and in detail; the rest is counted."""


def plan_lines(
    plan: Plan, *, details: bool = True, suggest: bool = True, where: Sequence[str] = ()
) -> list[Line]:
    """The whole view. With `suggest` it ends with the command that goes on; `where` repeats global options in it."""
    changed = [model for model in plan.models if model.changed]
    shown = changed[:MODELS_ON_SCREEN]
    lines = [*_title(plan), *_models(shown, len(changed)), *_summary(plan, changed)]
    if details:
        for model in shown:
            lines += [BLANK, *model_lines(model)]
        if len(changed) > len(shown):
            lines += [
                BLANK,
                line(
                    Styled(f"{len(changed) - len(shown)} more models: tenure plan MODEL, or --json.", "quiet")
                ),
            ]
    if suggest:
        lines += _ending(plan, where)
    return lines


def model_lines(model: ModelPlan) -> Iterator[Line]:
    """Every change of one model, and how many resources stay as they are."""
    lifecycle = "" if model.lifecycle == "active" else f", {model.lifecycle}"
    yield line(Styled(model.model, "title"), Styled(f"  {model.file}{lifecycle}", "quiet"))
    for note in model.notes:
        yield _marked("note", note, indent=2)
    said: list[tuple[frozenset[Condition], str]] = []
    for change in model.changes:
        if change.action is not Action.NONE or change.notes:
            demanded = frozenset(change.conditions)
            known = [(part, name) for part, name in said if part and part <= demanded]
            yield from change_lines(
                change, *max(known, key=lambda item: len(item[0]), default=(frozenset(), ""))
            )
            said.append((demanded, change.address.split("/", 1)[-1]))
    same = sum(1 for change in model.changes if change.action is Action.NONE)
    if same:
        yield line(Styled(f"= {same} unchanged", "quiet"), indent=4)


def change_lines(
    change: Change, said: frozenset[Condition] = frozenset(), said_at: str = ""
) -> Iterator[Line]:
    """One change: symbol, address, reason, fields, values, conditions, blockers, causes, notes.

    The conditions `said` at the earlier change `said_at` are not spelled out again.
    """
    local = change.address.split("/", 1)[-1]
    style = change.action.value
    intended = f" (would {change.intended.value})" if change.intended else ""
    yield line(
        Styled(f"{change.action.symbol:>3} ", style),
        Styled(local, "strong"),
        Styled(f"  {change.sentence}{intended}" if change.sentence else f" {intended}"),
        Styled(_result(change), "quiet"),
        indent=2,
        hang=8,
    )
    yield from _fields(change.fields)
    yield from _values(change)
    if said:
        yield _marked("if", f"what {said_at} waits for holds")
    yield from (_marked("if", item.text) for item in change.conditions if item not in said)
    for blocker in change.blockers:
        yield _marked("blocked", blocker.text, "blocked")
        if blocker.hint:
            yield _hint(blocker.hint)
    for cause in change.causes:
        evidence = evidence_words(cause.evidence)
        if cause.sentence in change.sentence:
            yield _marked("because", evidence)
            continue
        yield _marked(
            "because", f"{cause.sentence.rstrip('.')} ({evidence})." if evidence else cause.sentence
        )
    for note in change.notes:
        yield _marked("note", note)


def _title(plan: Plan) -> list[Line]:
    title = line(
        Styled(f"Plan {short(plan.digest)} for {plan.environment}", "title"),
        Styled(f"  {moment(plan.at)}", "quiet"),
    )
    return [title, line(f"{headline(plan)}.")]


def _models(models: list[ModelPlan], total: int) -> Iterator[Line]:
    if not models:
        return
    yield BLANK
    rows = []
    for model in models:
        action = leading(model)
        time = estimate([model])
        spent = f"  {time.brief}" if time.known and total > 1 else ""
        rows.append(
            (
                Styled(f"{action.symbol:>3}", action.value),
                Styled(model.model, "strong"),
                Styled(effect_words(model)),
                Styled(counts_words(model.changes) + spent, "quiet"),
            )
        )
    yield from table(rows, indent=2)
    if total > len(models):
        yield line(Styled(f"... and {total - len(models)} more", "quiet"), indent=6)


def _summary(plan: Plan, changed: list[ModelPlan]) -> Iterator[Line]:
    """What it costs and what it waits for."""
    if not changed:
        yield from (_marked("note", note, indent=0) for note in plan.notes)
        yield from _unmanaged(plan)
        return
    yield BLANK
    rows: list[tuple[Styled, Styled]] = []
    if plan.effect is not None:
        rows.append(
            (Styled("Worst effect", "quiet"), Styled(f"{plan.effect.value}: {_after(plan.effect.sentence)}"))
        )
    if plan.acting:
        rows.append((Styled("Time", "quiet"), Styled(estimate(plan.models).words)))
    named = len(changed) > 1
    for model in changed:
        needed = [f"{model.model}: {text}" if named else text for text in approvals(model)]
        rows += [(Styled("Approval", "quiet"), Styled(text)) for text in needed]
    yield from table(rows)
    for model in changed:
        for address, blocker in blockers(model):
            yield line(Styled("Blocked", "blocked"), f"  {address}: {blocker.text}", hang=9)
            if blocker.hint:
                yield _hint(blocker.hint, indent=4)
    yield from (_marked("note", note, indent=0) for note in plan.notes)
    yield from _unmanaged(plan)


def _unmanaged(plan: Plan) -> Iterator[Line]:
    if plan.unmanaged:
        names = ", ".join(plan.unmanaged[:5]) + (
            f" and {len(plan.unmanaged) - 5} more" if len(plan.unmanaged) > 5 else ""
        )
        yield line(
            Styled("Without a spec", "caution"),
            f"  {names}: recorded, but no spec file names them. Nothing is deleted. To end a model's life, "
            "restore its file and set `state: retired`.",
            hang=4,
        )


def _ending(plan: Plan, where: Sequence[str]) -> Iterator[Line]:
    command = go_on(plan, where)
    if command:
        yield BLANK
        yield line("Carry it out with:  ", Styled(command, "command"), kept=True)


def _fields(fields: Sequence[FieldChange]) -> Iterator[Line]:
    """Path, old -> new, effect; in columns unless a path is so long that they would tear apart."""
    aligned = max((len(item.path) for item in fields), default=0) if len(fields) > 1 else 0
    for item in fields:
        symbol, style = (
            ("+", "create") if item.old is None else ("-", "retire") if item.new is None else ("~", "update")
        )
        path = item.path.ljust(aligned) if aligned <= PATH_CELLS else item.path
        values = f"{value_words(item.old, VALUE_CELLS)} -> {value_words(item.new, VALUE_CELLS)}"
        effect = Styled(f"  [{item.effect.value}]", "quiet")
        yield line(Styled(f"{symbol} ", style), Styled(path), Styled(f"  {values}"), effect, indent=8, hang=4)


def _result(change: Change) -> str:
    """What comes out, as far as it is one thing: the digest of an artifact, or that it is not known yet."""
    if not change.action.acts:
        return ""
    if not change.known:
        return f"  {KNOWN_LATER}"
    if change.sort is Sort.BINDING or change.before == change.after:
        return ""
    return f"  {_output(change.before)} -> {_output(change.after)}"


def _values(change: Change) -> Iterator[Line]:
    """The leaves of a binding's value that differ."""
    if not change.action.acts or change.sort is Sort.ARTIFACT or not change.known or change.before is None:
        return
    said = [(item.path, item.old, item.new) for item in change.fields]
    rows = [row for row in value_changes(change.before, change.after) if not _repeats(row, said)]
    rows = list(_gathered(rows, change.before, change.after))
    for path, old, new in rows[:VALUE_LEAVES]:
        yield _marked("value", f"{path}  {value_words(old, VALUE_CELLS)} -> {value_words(new, VALUE_CELLS)}")
    if len(rows) > VALUE_LEAVES:
        yield _marked("value", f"... and {len(rows) - VALUE_LEAVES} more")


def _gathered(
    rows: Sequence[tuple[str, Any, Any]], before: Any, after: Any
) -> Iterator[tuple[str, Any, Any]]:
    """Many leaves below one key become one row with the key's old and new value."""
    groups: dict[str, list[tuple[str, Any, Any]]] = {}
    for row in rows:
        groups.setdefault(row[0].split(".")[0].split("[")[0], []).append(row)
    for key, members in groups.items():
        if len(members) <= LEAVES_PER_KEY:
            yield from members
        else:
            yield key, (before or {}).get(key), (after or {}).get(key)


def value_changes(before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    """The leaves of a binding's value that differ, by dotted path: path, old, new (None where it is not set)."""
    old = dict(flatten(before)) if isinstance(before, dict) else {}
    new = dict(flatten(after)) if isinstance(after, dict) else {}
    for path in [*new, *(path for path in old if path not in new)]:
        emptied = (new if path in new else old)[path] in ([], {}) and (path in old) != (path in new)
        if path and old.get(path) != new.get(path) and not (emptied and _holds_leaves(path, old, new)):
            yield path, old.get(path), new.get(path)


def _holds_leaves(path: str, *leaves: Mapping[str, Any]) -> bool:
    """Whether something is listed below a path: an empty list there says nothing that its leaves do not."""
    return any(other.startswith((f"{path}[", f"{path}.")) for side in leaves for other in side)


def _repeats(row: tuple[str, Any, Any], said: Sequence[tuple[str, Any, Any]]) -> bool:
    """Whether a leaf of the value only repeats a field of the spec that is shown already."""
    path, old, new = row
    return any(
        field.endswith(path) and (old, new) == values for field, *pair in said if (values := tuple(pair))
    )


def _output(value: Any) -> str:
    return (
        short_digest(value)
        if isinstance(value, str) and value.startswith(PREFIX)
        else value_words(value, VALUE_CELLS)
    )


def _marked(mark: str, text: str, style: str = "quiet", *, indent: int = 8) -> Line:
    return line(Styled(f"{mark:<8}", style), text, indent=indent, hang=8)


def _hint(hint: str, indent: int = 16) -> Line:
    """A way out: on its own line and unbroken when it is a command, so that it can be copied."""
    is_command = hint.startswith("tenure ")
    return line(Styled(hint, "command" if is_command else ""), indent=indent, hang=0, kept=is_command)


def _after(sentence: str) -> str:
    """`Changing it retrains, ...` as a remark about this plan."""
    return sentence.removeprefix("Changing it ")
