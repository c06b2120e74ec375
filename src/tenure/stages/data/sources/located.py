"""What the sources have in common that read files: where these are, and what they are now."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tenure.artifacts.remote import is_url
from tenure.core.effect import Effect
from tenure.spec.base import config_of, field
from tenure.stages.data import pieces
from tenure.stages.data.ledger import Ledger
from tenure.stages.data.sources.timed import Timed


class Located(Timed):
    """Files by a path, a glob or a URL."""

    path: str = field(
        Effect.RETRAIN,
        "A file or a glob, relative to the project folder, or a URL: `s3://bucket/key`, where globs work as well, or "
        "`https://...`. Files are read in order of name.",
        min_length=1,
        examples=["data/observations.csv", "data/2012-*.csv", "s3://acme/flights/year=*/*.parquet"],
    )
    partitions: bool = field(
        Effect.RETRAIN,
        "Make columns of folders such as `year=2026/month=03` in the path: whole numbers, dates or text.",
        False,
    )

    @property
    def looks_at(self) -> tuple[str, ...] | None:
        """The files themselves; None on a server."""
        return None if is_url(self.path) else (self.path,)

    def ledger(self, project: Path) -> Ledger:
        """What is remembered of the files, read in this way."""
        config = config_of(self)
        return Ledger(project, {name: config[name] for name in config if name not in Timed.model_fields})

    def now(
        self, project: Path, recorded: Mapping[str, Any] | None, *, count_lines: bool = False
    ) -> dict[str, Any]:
        """The fingerprint of the files (see `pieces.fingerprint`)."""
        return pieces.fingerprint(project, self.path, recorded, self.ledger(project), count_lines=count_lines)
