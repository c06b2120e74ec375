"""The recorded state itself for the terminal: what is in it, who holds it, what a doctor found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from tenure.core.units import format_size
from tenure.engine.doctor import Diagnosis
from tenure.engine.findings import KINDS, Finding
from tenure.engine.surgery import Listed
from tenure.render.page import BLANK, Line, Styled, line, table
from tenure.render.wording import count, moment, number
from tenure.state.listing import Holding, Standing

SHOWN = 10
"""Findings of one sort that are shown; a program gets all of them."""

STYLES = {"error": "bad", "warning": "caution", "note": "quiet"}


def listed_lines(listed: Listed) -> list[Line]:
    """One line per model, and one about the state as a whole."""
    found = listed.inventory
    if found is None:
        return [line(f"Nothing is recorded in {listed.environment} yet. Begin with: tenure plan")]
    titles = ("model", "serial", "lineage", "serves", "versions", "records", "size", "open steps", "held by")
    rows: list[Sequence[Styled]] = [tuple(Styled(title, "quiet") for title in titles)]
    rows += [_row(model, listed.live.get(model.model, {})) for model in found.models]
    about = (
        f"format {found.format}, lineage {found.lineage[:8]}, audit log of {count(found.audit.seq, 'event')}"
    )
    return [
        line(Styled(f"{count(len(found.models), 'model')} in {listed.environment}", "title"), f"  {about}"),
        *(table(rows) if found.models else ()),
    ]


def locks_lines(holdings: Sequence[Holding]) -> list[Line]:
    """Who holds which model, by which lease."""
    if not holdings:
        return [line("Nobody holds a model.")]
    titles = ("model", "lease", "held by", "since", "until", "")
    rows: list[Sequence[Styled]] = [tuple(Styled(title, "quiet") for title in titles)]
    rows += [
        (
            Styled(one.model, "strong"),
            Styled(one.id or "-"),
            Styled(one.holder),
            Styled(moment(one.since)),
            Styled(moment(one.expires)),
            Styled("" if one.alive else "gone", "caution"),
        )
        for one in holdings
    ]
    return table(rows, widest=80)


def diagnosis_lines(diagnosis: Diagnosis) -> list[Line]:
    """What was repaired, then what is found, sort by sort, and a verdict."""
    lines: list[Line] = []
    if diagnosis.repaired:
        lines += [line(Styled("repaired", "title")), *(line(text, indent=2) for text in diagnosis.repaired)]
    if diagnosis.backup:
        lines.append(line(Styled(f"the state as it was before: {diagnosis.backup}", "quiet"), indent=2))
    if lines:
        lines.append(BLANK)
    for kind, group in groupby(diagnosis.findings, key=lambda one: one.kind):
        lines += [*_group(kind, list(group)), BLANK]
    problems = sum(1 for one in diagnosis.findings if one.problem)
    if diagnosis.healthy:
        lines.append(
            line(
                Styled("Healthy: ", "good"),
                f"everything {diagnosis.environment} relies on is there and whole.",
            )
        )
    else:
        lines.append(
            line(Styled("Not healthy: ", "bad"), f"{count(problems, 'problem')} in {diagnosis.environment}.")
        )
    return lines


def _group(kind: str, findings: Sequence[Finding]) -> Iterator[Line]:
    about = KINDS[kind]
    yield line(
        Styled(f"{about.severity}  ", STYLES[about.severity]),
        Styled(about.title, "strong"),
        f" ({len(findings)})",
    )
    yield line(about.meaning, indent=2)
    for one in findings[:SHOWN]:
        yield line(Styled(one.subject, "strong"), f"  {one.text}", indent=4, hang=4)
    if len(findings) > SHOWN:
        sizes = [one.size for one in findings if one.size is not None]
        total = f", {format_size(sum(sizes))} in all" if sizes else ""
        yield line(f"... and {len(findings) - SHOWN} more{total}; all of them with --json", indent=4)
    yield line(Styled("way out  ", "quiet"), about.way_out, indent=2)


def _row(model: Standing, live: Mapping[int, float]) -> tuple[Styled, ...]:
    held = model.lease
    return (
        Styled(model.model, "strong"),
        Styled(str(model.serial)),
        Styled(model.lineage[:8], "quiet"),
        Styled("retired" if model.retired else _serves(live)),
        Styled(str(model.versions)),
        Styled(str(model.records)),
        Styled(format_size(model.size)),
        Styled(str(model.open_steps) if model.open_steps else "-", "caution" if model.open_steps else ""),
        Styled("-" if held is None else f"{held.holder}{'' if held.alive else ' (gone)'}"),
    )


def _serves(live: Mapping[int, float]) -> str:
    if not live:
        return "nothing"
    if len(live) == 1:
        return f"version {next(iter(live))}"
    return ", ".join(f"{version} ({number(share)} %)" for version, share in live.items())
