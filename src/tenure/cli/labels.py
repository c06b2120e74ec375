"""`tenure labels`: the truth about earlier predictions."""

from __future__ import annotations

from pathlib import Path

import click

from tenure.cli.arguments import model, overrides
from tenure.cli.session import Session, Verb


@click.command("labels", cls=Verb)
@model
@overrides
@click.option(
    "--input",
    "source",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Identifiers and outcomes: CSV or Parquet.",
)
@click.pass_obj
def command(session: Session, model: str, overrides: tuple[str, ...], source: Path) -> int:
    """Take in the true outcomes of logged predictions, joined by the identifier of each prediction."""
    from tenure.render.show import facts_lines

    found = session.project(overrides).labels(model, source)
    session.answer(found) if session.json else session.say(facts_lines(found))
    return 0
