"""What the global options say, and how a verb answers: on stdout as text or JSON, errors on stderr.

Everything beyond click is imported where it is used, so that `--help` and `--version` start at once.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

if TYPE_CHECKING:
    from datetime import datetime

    import msgspec

    from tenure.core.events import EventSink
    from tenure.engine.project import Project
    from tenure.engine.specs import Specs
    from tenure.plan.change import Plan
    from tenure.render.page import Line
    from tenure.render.progress import Progress
    from tenure.render.text import Screen

GLOBAL = ("directory", "environment", "json_output", "no_color", "verbose", "now")


@dataclass
class Session:
    """One command line: the global options, wherever on it they were written."""

    directory: str = "."
    environment: str | None = None
    json: bool = False
    no_color: bool = False
    verbose: bool = False
    now: datetime | None = None
    overrides: tuple[str, ...] = ()
    _where: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _opened: list[Project] = field(default_factory=list)

    # ---- the project ---------------------------------------------------------------------------------------------

    def project(self, overrides: Iterable[str] = (), emit: EventSink | None = None) -> Project:
        """The project in the chosen folder and environment. `overrides` are those written after the verb."""
        from tenure.core.events import ignore
        from tenure.engine.project import Project

        root = self._root()
        project = Project(
            root,
            overrides=self._all(overrides),
            now=self.now,
            emit=emit or ignore,
            abandon=_end_at_once,
        )
        self._opened.append(project)
        return project

    def close(self) -> None:
        """Give back what the verb has opened. What was to be done is done, so nothing here may fail it."""
        from tenure.core.errors import TenureError

        for project in self._opened:
            with contextlib.suppress(TenureError, OSError):
                project.close()
        self._opened.clear()

    def specs(self, overrides: Iterable[str] = ()) -> Specs:
        """The specs of that project alone: what plans and carries out plans is not loaded for them."""
        from tenure.engine.specs import Specs

        return Specs(self._root(), self._all(overrides))

    def _root(self) -> Path:
        from tenure.core.errors import TenureError
        from tenure.engine.workspace import not_a_project

        root = Path(self.directory)
        if not root.is_dir():
            raise TenureError(
                "No such folder.", f"There is no folder {self.directory!r}.", "Name an existing one with -C."
            )
        if not any((root / name).is_dir() for name in ("specs", "conf", ".tenure")):
            raise not_a_project(root.resolve() / "specs")
        return root.resolve()

    def _all(self, overrides: Iterable[str]) -> list[str]:
        self.overrides = tuple(overrides)
        return [*([f"env={self.environment}"] if self.environment else []), *self.overrides]

    def progress(self, *, notes_only: bool = False) -> Progress:
        """Where progress goes: JSON lines with `--json`, bars on a terminal, plain lines elsewhere.

        With `notes_only`, for verbs whose answer says everything, remarks go to stderr.
        """
        from tenure.render.progress import progress_on

        if notes_only:
            return progress_on(sys.stderr, self.screen(sys.stderr), notes_only=True)
        return progress_on(sys.stdout, self.screen(sys.stdout), as_json=self.json)

    @property
    def where(self) -> tuple[str, ...]:
        """The global options and overrides that a suggested command has to repeat."""
        return (*(word for words in self._where.values() for word in words), *self.overrides)

    @property
    def interactive(self) -> bool:
        """Whether a person can be asked."""
        return sys.stdin.isatty() and sys.stdout.isatty() and not self.json

    # ---- answers -------------------------------------------------------------------------------------------------

    def screen(self, stream: Any = None) -> Screen:
        """Width and colour of a stream, stdout by default."""
        from tenure.render.text import screen_of

        return screen_of(stream or sys.stdout, no_color=self.no_color)

    def say(self, lines: Iterable[Line]) -> None:
        """Text for a person on stdout; nothing with `--json`."""
        from tenure.render.text import paint

        if not self.json:
            sys.stdout.write(paint(lines, self.screen()))
            sys.stdout.flush()

    def tell(self, *sentences: str) -> None:
        """Plain sentences for a person on stdout; nothing with `--json`."""
        from tenure.render.page import line

        self.say(line(sentence) for sentence in sentences)

    def answer(self, value: msgspec.Struct, *, one_line: bool = False) -> None:
        """A value for a program on stdout: one that `render.answers.answers` says this verb prints."""
        from tenure.render.answers import answer_text

        sys.stdout.write(answer_text(value, one_line=one_line))
        sys.stdout.flush()

    def conclude(self, lines: Iterable[Line], *values: Any) -> None:
        """What came of it, with `--json` as values. Where nobody reads stdout any more, stderr has the text."""
        from tenure.render.text import paint

        lines = list(lines)
        try:
            for value in values if self.json else ():
                self.answer(value, one_line=True)
            self.say(lines)
        except OSError:
            point_at_nothing(sys.stdout)
            with contextlib.suppress(OSError):
                click.echo(paint(lines, self.screen(sys.stderr)), nl=False, err=True)

    def show_plan(self, plan: Plan, *, suggest: bool = True) -> None:
        """A plan as text."""
        from tenure.render.plan import plan_lines

        self.say(plan_lines(plan, where=self.where, suggest=suggest))

    # ---- errors --------------------------------------------------------------------------------------------------

    def fail(self, kind: str, summary: str, detail: str = "", hint: str = "", *, exit_code: int = 1) -> int:
        """Report something that is no TenureError, and return the exit code."""
        if self.json:
            from tenure.render.answers import Failed, Failure

            self.answer(Failed(Failure(kind, summary, detail, hint, exit_code)), one_line=True)
        else:
            texts = [
                f"Error: {summary}" if exit_code == 1 else summary,
                *(f"  {part}" for part in (detail, hint) if part),
            ]
            click.echo("\n".join(texts), err=True)
        return exit_code

    def usage(self, error: click.ClickException) -> int:
        """A command line that cannot be read is an error like any other: exit code 1, since 2 means changes."""
        ctx = getattr(error, "ctx", None)
        hint = f"See: {ctx.command_path} --help" if ctx is not None else ""
        return self.fail("UsageError", error.format_message(), hint=hint)

    def report(self, error: Exception) -> int:
        """Any other exception as a message; a traceback is only for defects, and only with `-v`."""
        from tenure.core.errors import TenureError
        from tenure.render.answers import failed
        from tenure.render.diagnostics import error_lines
        from tenure.render.text import paint

        if isinstance(error, TenureError):
            if self.json:
                self.answer(failed(error), one_line=True)
            else:
                click.echo(paint(error_lines(error), self.screen(sys.stderr)), nl=False, err=True, color=True)
            if self.verbose and error.__cause__ is not None:
                self._trace(error)
            return error.exit_code
        if isinstance(error, OSError):
            what = error.strerror or str(error) or type(error).__name__
            return self.fail(type(error).__name__, f"{what}.", f"{error.filename}" if error.filename else "")
        if self.verbose:
            self._trace(error)
        return self.fail(
            "Defect",
            "This is a defect in Tenure.",
            f"{type(error).__name__}: {error}",
            "" if self.verbose else "Run the same command with -v for the traceback, and report it.",
        )

    @staticmethod
    def _trace(error: Exception) -> None:
        import traceback

        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)

    def remember(self, name: str, value: Any, words: Sequence[str]) -> None:
        """Take over one global option; the one written last counts."""
        setattr(self, name, value)
        if words:
            self._where[name] = tuple(words)


def point_at_nothing(stream: TextIO) -> None:
    """Let what is still written to a closed pipe go nowhere; the interpreter would complain when it flushes at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _end_at_once() -> None:
    """Somebody asked twice: end as a kill would. The journal knows what ran, and a dead process holds no lease."""
    with contextlib.suppress(OSError):
        if sys.stdout.isatty():
            os.write(1, b"\x1b[?25h\n")  # the bars had hidden the cursor
        os.write(2, b"Stopped at once. The next apply takes the running step up again.\n")
    os._exit(130)


class Verb(click.Command):
    """A verb: global options may also follow it, and are listed apart in its help."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.context_settings = {
            "help_option_names": ["-h", "--help"],
            "max_content_width": 110,
            **self.context_settings,
        }
        self.params += global_options()

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verb's own options first."""
        own: list[tuple[str, str]] = []
        shared: list[tuple[str, str]] = []
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and isinstance(param, click.Option):
                (shared if param.name in GLOBAL else own).append(record)
        for title, records in (("Options", own), ("Global options", shared)):
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


def global_options() -> list[click.Parameter]:
    """Fresh global options, for the command itself and for each verb."""
    return [
        click.Option(
            ["-C", "directory"],
            metavar="DIR",
            expose_value=False,
            callback=_take("directory", lambda value: ("-C", value)),
            help="The project's folder, instead of the current one.",
        ),
        click.Option(
            ["--env", "environment"],
            metavar="NAME",
            expose_value=False,
            callback=_take("environment", lambda value: ("--env", value)),
            help="The environment; the same as the override env=NAME.",
        ),
        click.Option(
            ["--json", "json_output"],
            is_flag=True,
            default=None,
            expose_value=False,
            callback=_take("json"),
            help="Machine output on stdout, and nothing else there.",
        ),
        click.Option(
            ["--no-color", "no_color"],
            is_flag=True,
            default=None,
            expose_value=False,
            callback=_take("no_color"),
            help="No colour; NO_COLOR in the environment does the same.",
        ),
        click.Option(
            ["-v", "--verbose", "verbose"],
            is_flag=True,
            default=None,
            expose_value=False,
            callback=_take("verbose"),
            help="More detail, and tracebacks of defects.",
        ),
        click.Option(
            ["--now", "now"],
            metavar="TIME",
            expose_value=False,
            callback=_take_now,
            help="Decide as if it were this time (ISO 8601, UTC): for simulation and tests.",
        ),
    ]


def _take(
    name: str, words: Callable[[Any], tuple[str, ...]] = lambda value: ()
) -> Callable[[click.Context, click.Parameter, Any], None]:
    def callback(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        if value is not None:
            ctx.ensure_object(Session).remember(name, value, words(value))

    return callback


def _take_now(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is not None:
        ctx.ensure_object(Session).remember("now", instant(value, param), ("--now", value))


def instant(value: str, param: click.Parameter | None = None) -> datetime:
    """A time written on the command line, in UTC."""
    from tenure.core.units import parse_instant

    try:
        return parse_instant(value)
    except ValueError as error:
        raise click.BadParameter(
            f"{value!r} is not a time; write one such as 2026-05-03 or 2026-05-03T10:00:00Z.", param=param
        ) from error
