"""`tenure state doctor`: is everything there and whole?"""

from __future__ import annotations

import click

from tenure.cli.arguments import overrides
from tenure.cli.session import Session, Verb


@click.command("doctor", cls=Verb)
@overrides
@click.option(
    "--repair", is_flag=True, help="Put right what can be put right safely; a copy of the state is kept."
)
@click.pass_obj
def command(session: Session, overrides: tuple[str, ...], repair: bool) -> int:
    """Check the database, every record and reference, the journal, leases, the audit log, every artifact and log file.

    Exit code 0 when all is well, 1 when something is left that somebody should look at. Nothing recorded is ever
    deleted.
    """
    from tenure.engine.doctor import diagnosed, repaired
    from tenure.render.state import diagnosis_lines

    project = session.project(overrides)
    diagnosis = repaired(project) if repair else diagnosed(project)
    session.answer(diagnosis) if session.json else session.say(diagnosis_lines(diagnosis))
    return 0 if diagnosis.healthy else 1
