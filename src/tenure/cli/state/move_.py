"""`tenure state move`: another name for a model."""

from __future__ import annotations

import click

from tenure.cli.arguments import overrides
from tenure.cli.session import Session, Verb


@click.command("move", cls=Verb)
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@overrides
@click.pass_obj
def command(session: Session, old: str, new: str, overrides: tuple[str, ...]) -> int:
    """Give what is recorded about the model OLD the name NEW: versions, history, approvals, log and labels.

    Callers of the old name are told the new one. In a review the same is said by `lifecycle.moved_from` in the spec.
    """
    serial = session.project(overrides).move(old, new)
    if session.json:
        from tenure.render.answers import Moved

        session.answer(Moved(new, old, serial))
    session.tell(
        f"{old} is {new} from now on, at serial {serial}. Its spec has to say `metadata: {{name: {new}}}`."
    )
    return 0
