"""Features, training and evaluation of one small table, verb by verb, without the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tenure.artifacts.folder import FolderArtifactStore
from tenure.core.digest import digest
from tenure.core.events import Event
from tenure.executors.local import LocalExecutor
from tenure.graph.resource import Resource, Sort
from tenure.ml.columns import canonical, profile
from tenure.ml.snapshot import PART
from tenure.ml.task import infer
from tenure.plan.view import View
from tenure.stages.base import Folders, Identity, Output, StageContext
from tenure.stages.business import Value
from tenure.stages.evaluation import section as evaluation
from tenure.stages.features import section as features
from tenure.stages.training import section as training
from tenure.state.record import Record
from tenure.state.store import Trial

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Trials:
    """Trials in memory; what the state store does for real."""

    def __init__(self) -> None:
        self.kept: dict[str, list[Trial]] = {}

    def trials(self, search: str) -> tuple[Trial, ...]:
        return tuple(self.kept.get(search, ()))

    def add_trial(self, search: str, trial: Trial) -> None:
        self.kept.setdefault(search, []).append(trial)
        self.kept[search].sort(key=lambda one: one.number)


class Lab:
    """A snapshot, and the records of what was made from it so far.

    It hands a verb the record of the last time only where it `remembers`. `value` is what outcomes are worth.
    """

    def __init__(self, folder: Path, table: pa.Table, target: str, **facts: Any) -> None:
        self.folder = folder
        self.artifacts = FolderArtifactStore(folder / "artifacts")
        self.trials = Trials()
        self.executor = LocalExecutor(2)
        self.events: list[Event] = []
        self.stopping: Callable[[], bool] = lambda: False
        self.remembers = False
        self.value: Value | None = None
        self.versions: dict[int, Record] = {}
        self.records: dict[str, Record] = {"data/snapshot": self._snapshot(table, target, facts)}

    def _snapshot(self, table: pa.Table, target: str, facts: dict[str, Any]) -> Record:
        if PART not in table.column_names:
            # Every fourth row is for the test, in an order that has nothing to do with the values.
            table = table.append_column(
                PART, pa.array([["train", "train", "train", "test"][i % 4] for i in range(len(table))])
            )
        parts = table.column(PART)
        contents, _ = canonical(table.drop_columns([PART]))
        asked = infer(contents.column(target), name=target)
        columns = profile(contents).columns
        file = self.folder / "snapshot.parquet"
        pq.write_table(contents.append_column(PART, parts), file)
        value = {
            "rows": len(table),
            "columns": [{"name": c.name, "type": c.type, "nullable": c.nullable} for c in columns],
            "target": target,
            "task": asked.task,
            "classes": list(asked.classes),
            "timestamp": None,
            "split_type": "random",
        } | facts
        blob = self.artifacts.put_file(file)
        return self.record("data/snapshot", Output(blob, value, {"snapshot": blob}))

    def record(self, local: str, output: Output, config: Mapping[str, Any] | None = None) -> Record:
        return Record(
            address=f"lab/{local}", sort=Sort.ARTIFACT, fingerprint="", content="", metadata="", effects={},
            config=dict(config or {}),
            digest=output.digest, value=output.value, artifacts=output.artifacts, inputs={}, at=NOW, by="test",
            apply_id="1", serial=1,
        )  # fmt: skip

    def context(self, resource: Resource) -> StageContext:
        inputs = {need: self.records[need].digest for need in resource.needs}
        return StageContext(
            model="lab",
            now=NOW,
            project=self.folder,
            folders=Folders(*[self.folder] * 4),
            artifacts=self.artifacts,
            trials=self.trials,
            executor=self.executor,
            cache=self.folder / "cache",
            view=View("lab", "active", NOW, self.records, self.versions),
            previous=self.records.get(resource.local) if self.remembers else None,
            fingerprint=resource.fingerprint(inputs),
            emit=self.events.append,
            stopping=lambda: self.stopping(),
        )

    def run(self, stage: Any, section: Any, local: str) -> Output:
        """Realise one resource of a stage and record it."""
        identity = Identity("lab", "active", metadata=features.Features(), value=self.value)
        (resource,) = [item for item in stage.declare(identity, section) if item.local == local]
        output = stage.realise(resource, None, self.context(resource))
        digest(output.value)  # what is recorded must be canonical JSON
        self.records[local] = self.record(local, output, resource.config)
        return output

    def make_features(self, **block: Any) -> Output:
        return self.run(features, features.Features.model_validate(block), "features/recipe")

    def search(self, *algorithms: str, **block: Any) -> Output:
        section = {"algorithms": {name: {} for name in algorithms}, "limits": {"max_trials": 4}} | block
        return self.run(training, training.Training.model_validate(section), "training/search")

    def fit(self, seed: int = 7, **block: Any) -> Output:
        section = training.Training.model_validate({"algorithms": {"ridge": {}}, "seed": seed} | block)
        return self.run(training, section, "training/model")

    def evaluate(self, **block: Any) -> Output:
        return self.run(evaluation, evaluation.Evaluation.model_validate(block), "evaluation/report")

    def register(self, number: int, *, passed: bool = True) -> None:
        """Keep the model as a version, as governance does."""
        model = self.records["training/model"]
        value = {"number": number, "passed": passed, "model_digest": model.digest}
        self.versions[number] = self.record(
            "governance/version", Output(f"v{number}", value, model.artifacts)
        )

    def with_records(self, **values: dict[str, Any]) -> Lab:
        """Add records by local address with `__` for the slash."""
        for name, value in values.items():
            local = name.replace("__", "/")
            self.records[local] = self.record(local, Output(local, value))
        return self

    def again(self) -> Lab:
        """A lab of its own over the same folder and records."""
        other = Lab.__new__(Lab)
        other.__dict__.update(self.__dict__)
        other.records, other.versions = dict(self.records), dict(self.versions)
        other.trials, other.events = Trials(), []
        return other
