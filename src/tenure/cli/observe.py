"""`tenure observe`: look at the world and record what was seen."""

from __future__ import annotations

import click

from tenure.cli.arguments import Arguments, selection
from tenure.cli.session import Session, Verb


@click.command("observe", cls=Verb)
@selection
@click.pass_obj
def command(session: Session, arguments: Arguments) -> int:
    """Look at sources, endpoints and monitors, and record verdicts and the causes that follow. Changes nothing else."""
    from tenure.render.result import observe_lines

    with session.progress(notes_only=True) as progress:
        result = session.project(arguments.overrides, progress).observe(arguments.select)
    session.answer(result) if session.json else session.say(observe_lines(result, session.where))
    return 0
