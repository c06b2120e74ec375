"""`tenure approve`: the decision of a person in a role."""

from __future__ import annotations

from typing import Literal

import click

from tenure.cli.arguments import overrides
from tenure.cli.session import Session, Verb


@click.command("approve", cls=Verb)
@click.argument("subject", metavar="PLANFILE|VERSION")
@overrides
@click.option("--role", required=True, help="The role the decision is taken in, as the spec names it.")
@click.option("--reason", required=True, help="Why; it is kept in the audit log.")
@click.pass_obj
def command(session: Session, subject: str, overrides: tuple[str, ...], role: str, reason: str) -> int:
    """Approve a saved plan (plan.json) or a version (weather@2), in a role. The approval holds for its digest only."""
    return decide(session, subject, overrides, role, reason, "approve")


def decide(
    session: Session,
    subject: str,
    overrides: tuple[str, ...],
    role: str,
    reason: str,
    decision: Literal["approve", "reject"],
) -> int:
    """Record a decision and say what it is bound to."""
    from tenure.core.digest import short
    from tenure.render.page import Styled, line
    from tenure.render.wording import command as command_line

    found = session.project(overrides).approve(subject, role=role, reason=reason, decision=decision)
    if session.json:
        from tenure.render.answers import Decisions

        session.answer(Decisions(found))
    session.say(
        line(
            Styled(f"{'Approved' if item.decision == 'approve' else 'Rejected'}: ", "good"),
            f"{subject} of {item.model} (digest {short(item.subject)}) by {item.by} as {item.role}.",
        )
        for item in found
    )
    if decision == "approve":
        what = [subject] if subject.endswith(".json") else [item.model for item in found]
        session.say(
            [
                line(
                    "Go on with:  ",
                    Styled(command_line("apply", *what, *session.where), "command"),
                    kept=True,
                )
            ]
        )
    return 0
