"""`tenure audit`: the tamper-evident log."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tenure.cli.arguments import overrides
from tenure.cli.files import read, write
from tenure.cli.session import Session, Verb, global_options
from tenure.core.decoding import json_decoder

if TYPE_CHECKING:
    from tenure.state.store import AuditHead


@click.group("audit", params=global_options(), context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Verify or export the tamper-evident log."""


@command.command("verify", cls=Verb)
@overrides
@click.option(
    "--checkpoint",
    "checkpoints",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The end of the log as it was kept elsewhere (see --write-checkpoint).",
)
@click.option(
    "--write-checkpoint",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the present end of the log, to be kept out of reach of whoever may write the state.",
)
@click.pass_obj
def verify(
    session: Session, overrides: tuple[str, ...], checkpoints: tuple[Path, ...], write_checkpoint: Path | None
) -> int:
    """Check every link of the log. Exit code 1 when one does not hold.

    Without a checkpoint a log that was rewritten as a whole, together with the state, cannot be told from a true one.
    """
    from tenure.render.json import document
    from tenure.render.page import Styled, line
    from tenure.render.wording import count
    from tenure.state.chain import verify as verify_chain

    store = session.project(overrides).reader
    head = store.audit_head()
    kept = tuple(_checkpoint(path) for path in checkpoints)
    problems = verify_chain(store.audit(), head, kept)
    events = head.seq if head is not None else 0
    if write_checkpoint is not None and head is not None and not problems:
        write(write_checkpoint, document(head).encode())
    if session.json:
        from tenure.render.answers import Audit

        session.answer(Audit(not problems, events, head, kept, tuple(problems)))
    elif problems:
        session.say(line(Styled(f"Event {item.seq}  ", "bad"), item.text) for item in problems)
        session.say(
            [
                line(
                    Styled("The log does not hold: ", "bad"),
                    f"{count(len(problems), 'problem')} in {count(events, 'event')}.",
                )
            ]
        )
    else:
        against = f", and agrees with {count(len(kept), 'checkpoint')}" if kept else ""
        session.say(
            [
                line(
                    Styled("Intact: ", "good"),
                    f"{count(events, 'event')}, each following the one before{against}.",
                )
            ]
        )
    return 1 if problems else 0


@command.command("export", cls=Verb)
@overrides
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a file instead of stdout.",
)
@click.option("--since", type=click.IntRange(min=0), default=0, help="From this event on.")
@click.pass_obj
def export(session: Session, overrides: tuple[str, ...], out: Path | None, since: int) -> int:
    """Write the log as JSON lines, one event each, with the hashes that prove it."""
    from tenure.state.chain import export as export_chain

    lines: Iterator[bytes] = export_chain(session.project(overrides).reader.audit(since))
    if out is None:
        for text in lines:
            sys.stdout.write(text.decode())
        return 0
    write(out, b"".join(lines))
    if session.json:
        from tenure.render.answers import Written

        session.answer(Written(out))
    session.tell(f"Written to {out}")
    return 0


def _checkpoint(path: Path) -> AuditHead:
    import msgspec

    from tenure.core.errors import TenureError
    from tenure.state.store import AuditHead

    try:
        return json_decoder(AuditHead).decode(read(path))
    except msgspec.DecodeError as error:
        raise TenureError(
            "Not a checkpoint.",
            f"{path}: {error}.",
            "Write one with: tenure audit verify --write-checkpoint FILE",
        ) from error
