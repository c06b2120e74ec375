"""The server follows the state: swaps under load, canaries, broken versions, the end of a model."""

from __future__ import annotations

import gc
import threading
import time
from collections import Counter
from typing import Any

from tenure.core.errors import StateError
from tenure.server.follow import Follower
from tenure.stages.deployment.http import read_back

ROW = {"age": 31.5, "visits": 4, "plan": "basic"}
CANARY = {
    "to": 2,
    "step": 0,
    "steps": [10, 100],
    "since": "2026-05-03T10:00:00Z",
    "until": "2026-05-03T10:00:00Z",
}


def follow(url: str, digest: str, model: str = "churn") -> None:
    seen = read_back(url, model, digest, timeout=20)
    assert seen.ok, seen.text


def test_no_request_fails_over_ten_swaps_under_constant_load(served, clients):
    world, running = served
    world.version(2)
    stop = threading.Event()
    answers: Counter[tuple[int, int | None]] = Counter()
    failures: list[Any] = []

    def load() -> None:
        client = clients(running.url)
        rows = [ROW] * 20  # more than is answered on the event loop
        while not stop.is_set():
            for body in (ROW, rows):
                try:
                    status, _, document = client.predict(body)
                    answers[status, document.get("version")] += 1
                    if status != 200:
                        failures.append(document)
                except Exception as error:
                    failures.append(error)

    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    for swap in range(10):
        time.sleep(0.05)
        follow(running.url, world.endpoint({2 - swap % 2: 100}))
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert answers[200, 1] > 0
    assert answers[200, 2] > 0
    assert sum(answers.values()) == answers[200, 1] + answers[200, 2]
    gc.collect()
    assert {version.number for version in running.app._follower.loaded} == {1}, "replaced versions are freed"


def test_a_canary_gets_its_share_and_callers_stay_where_they_are(served, client):
    world, running = served
    world.version(2)
    follow(running.url, world.endpoint({2: 10, 1: 90}, rollout=CANARY))
    first = {f"user-{i}": client.predict(X_Tenure_Key=f"user-{i}")[2]["version"] for i in range(60)}
    again = {key: client.predict(X_Tenure_Key=key)[2]["version"] for key in first}
    assert first == again
    assert set(first.values()) == {1, 2}
    follow(running.url, world.endpoint({2: 50, 1: 50}, rollout=CANARY | {"step": 1}))
    later = {key: client.predict(X_Tenure_Key=key)[2]["version"] for key in first}
    assert all(later[key] == 2 for key, version in first.items() if version == 2)


def test_a_header_or_the_address_pins_a_version(served, client):
    world, running = served
    world.version(2)
    follow(running.url, world.endpoint({2: 10, 1: 90}, rollout=CANARY))
    for number in (1, 2):
        assert client.predict(X_Model_Version=str(number))[2]["version"] == number
        assert client("POST", f"/models/churn/versions/{number}/predict", ROW)[2]["version"] == number
    assert client.predict(X_Model_Version="3")[0] == 404


def test_a_broken_version_never_takes_down_the_one_that_serves(served, client):
    world, running = served
    world.version(2)
    blob = world.artifacts._path(world.store.read("churn").versions[2].artifacts["preprocessor.msgpack"])
    good = blob.read_bytes()
    blob.chmod(0o644)
    blob.write_bytes(b"damaged")
    broken = world.endpoint({2: 100})
    seen = read_back(running.url, "churn", broken, timeout=0.5)
    assert not seen.ok
    assert client.predict()[2]["version"] == 1
    assert "problem" in client("GET", "/v2/models/churn")[2]["parameters"]
    assert 'tenure_endpoint_problem{model="churn"} 1.0' in client("GET", "/metrics")[2]
    blob.write_bytes(good)
    world.endpoint({2: 100})
    follow(running.url, broken)
    assert client.predict()[2]["version"] == 2
    assert "problem" not in client("GET", "/v2/models/churn")[2]["parameters"]


def test_a_broken_first_version_is_not_live_and_says_why(served, client):
    world, _ = served
    world.endpoint({9: 100}, model="fresh")
    deadline = time.monotonic() + 10
    while client("GET", "/v2/models/fresh")[0] == 404 and time.monotonic() < deadline:
        time.sleep(0.02)
    status, _, document = client.predict(model="fresh")
    assert status == 503
    assert "version 9" in document["detail"]
    assert client("GET", "/v2/models/fresh/ready")[0] == 503


def test_a_record_that_makes_no_sense_does_not_stop_the_other_models(served, client):
    world, running = served
    world.record("odd", "deployment/endpoint", {"target": "http", "routes": [{"version": 1, "share": 100}]})
    follow(
        running.url,
        world.endpoint({1: 100}, limits={"max_rows_per_request": 9, "max_body": 900, "max_in_flight": 9}),
    )
    assert client.predict()[0] == 200
    assert client.predict(model="odd")[0] == 503


def test_an_endpoint_without_a_version_answers_503_and_a_batch_target_404(served, client):
    world, running = served
    follow(running.url, world.endpoint({}, model="empty"), "empty")
    status, _, document = client.predict(model="empty")
    assert (status, document["title"]) == (503, "No version is live")
    world.endpoint({}, model="nightly", target="batch")
    assert client.predict(model="nightly")[0] == 404


def test_deprecation_is_announced_in_every_response_and_retirement_is_gone(served, client):
    world, running = served
    end = {"deprecated_at": "2026-05-03T00:00:00Z", "sunset": "2026-08-01", "successor": "churn-2"}
    follow(running.url, world.endpoint({1: 100}, state="deprecated", **end))
    for answer in (client.predict(), client.predict({"rows": [3]}), client("GET", "/v2/models/churn")):
        _, headers, _ = answer
        assert headers["deprecation"] == "@1777766400"  # date -u -d 2026-05-03 +%s
        assert headers["sunset"] == "Sat, 01 Aug 2026 00:00:00 GMT"
        assert headers["link"] == '</v2/models/churn-2>; rel="successor-version"'
    follow(running.url, world.endpoint({}, state="gone", **end))
    status, headers, document = client.predict()
    assert status == 410
    assert document["successor"] == "churn-2"
    assert "churn-2" in document["detail"]
    assert "successor-version" in headers["link"]
    assert client("GET", "/v2/models/churn")[0] == 410
    follow(running.url, world.endpoint({1: 100}))
    status, headers, _ = client.predict()
    assert status == 200
    assert "deprecation" not in headers


def test_edited_limits_take_effect(served, client):
    world, running = served
    follow(
        running.url,
        world.endpoint({1: 100}, limits={"max_rows_per_request": 1, "max_body": 60, "max_in_flight": 0}),
    )
    assert client.predict()[0] == 503
    assert client.predict()[1]["retry-after"] == "1"
    follow(
        running.url,
        world.endpoint({1: 100}, limits={"max_rows_per_request": 1, "max_body": 300, "max_in_flight": 1}),
    )
    assert client.predict()[0] == 200
    assert client.predict([ROW, ROW])[0] == 413
    assert client.predict([ROW] * 10)[0] == 413


def test_an_unreadable_state_leaves_the_table_as_it_is(world):
    class Reader:
        broken = False

        def routes_serial(self) -> int:
            if self.broken:
                raise StateError("state cannot be read")
            return 1

        def read_many(self, models: object = None) -> dict[str, Any]:
            return {}

    reader = Reader()
    follower = Follower(reader, world.artifacts, poll_seconds=0.01)
    follower.start(timeout=10)
    assert follower.table.ready
    reader.broken = True
    deadline = time.monotonic() + 10
    while follower.error is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert follower.error == "state cannot be read"
    assert follower.table.ready
    reader.broken = False
    while follower.error is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert follower.error is None
    follower.stop()


def test_reading_back_from_nobody_says_so():
    seen = read_back("http://127.0.0.1:9", "churn", "sha256:0", timeout=0.2)
    assert not seen.ok
    assert "127.0.0.1:9" in seen.text


def test_a_server_over_an_empty_state_is_ready(world, clients):
    from tenure.server.main import start

    running = start(world.store, world.artifacts, world.predictions)
    client = clients(running.url)
    assert client("GET", "/v2/health/ready")[0] == 200
    assert client("GET", "/models")[2] == {"models": []}
    running.stop()
