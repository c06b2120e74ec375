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
    default. Many findings are grouped by kind; -v shows each of them, and so does --json. Exit code 1 when one of them
    is an error.
    """
    from tenure.core.diagnostics import has_errors
    from tenure.render.diagnostics import diagnostics_lines, grouped_lines, is_many
    from tenure.render.wording import count

    specs = session.specs(arguments.overrides)
    found = specs.diagnostics(arguments.select, exclude)
    number = len(specs.selected(arguments.select, exclude))
    failed = has_errors(found)
    if session.json:
        from tenure.render.answers import Validation

        session.answer(Validation(not failed, found))
    elif is_many(found) and not session.verbose:
        session.say(grouped_lines(found, specs=number, where=session.where))
    elif found:
        session.say(diagnostics_lines(found))
    if not failed and not session.json:
        session.tell(f"{count(number, 'spec')} {'is' if number == 1 else 'are'} valid.")
    return 1 if failed else 0
