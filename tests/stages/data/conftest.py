"""A snapshot of a small project: write files, give the block `data` as in YAML, look at what came out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tenure.artifacts.folder import FolderArtifactStore
from tenure.core.events import ignore
from tenure.graph.resource import Resource
from tenure.ml.columns import Profile
from tenure.plan.view import View
from tenure.spec.base import SpecModel
from tenure.stages.base import Folders, Identity, Output, StageContext
from tenure.stages.data import section
from tenure.state.record import Record

NOW = datetime(2026, 5, 3, tzinfo=UTC)


@dataclass
class Project:
    """A project folder with an artifact store."""

    root: Path

    @property
    def store(self) -> FolderArtifactStore:
        return FolderArtifactStore(self.root / ".tenure")

    def write(self, name: str, content: str | bytes) -> str:
        """A file of the project; its name is handed back."""
        data = content if isinstance(content, bytes) else content.encode()
        (self.root / name).write_bytes(data)
        return name

    def resource(self, block: Mapping[str, Any]) -> Resource:
        identity = Identity(model="m", lifecycle="active", metadata=SpecModel())
        (declared,) = section.declare(identity, section.Data.model_validate(block))
        return declared

    def context(self, previous: Record | None = None) -> StageContext:
        view = View(model="m", lifecycle="active", now=NOW, records={}, versions={})
        return StageContext(
            model="m",
            now=NOW,
            project=self.root,
            folders=Folders(*(self.root / name for name in ("predictions", "labels", "reports", "archives"))),
            artifacts=self.store,
            trials=None,  # type: ignore[arg-type]
            view=view,
            previous=previous,
            fingerprint="",
            emit=ignore,
            stopping=lambda: False,
        )

    def take(self, block: Mapping[str, Any], previous: Record | None = None) -> Output:
        """Realise the snapshot of a block `data`."""
        return section.realise(self.resource(block), None, self.context(previous))

    def csv(self, text: str | bytes, target: str = "y", **block: Any) -> Output:
        """The snapshot of one CSV file; `source` holds further fields of the source."""
        name = self.write("rows.csv", text)
        source = {"type": "csv", "path": name} | block.pop("source", {})
        return self.take({"sources": {"rows": source}, "target_column": target} | block)

    def table(self, output: Output) -> pa.Table:
        return pq.read_table(self.store.local(output.artifacts["snapshot"]))

    def profile(self, output: Output) -> Profile:
        return msgspec.json.decode(self.store.get(output.artifacts["profile"]), type=Profile)

    def record(self, block: Mapping[str, Any], output: Output) -> Record:
        """What the state would hold about the snapshot."""
        declared = self.resource(block)
        return Record(
            address=declared.address,
            sort=declared.sort,
            fingerprint="f",
            content=declared.content,
            metadata=declared.metadata,
            config=declared.config,
            effects=declared.effects,
            digest=output.digest,
            value=output.value,
            artifacts=output.artifacts,
            inputs={},
            at=NOW,
            by="someone",
            apply_id="1",
            serial=1,
        )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def rows() -> Callable[..., str]:
    """CSV text of n rows: x counts up, y alternates between a and b, z is a fraction, seen_at counts days."""

    def text(n: int = 20) -> str:
        lines = [f"{i},{'ab'[i % 2]},{i / 4},2026-01-{i % 28 + 1:02d}" for i in range(n)]
        return "\n".join(["x,y,z,seen_at", *lines]) + "\n"

    return text
