"""`tenure demo`: the whole life of a model on real data, narrated."""

from __future__ import annotations

from pathlib import Path

import click

from tenure.cli.session import Session, Verb


@click.command("demo", cls=Verb)
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(file_okay=False, path_type=Path))
@click.pass_obj
def command(session: Session, folder: Path | None) -> int:
    """Tell the whole life of a model on real data, in about a minute.

    DIR is where its project is written and stays to be explored: a new folder; by default ./tenure-demo.
    """
    from tenure.cli.main import run
    from tenure.cli.story import Demo, fresh_folder

    if session.json:
        raise click.UsageError("The demo is told in words, for people; it has no machine output.")
    target = fresh_folder(Path(session.directory), folder)
    Demo(target.resolve(), run, click.echo).tell()
    return 0
