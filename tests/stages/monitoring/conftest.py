"""A served model with a real predictor, its log and labels, and the section's verbs called as the engine calls them."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tenure.artifacts.folder import FolderArtifactStore
from tenure.core.events import ignore
from tenure.graph.resource import Sort
from tenure.ml.design import design
from tenure.ml.inference_log import write_labels, write_segment
from tenure.ml.logged_rows import log_table
from tenure.ml.predictor import Predictor, save
from tenure.ml.preprocessor import preprocessor
from tenure.ml.signature import InputColumn, Signature
from tenure.ml.treatments import default_recipe
from tenure.plan.view import Target, View
from tenure.spec.base import SpecModel
from tenure.stages.base import Folders, Identity, Observed, StageContext
from tenure.stages.monitoring import section
from tenure.state.record import Fact, Record

START = datetime(2013, 1, 1, tzinfo=UTC)
INPUTS = (
    InputColumn("age", "number", minimum=18.0, maximum=90.0),
    InputColumn("plan", "string", categories=("basic", "gold")),
)
RECIPE = default_recipe(INPUTS)
SIGNALS = {
    "drift": {"type": "data_drift"},
    "predictions": {"type": "prediction_drift"},
    "quality": {"type": "data_quality"},
    "performance": {"type": "model_performance", "metric": "accuracy", "min": 0.7},
}


class Metadata(SpecModel):
    """Nothing of the metadata matters here."""


def people(
    rows: int, seed: int, *, older: float = 0.0, missing: float = 0.0, new_plans: float = 0.0
) -> pa.Table:
    """Rows of people: `older` shifts the ages, shares of `missing` ages and of plans that never were before."""
    rng = np.random.default_rng(seed)
    age = np.clip(rng.normal(50 + older, 12, rows), 18, 90)
    plan = np.where(
        rng.random(rows) < new_plans, "platinum", np.where(rng.random(rows) < 0.4, "gold", "basic")
    )
    return pa.table({"age": pa.array(age, mask=rng.random(rows) < missing), "plan": plan})


def truth(table: pa.Table) -> list[str]:
    """Whether somebody stays: those above fifty do."""
    return ["yes" if (value or 0) > 50 else "no" for value in table.column("age").to_pylist()]


def predictor() -> Predictor:
    from sklearn.linear_model import LogisticRegression

    table = people(300, 1)
    prepared = preprocessor(RECIPE).fit(design(RECIPE, table))
    target = np.array([value == "yes" for value in truth(table)]).astype(int)
    model = LogisticRegression(C=100).fit(prepared.transform(design(RECIPE, table)), target)
    return Predictor(RECIPE, Signature(INPUTS, "binary", "stays", ("no", "yes")), prepared, model)


def record(local: str, value: dict[str, Any], **more: Any) -> Record:
    return Record(
        address=f"m/{local}", sort=Sort.BINDING, fingerprint="f", content="c", metadata="m", config={}, effects={},
        digest=more.get("digest", "sha256:x"), value=value, artifacts=more.get("artifacts", {}), inputs={}, at=START,
        by="ann", apply_id="a", serial=1, ordinal=more.get("ordinal"),
    )  # fmt: skip


class World:
    """One model in one folder."""

    def __init__(self, folder) -> None:
        self.artifacts = FolderArtifactStore(folder / "artifacts")
        self.folders = Folders(*(folder / name for name in ("log", "labels", "reports", "archives")))
        self.predictor = predictor()
        self.logged = 0
        data = people(1000, 2)
        data = data.append_column("stays", pa.array(truth(data)))
        times = [START - timedelta(days=365) + timedelta(hours=8 * i) for i in range(1000)]
        data = data.append_column("date", pa.array(times, pa.timestamp("us")))
        data = data.append_column("__split__", pa.array(["train"] * 800 + ["test"] * 200))
        buffer = io.BytesIO()
        pq.write_table(data, buffer)
        files = {name: self.artifacts.put(content) for name, content in save(self.predictor).items()}
        snapshot = record(
            "data/snapshot",
            {"timestamp": "date"},
            artifacts={"snapshot": self.artifacts.put(buffer.getvalue())},
            digest="sha256:data",
        )
        version = {"metrics": {"accuracy": {"value": 0.97}}, "lineage": {"data": {"digest": "sha256:data"}}}
        self.view = View(
            model="m",
            lifecycle="active",
            now=START,
            records={"data/snapshot": snapshot},
            versions={
                number: record("governance/version", dict(version), artifacts=files, ordinal=number)
                for number in (1, 2)
            },
        )
        self.serve(1)

    def serve(self, *versions: int, tried: int | None = None) -> None:
        """Put versions on the endpoint, in equal shares."""
        value = {
            "routes": [{"version": number, "share": 100 // len(versions)} for number in versions],
            "rollout": {"to": tried} if tried else None,
            "log": {"id_column": None, "redact": []},
        }
        self._put("deployment/endpoint", record("deployment/endpoint", value))

    def resource(self, **monitoring: Any):
        block = section.Monitoring.model_validate({"signals": SIGNALS} | monitoring)
        (made,) = section.declare(Identity("m", "active", Metadata()), block)
        return made

    def target(self, **monitoring: Any) -> Target:
        return section.target(self.resource(**monitoring), self.view)

    def apply(self, now: datetime = START, **monitoring: Any) -> Record:
        """Realise the monitor and record it."""
        target = self.target(**monitoring)
        output = section.realise(self.resource(**monitoring), target, self.context(now))
        made = record("monitoring/monitor", output.value, artifacts=output.artifacts, digest=output.digest)
        self._put("monitoring/monitor", made)
        return made

    def log(
        self, day: float, table: pa.Table, *, version: int = 1, wrong: float = 0.0, labels: bool = True
    ) -> None:
        """Log predictions at noon of a day counted from START, and labels of which a share turns out wrong."""
        ids = [f"p{self.logged + i}" for i in range(table.num_rows)]
        self.logged += table.num_rows
        at = START + timedelta(days=day, hours=12)
        predicted = self.predictor.predict(table)
        count = table.num_rows
        rows = log_table(
            self.predictor.signature,
            table,
            predicted,
            ids=ids,
            received_at=[at] * count,
            version=version,
            arm=["stable"] * count,
        )
        write_segment(self.folders.predictions, rows)
        if labels:
            swapped = {"yes": "no", "no": "yes"}
            actual = [
                swapped[label] if i < round(wrong * count) else label
                for i, label in enumerate(predicted.labels)
            ]
            write_labels(self.folders.labels, pa.table({"id": ids, "y": actual}), "id", "y")

    def observe(self, day: float) -> Observed:
        """Look at the start of a day and record what was found, as the engine does."""
        now = START + timedelta(days=day)
        found = section.observe(self.resource(), self.context(now))
        kept = {
            (item.signal, item.window_start): item for item in (*self.view.observations, *found.observations)
        }
        self.view = replace(
            self.view, observations=tuple(kept.values()), facts=(*self.view.facts, *found.facts)
        )
        return found

    def settle(self, fact: Fact, day: float) -> None:
        import msgspec

        settled = msgspec.structs.replace(fact, settled_at=START + timedelta(days=day), settled_by="apply")
        self.view = replace(
            self.view, facts=tuple(settled if item.id == fact.id else item for item in self.view.facts)
        )

    def context(self, now: datetime) -> StageContext:
        self.view = replace(self.view, now=now)
        return StageContext(
            model="m", now=now, project=self.folders.reports, folders=self.folders, artifacts=self.artifacts,
            trials=None, view=self.view, previous=self.view.records.get("monitoring/monitor"), fingerprint="f",
            emit=ignore, stopping=lambda: False,
        )  # fmt: skip

    def _put(self, local: str, item: Record) -> None:
        self.view = replace(self.view, records={**self.view.records, local: item})


@pytest.fixture
def world(tmp_path) -> World:
    return World(tmp_path)
