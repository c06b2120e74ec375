"""`tenure state list`: what is in the state."""

from __future__ import annotations

import click

from tenure.cli.arguments import overrides
from tenure.cli.session import Session, Verb


@click.command("list", cls=Verb)
@overrides
@click.option("--locks", is_flag=True, help="Only who holds which model, with the ids of the leases.")
@click.pass_obj
def command(session: Session, overrides: tuple[str, ...], locks: bool) -> int:
    """Show what is in the state: each model with its serial, what serves, its size, and who holds it."""
    from tenure.engine.surgery import listed
    from tenure.render.state import listed_lines, locks_lines

    found = listed(session.project(overrides))
    if not locks:
        session.answer(found) if session.json else session.say(listed_lines(found))
        return 0
    models = found.inventory.models if found.inventory else ()
    held = tuple(model.lease for model in models if model.lease is not None)
    if session.json:
        from tenure.render.answers import Locks

        session.answer(Locks(found.environment, held))
    session.say(locks_lines(held))
    return 0
