"""`tenure retire`: what the end of a model would take."""

from __future__ import annotations

import click

from tenure.cli.arguments import model, overrides
from tenure.cli.session import Session, Verb


@click.command("retire", cls=Verb)
@model
@overrides
@click.pass_obj
def command(session: Session, model: str, overrides: tuple[str, ...]) -> int:
    """Show the plan that `state: retired` would give, and what blocks it. Edits nothing and applies nothing."""
    from tenure.render.page import BLANK, line

    project = session.project(overrides)
    project.state(model)
    # The question is put as an override, so that the answer comes from the same planning as the edit itself.
    plan = session.project([*overrides, "state=retired"]).plan([model])
    session.overrides = overrides
    if session.json:
        session.answer(plan)
        return 3 if plan.blocked else 0
    session.show_plan(plan, suggest=False)
    file = plan.models[0].file if plan.models else "its spec"
    if plan.changed:
        session.say(
            [BLANK, line(f"Nothing was changed. To retire it, write `state: retired` into {file} and apply.")]
        )
    return 3 if plan.blocked else 0
