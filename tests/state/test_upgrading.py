"""An old state is brought to the present format whole or not at all; the real process is killed on the way."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.engine.processes import die, outcome
from tests.state.old import SPECS, everything, write_format_1

from tenure.core.errors import StateError, StateLocked, StateTooNew, StateTooOld
from tenure.engine import surgery
from tenure.engine.compiling import Compiled, desired_of
from tenure.engine.project import Project
from tenure.plan.diff import diff
from tenure.state import backup, tables, upgrading
from tenure.state.chain import verify
from tenure.state.encoding import FORMAT
from tenure.state.leases import this_process
from tenure.state.sqlite import SqliteFile
from tenure.state.upgrading import FORMAT_1, STEPS

LATER = datetime(2027, 6, 9, 10, tzinfo=UTC)


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_format_1(tmp_path_factory.mktemp("old") / "state.db").read_bytes()


@pytest.fixture
def root(old: bytes, tmp_path: Path) -> Path:
    """A project whose state has format 1."""
    (tmp_path / "specs").mkdir()
    state = tmp_path / ".tenure" / "dev" / "state.db"
    state.parent.mkdir(parents=True)
    state.write_bytes(old)
    return tmp_path


def project(root: Path) -> Project:
    return Project(root, now=LATER, actor="ann")


def place(root: Path) -> Path:
    return root / ".tenure" / "dev" / "state.db"


def copies(root: Path) -> list[Path]:
    return sorted(place(root).parent.glob("*.backup"))


def format_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT format FROM meta").fetchone()[0])


def quiet(text: str) -> None:
    pass


def changed(before: dict[str, list[Any]], after: dict[str, list[Any]]) -> set[str]:
    return {table for table in before if before[table] != after[table]}


# ---- what comes out --------------------------------------------------------------------------------------------------


def test_nothing_recorded_changes_and_a_copy_is_kept(root: Path) -> None:
    before = everything(place(root), FORMAT_1)
    states = project(root).reader.read_many()
    said: list[str] = []
    done = surgery.upgrade(project(root), said.append)
    assert (done.before, done.after) == (1, FORMAT)
    assert done.steps == (STEPS[1].what,)
    after = everything(place(root), FORMAT_1)
    assert changed(before, after) == {"meta", "audit"}, (
        "the upgrade itself is an event, and moves the end of the log"
    )
    assert after["audit"][:-1] == before["audit"]
    assert project(root).reader.read_many() == states
    (copy,) = copies(root)
    assert done.backup == f".tenure/dev/{copy.name}"
    assert changed(before, everything(copy, FORMAT_1)) == set()
    assert format_of(copy) == 1
    reader = project(root).reader
    assert verify(reader.audit(), reader.audit_head()) == []
    *_, event = reader.audit()
    assert (event.action, event.actor) == ("state.upgraded", "ann")
    assert (event.data["from"], event.data["to"], event.data["backup"]) == (1, FORMAT, done.backup)
    assert said[0].startswith("kept a copy")


def test_the_plans_of_an_upgraded_state_are_empty(root: Path) -> None:
    """Against what the specs asked for when the state was written: later fields of a spec are not what is tested."""
    surgery.upgrade(project(root), quiet)
    states = project(root).reader.read_many()
    compiled = msgspec.json.decode(SPECS.read_bytes(), type=list[Compiled])
    assert {item.model for item in compiled} == {"flowers", "roses"}
    for item in compiled:
        plan = diff(desired_of(item), states[item.model], {}, LATER)
        assert [(change.address, change.sentence) for change in plan.changes if change.action.acts] == []


def test_an_upgraded_state_has_the_tables_of_a_new_one(root: Path, tmp_path: Path) -> None:
    surgery.upgrade(project(root), quiet)
    fresh = tmp_path / "fresh" / "state.db"
    with closing(SqliteFile(fresh)) as database:
        database.write(lambda connection: None)
    shapes = []
    for path in (place(root), fresh):
        with closing(sqlite3.connect(path)) as connection:
            columns = {
                (
                    table.name,
                    *column[1:4],
                    column[5],
                )  # name, type, NOT NULL, key; the default only fills old rows
                for table in tables.metadata.sorted_tables
                for column in connection.execute(f"PRAGMA table_info({table.name})")
            }
            indexes = set(connection.execute("SELECT name, tbl_name FROM sqlite_master WHERE type = 'index'"))
            shapes.append((columns, indexes))
    assert shapes[0] == shapes[1]


def test_every_format_has_a_way_to_the_present_one() -> None:
    """Whoever changes `tables` raises FORMAT and adds a step."""
    assert set(STEPS) == set(range(1, FORMAT))
    assert all(step.to == number + 1 for number, step in STEPS.items())


def test_an_upgraded_state_is_written_to(root: Path) -> None:
    surgery.upgrade(project(root), quiet)
    store = project(root).store
    with store.lease("flowers", this_process("ann")) as lease:
        (entry,) = store.close_interrupted(lease, LATER)
    assert entry.outcome == "interrupted"
    assert lease.id


def test_upgrading_twice_does_nothing_the_second_time(root: Path) -> None:
    surgery.upgrade(project(root), quiet)
    content = everything(place(root), FORMAT_1)
    again = surgery.upgrade(project(root), quiet)
    assert (again.before, again.after, again.backup) == (FORMAT, FORMAT, "")
    assert len(copies(root)) == 1
    assert everything(place(root), FORMAT_1) == content


# ---- before ----------------------------------------------------------------------------------------------------------


def test_an_old_state_is_read_and_not_written(root: Path) -> None:
    assert project(root).state("flowers").serial == 27
    with pytest.raises(StateTooOld) as caught:
        project(root).store.append_audit(at=LATER, actor="ann", action="x", subject="x", data={})
    assert "tenure state upgrade" in caught.value.hint
    assert format_of(place(root)) == 1


def test_it_is_refused_while_somebody_holds_a_model(root: Path) -> None:
    """By the lease that a running process of the old version took."""
    with closing(sqlite3.connect(place(root))) as connection, connection:
        held = (this_process("bob"), LATER.timestamp(), datetime.now(UTC).timestamp() + 60)
        connection.execute(
            "UPDATE leases SET holder = ?, since = ?, expires = ? WHERE model = 'flowers'", held
        )
    with pytest.raises(StateLocked, match=r"flowers is held by bob@"):
        surgery.upgrade(project(root), quiet)
    assert (format_of(place(root)), copies(root)) == (1, [])


def test_a_later_format_is_left_alone(root: Path) -> None:
    with closing(sqlite3.connect(place(root))) as connection, connection:
        connection.execute(f"UPDATE meta SET format = {FORMAT + 1}")
    before = place(root).read_bytes()
    with pytest.raises(StateTooNew):
        surgery.upgrade(project(root), quiet)
    with pytest.raises(StateTooNew):
        project(root).reader.read("flowers")
    assert place(root).read_bytes() == before


# ---- when it goes wrong ----------------------------------------------------------------------------------------------


def upgrade_until(root: Path, point: str) -> None:
    """Upgrade, and die at a point of it."""
    import sqlalchemy as sa

    if point == "copying":
        backup.sync = die  # type: ignore[assignment]

    def tell(text: str) -> None:
        if text.startswith(point):
            die()
        if point == "committing" and text.startswith("every table"):
            sa.event.listen(sa.Engine, "commit", die)  # everything is written, and nothing of it is committed

    surgery.upgrade(project(root), tell)


@pytest.mark.parametrize(
    ("point", "reached"),
    [("copying", 1), ("kept", 1), ("format 1", 1), ("every table", 1), ("committing", 1), ("done", 2)],
)
def test_killed_on_the_way_the_state_is_the_old_or_the_new_one(root: Path, point: str, reached: int) -> None:
    before = everything(place(root), FORMAT_1)
    assert outcome(upgrade_until, root, point) == -signal.SIGKILL
    assert format_of(place(root)) == reached
    if reached == 1:
        assert changed(before, everything(place(root), FORMAT_1)) == set()
    assert surgery.upgrade(project(root), quiet).after == FORMAT
    assert changed(before, everything(place(root), FORMAT_1)) == {"meta", "audit"}
    reader = project(root).reader
    assert verify(reader.audit(), reader.audit_head()) == []
    for copy in copies(root):
        assert changed(before, everything(copy, FORMAT_1)) == set()


def test_a_step_that_loses_something_is_not_carried_out(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = everything(place(root), FORMAT_1)
    loses = STEPS[1]._replace(
        statements=(*STEPS[1].statements, "UPDATE facts SET key = 'x' WHERE id = 'f-breach'")
    )
    monkeypatch.setitem(STEPS, 1, loses)
    with pytest.raises(StateError, match="facts did not come out as before"):
        surgery.upgrade(project(root), quiet)
    assert format_of(place(root)) == 1
    assert changed(before, everything(place(root), FORMAT_1)) == set()


def test_an_audit_log_that_breaks_on_the_way_undoes_everything(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaks = STEPS[1]._replace(
        statements=(*STEPS[1].statements, "UPDATE audit SET actor = 'eve' WHERE seq = 5"),
        kept={table: names for table, names in FORMAT_1.items() if table != "audit"},
    )
    monkeypatch.setitem(STEPS, 1, breaks)
    with pytest.raises(StateError, match="the audit log does not hold any more"):
        surgery.upgrade(project(root), quiet)
    assert format_of(place(root)) == 1


def test_what_was_wrong_with_the_log_before_stays_to_be_seen(root: Path) -> None:
    with closing(sqlite3.connect(place(root))) as connection, connection:
        connection.execute("UPDATE audit SET actor = 'eve' WHERE seq = 5")
    surgery.upgrade(project(root), quiet)
    reader = project(root).reader
    assert [problem.seq for problem in verify(reader.audit(), reader.audit_head())] == [5]


def test_a_state_that_does_not_read_back_is_restored(root: Path) -> None:
    """The disk loses what was committed: pages of the file are overwritten after the upgrade ended."""
    before = everything(place(root), FORMAT_1)

    def tell(text: str) -> None:
        if text == "done":
            with closing(sqlite3.connect(place(root))) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            with place(root).open("r+b") as stream:
                stream.seek(3 * 4096)
                stream.write(os.urandom(20 * 4096))

    with pytest.raises(StateError, match="The upgrade was undone"):
        surgery.upgrade(project(root), tell)
    assert format_of(place(root)) == 1
    assert changed(before, everything(place(root), FORMAT_1)) == set()
    assert surgery.upgrade(project(root), quiet).after == FORMAT


def test_a_file_that_is_no_database_any_more_is_restored_too(root: Path) -> None:
    before = everything(place(root), FORMAT_1)

    def tell(text: str) -> None:
        if text == "done":
            place(root).write_bytes(b"gone" * 5000)

    with pytest.raises(StateError, match="The upgrade was undone"):
        surgery.upgrade(project(root), tell)
    assert changed(before, everything(place(root), FORMAT_1)) == set()


def test_without_room_for_a_copy_nothing_is_done(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(backup, "sync", full)
    with pytest.raises(StateError, match="No space left"):
        surgery.upgrade(project(root), quiet)
    assert format_of(place(root)) == 1
    assert [path.name for path in place(root).parent.iterdir()] == ["state.db"]


def test_of_two_upgrades_at_once_one_acts(root: Path) -> None:
    gate = threading.Barrier(2)
    found: list[upgrading.Upgrade] = []

    def work() -> None:
        own = project(root)
        gate.wait(20)
        found.append(surgery.upgrade(own, quiet))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(one.before for one in found) == [1, FORMAT]
    assert len(copies(root)) == 1


def upgrade_alone(root: Path, answer: Path) -> None:
    """Upgrade in a process of its own, and write down what came of it."""
    done = surgery.upgrade(project(root), quiet)
    answer.write_text(json.dumps(done.before))


def test_of_two_processes_one_acts(root: Path) -> None:
    from tests.engine.processes import CONTEXT

    answers = [root / "one.json", root / "two.json"]
    racers = [CONTEXT.Process(target=upgrade_alone, args=(root, answer)) for answer in answers]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(60)
    assert sorted(json.loads(answer.read_text()) for answer in answers) == [1, FORMAT]
    assert len(copies(root)) == 1


# ---- PostgreSQL ------------------------------------------------------------------------------------------------------


@pytest.mark.postgres
def test_the_same_steps_in_postgresql(root: Path, postgres: Any) -> None:
    """A schema with the tables and the content of format 1; a copy is kept as an export."""
    from tests.state.servers import VARIABLE

    schema = f"old_{os.urandom(4).hex()}"
    (root / "conf" / "state").mkdir(parents=True)
    (root / "conf" / "config.yaml").write_text("defaults: [{state: sqlite}, _self_]\n")
    (root / "conf" / "state" / "sqlite.yaml").write_text("type: sqlite\n")
    (root / "conf" / "state" / "postgres.yaml").write_text(
        f"type: postgres\nurl: ${{env:{VARIABLE}}}\nschema: {schema}\n"
    )
    shared = Project(root, overrides=["state=postgres"], now=LATER, actor="ann")
    content = root / "content.ndjson"
    surgery.export_to(project(root), content)
    surgery.import_from(shared, content)
    for statement in (
        "ALTER TABLE leases DROP COLUMN id",
        "ALTER TABLE meta DROP COLUMN hash_version, DROP COLUMN tool",
        "DROP INDEX audit_by_subject",
        "UPDATE meta SET format = 1",
    ):
        postgres.execute(f"SET search_path TO {schema}; {statement}")
    before = b"".join(surgery.exported(shared))
    assert before == content.read_bytes()

    broken = STEPS[1]._replace(statements=(*STEPS[1].statements, "UPDATE facts SET key = 'x'"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(STEPS, 1, broken)
        with pytest.raises(StateError, match="facts did not come out as before"):
            surgery.upgrade(shared, quiet)
    assert b"".join(surgery.exported(shared)) == before

    done = surgery.upgrade(shared, quiet)
    assert (done.before, done.after) == (1, FORMAT)
    assert (root / done.backup).read_bytes() == before
    after = [json.loads(line) for line in b"".join(surgery.exported(shared)).splitlines()]
    assert after[0]["format"] == FORMAT
    assert after[-2]["event"]["action"] == "state.upgraded"
    assert after[1:-2] == [json.loads(line) for line in before.splitlines()][1:-1]
    with closing(shared.store) as store, store.lease("flowers", this_process("ann")) as lease:
        assert lease.id
    assert surgery.upgrade(shared, quiet).before == FORMAT
