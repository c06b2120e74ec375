"""What has happened to the sources since they were read: a comparison of fingerprints, pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tenure.plan.view import Inputs

Fingerprints = Mapping[str, Mapping[str, Any]]
"""Name of a source -> what it was or is (see `sources`)."""


def compare(recorded: Fingerprints | None, observed: Fingerprints, at: datetime | None) -> Inputs:
    """What a look at the sources found, against the snapshot recorded `at` (both None when there is none yet).

    Nothing has changed only if every source is there and says so; a query cannot say before it runs.
    """
    absent = tuple(
        f"{name} ({now['reason']})" if "reason" in now else name
        for name, now in observed.items()
        if now.get("missing")
    )
    seen = {name: now.get("digest") for name, now in observed.items()}
    if recorded is None or at is None:
        return Inputs(changed=None, missing=absent, seen=seen)
    sentences = tuple(
        f"{name}: {difference} since the snapshot of {at:%d %B %Y}."
        for name, difference in changed(recorded, observed).items()
    )
    certain = all(seen.values()) and set(seen) == set(recorded)
    return Inputs(
        changed=True if sentences else False if certain else None,
        sentences=sentences,
        missing=absent,
        seen=seen,
    )


def changed(recorded: Fingerprints, observed: Fingerprints) -> dict[str, str]:
    """For each source whose data differ from those recorded: in what.

    A source that is not there, is not comparable before it is read, or was not part of the recorded snapshot (that
    is an edit of the spec) has not changed.
    """
    return {
        name: _difference(recorded[name], now)
        for name, now in observed.items()
        if name in recorded and _differs(recorded[name], now)
    }


def _differs(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether the data are others, or the code that gives them: what is not known on both sides does not differ."""
    return now.get("digest") not in (None, before.get("digest")) or (
        "code" in before and "code" in now and before["code"] != now["code"]
    )


def _difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    if "code" in now:
        return "other code"
    if "version" in now:
        return f"version {now['version']} instead of {before.get('version')}"
    if "rows" not in before or "rows" not in now:
        files, earlier = now.get("files", 1), before.get("files", 1)
        return "other content" if files == earlier else f"other files ({earlier:,} -> {files:,})"
    more = now["rows"] - before["rows"]
    counts = f"({before['rows']:,} -> {now['rows']:,})"
    if more == 0:
        return f"other content in the same {now['rows']:,} rows"
    return f"{more:,} new row(s) {counts}" if more > 0 else f"{-more:,} fewer row(s) {counts}"
