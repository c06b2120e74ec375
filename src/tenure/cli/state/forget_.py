"""`tenure state forget`: a model leaves the state."""

from __future__ import annotations

import click

from tenure.cli.arguments import model, overrides
from tenure.cli.session import Session, Verb


@click.command("forget", cls=Verb)
@model
@overrides
@click.option("--reason", required=True, help="Why; kept in the audit log.")
@click.pass_obj
def command(session: Session, model: str, overrides: tuple[str, ...], reason: str) -> int:
    """Take the records of a MODEL out of the state; a copy of them is kept in a file, and its artifacts stay.

    Refused while the model serves or is protected, and for one that was retired. In a review the same is said by
    `removed` in conf/config.yaml.
    """
    result = session.project(overrides).forget(model, reason=reason)
    if session.json:
        session.answer(result)
    session.tell(*(f"{model}: {step.sentence}." for step in result.steps))
    return 0
