"""`tenure show`: what is recorded, or a saved plan."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tenure.cli.arguments import Arguments, selection
from tenure.cli.session import Session, Verb, instant

if TYPE_CHECKING:
    from tenure.engine.project import Project
    from tenure.render.page import Line
    from tenure.state.record import ModelState, Record

_SEARCH = "training/search"
_VERSION = re.compile(r"(?P<model>[a-z0-9-]+)@v?(?P<number>\d+)")


@click.command("show", cls=Verb)
@selection
@click.option(
    "--at",
    metavar="TIME",
    callback=lambda ctx, param, value: instant(value, param) if value else None,
    help="As it was recorded at this time (ISO 8601, UTC).",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    help="Markdown is for plans only.",
)
@click.pass_obj
def command(session: Session, arguments: Arguments, at: datetime | None, form: str) -> int:
    """Show what is recorded.

    Without an argument: all models. With a MODEL: what serves, since when, who approved it and why; its versions,
    resources, causes and approvals. With an ADDRESS such as weather/training/model: that resource in full. With a
    version such as weather@2: that version. With a PLANFILE: the saved plan. All but plans also as of a time in the
    past: --at
    """
    from tenure.core.errors import TenureError
    from tenure.engine import life
    from tenure.render.show import model_lines, models_lines

    session.json = session.json or form == "json"
    if len(arguments.select) > 1:
        raise click.UsageError("Show one thing at a time.")
    subject = arguments.select[0] if arguments.select else ""
    if subject.endswith(".json"):
        return _plan(session, Path(subject), form)
    if form == "markdown":
        raise click.UsageError("Only plans are shown as Markdown.")
    project = session.project(arguments.overrides)
    if not subject:
        states = _states(project, at)
        if session.json:
            from tenure.render.answers import Models

            session.answer(Models(project.environment, states))
        session.say(models_lines(list(states.values()), project.environment))
        return 0
    version = _VERSION.fullmatch(subject)
    name = version["model"] if version else subject.split("/", 1)[0]
    state = _state(project, name, at)
    if version:
        number = int(version["number"])
        record = state.versions.get(number)
        have = ", ".join(map(str, sorted(state.versions))) or "none"
        missing = TenureError("Unknown version.", f"{name} has no version {number}; it has: {have}.")
    elif "/" in subject:
        record = state.records.get(subject.split("/", 1)[1])
        known = "\n".join(f"  {name}/{local}" for local in state.records)
        missing = TenureError("Nothing is recorded at this address.", subject, f"Recorded are:\n{known}")
    else:
        shown = life.shown(life.chronicle(project, name), state, at)
        session.answer(shown) if session.json else session.say(model_lines(shown, at))
        return 0
    if record is None:
        raise missing
    session.answer(record) if session.json else session.say(_lines(project, record))
    return 0


def _lines(project: Project, record: Record) -> list[Line]:
    """A record in full, or what a search came to."""
    from tenure.render.show import record_lines

    if record.address.endswith(f"/{_SEARCH}"):
        from tenure.render.search import search_lines
        from tenure.stages.training.results import results_of

        found = results_of(record, project.artifacts)
        if found is not None:
            return search_lines(record, found)
    return record_lines(record)


def _plan(session: Session, path: Path, form: str) -> int:
    from tenure.cli.apply import load

    plan = load(path)
    if session.json:
        session.answer(plan)
    elif form == "markdown":
        from tenure.render.markdown import plan_markdown

        click.echo(plan_markdown(plan), nl=False)
    else:
        session.show_plan(plan, suggest=False)
    return 0


def _states(project: Project, at: datetime | None) -> dict[str, ModelState]:
    states = project.reader.read_many()
    if at is None:
        return states
    past = {name: project.reader.at(name, at) for name in states}
    return {name: state for name, state in past.items() if state is not None}


def _state(project: Project, name: str, at: datetime | None) -> ModelState:
    from tenure.core.errors import TenureError
    from tenure.core.units import format_instant

    if at is None:
        return project.state(name)
    state = project.reader.at(name, at)
    if state is None:
        raise TenureError(
            "Nothing was recorded then.",
            f"{name} had no record at {format_instant(at)}.",
            f"See: tenure history {name}",
        )
    return state
