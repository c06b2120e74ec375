"""Scoring a file: what is written, what is logged, and which files are refused before anything is."""

from __future__ import annotations

from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from tenure.artifacts.folder import FolderArtifactStore
from tenure.core.errors import Blocked, StageError
from tenure.executors.executor import Ended
from tenure.executors.local import LocalExecutor
from tenure.graph.resource import Sort
from tenure.ml.design import design
from tenure.ml.inference_log import read_log
from tenure.ml.predictor import Predictor, save
from tenure.ml.preprocessor import preprocessor
from tenure.ml.signature import InputColumn, Signature
from tenure.ml.treatments import default_recipe
from tenure.plan.view import Target, View
from tenure.stages.base import StageContext
from tenure.stages.deployment import section, table_files
from tenure.stages.deployment.batch import predict_file
from tenure.state.record import ModelState, Record

NOW = datetime(2026, 5, 3, 10, tzinfo=UTC)
INPUTS = (
    InputColumn("size", "number"),
    InputColumn("rooms", "integer", nullable=True),
    InputColumn("code", "string", nullable=True),
)
RECIPE = default_recipe(INPUTS)
HEADER = "size,rooms,code,day,ref\n"
ROWS = "30.5,2,007,2026-05-01,a1\n80,,,2026-05-02,a2\n55,4,042,2026-05-02,a3\n"


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    from sklearn.linear_model import LogisticRegression

    generator = np.random.default_rng(3)
    size = generator.uniform(20, 100, 60)
    table = pa.table(
        {
            "size": size,
            "rooms": pa.array([None if i % 7 == 0 else i % 5 for i in range(60)], pa.int64()),
            "code": [None if i % 11 == 0 else ("007" if i % 2 else "042") for i in range(60)],
        }
    )
    frame = design(RECIPE, table)
    prepared = preprocessor(RECIPE).fit(frame)
    model = LogisticRegression().fit(prepared.transform(frame), (size > 60).astype(int))
    signature = Signature(INPUTS, "binary", "big", (False, True), accepted=("day", "ref"))
    return Predictor(RECIPE, signature, prepared, model)


def record(local: str, value: dict[str, Any], artifacts: dict[str, str] | None = None) -> Record:
    return Record(
        address=f"flat/{local}", sort=Sort.BINDING, fingerprint="f", content="c", metadata="m", config={}, effects={},
        digest="d", value=value, artifacts=artifacts or {}, inputs={}, at=NOW, by="ann", apply_id="a", serial=1,
    )  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> FolderArtifactStore:
    return FolderArtifactStore(tmp_path / "artifacts")


@pytest.fixture
def state(store: FolderArtifactStore, predictor: Predictor) -> ModelState:
    artifacts = {name: store.put(data) for name, data in save(predictor).items()}
    version = record("governance/version", {"number": 1, "passed": True, "failed": []}, artifacts)
    snapshot = store.put(_snapshot())
    endpoint = {
        "state": "serving", "routes": [{"version": 1, "share": 100}],
        "log": {"enabled": True, "sample": 1.0, "redact": [], "id_column": "ref"},
    }  # fmt: skip
    records = {
        "governance/version": version,
        "data/snapshot": record("data/snapshot", {"timestamp": "day"}, {"snapshot": snapshot}),
        "deployment/endpoint": record("deployment/endpoint", endpoint),
    }
    return ModelState("flat", "l", 1, records=records, versions={1: version})


def _snapshot() -> bytes:
    sink = pa.BufferOutputStream()
    table = pa.table(
        {
            "size": [30.0, 90.0],
            "rooms": pa.array([None, 3], pa.int64()),
            "code": ["007", None],
            "big": [False, True],
        }
    )
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def score(
    state: ModelState, store: Any, tmp_path: Path, text: str | bytes, name: str = "in.csv", **more: Any
) -> Any:
    source = tmp_path / name
    source.write_bytes(text if isinstance(text, bytes) else text.encode())
    output = tmp_path / more.pop("output", "out.csv")
    executor = more.pop("executor", None) or LocalExecutor(1)
    return predict_file(
        state, store, source, output, log_folder=tmp_path / "log", now=NOW, executor=executor, **more
    )


class Elsewhere(LocalExecutor):
    """As a cluster: work sees nothing of this process but what was shared."""

    in_process = False


def test_a_file_is_scored_the_same_on_a_cluster(state, store, tmp_path, monkeypatch):
    """Several chunks, each a piece of work of its own, in the order of the file."""
    monkeypatch.setattr(table_files, "CHUNK_ROWS", 1)
    rows = pa.table({"size": [30.5, 80.0, 55.0], "rooms": [2, None, 4], "code": ["007", None, "042"]})
    pq.write_table(rows, tmp_path / "rows.parquet")
    content = (tmp_path / "rows.parquet").read_bytes()
    here = score(state, store, tmp_path, content, name="a.parquet", output="here.parquet")
    there = score(
        state, store, tmp_path, content, name="a.parquet", output="there.parquet", executor=Elsewhere(2)
    )
    one, other = (pq.read_table(item.output).drop_columns(["prediction_id"]) for item in (here, there))
    assert one.num_rows == 3
    assert one.equals(other)


class Deadly(Elsewhere):
    """A cluster whose workers die of the work."""

    def submit(self, work: Any, argument: Any, **more: Any) -> Any:
        future: Future[Any] = Future()
        future.set_exception(Ended("every worker that got it died"))
        return future


def test_rows_that_kill_every_worker_are_told(state, store, tmp_path):
    with pytest.raises(StageError, match="every worker that got it died") as caught:
        score(state, store, tmp_path, HEADER + ROWS, executor=Deadly(2))
    assert "executor=local" in caught.value.hint
    assert not (tmp_path / "out.csv").exists()


def test_a_csv_is_scored_and_logged(state, store, tmp_path, predictor):
    scored = score(state, store, tmp_path, HEADER + ROWS)
    assert (scored.version, scored.rows, scored.logged) == (1, 3, 3)
    text = pacsv.ConvertOptions(column_types={"code": pa.string()})
    out = pacsv.read_csv(scored.output, convert_options=text)
    assert out.column_names == [
        "size", "rooms", "code", "day", "ref",
        "prediction", "probability_false", "probability_true", "prediction_id", "model_version",
    ]  # fmt: skip
    assert out.column("code").to_pylist()[0] == "007", "text that looks like a number keeps its zeros"
    inputs = pa.table({"size": [30.5, 80.0, 55.0], "rooms": [2, None, 4], "code": ["007", None, "042"]})
    expected = predictor.predict(inputs)
    np.testing.assert_allclose(
        out.column("probability_true").to_numpy(), expected.probabilities[:, 1], atol=1e-12
    )
    assert out.column("prediction").to_pylist() == expected.labels.tolist()
    log = read_log(tmp_path / "log").table
    assert log.column("prediction_id").to_pylist() == out.column("prediction_id").to_pylist()
    assert log.column("ref").to_pylist() == ["a1", "a2", "a3"]
    assert set(log.column("arm").to_pylist()) == {"batch"}
    assert log.column("event_time").to_pylist()[0] == datetime(2026, 5, 1, tzinfo=UTC)
    assert log.schema.field("size").type == pa.float64()


def test_parquet_in_and_out(state, store, tmp_path):
    table = pa.table({"size": [30, 80], "rooms": [2.0, None], "code": ["007", None]})
    pq.write_table(table, tmp_path / "in.parquet")
    scored = score(
        state, store, tmp_path, (tmp_path / "in.parquet").read_bytes(), "in.parquet", output="sub/out.parquet"
    )
    out = pq.read_table(scored.output)
    assert out.num_rows == 2
    assert out.column("prediction").to_pylist() == [False, True]


def test_a_large_file_is_scored_in_pieces_with_the_same_result(state, store, tmp_path, monkeypatch):
    table = pa.table(
        {"size": [float(i % 80 + 20) for i in range(500)], "rooms": [1] * 500, "code": ["007"] * 500}
    )
    pq.write_table(table, tmp_path / "in.parquet")
    data = (tmp_path / "in.parquet").read_bytes()
    whole = score(state, store, tmp_path, data, "in.parquet", output="whole.parquet")
    monkeypatch.setattr(table_files, "CHUNK_ROWS", 64)
    pieces = score(state, store, tmp_path, data, "in.parquet", output="pieces.parquet")
    columns = ["size", "probability_true"]
    assert pq.read_table(whole.output).select(columns) == pq.read_table(pieces.output).select(columns)


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_another_separator_is_recognised(state, store, tmp_path, separator):
    text = (HEADER + ROWS).replace(",", separator)
    assert score(state, store, tmp_path, text).rows == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cannot be read"),
        (HEADER, "no rows"),
        ("rooms,code\n1,007\n", "'size'"),
        ("size,rooms,code\nbig,1,007\n", "big"),
        ("size,rooms,code\n1,2.5,007\n", "rooms"),
        ("size,rooms,code\n1,2,007\n,2,007\n", "first in row 2"),
        ("size,rooms,code\n1,2,007\ninf,2,007\n", "infinite"),
        ("size,rooms,code\n1,2\n", "cannot be read"),
        ("size,rooms,code\n1,2,Käse\n".encode("latin-1"), "cannot be read"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_and_leaves_nothing(state, store, tmp_path, text, words):
    with pytest.raises(StageError, match="(?s)" + words):
        score(state, store, tmp_path, text)
    assert not (tmp_path / "out.csv").exists()
    assert not (tmp_path / "log").exists()
    assert not list(tmp_path.glob(".*.tmp"))


def test_other_files_are_named(state, store, tmp_path):
    with pytest.raises(StageError, match=r"neither \.csv nor \.parquet"):
        score(state, store, tmp_path, "x", "in.xlsx")
    with pytest.raises(StageError, match="There is no"):
        predict_file(
            state,
            store,
            tmp_path / "no.csv",
            tmp_path / "out.csv",
            log_folder=tmp_path,
            now=NOW,
            executor=LocalExecutor(1),
        )
    with pytest.raises(StageError, match="no version 9"):
        score(state, store, tmp_path, HEADER + ROWS, version=9)


def test_a_log_that_cannot_be_written_is_an_error_without_output(state, store, tmp_path):
    (tmp_path / "log").write_text("in the way")
    with pytest.raises(StageError, match="cannot be written"):
        score(state, store, tmp_path, HEADER + ROWS)
    assert not (tmp_path / "out.csv").exists()


def test_without_a_live_version_nothing_is_scored(state, store, tmp_path):
    endpoint = state.records["deployment/endpoint"].value
    for change, words in (
        ({"routes": []}, "no released version"),
        ({"state": "gone", "successor": "flat-2"}, "flat-2"),
    ):
        records = state.records | {"deployment/endpoint": record("deployment/endpoint", endpoint | change)}
        with pytest.raises(Blocked, match=words):
            score(
                ModelState("flat", "l", 1, records=records, versions=state.versions),
                store,
                tmp_path,
                HEADER + ROWS,
            )


# --- what apply does with the target --------------------------------------------------------------------------------


def context(state: ModelState, store: Any, tmp_path: Path, **more: Any) -> StageContext:
    view = View("flat", "active", NOW, state.records, state.versions)
    nowhere: Any = None
    return StageContext(
        model="flat", now=NOW, project=tmp_path, folders=nowhere, artifacts=store, trials=nowhere, view=view,
        previous=more.pop("previous", None), fingerprint="f", emit=lambda event: None, stopping=lambda: False, **more,
    )  # fmt: skip


def routed(*numbers: int) -> Target:
    return Target(
        {"target": "http", "state": "serving", "routes": [{"version": n, "share": 100} for n in numbers]}
    )


def test_realising_an_endpoint_loads_the_version_and_gives_the_value_a_digest(state, store, tmp_path):
    from tenure.core.digest import digest

    nothing: Any = None
    output = section.realise(nothing, routed(1), context(state, store, tmp_path))
    assert output.value == routed(1).value
    assert output.digest == digest(output.value)


def test_a_version_that_cannot_be_loaded_gets_no_route(state, store, tmp_path):
    blob = store._path(state.versions[1].artifacts["estimator.skops"])
    blob.chmod(0o644)
    blob.write_bytes(b"damaged")
    nothing: Any = None
    with pytest.raises(StageError, match="Version 1"):
        section.realise(nothing, routed(1), context(state, store, tmp_path))
    with pytest.raises(StageError, match="no version 4"):
        section.realise(nothing, routed(4), context(state, store, tmp_path))


def test_going_back_to_a_version_checks_its_files_without_loading_it(state, store, tmp_path, monkeypatch):
    def never(*args: Any, **more: Any) -> Any:
        raise AssertionError("loaded")

    monkeypatch.setattr("tenure.stages.deployment.versions.load_version", never)
    nothing: Any = None
    previous = record("deployment/endpoint", {"routes": [], "released": [1, 2]})
    back = context(state, store, tmp_path, previous=previous)
    assert section.realise(nothing, routed(1), back).value == routed(1).value
    store._path(state.versions[1].artifacts["estimator.skops"]).unlink()
    with pytest.raises(StageError, match="Version 1"):
        section.realise(nothing, routed(1), back)


def test_a_version_that_contradicts_itself_gets_no_route(state, store, tmp_path, monkeypatch):
    from tenure.ml import predictor as module

    original = module.Predictor.predict_matrix

    def shaky(self: Any, matrix: Any) -> Any:
        return original(self, matrix + len(matrix))

    monkeypatch.setattr(module.Predictor, "predict_matrix", shaky)
    nothing: Any = None
    with pytest.raises(StageError, match="differently on its own"):
        section.realise(nothing, routed(1), context(state, store, tmp_path))


def test_reading_back_says_when_no_server_is_known(state, store, tmp_path):
    served = record("deployment/endpoint", routed(1).value)
    assert "No server has been seen" in section.verify(served, context(state, store, tmp_path))
    scored = record("deployment/endpoint", routed(1).value | {"target": "batch"})
    assert section.verify(scored, context(state, store, tmp_path)) == ""


def test_reading_back_from_a_server_that_is_not_there_fails(state, store, tmp_path, monkeypatch):
    monkeypatch.setattr(section, "_READ_BACK_SECONDS", 0.1)
    served = record("deployment/endpoint", routed(1).value)
    with pytest.raises(StageError, match="tenure serve"):
        section.verify(served, context(state, store, tmp_path, server_url="http://127.0.0.1:9"))
