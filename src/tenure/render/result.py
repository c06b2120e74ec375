"""What an apply, a look at the world or a round of `run` came to, for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tenure.core.errors import Interrupted
from tenure.core.units import format_seconds
from tenure.engine.result import ApplyResult, ModelResult, ObserveResult, RunResult, StepResult
from tenure.plan.view import Blocker
from tenure.render.diagnostics import hint_lines
from tenure.render.page import BLANK, Line, Styled, line, table
from tenure.render.wording import command, count, evidence_words, number
from tenure.state.record import Fact, Observation

OUTCOME_STYLES = {"done": "good", "skipped": "quiet", "failed": "bad", "blocked": "blocked"}
VERDICT_STYLES = {"ok": "good", "warn": "caution", "critical": "bad", "insufficient_data": "quiet"}


def apply_lines(result: ApplyResult, where: Sequence[str] = ()) -> list[Line]:
    """What was done, what stopped and why, what is left, and the command that goes on."""
    lines: list[Line] = []
    for model in result.models:
        lines += _model(model)
    steps = [step for model in result.models for step in model.steps]
    done = sum(1 for step in steps if step.outcome == "done")
    style, word = _verdict(result)
    total = f" {count(done, 'step')} done in {format_seconds(result.seconds)}." if steps else ""
    lines.append(line(Styled(word, style), total))
    unfinished = [model.model for model in result.models if model.remaining or model.exit_code]
    if unfinished:
        hints = [
            hint
            for model in result.models
            for step in model.steps
            for hint in _hints(step)
            if hint.startswith("tenure ")
        ]
        lines.append(line("Once that is settled, go on with:" if hints else "Go on with:"))
        lines.append(line(Styled(command("apply", *unfinished, *where), "command"), indent=2, kept=True))
    return lines


def observe_lines(result: ObserveResult, where: Sequence[str] = ()) -> list[Line]:
    """Verdicts by model and signal, and the causes that became known."""
    lines: list[Line] = []
    if result.observations:
        lines += [*observation_lines(result.observations), BLANK]
    for fact in result.new_facts:
        lines += fact_lines(fact)
    lines += [line(note) for note in result.notes]
    verdicts = [item.verdict for item in result.observations]
    found = ", ".join(f"{verdicts.count(v)} {v}" for v in VERDICT_STYLES if v in verdicts)
    seen = (
        f"{count(len(verdicts), 'observation')} recorded: {found}." if verdicts else "Nothing new to observe."
    )
    lines.append(line(seen))
    asking = sorted({fact.model for fact in result.new_facts if fact.mode != "notify"})
    if asking:
        lines.append(
            line("See what follows:  ", Styled(command("plan", *asking, *where), "command"), kept=True)
        )
    return lines


def observation_lines(observations: Sequence[Observation]) -> list[Line]:
    """One line per signal and window: verdict, value, evidence."""
    rows = [
        (
            Styled(item.model, "strong"),
            item.signal,
            f"{item.window_start:%Y-%m-%d} to {item.window_end:%Y-%m-%d}",
            Styled(item.verdict.replace("_", " "), VERDICT_STYLES[item.verdict]),
            "" if item.value is None else number(item.value),
            Styled(str(item.evidence.get("sentence") or evidence_words(item.evidence)), "quiet"),
        )
        for item in observations
    ]
    return table(rows)


def fact_lines(fact: Fact) -> Iterator[Line]:
    """A recorded cause: what it asks for, how far it may go alone, its evidence."""
    asks = (
        "tells"
        if fact.mode == "notify"
        else f"{'asks for' if fact.mode == 'propose' else 'starts'} {fact.do}"
    )
    yield line(Styled(fact.model, "strong"), f"  {fact.sentence}", Styled(f"  [{asks}]", "caution"), hang=4)
    if evidence := evidence_words(fact.evidence):
        yield line(Styled(evidence, "quiet"), indent=4)


def run_lines(result: RunResult, where: Sequence[str] = ()) -> list[Line]:
    """One round of `run`: observed, applied alone, proposed."""
    lines = observe_lines(result.observed, where)
    if result.applied is not None and result.applied.models:
        lines += [
            BLANK,
            line(Styled("Applied, as the policies allow:", "title")),
            *apply_lines(result.applied, where),
        ]
    if result.proposed:
        lines += [BLANK, line(Styled("Proposed, waiting for a person:", "title"))]
        lines += [line(text, indent=2) for text in result.proposed]
        lines.append(line(Styled(command("plan", *where), "command"), indent=2, kept=True))
    return lines


def blocker_lines(blocker: Blocker, indent: int) -> Iterator[Line]:
    """What stands in the way, and the way out below."""
    yield line(Styled("blocked ", "blocked"), blocker.text, indent=indent)
    yield from hint_lines(blocker.hint, indent + 2)


def _model(model: ModelResult) -> Iterator[Line]:
    stopped = [
        step for step in model.steps if step.outcome in ("failed", "blocked") and not _only_waits(step)
    ]
    interrupted = model.exit_code == Interrupted.exit_code and model.remaining
    if not stopped and not model.error and not interrupted:
        return
    yield line(Styled(model.model, "title"))
    for step in stopped:
        yield line(
            Styled(f"{step.outcome} ", OUTCOME_STYLES[step.outcome]),
            f"{step.address}: {step.sentence}",
            indent=2,
        )
        if step.detail:
            yield from (line(text, indent=4) for text in step.detail.splitlines())
        yield from hint_lines(step.hint, 4)
        for blocker in step.blockers:
            if blocker.text != step.sentence:
                yield from blocker_lines(blocker, 4)
            elif blocker.hint != step.hint:
                yield from hint_lines(blocker.hint, 4)
    if model.error:
        yield line(Styled("error ", "bad"), model.error, indent=2)
    if model.remaining:
        left = ", ".join(change.address.split("/", 1)[-1] for change in model.remaining)
        yield line(Styled(f"left to do: {left}", "quiet"), indent=2)
    yield BLANK


def _only_waits(step: StepResult) -> bool:
    """Whether a step is blocked by nothing but another step that is reported itself."""
    return bool(step.blockers) and all(blocker.kind == "need" for blocker in step.blockers)


def _verdict(result: ApplyResult) -> tuple[str, str]:
    match result.exit_code:
        case 0:
            return "good", "Applied."
        case 3:
            return "blocked", "Applied as far as is allowed."
        case 4:
            return "bad", "Not applied: the state is locked, or it has moved since the plan."
        case 130:
            return "caution", "Interrupted."
        case _:
            return "bad", "Not everything could be applied."


def _hints(step: StepResult) -> list[str]:
    return [step.hint, *(blocker.hint for blocker in step.blockers)]
