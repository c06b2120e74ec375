"""A recorded model with real predictors, written the way an apply writes it, and a server over it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.state.places import in_file

from tenure.artifacts.folder import FolderArtifactStore
from tenure.core.digest import digest
from tenure.graph.resource import Sort
from tenure.ml.design import design
from tenure.ml.predictor import Predictor, save
from tenure.ml.preprocessor import preprocessor
from tenure.ml.signature import InputColumn, Signature
from tenure.ml.treatments import default_recipe
from tenure.server.main import Running, start
from tenure.state.opening import open_store
from tenure.state.record import Record

NOW = datetime(2026, 5, 3, 10, tzinfo=UTC)
ROW = {"age": 31.5, "visits": 4, "plan": "basic"}
INPUTS = (
    InputColumn("age", "number", minimum=18.0, maximum=90.0),
    InputColumn("visits", "integer", nullable=True),
    InputColumn("plan", "string", categories=("basic", "gold")),
)
RECIPE = default_recipe(INPUTS)
LOG = {"enabled": True, "sample": 1.0, "redact": [], "id_column": "order_id"}
LIMITS = {"max_rows_per_request": 100, "max_body": 100_000, "max_in_flight": 50}


def predictor(shift: float = 0.0) -> Predictor:
    """Whether somebody stays, by age mostly; `shift` tells the versions apart by their probabilities."""
    from sklearn.linear_model import LogisticRegression

    generator = np.random.default_rng(5)
    rows = 80
    table = pa.table(
        {
            "age": generator.uniform(18, 90, rows),
            "visits": pa.array([None if i % 9 == 0 else i % 7 for i in range(rows)], pa.int64()),
            "plan": ["gold" if i % 3 else "basic" for i in range(rows)],
        }
    )
    frame = design(RECIPE, table)
    prepared = preprocessor(RECIPE).fit(frame)
    target = (table.column("age").to_numpy() + 20 * shift > 50).astype(int)
    model = LogisticRegression().fit(prepared.transform(frame), target)
    signature = Signature(INPUTS, "binary", "stays", ("no", "yes"), accepted=("date", "stays"))
    return Predictor(RECIPE, signature, prepared, model)


class World:
    """One environment: state, artifacts, prediction log."""

    def __init__(self, folder: Path) -> None:
        self.store = open_store(*in_file(folder / "state.db"))
        self.artifacts = FolderArtifactStore(folder / "artifacts")
        self.predictions = folder / "predictions"

    def record(self, model: str, local: str, value: dict[str, Any], **more: Any) -> str:
        """Commit a record the way an apply does; returns its digest."""
        record = Record(
            address=f"{model}/{local}", sort=Sort.BINDING, fingerprint="f", content="c", metadata="m", config={},
            effects={}, digest=digest(value), value=value, artifacts=more.get("artifacts", {}), inputs={}, at=NOW,
            by="ann", apply_id="a", serial=0, ordinal=more.get("ordinal"),
        )  # fmt: skip
        state = self.store.read(model)
        with self.store.lease(model, "test") as lease:
            step = {"apply_id": "a", "address": record.address, "action": "create", "reason": "new"}
            entry = self.store.begin(lease, **step, fingerprint="f", at=NOW, by="ann")
            serial = state.serial if state else 0
            self.store.finish(lease, entry, outcome="done", at=NOW, record=record, serial=serial)
        return record.digest

    def version(self, number: int, model: str = "churn") -> None:
        """Register a version whose probabilities differ from those of the others."""
        artifacts = {name: self.artifacts.put(data) for name, data in save(predictor(number / 10)).items()}
        value = {
            "number": number,
            "passed": True,
            "failed": [],
            "status": "candidate",
            "model_digest": str(number),
        }
        self.record(model, "governance/version", value, artifacts=artifacts, ordinal=number)

    def snapshot(self, model: str = "churn") -> None:
        """Say that the column `date` is the event time."""
        self.record(model, "data/snapshot", {"timestamp": "date"})

    def endpoint(self, routes: dict[int, int], model: str = "churn", **changes: Any) -> str:
        """Route shares to versions; returns the digest that a server following it names."""
        value = {
            "target": "http", "state": "serving", "rollout": None, "hold": None, "released": list(routes),
            "routes": [{"version": number, "share": share} for number, share in routes.items()],
            "deprecated_at": None, "sunset": None, "successor": None, "log": LOG, "limits": LIMITS,
        }  # fmt: skip
        return self.record(model, "deployment/endpoint", value | changes)


class Client:
    """One connection kept open; answers as (status, headers, document)."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)

    def __call__(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], Any]:
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        self._connection.request(method, path, body=data, headers=headers or {})
        response = self._connection.getresponse()
        text = response.read()
        found = {name.lower(): value for name, value in response.getheaders()}
        kind = found.get("content-type", "")
        return response.status, found, json.loads(text) if "json" in kind and text else text.decode()

    def close(self) -> None:
        self._connection.close()

    def predict(
        self, row: Any = ROW, model: str = "churn", **headers: str
    ) -> tuple[int, dict[str, str], Any]:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self("POST", f"/models/{model}/predict", row, names)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.store.close()


def _live(world: World) -> Running:
    world.snapshot()
    world.version(1)
    world.endpoint({1: 100})
    return start(world.store, world.artifacts, world.predictions, poll_seconds=0.02)


@pytest.fixture
def served(world: World) -> Iterator[tuple[World, Running]]:
    """Version 1 of `churn` live behind a real server of the test's own."""
    running = _live(world)
    yield world, running
    running.stop()


@pytest.fixture
def client(served: tuple[World, Running]) -> Iterator[Client]:
    client = Client(served[1].url)
    yield client
    client.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Running]]:
    """The same, for all tests of a module: for those that change nothing."""
    world = World(tmp_path_factory.mktemp("shared"))
    running = _live(world)
    yield world, running
    running.stop()
    world.store.close()


@pytest.fixture(scope="module")
def asking(shared: tuple[World, Running]) -> Iterator[Client]:
    client = Client(shared[1].url)
    yield client
    client.close()


@pytest.fixture
def clients() -> Iterator[Any]:
    """Makes clients of a URL, and closes them in the end."""
    made: list[Client] = []

    def make(url: str) -> Client:
        made.append(Client(url))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture(scope="session")
def make_predictor() -> Any:
    return predictor
