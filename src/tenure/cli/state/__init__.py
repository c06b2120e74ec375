"""`tenure state`: work on the recorded state itself. One file per verb, imported when it is called."""

from __future__ import annotations

from importlib import import_module

import click

from tenure.cli.session import global_options

VERBS = {
    "list": "Show what is in the state: models, serials, what serves, who holds what.",
    "move": "Give a model another name; callers of the old one are told.",
    "forget": "Take a model out of the state; a copy of its records is kept.",
    "unlock": "End the lease of a model that somebody else holds.",
    "export": "Write the whole state as sorted JSON lines.",
    "import": "Take over an export, after everything in it was verified.",
    "backup": "Copy the state to one file.",
    "upgrade": "Bring the state to the format of this version; a copy is kept.",
    "doctor": "Check everything the environment relies on; repair what can be repaired.",
}
"""Every verb of the state and its line of help. `tenure.cli.state.<verb>_` holds its `command`."""


class StateVerbs(click.Group):
    """The verbs of the state, listed without importing any of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """From looking to mending."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one verb."""
        if cmd_name not in VERBS:
            return None
        found: click.Command = import_module(f"tenure.cli.state.{cmd_name}_").command
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table above, instead of asking each command."""
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


@click.group(
    "state", cls=StateVerbs, params=global_options(), context_settings={"help_option_names": ["-h", "--help"]}
)
def command() -> None:
    """Look at, copy, move, upgrade, check and repair the recorded state."""
