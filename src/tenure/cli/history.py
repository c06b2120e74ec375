"""`tenure history`: what happened to a model."""

from __future__ import annotations

import click

from tenure.cli.arguments import model, overrides
from tenure.cli.session import Session, Verb


@click.command("history", cls=Verb)
@model
@overrides
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, help="Show this many of the latest entries (50)."
)
@click.pass_obj
def command(session: Session, model: str, overrides: tuple[str, ...], limit: int) -> int:
    """Show what happened to a model: when, by whom and why; the latest last. With -v, every step."""
    from tenure.render.history import happenings, history_lines

    project = session.project(overrides)
    state = project.state(model)
    reader = project.reader
    entries = happenings(state, reader.history(model), reader.journal(model))[-limit:]
    if session.json:
        from tenure.render.answers import History

        session.answer(History(model, entries))
    session.say(history_lines(model, entries, steps=session.verbose))
    return 0
