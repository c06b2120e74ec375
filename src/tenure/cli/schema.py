"""`tenure schema`: the JSON Schemas of specs, plans and answers."""

from __future__ import annotations

from pathlib import Path

import click

from tenure.cli.files import write
from tenure.cli.session import Session, Verb

FOLDER = "schemas"


def schema_files() -> dict[str, str]:
    """Every schema by its file name: specs, for editors; plans and answers, for programs that read them."""
    from tenure.lifecycle import Model
    from tenure.render.answers import schema_files as printed
    from tenure.spec.schema import files

    return {**files({"model": Model}), **printed()}


@click.command("schema", cls=Verb)
@click.option(
    "--check", is_flag=True, help="Write nothing; exit with 1 when a file is missing or out of date."
)
@click.pass_obj
def command(session: Session, check: bool) -> int:
    """Write the JSON Schemas into `schemas/`: editors complete and check specs with them."""
    from tenure.core.errors import TenureError

    folder = Path(session.directory) / FOLDER
    texts = schema_files()
    differing = [name for name, text in texts.items() if not _holds(folder / name, text)]
    if check and differing:
        raise TenureError(
            "The schemas are out of date.",
            "\n".join(f"{folder / name} differs from what this version writes." for name in differing),
            "tenure schema",
        )
    if not check:
        write_schemas(folder, {name: texts[name] for name in differing})
    if session.json:
        from tenure.render.answers import SchemaFiles

        session.answer(SchemaFiles(tuple(sorted(texts)), () if check else tuple(differing)))
    elif differing:
        session.tell(*(f"Written: {folder / name}" for name in differing))
    else:
        session.tell(f"The schemas in {folder} are up to date.")
    return 0


def write_schemas(folder: Path, texts: dict[str, str]) -> None:
    """Write schema files, making the folder if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write(folder / name, text.encode())


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() == text.encode()
