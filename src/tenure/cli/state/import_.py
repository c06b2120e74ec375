"""`tenure state import`: take over an export."""

from __future__ import annotations

from pathlib import Path

import click

from tenure.cli.arguments import overrides
from tenure.cli.session import Session, Verb


@click.command("import", cls=Verb)
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@overrides
@click.option(
    "--replace",
    is_flag=True,
    help="Put it in the place of what is recorded, if that is the same state; a copy is kept.",
)
@click.pass_obj
def command(session: Session, file: Path, overrides: tuple[str, ...], replace: bool) -> int:
    """Take over an export into an empty state: of another environment, another machine or another database.

    Everything in it is verified before the first write, and all of it is written or nothing. Refused when models are
    held, and with --replace when something that serves, is protected or has retired would be gone.
    """
    from tenure.engine.surgery import import_from
    from tenure.render.wording import count

    done = import_from(session.project(overrides), file, replace=replace)
    if session.json:
        from tenure.render.answers import ImportedState

        contents = done.contents
        session.answer(
            ImportedState(
                contents.state.lineage,
                contents.models,
                contents.records,
                contents.events,
                contents.unvouched,
                done.backup,
            )
        )
    found = f"{count(done.contents.models, 'model')}, {count(done.contents.records, 'record')}"
    session.tell(f"Taken over: {found}, audit log of {count(done.contents.events, 'event')}.")
    if done.contents.unvouched:
        session.tell(f"The audit log does not mention {count(done.contents.unvouched, 'record')} of them.")
    if done.backup:
        session.tell(f"What was recorded before is in {done.backup}")
    return 0
