"""`tenure state export`: the whole state as a file."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tenure.cli.arguments import overrides
from tenure.cli.session import Session, Verb


@click.command("export", cls=Verb)
@overrides
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a file instead of stdout.",
)
@click.pass_obj
def command(session: Session, overrides: tuple[str, ...], output: Path | None) -> int:
    """Write the whole state as sorted JSON lines: the same bytes for the same content, wherever it is kept.

    It holds everything but leases and artifacts, and ends with a checksum. The way back is: tenure state import FILE
    """
    from tenure.engine.surgery import export_to, exported
    from tenure.render.wording import count

    project = session.project(overrides)
    if output is None:
        for piece in exported(project):
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return 0
    end = export_to(project, output)
    if session.json:
        from tenure.render.answers import Exported

        session.answer(Exported(output, end.lines, end.sha256))
    session.tell(f"Written to {output}: {count(end.lines, 'line')}, checksum {end.sha256[:8]}.")
    return 0
