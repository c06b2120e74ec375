"""A whole apply while the connections to its state are taken away: it ends as if nothing had happened."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.engine.processes import Hooked, following
from tests.engine.projects import NOW, make_project
from tests.state.places import keep_in
from tests.state.processes import Worker, apply_until_the_server_stops
from tests.state.servers import PASSWORD, Server, postgres_server

from tenure.core.events import Event, Note
from tenure.engine import fleet
from tenure.engine.compiling import stage_of
from tenure.engine.project import Project
from tenure.state.chain import verify

pytestmark = pytest.mark.postgres


@pytest.fixture
def root(postgres: Server, tmp_path: Path) -> Path:
    root = make_project(tmp_path / "mine")
    keep_in(root, postgres)
    return root


def check_as_if_undisturbed(root: Path, undisturbed: Path) -> None:
    project, model = Project(root, now=NOW), Project(undisturbed, now=NOW)
    assert not project.plan().changed
    for name in ("data/snapshot", "training/model", "evaluation/report", "deployment/endpoint"):
        ours, theirs = (each.state("flowers").records[name] for each in (project, model))
        assert (ours.digest, ours.serial) == (theirs.digest, theirs.serial)
    entries, expected = project.reader.journal("flowers"), model.reader.journal("flowers")
    assert [(one.address, one.outcome) for one in entries] == [(one.address, one.outcome) for one in expected]
    actions = [event.action for event in project.reader.audit()]
    assert actions == [event.action for event in model.reader.audit()]
    assert verify(project.reader.audit(), project.reader.audit_head()) == []
    search = project.state("flowers").records["training/search"].fingerprint
    assert [one.number for one in project.reader.trials(search)] == [0, 1]  # type: ignore[attr-defined]


def around(verb: Callable[..., Any], disturb: Callable[[], object]) -> Callable[..., Any]:
    """`verb`, disturbed before it, after it, and inside its transaction the first time that runs."""

    def call(work: Callable[[Any], Any], **named: Any) -> Any:
        runs: list[Any] = []

        def inside(connection: Any) -> Any:
            answer = work(connection)
            if not runs:
                disturb()
            runs.append(answer)
            return answer

        disturb()
        return following(verb, lambda *_: disturb())(inside, **named)

    return call


def test_every_session_is_ended_around_and_inside_every_write(
    root: Path, postgres: Server, applied: Path
) -> None:
    project = Project(root, now=NOW, actor="ann")
    plan = project.plan()
    database: Any = project.store.database  # type: ignore[attr-defined]
    ended: list[int] = []
    database.write = around(database.write, lambda: ended.append(postgres.end_sessions()))
    project.store._heartbeat._write = lambda work: None  # type: ignore[attr-defined]
    result = project.apply(plan)
    assert result.exit_code == 0, result
    assert sum(ended) > 40
    check_as_if_undisturbed(root, applied)


def test_the_server_crashes_in_the_middle_of_an_apply(
    root: Path, postgres: Server, applied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[Event] = []
    project = Project(root, now=NOW, actor="ann", emit=events.append)
    crashes: list[threading.Timer] = []

    def crash(resource: Any) -> None:
        """The effect is there, its outcome is not recorded; the server takes a second to come back."""
        if resource.local == "training/model":
            postgres.stop("immediate")
            crashes.append(threading.Timer(1.0, postgres.start))
            crashes[-1].start()

    monkeypatch.setattr(fleet, "stage_of", lambda item: Hooked(stage_of(item), crash))
    result = project.apply(project.plan())
    (crashed,) = crashes
    crashed.join()
    assert result.exit_code == 0, result
    said = [event.text for event in events if isinstance(event, Note) and not event.address]
    assert any("The connection to the state was lost" in text and "Trying again" in text for text in said)
    assert any("can be reached again" in text for text in said)
    check_as_if_undisturbed(root, applied)


def test_a_server_that_stays_away_ends_the_apply_and_the_next_one_goes_on(
    tmp_path: Path, applied: Path
) -> None:
    root = make_project(tmp_path / "mine")
    with postgres_server() as server:
        keep_in(root, server)
        config = root / "conf" / "config.yaml"
        config.write_text(config.read_text().replace("20s", "1s"))
        process = Worker(apply_until_the_server_stops, root, NOW, server)
        result, events = process.hears()
        assert process.end() == 0
        (model,) = result["models"]
        assert model["exit_code"] == 1
        assert "The state cannot be reached" in model["error"]
        assert "continues from what is recorded" in model["error"]
        assert [step["outcome"] for step in model["steps"]] == ["done"] * 3, "what was done is said"
        assert len([one for one in events if "The state cannot be reached" in one.get("text", "")]) == 1

        server.start()
        project = Project(root, now=NOW, actor="ann")
        assert [one.outcome for one in project.reader.journal("flowers")] == [None, "done", "done", "done"]
        applied_again = project.apply(project.plan())
        assert applied_again.exit_code == 0, applied_again
        assert not project.plan().changed
        outcomes = [one.outcome for one in project.reader.journal("flowers")][::-1]
        assert outcomes[:4] == ["done", "done", "done", "interrupted"]
        assert set(outcomes[4:]) == {"done"}
        ours = project.state("flowers").records["training/model"].digest
        assert ours == Project(applied, now=NOW).state("flowers").records["training/model"].digest


def test_the_password_is_written_nowhere(root: Path) -> None:
    events: list[Event] = []
    project = Project(root, now=NOW, actor="ann", emit=events.append)
    project.apply(project.plan())
    assert not project.plan().changed
    assert PASSWORD not in repr(events)
    written = [path for path in root.rglob("*") if path.is_file()]
    assert any(path.suffix == ".msgpack" for path in written), "a plan was remembered"
    assert [path for path in written if PASSWORD.encode() in path.read_bytes()] == []
