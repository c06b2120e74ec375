"""`tenure card`: documentation generated from facts."""

from __future__ import annotations

import re
from pathlib import Path

import click

from tenure.cli.arguments import model, overrides
from tenure.cli.files import write
from tenure.cli.session import Session, Verb

_VERSION = re.compile(r"(?P<model>[a-z0-9-]+)@v?(?P<number>\d+)")


@click.command("card", cls=Verb)
@model
@overrides
@click.option("--version", type=click.IntRange(min=1), help="Which version; by default the latest.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write a file instead."
)
@click.pass_obj
def command(
    session: Session, model: str, overrides: tuple[str, ...], version: int | None, out: Path | None
) -> int:
    """Print the model card of a version (MODEL or MODEL@VERSION) in Markdown."""
    if found := _VERSION.fullmatch(model):
        model, version = found["model"], version or int(found["number"])
    text = session.project(overrides).card(model, version)
    if out is not None:
        write(out, text.encode())
    if session.json:
        from tenure.render.answers import Card

        session.answer(Card(model, version, text, out))
    elif out is not None:
        session.tell(f"Written to {out}")
    else:
        click.echo(text, nl=not text.endswith("\n"))
    return 0
