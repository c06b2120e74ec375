"""`tenure retrain`: a person's request for a retraining."""

from __future__ import annotations

import click

from tenure.cli.arguments import model, overrides
from tenure.cli.session import Session, Verb


@click.command("retrain", cls=Verb)
@model
@overrides
@click.option("--reason", required=True, help="Why; it is kept with the new version and in the audit log.")
@click.pass_obj
def command(session: Session, model: str, overrides: tuple[str, ...], reason: str) -> int:
    """Ask for a retraining on the newest data. The request is a cause like any other: the next plan shows it."""
    from tenure.render.page import Styled, line
    from tenure.render.wording import command as command_line

    found = session.project(overrides).retrain(model, reason=reason)
    if session.json:
        session.answer(found)
    go_on = Styled(command_line("plan", model, *session.where), "command")
    session.say([line(f"Recorded: {found.sentence}"), line("See what follows:  ", go_on, kept=True)])
    return 0
