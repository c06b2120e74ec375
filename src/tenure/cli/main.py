"""The `tenure` command: its verbs, and the only place where an error becomes a message and an exit code."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from tenure.cli.session import Session, global_options, point_at_nothing
from tenure.core.version import VERSION

VERBS = {
    "init": "Start a project: a spec, its configuration, schemas and a CI workflow.",
    "demo": "Tell the whole life of a model on real data, in about a minute.",
    "validate": "Check specs; show every error with file, line, column and a way out.",
    "schema": "Write the JSON Schemas, or check that they are up to date.",
    "plan": "Show what an apply would do and why. Changes nothing.",
    "apply": "Carry out a plan.",
    "show": "Show recorded state, a version, a resource or a saved plan, now or in the past.",
    "history": "Show what happened to a model: when, by whom and why.",
    "observe": "Look at sources, endpoints and monitors; record verdicts. Changes nothing else.",
    "run": "Observe, plan, apply what the policies allow unattended, propose the rest.",
    "serve": "Serve the released models of an environment over HTTP.",
    "predict": "Score a file with the released version of a model.",
    "labels": "Take in the true outcomes for logged predictions.",
    "approve": "Approve a saved plan or a version, in a role.",
    "reject": "Reject a saved plan or a version, in a role.",
    "acknowledge": "Record that a consumer knows of a model's retirement.",
    "promote": "Take a version over into another environment, without training it again.",
    "rollback": "Ask for an earlier version, and show the plan that restores it.",
    "retrain": "Ask for a retraining; the next plan shows it.",
    "retire": "Show what retiring a model would do and what blocks it. Edits nothing.",
    "card": "Print the model card of a version.",
    "report": "Write a page about the data, search, evaluation or monitoring of a model.",
    "audit": "Verify or export the tamper-evident log.",
    "state": "Look at, copy, move, upgrade, check and repair the recorded state.",
}
"""Every verb and its line of help. `tenure.cli.<verb>` holds its `command`; it is imported when the verb is called."""


_YOUNG = 50_000
"""New objects before the collector looks at them; Python's own 700 is for programs that start small and stay small."""


class Verbs(click.Group):
    """The verbs, listed without importing any of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of a model's life."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one verb."""
        if cmd_name not in VERBS:
            return None
        found: click.Command = import_module(f"tenure.cli.{cmd_name}").command
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb that is called; an unknown one is answered with the nearest."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], VERBS, n=1)
            hint = f"Did you mean 'tenure {near[0]}'?" if near else "See them with: tenure --help"
            ctx.fail(f"There is no verb {args[0]!r}. {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table above, instead of asking each command."""
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


@click.group(
    cls=Verbs,
    name="tenure",
    params=global_options(),
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit codes: 0 done or no change; 1 error; 2 changes (plan --detailed-exitcode); 3 blocked; "
    "4 locked or stale; 130 interrupted.",
)
@click.version_option(VERSION, "--version", message="tenure %(version)s")
@click.pass_context
def tenure(ctx: click.Context) -> None:
    """The whole life of a machine-learning model as code."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def run(arguments: Sequence[str], *, session: Session | None = None) -> int:
    """Carry out one command line and return its exit code. Messages go to stderr, with `--json` to stdout."""
    session = session or Session(json="--json" in arguments, verbose="-v" in arguments)
    try:
        code = tenure.main(list(arguments), prog_name="tenure", standalone_mode=False, obj=session)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except (KeyboardInterrupt, click.Abort):
        return session.fail("Interrupted", "Interrupted.", exit_code=130)
    except click.ClickException as error:
        return session.usage(error)
    except BrokenPipeError:
        # Whoever read our output has left; there is nobody to tell.
        point_at_nothing(sys.stdout)
        return 1
    except Exception as error:
        return session.report(error)
    finally:
        session.close()


def main() -> None:
    """Entry point of the console script."""
    # Loading makes a hundred thousand objects that live as long as the process. Looking for garbage among them, on the
    # way and once more at the end, takes as long as loading them.
    gc.set_threshold(_YOUNG)
    os.environ.setdefault(
        "PYDANTIC_DISABLE_PLUGINS", "__all__"
    )  # looked for in every package that is installed
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            # A terminal that cannot show a character gets `?`, not a traceback.
            reconfigure(errors="replace")
    try:
        code = run(sys.argv[1:])
    except OSError:
        # The terminal has gone: not even an error can be told to anybody.
        code = 1
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (BrokenPipeError, OSError):
            point_at_nothing(stream)
    # DuckDB prints those of its objects that nobody has collected in the end.
    if "duckdb" not in sys.modules:
        gc.freeze()
    sys.exit(code)


if __name__ == "__main__":
    main()
