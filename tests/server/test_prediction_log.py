"""The prediction log: complete when it can be, never in the way, honest about what it lost."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from tenure.ml.inference_log import read_log
from tenure.ml.predictions import Predictions
from tenure.server import prediction_log
from tenure.server.prediction_log import Entry, PredictionLog
from tenure.server.routing import LiveVersion

ROW = {"age": 31.5, "visits": 4, "plan": "basic"}
AT = datetime(2026, 5, 3, 10, tzinfo=UTC)
SETTINGS = {"enabled": True, "sample": 1.0, "redact": [], "id_column": None}


@pytest.fixture(scope="module")
def live(make_predictor: Any) -> LiveVersion:
    return LiveVersion("churn", 3, "k", make_predictor(), ("date", "order_id"))


def entry(live: LiveVersion, count: int = 1, settings: Any = SETTINGS, **fields: Any) -> Entry:
    rows = [ROW | fields for _ in range(count)]
    labels = np.array(["no"] * count, dtype=object)
    predictions = Predictions(labels, np.tile([0.75, 0.25], (count, 1)), ("no", "yes"))
    ids = [f"{np.random.default_rng(i).integers(2**32):08x}{i:024x}" for i in range(count)]
    return Entry("churn", 3, live.signature, "date", "stable", rows, ids, predictions, AT, settings)


def quiet(tmp_path: Any, **more: Any) -> PredictionLog:
    """A log whose thread does nothing until it is closed."""
    return PredictionLog(tmp_path, **({"flush_seconds": 600.0, "flush_rows": 10**9} | more))


def test_what_was_asked_and_answered_is_in_the_log(tmp_path, live):
    log = quiet(tmp_path)
    settings = SETTINGS | {"id_column": "order_id"}
    log.add(entry(live, 2, settings, date="2026-04-30T12:00:00+02:00", order_id=7.0, visits=None))
    log.close()
    table = read_log(tmp_path / "churn").table
    assert table.num_rows == log.written == 2
    row = table.to_pylist()[0]
    assert row["event_time"] == datetime(2026, 4, 30, 10, tzinfo=UTC)
    assert row["received_at"] == AT
    assert (row["model_version"], row["arm"], row["prediction"]) == (3, "stable", "no")
    assert (row["age"], row["visits"], row["plan"], row["order_id"]) == (31.5, None, "basic", "7")
    assert (row["score_no"], row["score_yes"]) == (0.75, 0.25)


@pytest.mark.parametrize("date", [{}, {"date": None}, {"date": 5}, {"date": "yesterday"}])
def test_without_a_readable_time_of_its_own_a_row_has_its_arrival(tmp_path, live, date):
    log = quiet(tmp_path)
    log.add(entry(live, **date))
    log.close()
    assert read_log(tmp_path / "churn").table.column("event_time").to_pylist() == [AT]


def test_redacted_columns_are_not_there(tmp_path, live):
    log = quiet(tmp_path)
    log.add(
        entry(live, 1, SETTINGS | {"redact": ["plan", "order_id"], "id_column": "order_id"}, order_id="o-1")
    )
    log.close()
    columns = read_log(tmp_path / "churn").table.column_names
    assert "age" in columns
    assert not {"plan", "order_id"} & set(columns)


def test_a_sample_is_a_share_of_the_rows(tmp_path, live):
    log = quiet(tmp_path)
    log.add(entry(live, 4000, SETTINGS | {"sample": 0.25}))
    log.close()
    assert abs(log.written / 4000 - 0.25) < 0.03


def test_nothing_is_written_when_the_log_is_off(tmp_path, live):
    log = quiet(tmp_path)
    log.add(entry(live, 5, SETTINGS | {"enabled": False}))
    log.close()
    assert not (tmp_path / "churn").exists()


def test_a_full_queue_drops_and_counts_and_never_waits(tmp_path, live):
    log = quiet(tmp_path, max_rows=10)
    begun = time.perf_counter()
    for _ in range(7):
        log.add(entry(live, 3))
    assert time.perf_counter() - begun < 1
    assert (log.queued, log.dropped) == (9, 12)
    log.close()
    assert (log.written, log.queued) == (9, 0)


def test_a_full_disk_is_counted_and_the_rows_are_written_when_there_is_room_again(
    tmp_path, live, monkeypatch
):
    def full(folder: Any, table: Any) -> Any:
        raise OSError(28, "No space left on device")

    log = quiet(tmp_path, max_rows=10)
    with monkeypatch.context() as patched:
        patched.setattr(prediction_log, "write_segment", full)
        log.add(entry(live, 4))
        log.flush()
        assert (log.errors, log.written, log.queued, log.dropped) == (1, 0, 4, 0)
        log.add(entry(live, 8))
        assert log.dropped == 8, "what waits for the disk takes room in the queue"
    log.close()
    assert (log.written, log.queued) == (4, 0)


def test_rows_that_can_never_be_written_are_counted_as_dropped(tmp_path, live):
    (tmp_path / "churn").write_text("in the way")
    log = quiet(tmp_path)
    log.add(entry(live, 4))
    log.close()
    assert (log.written, log.dropped) == (0, 4)
    assert log.errors > 0


def test_rows_are_written_after_a_while_without_being_asked(tmp_path, live):
    log = PredictionLog(tmp_path, flush_seconds=0.05)
    log.add(entry(live))
    deadline = time.monotonic() + 10
    while log.written == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert log.written == 1
    log.close()


def test_served_requests_end_up_in_the_log_when_the_server_stops(world, clients):
    from tenure.server.main import start

    world.snapshot()
    world.version(1)
    world.endpoint({1: 100})
    running = start(world.store, world.artifacts, world.predictions)
    client = clients(running.url)
    _, _, document = client.predict([ROW | {"date": "2026-05-01", "order_id": f"o-{i}"} for i in range(3)])
    assert client.predict({"rows": [3]})[0] == 422
    running.stop()
    table = read_log(world.predictions / "churn").table
    assert table.column("prediction_id").to_pylist() == [p["id"] for p in document["predictions"]]
    assert table.column("order_id").to_pylist() == ["o-0", "o-1", "o-2"]
    assert set(table.column("event_time").to_pylist()) == {datetime(2026, 5, 1, tzinfo=UTC)}
