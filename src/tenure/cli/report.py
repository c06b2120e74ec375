"""`tenure report`: the monitoring report."""

from __future__ import annotations

import click

from tenure.cli.arguments import model, overrides
from tenure.cli.session import Session, Verb


@click.command("report", cls=Verb)
@model
@overrides
@click.pass_obj
def command(session: Session, model: str, overrides: tuple[str, ...]) -> int:
    """Write the monitoring report of a model as one HTML file that needs nothing else to be looked at."""
    path = session.project(overrides).report(model)
    if session.json:
        from tenure.render.answers import Report

        session.answer(Report(model, path))
    session.tell(f"Written to {path}")
    return 0
