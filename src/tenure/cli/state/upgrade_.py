"""`tenure state upgrade`: bring an older state to the present format."""

from __future__ import annotations

import click

from tenure.cli.arguments import overrides
from tenure.cli.session import Session, Verb


@click.command("upgrade", cls=Verb)
@overrides
@click.pass_obj
def command(session: Session, overrides: tuple[str, ...]) -> int:
    """Bring the state to the format of this version. A verified copy is kept beside it.

    Everything is checked before it counts; whatever goes wrong, the state is as it was. Refused while a model is held.
    Older versions of Tenure cannot use the state afterwards.
    """
    from tenure.engine.surgery import upgrade

    done = upgrade(session.project(overrides), lambda text: session.tell(f"  {text}"))
    if session.json:
        session.answer(done)
    if done.before == done.after:
        session.tell(f"Nothing to do: the state has format {done.after}.")
    else:
        session.tell(
            f"Upgraded from format {done.before} to {done.after}. The state before is in {done.backup}"
        )
    return 0
