"""`tenure history`: what happened to a model."""

from __future__ import annotations

from datetime import datetime

import click

from tenure.cli.arguments import model, overrides
from tenure.cli.session import Session, Verb, instant


def _moment(ctx: click.Context, param: click.Parameter, value: str | None) -> datetime | None:
    return instant(value, param) if value else None


@click.command("history", cls=Verb)
@model
@overrides
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, help="Show this many of the latest entries (50)."
)
@click.option("--since", metavar="TIME", callback=_moment, help="From this time on (ISO 8601, UTC).")
@click.option("--until", metavar="TIME", callback=_moment, help="Before this time (ISO 8601, UTC).")
@click.option(
    "--address", metavar="ADDRESS", help="Only what was about this resource, such as deployment/endpoint."
)
@click.pass_obj
def command(
    session: Session,
    model: str,
    overrides: tuple[str, ...],
    limit: int,
    since: datetime | None,
    until: datetime | None,
    address: str | None,
) -> int:
    """Show what happened to a model: when, by whom and why, and what served from then on; the latest last.

    With -v, every step.
    """
    from tenure.engine.life import chronicle
    from tenure.render.history import happenings, history_lines

    local = None if address is None else address.removeprefix(f"{model}/")
    entries = tuple(
        entry
        for entry in happenings(chronicle(session.project(overrides), model))
        if (since is None or entry.at >= since)
        and (until is None or entry.at < until)
        and (local is None or local in entry.addresses)
    )[-limit:]
    if session.json:
        from tenure.render.answers import History

        session.answer(History(model, entries))
    session.say(history_lines(model, entries, steps=session.verbose))
    return 0
