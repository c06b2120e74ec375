"""`tenure predict`: score a file."""

from __future__ import annotations

from pathlib import Path

import click

from tenure.cli.arguments import model, overrides
from tenure.cli.session import Session, Verb


@click.command("predict", cls=Verb)
@model
@overrides
@click.option(
    "--input",
    "source",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Rows to score: CSV or Parquet.",
)
@click.option(
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where to write the predictions: CSV or Parquet.",
)
@click.option("--version", type=click.IntRange(min=1), help="A version other than the released one.")
@click.pass_obj
def command(
    session: Session, model: str, overrides: tuple[str, ...], source: Path, output: Path, version: int | None
) -> int:
    """Score a file with the released version of a model. The predictions are logged like served ones."""
    from tenure.render.show import facts_lines

    found = session.project(overrides).predict(model, source, output, version=version)
    session.answer(found) if session.json else session.say(facts_lines(found))
    return 0
