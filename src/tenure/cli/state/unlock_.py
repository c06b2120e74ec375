"""`tenure state unlock`: end somebody's lease."""

from __future__ import annotations

import click

from tenure.cli.arguments import model, overrides
from tenure.cli.session import Session, Verb


@click.command("unlock", cls=Verb)
@model
@click.argument("lease", metavar="LEASE_ID")
@overrides
@click.option(
    "--reason", required=True, help="Why the run that holds it may not go on; kept in the audit log."
)
@click.pass_obj
def command(session: Session, model: str, lease: str, overrides: tuple[str, ...], reason: str) -> int:
    """End the lease of a MODEL that somebody else holds, if it is still the one with this id.

    The run that held it cannot write any more: its next step fails. Leases of killed runs end by themselves within a
    minute. See the ids with: tenure state list --locks
    """
    from tenure.engine.surgery import unlock

    ended = unlock(session.project(overrides), model, lease, reason=reason)
    if session.json:
        session.answer(ended)
    session.tell(f"{model} is free; {ended.holder} cannot write any more.")
    return 0
