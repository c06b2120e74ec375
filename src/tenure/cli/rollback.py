"""`tenure rollback`: back to an earlier version."""

from __future__ import annotations

import click

from tenure.cli.arguments import model, overrides
from tenure.cli.session import Session, Verb


@click.command("rollback", cls=Verb)
@model
@overrides
@click.option(
    "--to",
    type=click.IntRange(min=1),
    metavar="VERSION",
    help="Which version; by default the one served before.",
)
@click.option("--reason", required=True, help="Why; it is kept with the release and in the audit log.")
@click.option("--auto-approve", is_flag=True, help="Carry the plan out at once.")
@click.pass_obj
def command(
    session: Session, model: str, overrides: tuple[str, ...], to: int | None, reason: str, auto_approve: bool
) -> int:
    """Record the request for an earlier version and show the plan that restores it; nothing is retrained.

    The request stands until it is applied: with --auto-approve at once, else by the next `tenure apply MODEL`.
    """
    from tenure.cli.apply import apply_plan

    with session.progress(notes_only=True) as progress:
        project = session.project(overrides, progress)
        plan = project.rollback(model, to=to, reason=reason)
    if session.json and not auto_approve:
        session.answer(plan)
    session.show_plan(plan, suggest=not auto_approve)
    return apply_plan(session, project, plan, approved=True) if auto_approve else 0
