"""`tenure promote`: the same artifact in another environment."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tenure.cli.arguments import overrides
from tenure.cli.session import Session, Verb

if TYPE_CHECKING:
    from tenure.plan.change import Plan

_SUBJECT = re.compile(r"(?P<model>[^@]+)(@v?(?P<number>\d+))?")


@click.command("promote", cls=Verb)
@click.argument("subject", metavar="MODEL[@VERSION]")
@overrides
@click.option("--to", "target", required=True, metavar="ENV", help="The environment it goes to.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Save the plan for review; it is applied with: tenure apply --env ENV FILE",
)
@click.option("--auto-approve", is_flag=True, help="Carry the plan out at once.")
@click.pass_obj
def command(
    session: Session,
    subject: str,
    overrides: tuple[str, ...],
    target: str,
    out: Path | None,
    auto_approve: bool,
) -> int:
    """Take a version of this environment (--env) over into another one, by its digest: nothing is trained again.

    By default it is the version that serves here. The other environment evaluates it by its own gates, and asks for
    its own approvals. When its spec asks for something else there, nothing is done: the plan says what differs and
    what making it there would do, and the command exits with 3.
    """
    from tenure.cli.apply import apply_plan
    from tenure.cli.files import write
    from tenure.core.errors import TenureError
    from tenure.engine.promoting import complete
    from tenure.plan.change import to_json

    match = _SUBJECT.fullmatch(subject)
    if match is None:
        raise click.UsageError(f"{subject!r} is neither a model nor a version such as weather@2.")
    with session.progress(notes_only=True) as progress:
        source = session.project(overrides, progress)
        if target == source.environment:
            raise TenureError(
                "Nothing to promote.",
                f"The model is in {target} already.",
                "Name another environment with --to; --env names the one it comes from.",
            )
        project = source.in_environment(target)
        number = match["number"]
        plan = project.promotion(match["model"], source, version=int(number) if number else None)
    origin = session.where
    session.remember("environment", target, ("--env", target))
    if out is not None:
        write(out, to_json(plan))
    if session.json and not auto_approve:
        session.answer(plan)
    session.show_plan(plan, suggest=False)
    if not all(complete(model) for model in plan.models):
        return _differs(session, plan)
    if not auto_approve and (out is not None or not session.interactive):
        words = ("apply", str(out), *session.where) if out else _again(subject, target, origin)
        _go_on(session, plan, words)
        return 0
    return apply_plan(session, project, plan, approved=auto_approve)


def _differs(session: Session, plan: Plan) -> int:
    """The spec asks for something else there: training in that environment is a decision of its own."""
    from tenure.render.page import BLANK, Styled, line
    from tenure.render.wording import command as command_line

    (model,) = plan.models
    again = command_line("apply", model.model, *session.where)
    session.say(
        [
            BLANK,
            line(f"Not promoted: the spec asks for something else in {plan.environment}."),
            line("Make it there instead:  ", Styled(again, "command"), kept=True),
        ]
    )
    return 3


def _again(subject: str, target: str, origin: tuple[str, ...]) -> tuple[str, ...]:
    return ("promote", subject, "--to", target, "--auto-approve", *origin)


def _go_on(session: Session, plan: Plan, words: tuple[str, ...]) -> None:
    from tenure.render.page import BLANK, Styled, line
    from tenure.render.wording import command as command_line

    if plan.acting:
        session.say([BLANK, line("Carry it out:  ", Styled(command_line(*words), "command"), kept=True)])
