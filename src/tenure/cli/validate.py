"""`tenure validate`: every finding in the selected specs, at once."""

from __future__ import annotations

import click

from tenure.cli.arguments import Arguments, selection
from tenure.cli.session import Session, Verb


@click.command("validate", cls=Verb)
@selection
@click.option("--exclude", multiple=True, metavar="SELECT", help="Leave these models out.")
@click.pass_obj
def command(session: Session, arguments: Arguments, exclude: tuple[str, ...]) -> int:
    """Check specs: schema, cross-field and cross-stage rules.

    SELECT is a model's name or a pattern, the path of a spec, owner:NAME, tag:KEY or tag:KEY=VALUE; all specs by
    default. Exit code 1 when one of them has an error.
    """
    from tenure.core.diagnostics import has_errors
    from tenure.render.diagnostics import diagnostics_lines
    from tenure.render.wording import count

    project = session.project(arguments.overrides)
    found = project.validate(arguments.select, exclude=exclude)
    failed = has_errors(found)
    if session.json:
        from tenure.render.answers import Validation

        session.answer(Validation(not failed, tuple(found)))
    elif found:
        session.say(diagnostics_lines(found))
    if not failed and not session.json:
        number = len(project.specs.compiled(arguments.select, exclude))
        session.tell(f"{count(number, 'spec')} {'is' if number == 1 else 'are'} valid.")
    return 1 if failed else 0
