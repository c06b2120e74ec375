"""What may be found wrong with an environment: how bad each sort is, what it means, and the way out."""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

Severity = Literal["error", "warning", "note"]


class Kind(NamedTuple):
    """A sort of finding: how bad it is, what it means, and what a person does about it."""

    severity: Severity
    title: str
    meaning: str
    way_out: str


KINDS: dict[str, Kind] = {
    "database": Kind(
        "error",
        "the database is damaged",
        "What was recorded may be lost or wrong. Nothing is repaired in a database that cannot be copied faithfully.",
        "Put a copy back (see tenure state backup), or import an export into an empty state: tenure state import FILE",
    ),
    "unreadable": Kind(
        "error",
        "recorded values cannot be read",
        "They were changed by something else than Tenure, or by a failing disk.",
        "Put a copy of the state back, or import an export: tenure state import FILE --replace",
    ),
    "misplaced": Kind(
        "error",
        "recorded values stand where they do not belong",
        "They were changed by something else than Tenure.",
        "Put a copy of the state back, or import an export: tenure state import FILE --replace",
    ),
    "reference": Kind(
        "error",
        "something refers to what is not there",
        "Rows are missing. Plans of these models may fail or be wrong.",
        "Put a copy of the state back, or import an export: tenure state import FILE --replace",
    ),
    "head": Kind(
        "error",
        "the present does not follow from the records",
        "Plans and servers see another record than the last one.",
        "tenure state doctor --repair",
    ),
    "audit": Kind(
        "error",
        "the audit log does not hold",
        "It was changed, cut off or damaged; what it says is no proof any more. It is never repaired.",
        "Hold it against a checkpoint kept elsewhere: tenure audit verify --checkpoint FILE",
    ),
    "unvouched": Kind(
        "error",
        "records differ from what the audit log says was recorded",
        "They were changed after they were made, or made by something else than Tenure.",
        "See what the log says: tenure audit export",
    ),
    "blob": Kind(
        "error",
        "artifacts are missing or damaged",
        "What needs them cannot run: serving, reports, the next step of an apply.",
        "tenure state doctor --repair",
    ),
    "blob_rebuilding": Kind(
        "warning",
        "artifacts are missing or damaged; the next plan makes them again",
        "A cause is recorded for each of them.",
        "tenure apply",
    ),
    "blob_lost": Kind(
        "error",
        "artifacts are lost",
        "No step can make them again: they belong to versions that are not the newest, or to retired models.",
        "Put the artifact folder back from a backup. The archive of a retired model is looked into by:"
        " tenure state doctor --repair",
    ),
    "artifacts": Kind(
        "error",
        "the artifacts cannot be read at all",
        "Nothing is known to be lost.",
        "See that the place named under artifacts: in conf/ can be reached, then look again.",
    ),
    "log": Kind(
        "error",
        "files of a prediction log or of its labels cannot be read",
        "Monitoring leaves them out.",
        "Put them back from a backup, or move them away.",
    ),
    "format": Kind(
        "warning",
        "the state has an older format",
        "It can be read and not written.",
        "tenure state upgrade",
    ),
    "step": Kind(
        "warning",
        "steps were begun and never ended",
        "Their run was killed. The next apply repeats them.",
        "tenure state doctor --repair",
    ),
    "lease": Kind(
        "warning",
        "models are held by processes that are gone",
        "The next run takes them over by itself.",
        "tenure state doctor --repair",
    ),
    "cache": Kind(
        "note",
        "remembered plans cannot be read",
        "They count as absent; the next plan takes longer.",
        "tenure state doctor --repair",
    ),
    "stray": Kind(
        "note",
        "files that were never finished",
        "Their runs were killed while they wrote. Nothing refers to them.",
        "tenure state doctor --repair",
    ),
    "mended": Kind(
        "note",
        "artifacts that were to be made again are whole",
        "The cause that asks for it is still open.",
        "tenure state doctor --repair",
    ),
    "blob_past": Kind(
        "note",
        "artifacts of the past are missing or damaged",
        "Only records that were replaced since refer to them. Nothing that runs needs them.",
        "Put the artifact folder back from a backup if the past has to be shown.",
    ),
    "unused": Kind(
        "note",
        "artifacts that no record refers to",
        "They come from runs that were killed before they recorded them, or from forgotten models.",
        "They are never deleted here. An apply that runs now may be about to record them.",
    ),
}
"""Every sort of finding, in the order they are shown."""


class Finding(msgspec.Struct, frozen=True):
    """Something that is not as it should be. `kind` is a key of `KINDS`; `size` is in bytes where it is about one."""

    kind: str
    severity: Severity
    subject: str
    text: str
    model: str = ""
    size: int | None = None

    @property
    def problem(self) -> bool:
        """Whether somebody should do something about it."""
        return self.severity != "note"


def finding(kind: str, subject: str, text: str, model: str = "", size: int | None = None) -> Finding:
    """A finding with the severity of its kind."""
    return Finding(kind, KINDS[kind].severity, subject, text, model, size)
