"""Carrying out a retirement policy: moments are fixed, and a retired model is archived and given its tombstone.

The archive is a ZIP file named by its digest: every artifact under its digest, and the records that say what they are.
It is written to the artifact store and, for people, to the archive folder of the environment.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from tenure.core.digest import digest, digest_file
from tenure.core.units import format_instant, parse_duration
from tenure.graph.resource import Resource
from tenure.stages.base import Output, StageContext
from tenure.state.record import Record, Tombstone

EPOCH = (1980, 1, 1, 0, 0, 0)
"""ZIP's earliest time stamp: the same content must give the same bytes."""


def carry_out(item: Resource, value: dict[str, Any], context: StageContext) -> Output:
    """Record the state with its moments; on retirement write the archive and end the model's name."""
    value = dict(value)
    moment = format_instant(context.now)
    if value["state"] != "active" and value["deprecated_at"] is None:
        value["deprecated_at"] = moment
        notice = item.config["retirement"].get("minimum_notice")
        if value["sunset"] is None and notice:
            value["sunset"] = format_instant(parse_duration(notice).after(context.now))
    if value["state"] != "retired":
        return Output(digest=digest(value), value=value)
    name = write(context)
    value |= {"retired_at": moment, "archive": name}
    tombstone = Tombstone(
        model=context.model,
        lineage="",
        at=context.now,
        by=context.actor,
        successor=value["successor"],
        archive=name,
    )
    return Output(digest=digest(value), value=value, artifacts={"archive": name}, tombstone=tombstone)


def write(context: StageContext) -> str:
    """Write the archive of everything recorded about the model; returns its digest."""
    records = [*context.records.values(), *context.view.versions.values()]
    context.folders.archives.mkdir(parents=True, exist_ok=True)
    path = context.folders.archives / f"{context.model}.zip"
    partial = path.with_suffix(".zip.partial")
    try:
        with zipfile.ZipFile(partial, "w") as bundle:
            bundle.writestr(
                zipfile.ZipInfo("records.json", EPOCH), msgspec.json.format(msgspec.json.encode(records))
            )
            for name in sorted(_blobs(records)):
                # Piece by piece: a snapshot may be larger than memory.
                entry = bundle.open(zipfile.ZipInfo(f"blobs/{name}", EPOCH), "w", force_zip64=True)
                with entry, context.artifacts.local(name).open("rb") as blob:
                    shutil.copyfileobj(blob, entry)
        archive = context.artifacts.put_file(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return archive


def blob_of(archive: Path, name: str, to: Path) -> Path | None:
    """A file with the content of the blob `name`: the archive itself, or a copy of its entry at `to`; None without."""
    try:
        if digest_file(archive) == name:
            return archive
        with zipfile.ZipFile(archive) as bundle, bundle.open(f"blobs/{name}") as entry, to.open("wb") as copy:
            shutil.copyfileobj(entry, copy)
    except (KeyError, OSError, zipfile.BadZipFile):
        return None
    return to if digest_file(to) == name else None


def _blobs(records: Iterable[Record]) -> set[str]:
    return {name for record in records for name in record.artifacts.values()}
