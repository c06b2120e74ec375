"""`tenure state backup`: a copy of the state."""

from __future__ import annotations

from pathlib import Path

import click

from tenure.cli.arguments import overrides
from tenure.cli.session import Session, Verb


@click.command("backup", cls=Verb)
@overrides
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write this file, which must not exist yet; by default one beside the state.",
)
@click.pass_obj
def command(session: Session, overrides: tuple[str, ...], output: Path | None) -> int:
    """Copy the state to one file while others go on, and compare the copy with it.

    A SQLite state is copied as it is: to go back, put the copy in its place while nothing runs. Any other is exported:
    to go back, use tenure state import FILE --replace
    """
    from tenure.engine.surgery import backup
    from tenure.render.page import line

    project = session.project(overrides)
    path = backup(project, output)
    if session.json:
        from tenure.render.answers import Written

        session.answer(Written(path))
    session.say([line(f"Written to {project.workspace.shown(path)}", kept=True)])
    return 0
