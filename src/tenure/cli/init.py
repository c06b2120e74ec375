"""`tenure init`: a project to begin with."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import click

from tenure.cli.files import read, write
from tenure.cli.schema import FOLDER, schema_files
from tenure.cli.session import Session, Verb

TEMPLATES = Path(__file__).parent.parent / "templates"
COMMON = "common"
CI = "ci"
HIDDEN = "dot-"
"""Prefix of template files whose name begins with a dot, so that no tool takes them for its own here."""

DEMO_PACKAGE = "vega_datasets"
DEMO_TABLE = "_data/seattle-weather.csv"
DEMO_YEAR = "2012"


@click.command("init", cls=Verb)
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--template",
    type=click.Choice(["blank", "demo"]),
    default="blank",
    show_default=True,
    help="`demo` brings real data: the weather of Seattle in 2012.",
)
@click.option(
    "--ci",
    type=click.Choice(["github", "gitlab", "none"]),
    default="github",
    show_default=True,
    help="Where changes are reviewed: the workflow that comments the plan, applies it and watches.",
)
@click.pass_obj
def command(session: Session, folder: Path, template: str, ci: str) -> int:
    """Start a project in DIR: a spec, `conf/`, schemas for the editor, and a CI workflow. Overwrites nothing."""
    from tenure.core.errors import TenureError
    from tenure.render.answers import NewProject
    from tenure.render.page import BLANK, Styled, line
    from tenure.render.wording import command as command_line

    # -C and DIR mean the same here; together DIR starts from -C.
    target = Path(session.directory) / folder
    files = project_files(template, ci)
    there = sorted(name for name in files if (target / name).exists())
    if there:
        raise TenureError(
            "The project is there already.",
            f"{target} holds: {', '.join(there)}. Nothing was written.",
            "Name another folder: tenure init DIR",
        )
    for name, content in files.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, content)
    if session.json:
        session.answer(NewProject(target, template, ci, tuple(sorted(files))))
    inside = () if target.resolve() == Path.cwd() else ("-C", str(target))
    session.say(
        [
            line(Styled(f"A new project in {target}", "title")),
            *(line(name, indent=2) for name in sorted(files)),
            BLANK,
            line("See what it would do:  ", Styled(command_line("plan", *inside), "command"), kept=True),
        ]
    )
    return 0


def project_files(template: str, ci: str = "none") -> dict[str, bytes]:
    """The files of a new project by their paths. Raises TenureError when the data of the demo is not installed."""
    files = {}
    # There is no folder for `none`, and so nothing in it.
    for root in (TEMPLATES / COMMON, TEMPLATES / template, TEMPLATES / CI / ci):
        for path in sorted(root.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                files[_shown(path.relative_to(root))] = read(path)
    files |= {f"{FOLDER}/{name}": text.encode() for name, text in schema_files().items()}
    if template == "demo":
        files["data/observations.csv"] = demo_table(DEMO_YEAR)
    return files


def demo_table(*years: str) -> bytes:
    """The daily weather of Seattle in these years (2012 to 2015) as CSV, with its header.

    The table is read from the files of an installed package, which is not imported. Raises TenureError without it.
    """
    from tenure.core.errors import TenureError

    found = importlib.util.find_spec(DEMO_PACKAGE)
    folders = list(found.submodule_search_locations or ()) if found is not None else []
    path = Path(folders[0]) / DEMO_TABLE if folders else None
    if path is None or not path.is_file():
        raise TenureError(
            "The data of the demo is not installed.",
            f"The template takes the weather of Seattle from the package {DEMO_PACKAGE.replace('_', '-')}.",
            'pip install "tenure[demo]"',
        )
    header, *rows = read(path).decode().splitlines()
    date = header.split(",").index("date")
    kept = [row for row in rows if row.split(",")[date][:4] in years]
    return "\n".join([header, *kept, ""]).encode()


def _shown(path: Path) -> str:
    return "/".join(
        f".{part.removeprefix(HIDDEN)}" if part.startswith(HIDDEN) else part for part in path.parts
    )
