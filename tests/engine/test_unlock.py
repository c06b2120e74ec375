"""Ending somebody's lease: a process that really runs cannot write any more, and only the lease that was named ends."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.engine.processes import CONTEXT, Hooked
from tests.engine.projects import NOW, write_flowers

from tenure.core.errors import StateError, StateLocked, StateStale
from tenure.engine import fleet as engine
from tenure.engine import surgery
from tenure.engine.compiling import stage_of
from tenure.engine.project import Project
from tenure.state.chain import verify


def held(project: Project) -> dict[str, str]:
    """The ids of the leases that are held, by model."""
    inventory = surgery.listed(project).inventory
    assert inventory is not None
    return {model.model: model.lease.id for model in inventory.models if model.lease is not None}


def apply_and_wait(root: Path, reached: Any, go_on: Any, answer: Path) -> None:
    """Apply, and stand still in the middle of the first step; then write down what came of it."""

    def wait(resource: Any) -> None:
        reached.set()
        assert go_on.wait(60)

    engine.stage_of = lambda item: Hooked(stage_of(item), wait)  # type: ignore[assignment]
    project = Project(root, now=NOW, actor="bob")
    result = project.apply(project.plan())
    (model,) = result.models
    answer.write_text(json.dumps({"code": result.exit_code, "said": model.error}))


def test_a_running_process_cannot_write_any_more(applied: Path) -> None:
    write_flowers(applied / "data" / "flowers.csv", rows=160, seed=4)
    project = Project(applied, now=NOW, actor="ann")
    project.retrain("flowers", reason="more rows")
    before = project.state("flowers")
    reached, go_on, answer = CONTEXT.Event(), CONTEXT.Event(), applied / "answer.json"
    running = CONTEXT.Process(target=apply_and_wait, args=(applied, reached, go_on, answer))
    running.start()
    assert reached.wait(60)

    (lease,) = held(project).values()
    with pytest.raises(StateLocked) as caught, project.store.lease("flowers", "ann@here:1:x"):
        pass
    assert f"lease {lease}" in caught.value.detail
    assert f"tenure state unlock flowers {lease} --reason" in caught.value.hint
    with pytest.raises(StateStale, match=f"lease {lease}; 'deadbeef' is not that one"):
        surgery.unlock(project, "flowers", "deadbeef", reason="wrong one")
    assert held(project) == {"flowers": lease}

    ended = surgery.unlock(project, "flowers", lease, reason="it hangs since Friday")
    assert (ended.model, ended.id, ended.alive) == ("flowers", lease, True)
    assert ended.holder.startswith("bob@")
    assert held(project) == {}
    with project.store.lease(
        "flowers", "ann@here:1:x"
    ):  # free at once, without waiting for the end of the lease
        pass

    go_on.set()
    running.join(60)
    said = json.loads(answer.read_text())
    assert said["code"] == 4
    assert "The hold on the model was lost" in said["said"]
    after = project.state("flowers")
    assert after.records == before.records
    assert after.serial == before.serial
    *_, event = (one for one in project.reader.audit() if one.action == "lease.ended")
    assert (event.actor, event.subject) == ("ann", "flowers")
    assert event.data == {"lease": lease, "holder": ended.holder, "reason": "it hangs since Friday"}
    assert verify(project.reader.audit(), project.reader.audit_head()) == []
    # The step that was cut off is taken up by the next apply.
    again = Project(applied, now=NOW, actor="ann")
    assert again.apply(again.plan()).exit_code == 0
    assert list(again.state("flowers").versions) == [1, 2]


def test_an_id_ends_one_lease_and_never_the_next(applied: Path) -> None:
    project = Project(applied, now=NOW, actor="ann")
    with closing(project.store) as store:
        with store.lease("flowers", "bob@elsewhere:1:x"):
            (first,) = held(project).values()
        with pytest.raises(StateStale, match="no lease of flowers"):
            surgery.unlock(project, "flowers", first, reason="x")
        with store.lease("flowers", "bob@elsewhere:1:x"):
            (second,) = held(project).values()
            assert second != first
            with pytest.raises(StateStale, match="Another lease is held"):
                surgery.unlock(project, "flowers", first, reason="x")
            with pytest.raises(StateStale, match="Another lease is held"):
                surgery.unlock(project, "flowers", "", reason="x")
            assert held(project) == {"flowers": second}


def test_a_lease_that_was_ended_is_not_revived_by_its_heartbeat(applied: Path) -> None:
    import time

    project = Project(applied, now=NOW, actor="ann")
    with closing(project.store) as store, store.lease("flowers", "bob@elsewhere:1:x", seconds=0.2):
        surgery.unlock(project, "flowers", held(project)["flowers"], reason="x")
        time.sleep(0.5)
        assert held(project) == {}


def test_where_nothing_is_recorded_there_is_nothing_to_unlock(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    with pytest.raises(StateError, match="is empty"):
        surgery.unlock(Project(tmp_path), "flowers", "abc", reason="x")
    assert not (tmp_path / ".tenure").exists()
