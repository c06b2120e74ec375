"""`tenure init`: a project to begin with."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tenure.cli.files import read, write
from tenure.cli.schema import FOLDER, schema_files
from tenure.cli.session import Session, Verb

if TYPE_CHECKING:
    from tenure.engine.proposal.proposing import Proposal
    from tenure.render.answers import ProposedSpec
    from tenure.render.page import Line

TEMPLATES = Path(__file__).parent.parent / "templates"
COMMON = "common"
CI = "ci"
HIDDEN = "dot-"
"""Prefix of template files whose name begins with a dot, so that no tool takes them for its own here."""

DEMO_PACKAGE = "vega_datasets"
DEMO_TABLE = "_data/seattle-weather.csv"
DEMO_YEAR = "2012"

_CONFIGURED = "conf/config.yaml"
_FRAGMENT = "conf/monitoring/standard.yaml"
_BLANK_SPEC, _BLANK_DATA = "specs/model.yaml", "data/README.md"


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
@click.option(
    "--from",
    "source",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Propose a spec from this file of data: CSV, Parquet or JSON lines. In a project that is there already, only "
    "the spec is written.",
)
@click.option("--target", metavar="COLUMN", help="The column to predict; guessed when left out. With --from.")
@click.option(
    "--name", metavar="NAME", help="Name of the model; that of the file when left out. With --from."
)
@click.pass_obj
def command(
    session: Session,
    folder: Path,
    template: str,
    ci: str,
    source: Path | None,
    target: str | None,
    name: str | None,
) -> int:
    """Start a project in DIR: a spec, `conf/`, schemas for the editor, and a CI workflow. Overwrites nothing.

    With --from FILE the spec is proposed from the data, and says why: sources, checks, split, features, metric, gate.
    """
    # -C and DIR mean the same here; together DIR starts from -C.
    place = Path(session.directory) / folder
    if source is not None:
        if template != "blank":
            raise click.UsageError("--from brings data of its own; leave --template out.")
        return _proposed(session, place, ci, source, target, name)
    if target or name:
        raise click.UsageError("--target and --name are for a spec proposed from data: add --from FILE.")
    return _blank(session, place, template, ci)


def _blank(session: Session, place: Path, template: str, ci: str) -> int:
    from tenure.core.errors import TenureError
    from tenure.render.answers import NewProject
    from tenure.render.page import line

    files = project_files(template, ci)
    there = sorted(name for name in files if (place / name).exists())
    if there:
        raise TenureError(
            "The project is there already.",
            f"{place} holds: {', '.join(there)}. Nothing was written.",
            "Name another folder: tenure init DIR",
        )
    _write(place, files)
    if session.json:
        session.answer(NewProject(place, template, ci, tuple(sorted(files))))
    session.say([*_created(place, files), line(""), _next(place)])
    return 0


def _proposed(
    session: Session, place: Path, ci: str, source: Path, target: str | None, name: str | None
) -> int:
    """Write a spec proposed from a file of data, and the project around it where there is none."""
    from tenure.core.errors import TenureError
    from tenure.engine.proposal.proposing import propose
    from tenure.engine.proposal.writing import spec_text
    from tenure.render.answers import NewProject

    file = source if source.is_absolute() else Path(session.directory) / source
    model = name or model_name(source)
    spec = f"specs/{model}.yaml"
    if (place / spec).exists():
        raise TenureError(
            "The spec is there already.",
            f"{place / spec} is not overwritten.",
            f"Give the model another name: --name {model}-2",
        )
    proposal = propose(file, target)
    path = os.path.relpath(file.resolve(), place.resolve())
    text = spec_text(proposal, name=model, path=Path(path).as_posix())
    files = _around(place, ci, spec)
    files[spec] = text.encode()
    _write(place, files)
    if session.json:
        session.answer(
            NewProject(place, "data", ci, tuple(sorted(files)), proposed=_answer(proposal, model, spec))
        )
    outside = ".." in Path(path).parts or Path(path).is_absolute()
    session.say(_said(proposal, place, files, spec, file if outside else None))
    return 0


def _around(place: Path, ci: str, spec: str) -> dict[str, bytes]:
    """What a project needs besides the spec and has not got yet; of one that was begun before, what specs build on."""
    files = project_files("blank", ci)
    files = {name: content for name, content in files.items() if name not in (_BLANK_SPEC, _BLANK_DATA)}
    files["README.md"] = files["README.md"].replace(_BLANK_SPEC.encode(), spec.encode())
    if (place / _CONFIGURED).exists():
        files = {_FRAGMENT: files[_FRAGMENT]}
    return {name: content for name, content in files.items() if not (place / name).exists()}


def model_name(file: Path) -> str:
    """A name for the model of a file: `Customer Churn (2024).csv` is `customer-churn-2024`."""
    stem = re.sub(r"(\.(csv|tsv|txt|parquet|pq|jsonl?|ndjson|gz))+$", "", file.name.casefold())
    words = re.findall(r"[a-z0-9]+", stem)
    return "-".join(words)[:60].strip("-") or "model"


def _said(
    proposal: Proposal, place: Path, files: dict[str, bytes], spec: str, outside: Path | None
) -> list[Line]:
    from tenure.render.page import BLANK, Styled, line

    target = proposal.target
    lines = [
        *_created(place, files),
        BLANK,
        line(
            f"{spec} predicts ",
            Styled(target.name, "title"),
            f" ({target.task}, by {target.metric}) from {len(proposal.seen)} of {len(proposal.columns)} columns and "
            f"{proposal.rows:,} rows of {proposal.file}. {target.why[:1].upper()}{target.why[1:]}.",
        ),
    ]
    if proposal.left_out:
        lines.append(line("The model does not see:"))
        lines += [line(f"{column.facts.name}: {column.why}", indent=2) for column in proposal.left_out]
    if outside is not None:
        lines += [
            BLANK,
            line("The file lies outside of the project, where others will not find it. To take it in:"),
            line(
                Styled(f"mkdir -p {place / 'data'} && mv {outside} {place / 'data'}/", "command"),
                indent=2,
                kept=True,
            ),
            line(f"and set path: data/{outside.name} in {spec}", indent=2),
        ]
    return [*lines, BLANK, line(f"Read {spec}: every choice says why."), _next(place)]


def _answer(proposal: Proposal, model: str, spec: str) -> ProposedSpec:
    from tenure.render.answers import LeftOut, ProposedSpec

    return ProposedSpec(
        model=model,
        spec=spec,
        rows=proposal.rows,
        whole=proposal.read.whole,
        target=proposal.target.name,
        target_why=proposal.target.why,
        task=proposal.target.task,
        primary_metric=proposal.target.metric,
        timestamp_column=proposal.timestamp,
        split=proposal.split.type,
        columns=tuple(column.facts.name for column in proposal.seen),
        left_out=tuple(
            LeftOut(column.facts.name, column.left, column.why) for column in proposal.left_out if column.left
        ),
        sensitive=tuple(column.facts.name for column in proposal.columns if column.sensitive),
        personal=tuple(column.facts.name for column in proposal.columns if column.personal),
    )


def _write(place: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, content)


def _created(place: Path, files: dict[str, bytes]) -> list[Line]:
    from tenure.render.page import Styled, line

    begun = _CONFIGURED in files
    title = f"A new project in {place}" if begun else f"New in {place}"
    return [line(Styled(title, "title")), *(line(name, indent=2) for name in sorted(files))]


def _next(place: Path) -> Line:
    from tenure.render.page import Styled, line
    from tenure.render.wording import command as command_line

    inside = () if place.resolve() == Path.cwd() else ("-C", str(place))
    return line("See what it would do:  ", Styled(command_line("plan", *inside), "command"), kept=True)


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
