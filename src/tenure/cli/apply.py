"""`tenure apply`: carry out a plan, after a person has seen it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tenure.cli.arguments import Arguments, selection
from tenure.cli.session import Session, Verb

if TYPE_CHECKING:
    from tenure.engine.project import Project
    from tenure.plan.change import Plan


@click.command("apply", cls=Verb)
@selection
@click.option(
    "--auto-approve",
    is_flag=True,
    help="Do not ask. Needed where nobody can be asked, unless a PLANFILE is given.",
)
@click.option(
    "--wait", is_flag=True, help="Wait for the bake times of rollout steps instead of stopping at them."
)
@click.option("--exclude", multiple=True, metavar="SELECT", help="Leave these models out.")
@click.pass_obj
def command(
    session: Session, arguments: Arguments, auto_approve: bool, wait: bool, exclude: tuple[str, ...]
) -> int:
    """Carry out a plan: a saved PLANFILE (*.json) exactly as it was reviewed, or a new plan for the SELECTed models.

    A new plan is shown first and carried out after `yes` is typed. With --json, progress and result are JSON lines;
    the last one has `"event": "result"`. Exit codes: 0 done, 1 a step failed, 3 blocked, 4 locked or stale.
    """
    from tenure.core.errors import TenureError

    with session.progress() as progress:
        project = session.project(arguments.overrides, progress)
        saved = [name for name in arguments.select if name.endswith(".json")]
        if saved:
            if len(arguments.select) > 1:
                raise click.UsageError("A saved plan is applied alone, without selectors.")
            return apply_plan(session, project, load(Path(saved[0])), approved=True, wait=wait)
        if not auto_approve and not session.interactive:
            raise TenureError(
                "Nobody can be asked.",
                "This is not a terminal, and a plan is only carried out after a person has seen it.",
                "Save and review a plan first:\n  tenure plan --out plan.json\n  tenure apply plan.json\n"
                "Or allow it: tenure apply --auto-approve",
            )
        plan = project.plan(arguments.select, exclude=exclude)
        session.show_plan(plan, suggest=False)
        return apply_plan(session, project, plan, approved=auto_approve, wait=wait)


def load(path: Path) -> Plan:
    """A saved plan. Raises PlanError."""
    from tenure.engine.requests import saved_plan

    return saved_plan(path)


def apply_plan(session: Session, project: Project, plan: Plan, *, approved: bool, wait: bool = False) -> int:
    """Ask if need be, apply, and say what came of it. Returns the exit code."""
    from tenure.render.answers import ApplyEnd
    from tenure.render.page import BLANK
    from tenure.render.result import apply_lines

    if not plan.acting:
        code = 3 if plan.blocked else 0
        if session.json:
            session.answer(ApplyEnd(code, None), one_line=True)
        return code
    if not approved and not confirmed("Type yes to carry it out: "):
        session.tell("Nothing was done.")
        return 1
    session.say([BLANK])
    result = None
    try:
        with session.progress() as progress:
            project.emit = progress
            result = project.apply(plan, wait=wait)
    except OSError:
        if result is None:
            raise
        # Only the end of the bars could not be drawn: the terminal has gone.
    session.conclude([BLANK, *apply_lines(result, session.where)], ApplyEnd(result.exit_code, result))
    return result.exit_code


def confirmed(question: str) -> bool:
    """Whether the person at the terminal types `yes`."""
    click.echo()
    try:
        return input(question).strip() == "yes"
    except EOFError:
        return False
