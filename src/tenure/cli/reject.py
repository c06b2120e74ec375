"""`tenure reject`: the refusal of a person in a role."""

from __future__ import annotations

import click

from tenure.cli.approve import decide
from tenure.cli.arguments import overrides
from tenure.cli.session import Session, Verb


@click.command("reject", cls=Verb)
@click.argument("subject", metavar="PLANFILE|VERSION")
@overrides
@click.option("--role", required=True, help="The role the decision is taken in, as the spec names it.")
@click.option("--reason", required=True, help="Why; it is kept in the audit log.")
@click.pass_obj
def command(session: Session, subject: str, overrides: tuple[str, ...], role: str, reason: str) -> int:
    """Reject a saved plan (plan.json) or a version (weather@2), in a role. A later approval of that role lifts it."""
    return decide(session, subject, overrides, role, reason, "reject")
