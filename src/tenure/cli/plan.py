"""`tenure plan`: what an apply would do and why."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import click

from tenure.cli.arguments import Arguments, selection
from tenure.cli.files import write
from tenure.cli.session import Session, Verb


@click.command("plan", cls=Verb)
@selection
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Save the plan to apply it exactly.",
)
@click.option(
    "--detailed-exitcode",
    is_flag=True,
    help="Exit with 2 when there are changes, with 3 when all that is left is blocked.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    help="Markdown is for a comment on a pull request.",
)
@click.option("--refresh/--no-refresh", default=True, help="Look at the data sources first (the default).")
@click.option("--exclude", multiple=True, metavar="SELECT", help="Leave these models out.")
@click.option("--summary", is_flag=True, help="Only the first screen, without the changes one by one.")
@click.pass_obj
def command(
    session: Session,
    arguments: Arguments,
    out: Path | None,
    detailed_exitcode: bool,
    form: str,
    refresh: bool,
    exclude: tuple[str, ...],
    summary: bool,
) -> int:
    """Show what an apply would do and why. Changes nothing.

    SELECT is a model's name or a pattern, the path of a spec, owner:NAME, tag:KEY, tag:KEY=VALUE, state:modified (what
    differs from the recorded state) or git:REF (what differs from a commit); all specs by default. NAME+ and +NAME add
    the models that depend on it, or that it depends on; a comma means both: owner:growth,git:main. OVERRIDE is in
    Hydra's grammar: env=prod, training.limits.max_trials=10.
    """
    from tenure.plan.change import to_json
    from tenure.render.page import line
    from tenure.render.plan import plan_lines
    from tenure.render.wording import command as command_line

    # This process makes one plan and ends: looking for garbage among a million values takes longer than reading them.
    gc.disable()
    if session.json:
        form = "json"
    with session.progress(notes_only=True) as progress:
        plan = session.project(arguments.overrides, progress).plan(
            arguments.select, exclude=exclude, refresh=refresh
        )
    if out is not None:
        write(out, to_json(plan))
    match form:
        case "json":
            sys.stdout.write(to_json(plan).decode() + "\n")
        case "markdown":
            from tenure.render.markdown import plan_markdown

            sys.stdout.write(plan_markdown(plan, where=session.where))
        case _:
            session.say(plan_lines(plan, details=not summary, suggest=out is None, where=session.where))
            if out is not None:
                session.say(
                    [
                        line(
                            f"Saved. Apply exactly this plan with:  {command_line('apply', str(out), *session.where)}",
                            kept=True,
                        )
                    ]
                )
    if not detailed_exitcode:
        return 0
    return 2 if plan.acting else 3 if plan.blocked else 0
