"""`tenure acknowledge`: a consumer knows that a model will retire."""

from __future__ import annotations

import click

from tenure.cli.arguments import model, overrides
from tenure.cli.session import Session, Verb


@click.command("acknowledge", cls=Verb)
@model
@overrides
@click.option("--consumer", required=True, help="The consumer, as retirement.consumers names it.")
@click.option("--reason", required=True, help="What the consumer will do; it is kept in the audit log.")
@click.pass_obj
def command(session: Session, model: str, overrides: tuple[str, ...], consumer: str, reason: str) -> int:
    """Record that a consumer of the model knows of its retirement and has made arrangements."""
    found = session.project(overrides).acknowledge(model, consumer=consumer, reason=reason)
    if session.json:
        session.answer(found)
    session.tell(f"Acknowledged for {found.consumer} by {found.by}: {found.reason}")
    return 0
