"""`tenure run`: what a scheduler calls."""

from __future__ import annotations

import time

import click

from tenure.cli.arguments import Arguments, selection
from tenure.cli.session import Session, Verb

INTERRUPTED = 130


def _seconds(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    from tenure.core.units import parse_duration

    if value is None:
        return None
    try:
        seconds = parse_duration(value).approximate_seconds
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from error
    if seconds < 1:
        raise click.BadParameter("a round takes at least a second", ctx, param)
    return seconds


@click.command("run", cls=Verb)
@selection
@click.option("--once", is_flag=True, help="One round (the default).")
@click.option(
    "--every",
    metavar="DURATION",
    callback=_seconds,
    help="Round after round, so far apart (5m), until stopped.",
)
@click.pass_obj
def command(session: Session, arguments: Arguments, once: bool, every: float | None) -> int:
    """Observe, plan, apply what the specs' policies allow unattended, and name what waits for a person.

    Proposals are no error: exit code 0. With --json, progress and results are JSON lines; the result of a round has
    `"event": "result"`.
    """
    if once and every:
        raise click.UsageError("Either --once or --every.")
    if every and session.now:
        raise click.UsageError("With --now the clock stands still; use --once.")
    if not every:
        return _round(session, arguments)
    while True:
        started = time.monotonic()
        try:
            if _round(session, arguments) == INTERRUPTED:
                return INTERRUPTED
        except BrokenPipeError:
            raise
        except Exception as error:
            # One round that fails must not end the watch; the next one looks again.
            session.report(error)
        time.sleep(max(0.0, every - (time.monotonic() - started)))


def _round(session: Session, arguments: Arguments) -> int:
    from tenure.render.answers import RunEnd
    from tenure.render.result import run_lines

    with session.progress() as progress:
        result = session.project(arguments.overrides, progress).run(arguments.select)
    code = result.applied.exit_code if result.applied is not None else 0
    session.conclude(run_lines(result, session.where), RunEnd(code, result))
    return code
