"""`tenure report`: pages about a model for a browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from tenure.cli.arguments import Arguments, model, parted
from tenure.cli.session import Session, Verb

if TYPE_CHECKING:
    from tenure.engine.reporting import About


@click.command("report", cls=Verb)
@model
@click.argument(
    "arguments", nargs=-1, metavar="[ABOUT] [OVERRIDE]...", callback=lambda ctx, param, value: parted(value)
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where to write it; in the folder of reports when left out.",
)
@click.pass_obj
def command(session: Session, model: str, arguments: Arguments, out: Path | None) -> int:
    """Write a report of a model as one HTML file that needs nothing else to be looked at.

    ABOUT says of what. data: the rows of the latest snapshot, what explains the target, checks, drift. search: what
    was tried, what decided, where the time went. evaluation: how good the latest model is, for whom, and what its gates
    say. monitoring (when left out): what was seen of the version that serves. All show aggregates only, never a row.
    """
    about = _about(arguments.select)
    path = session.project(arguments.overrides).report(model, about, out)
    if session.json:
        from tenure.render.answers import Report

        session.answer(Report(model, path, about))
    session.tell(f"Written to {path}")
    return 0


def _about(words: tuple[str, ...]) -> About:
    from tenure.engine.reporting import About

    known: tuple[About, ...] = get_args(About)
    if not words:
        return "monitoring"
    for about in known:
        if words == (about,):
            return about
    raise click.UsageError(f"A report is about one of {', '.join(known)}; not about {' '.join(words)!r}.")
