"""The whole state as a file and back: the same bytes, and nothing gets in that an honest export would not hold."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.state.old import write_format_1

from tenure.core.errors import StateError, StateLocked, StateTooNew, StateTooOld
from tenure.engine import surgery
from tenure.engine.project import Project
from tenure.state.chain import event_hash, genesis, verify
from tenure.state.leases import this_process
from tenure.state.store import AuditEvent

LATER = datetime(2027, 6, 9, 10, tzinfo=UTC)


def quiet(text: str) -> None:
    pass


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state with everything in it that a state can hold, as a SQLite file."""
    root = tmp_path_factory.mktemp("state")
    (root / "specs").mkdir()
    path = write_format_1(root / ".tenure" / "dev" / "state.db")
    surgery.upgrade(Project(root, now=LATER, actor="ann"), quiet)
    return path


@pytest.fixture(scope="module")
def exported(state: Path) -> bytes:
    path = state.parent / "export.ndjson"
    surgery.export_to(Project(state.parents[2], now=LATER), path)
    return path.read_bytes()


@pytest.fixture
def project(state: Path, tmp_path: Path) -> Project:
    """A project with a state of its own in `dev`, and none in `other`."""
    place = tmp_path / ".tenure" / "dev" / "state.db"
    place.parent.mkdir(parents=True)
    place.write_bytes(state.read_bytes())
    return Project(tmp_path, now=LATER, actor="ann")


def empty(project: Project, name: str = "other") -> Project:
    return Project(project.root, overrides=[f"env={name}"], now=LATER, actor="bob")


def written(project: Project, content: bytes) -> Path:
    path = project.root / "given.ndjson"
    path.write_bytes(content)
    return path


def bytes_of(project: Project) -> bytes:
    return b"".join(surgery.exported(project))


def sealed(lines: list[dict[str, Any]]) -> bytes:
    """Lines as an export whose checksum holds: what somebody writes who knows how it is made."""
    body = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
    end = {"kind": "end", "lines": len(lines), "sha256": hashlib.sha256(body).hexdigest()}
    return body + msgspec.json.encode(end) + b"\n"


def parsed(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.splitlines()[:-1]]


# ---- there and back --------------------------------------------------------------------------------------------------


def test_there_and_back_and_there_again_is_the_same_to_the_last_byte(
    project: Project, exported: bytes
) -> None:
    other = empty(project)
    done = surgery.import_from(other, written(project, exported))
    assert (done.contents.models, done.contents.unvouched, done.backup) == (2, 0, "")
    assert bytes_of(other) == exported
    assert other.reader.read_many() == project.reader.read_many()
    assert other.reader.history("flowers") == project.reader.history("flowers")
    assert other.reader.journal() == project.reader.journal()
    search = "sha256:" + "1" * 64
    assert str(other.reader.trials(search)) == str(project.reader.trials(search)), "also what JSON cannot say"  # type: ignore[attr-defined]
    assert verify(other.reader.audit(), other.reader.audit_head()) == []
    with closing(sqlite3.connect(project.root / ".tenure/other/state.db")) as connection:
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def test_the_same_content_is_the_same_file_whatever_the_rows_are_numbered(
    project: Project, exported: bytes
) -> None:
    with closing(sqlite3.connect(project.root / ".tenure/dev/state.db")) as connection, connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        moves = {"documents": ("id",), "records": ("id", "config", "effects"), "heads": ("record",)}
        for table, columns in moves.items():
            for column in columns:
                connection.execute(f"UPDATE {table} SET {column} = {column} + 10000")
    assert bytes_of(project) == exported


def test_it_is_sorted_and_one_line_is_one_thing(exported: bytes) -> None:
    lines = parsed(exported)
    kinds = [line["kind"] for line in lines]
    assert kinds[0] == "state"
    assert [line["model"] for line in lines if line["kind"] == "model"] == ["flowers", "roses"]
    digests = [line["digest"] for line in lines if line["kind"] == "document"]
    assert digests == sorted(digests)
    counts = {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}
    assert counts == {
        "state": 1, "document": 28, "trial": 5, "model": 2, "record": 40, "head": 22, "fact": 2, "approval": 2,
        "acknowledgement": 1, "observation": 3, "tombstone": 1, "journal": 41, "audit": 87,
    }  # fmt: skip
    assert json.loads(exported.splitlines()[-1])["lines"] == len(lines)


def test_work_goes_on_where_it_was_taken_over(project: Project, exported: bytes) -> None:
    """Numbers of new rows follow those that came in; the killed step is closed by whoever comes next."""
    other = empty(project)
    surgery.import_from(other, written(project, exported))
    with other.store.lease("flowers", this_process("bob")) as lease:
        (entry,) = other.store.close_interrupted(lease, LATER)
        assert entry.id == 41
        new = other.store.begin(
            lease, apply_id="a", address="flowers/training/model", action="replace", reason="cause", fingerprint="f",
            at=LATER, by="bob",
        )  # fmt: skip
    assert new == 42


def test_an_empty_state_has_nothing_to_export(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    with pytest.raises(StateError, match="The state of dev is empty"):
        surgery.export_to(Project(tmp_path), tmp_path / "x.ndjson")
    assert list(tmp_path.iterdir()) == [tmp_path / "specs"]


def test_an_old_state_is_exported_as_what_it_is_and_taken_over(project: Project, tmp_path: Path) -> None:
    """An export that was kept for years comes in without the version that wrote it."""
    old = Project(tmp_path / "old", now=LATER, actor="ann")
    write_format_1(old.root / ".tenure" / "dev" / "state.db")
    content = bytes_of(old)
    assert parsed(content)[0]["format"] == 1
    other = empty(project)
    surgery.import_from(other, written(project, content))
    assert other.reader.read_many() == old.reader.read_many()
    again = bytes_of(other)
    assert parsed(again)[0]["format"] == 2
    assert parsed(again)[1:] == parsed(content)[1:]


@pytest.mark.parametrize("older", [{"format": 0}, {"export": 0}, {"hash_version": 0}])
def test_what_is_older_than_this_version_reads(
    project: Project, exported: bytes, older: dict[str, int]
) -> None:
    lines = parsed(exported)
    lines[0].update(older)
    with pytest.raises(StateTooOld):
        surgery.import_from(empty(project), written(project, sealed(lines)))


# ---- what is refused -------------------------------------------------------------------------------------------------


def refused(project: Project, content: bytes) -> str:
    """The message about a file; nothing may have been written."""
    other = empty(project)
    with pytest.raises(StateError) as caught:
        surgery.import_from(other, written(project, content))
    assert not (project.root / ".tenure" / "other").exists()
    return caught.value.detail


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999, 0.99999])
def test_a_file_that_was_cut_off(project: Project, exported: bytes, share: float) -> None:
    assert "cut off" in refused(project, exported[: int(len(exported) * share)])


def test_a_file_that_was_cut_off_between_two_lines(project: Project, exported: bytes) -> None:
    lines = exported.splitlines(keepends=True)
    assert "cut off" in refused(project, b"".join(lines[:-1]))
    without_a_trial = [line for line in lines if not line.startswith(b'{"kind":"trial"')]
    assert "the checksum" in refused(project, b"".join(without_a_trial))


@pytest.mark.parametrize("position", range(1, 235, 13))
def test_a_letter_changed_anywhere(project: Project, exported: bytes, position: int) -> None:
    lines = exported.splitlines(keepends=True)
    line = lines[position]
    middle = len(line) // 2
    lines[position] = (
        line[:middle] + (b"x" if line[middle : middle + 1] != b"x" else b"y") + line[middle + 1 :]
    )
    assert refused(project, b"".join(lines))


def first(lines: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    return next(line for line in lines if line["kind"] == kind)


def numbered(lines: list[dict[str, Any]], kind: str) -> list[int]:
    return [position for position, line in enumerate(lines) if line["kind"] == kind]


def swap(lines: list[dict[str, Any]], kind: str) -> None:
    one, two = numbered(lines, kind)[:2]
    lines[one], lines[two] = lines[two], lines[one]


def drop(lines: list[dict[str, Any]], kind: str, which: int = 0) -> None:
    del lines[numbered(lines, kind)[which]]


def double(lines: list[dict[str, Any]], kind: str) -> None:
    lines.insert(numbered(lines, kind)[0], first(lines, kind))


def rechained(lines: list[dict[str, Any]], change: Callable[[dict[str, Any]], None]) -> None:
    """Change an event and hash it anew, but not those that follow."""
    line = lines[numbered(lines, "audit")[40]]
    change(line["event"])
    event = msgspec.convert(line["event"], AuditEvent)
    line["event"]["hash"] = event_hash(event)


EDITS: dict[str, tuple[Callable[[list[dict[str, Any]]], Any], str]] = {
    "another approver": (lambda lines: lines[numbered(lines, "audit")[12]]["event"].update(actor="eve"), "was changed"),
    "an event rewritten with its hash": (lambda lines: rechained(lines, lambda event: event.update(actor="eve")),
                                         "does not follow"),
    "an event less": (lambda lines: drop(lines, "audit", 30), "due"),
    "the last event less": (lambda lines: drop(lines, "audit", -1), "cut off"),
    "the log of another state": (lambda lines: first(lines, "state").update(lineage="f" * 32), "another state"),
    "another digest of a model": (lambda lines: first(lines, "record")["body"].update(digest="sha256:" + "0" * 64),
                                  "not what the audit log says"),
    "another artifact": (lambda lines: first(lines, "record")["body"]["artifacts"].update(model="sha256:" + "0" * 64),
                         "not what the audit log says"),
    "a record of another model": (lambda lines: first(lines, "record")["body"].update(address="roses/data/snapshot"),
                                  "belongs to 'roses'"),
    "a record without a place": (lambda lines: first(lines, "record")["body"].update(address="flowers"), "no address"),
    "a record from the future": (lambda lines: first(lines, "record")["body"].update(serial=10**6), "not reached"),
    "a record less": (lambda lines: drop(lines, "record"), "out of order"),
    "records in another order": (lambda lines: swap(lines, "record"), "out of order"),
    "a record at no time": (lambda lines: first(lines, "record").update(at="yesterday"), "no time"),
    "a document changed": (lambda lines: first(lines, "document")["body"].update(x=1), "does not match its digest"),
    "a document less": (lambda lines: drop(lines, "document"), "not in the file"),
    "a document twice": (lambda lines: double(lines, "document"), "doubled"),
    "a head of something else": (lambda lines: first(lines, "head").update(record=2), "something else"),
    "a head of nothing": (lambda lines: first(lines, "head").update(record=10**9), "something else"),
    "a head twice": (lambda lines: double(lines, "head"), "doubled"),
    "models in another order": (lambda lines: first(lines, "model").update(model="zebras"), "belongs to 'flowers'"),
    "a fact of another model": (lambda lines: first(lines, "fact")["body"].update(model="roses"), "belongs to"),
    "a fact twice": (lambda lines: double(lines, "fact"), "doubled"),
    "a fact of another shape": (lambda lines: first(lines, "fact")["body"].update(mode="always"), "cannot be read"),
    "an approval without a role": (lambda lines: first(lines, "approval")["body"].pop("role"), "cannot be read"),
    "an observation at no time": (lambda lines: first(lines, "observation")["body"].update(window_start=1),
                                  "cannot be read"),
    "a second tombstone": (lambda lines: double(lines, "tombstone"), "doubled"),
    "a trial of another number": (lambda lines: first(lines, "trial").update(number=7), "another number"),
    "a trial that is none": (lambda lines: first(lines, "trial").update(body="AAAA"), "cannot be read"),
    "a step numbered beyond any": (lambda lines: lines[numbered(lines, "journal")[-1]]["entry"].update(id=2**63),
                                   "out of order"),
    "steps in another order": (lambda lines: swap(lines, "journal"), "out of order"),
    "an unknown kind": (lambda lines: lines.insert(5, {"kind": "script", "body": "x"}), "cannot be read"),
    "an unknown field": (lambda lines: first(lines, "model").update(drop="tables"), "cannot be read"),
    "a kind out of place": (lambda lines: lines.append(first(lines, "model")), "none is due"),
    "a first line less": (lambda lines: lines.pop(0), "not an export"),
    "a number as large as none": (lambda lines: first(lines, "model").update(serial=2**70), "cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("edit", EDITS, ids=lambda name: name.replace(" ", "-"))
def test_an_edit_with_a_checksum_that_holds(project: Project, exported: bytes, edit: str) -> None:
    change, said = EDITS[edit]
    lines = parsed(exported)
    change(lines)
    content = sealed(lines)
    assert content != exported
    assert said in refused(project, content)


def test_the_helper_that_seals_makes_honest_exports(project: Project, exported: bytes) -> None:
    """Otherwise the edits above would be refused for another reason."""
    assert sealed(parsed(exported)) == exported
    surgery.import_from(empty(project), written(project, sealed(parsed(exported))))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"{}\n",
        b"[]\n",
        b"\x00\xff\xfe",
        b'{"kind":"state"}\n',
        b"[" * 100_000 + b"\n",
        b"PK\x03\x04" * 500,
    ],
)
def test_what_is_no_export_at_all(project: Project, content: bytes) -> None:
    assert refused(project, content)


def test_something_after_the_end(project: Project, exported: bytes) -> None:
    assert "follows the last line" in refused(project, exported + b"{}\n")


def test_a_file_without_line_breaks_does_not_fill_the_memory(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tenure.state import importing

    monkeypatch.setattr(importing, "LONGEST_LINE", 10_000)
    assert "longer than any" in refused(project, b'{"kind":"state","tool":"' + b"x" * 100_000)


@pytest.mark.parametrize("later", [{"export": 2}, {"format": 3}, {"hash_version": 2}])
def test_a_later_version_is_told_apart_from_a_broken_one(
    project: Project, exported: bytes, later: dict[str, int]
) -> None:
    lines = parsed(exported)
    lines[0].update(later)
    with pytest.raises(StateTooNew):
        surgery.import_from(empty(project), written(project, sealed(lines)))


def test_a_file_that_changes_while_it_is_read(
    project: Project, exported: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Verified first and written afterwards: what is written has to be what was verified."""
    from tenure.state import loading

    path, other = written(project, exported), empty(project)
    refuse = loading.leases.refuse_if_held

    def and_change(connection: Any, doing: str) -> None:
        path.write_bytes(exported.replace(b'"looked at the report"', b'"looked at no report "'))
        refuse(connection, doing)

    monkeypatch.setattr(loading.leases, "refuse_if_held", and_change)
    with pytest.raises(StateError, match="changed while it was read"):
        surgery.import_from(other, path)
    assert other.reader.read_many() == {}
    assert other.reader.audit_head() is None or list(other.reader.audit()) == []


# ---- into a state that is not empty ----------------------------------------------------------------------------------


def test_a_state_that_is_not_empty_is_not_overwritten_by_accident(project: Project, exported: bytes) -> None:
    before = bytes_of(project)
    with pytest.raises(StateError, match="not empty") as caught:
        surgery.import_from(project, written(project, exported))
    assert "--replace" in caught.value.hint
    assert bytes_of(project) == before


def test_another_state_is_never_replaced(project: Project, exported: bytes) -> None:
    other = empty(project)
    other.store.append_audit(at=LATER, actor="bob", action="test", subject="x", data={})
    with pytest.raises(StateError, match="The state is another one"):
        surgery.import_from(other, written(project, exported), replace=True)
    assert [event.action for event in other.reader.audit()] == ["test"]


def test_replacing_goes_back_to_the_export_and_says_so(project: Project, exported: bytes) -> None:
    project.store.append_audit(at=LATER, actor="eve", action="test", subject="x", data={})
    changed, routes = bytes_of(project), project.reader.routes_serial()
    revisions = project.reader.revisions()
    done = surgery.import_from(project, written(project, exported), replace=True)
    *before, event = project.reader.audit()
    assert (len(before), event.action, event.actor) == (87, "state.replaced", "ann")
    assert event.data["before"]["seq"] == 88
    assert event.data["export"] == json.loads(exported.splitlines()[-1])["sha256"]
    assert verify(project.reader.audit(), project.reader.audit_head()) == []
    content = [line for line in parsed(bytes_of(project)) if line["kind"] not in ("state", "audit")]
    assert content == [line for line in parsed(exported) if line["kind"] not in ("state", "audit")]
    assert project.reader.routes_serial() > routes, "servers see that something changed"
    assert not set(revisions.values()) & set(project.reader.revisions().values()), (
        "no remembered plan is believed"
    )
    copy = project.root / done.backup
    kept = Project(project.root / "kept", now=LATER)
    place = kept.root / ".tenure" / "dev" / "state.db"
    place.parent.mkdir(parents=True)
    place.write_bytes(copy.read_bytes())
    assert bytes_of(kept) == changed


def test_nothing_is_replaced_while_a_model_is_held(project: Project, exported: bytes) -> None:
    before = bytes_of(project)
    with (
        project.store.lease("roses", this_process("bob")),
        pytest.raises(StateLocked, match="roses is held by"),
    ):
        surgery.import_from(project, written(project, exported), replace=True)
    assert bytes_of(project) == before


def without(exported: bytes, model: str) -> bytes:
    """An export as it was before a model came: an earlier state of the same lineage. Its log is a shorter one."""
    lines, kept, inside = parsed(exported), [], False
    for line in lines:
        if line["kind"] == "model":
            inside = line["model"] == model
        elif line["kind"] in ("journal", "audit"):
            inside = False
        if (
            not inside
            and line["kind"] != "audit"
            and (line["kind"] != "journal" or line["entry"]["model"] != model)
        ):
            kept.append(line)
    kept[0]["audit"] = {"log": kept[0]["lineage"], "seq": 0, "hash": genesis(kept[0]["lineage"])}
    return sealed(kept)


@pytest.mark.parametrize(
    ("model", "said"), [("flowers", r"version 1 of flowers"), ("roses", r"the end of roses, whose name")]
)
def test_what_serves_and_what_has_ended_does_not_vanish(
    project: Project, exported: bytes, model: str, said: str
) -> None:
    before = bytes_of(project)
    with pytest.raises(StateError, match=said):
        surgery.import_from(project, written(project, without(exported, model)), replace=True)
    assert bytes_of(project) == before


def test_tokens_of_leases_never_go_back(project: Project, exported: bytes) -> None:
    with project.store.lease("flowers", this_process("ann")) as lease:
        last = lease.token
    surgery.import_from(project, written(project, exported), replace=True)
    with project.store.lease("flowers", this_process("ann")) as lease:
        assert lease.token == last + 1


# ---- size ------------------------------------------------------------------------------------------------------------


def test_its_memory_does_not_grow_with_the_history(project: Project, exported: bytes) -> None:
    """Forty times the records: the peak of what is allocated stays about the same."""
    import tracemalloc

    peaks = []
    for times in (1, 40):
        with closing(sqlite3.connect(project.root / ".tenure/dev/state.db")) as connection, connection:
            for _ in range(times - 1):
                connection.execute(
                    "INSERT INTO records (model, local, ordinal, at, config, effects, body) "
                    "SELECT model, local, ordinal, at, config, effects, body FROM records WHERE id <= 40"
                )
        path = project.root / f"{times}.ndjson"
        tracemalloc.start()
        surgery.export_to(project, path)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    small, large = (project.root / f"{times}.ndjson" for times in (1, 40))
    assert large.stat().st_size > 10 * small.stat().st_size
    assert peaks[1] < 4 * peaks[0] + 3_000_000


# ---- from one database to another ------------------------------------------------------------------------------------


@pytest.mark.postgres
def test_from_sqlite_to_postgresql_and_back(project: Project, exported: bytes, postgres: Any) -> None:
    from tests.state.servers import VARIABLE

    (project.root / "conf" / "state").mkdir(parents=True)
    (project.root / "conf" / "config.yaml").write_text("defaults: [{state: sqlite}, _self_]\n")
    (project.root / "conf" / "state" / "sqlite.yaml").write_text("type: sqlite\n")
    schema = f"moved_{time.time_ns()}"
    (project.root / "conf" / "state" / "postgres.yaml").write_text(
        f"type: postgres\nurl: ${{env:{VARIABLE}}}\nschema: {schema}\n"
    )
    path = written(project, exported)
    shared = Project(project.root, overrides=["state=postgres"], now=LATER, actor="bob")
    surgery.import_from(shared, path)
    assert bytes_of(shared) == exported
    assert postgres.execute(f"SELECT nextval('{schema}.records_id_seq')") == [(41,)], (
        "after those that came in"
    )
    with closing(shared.reader) as reader:
        assert reader.read_many() == project.reader.read_many()
    with closing(shared.store) as store:
        with store.lease("flowers", this_process("bob")) as lease:
            (entry,) = store.close_interrupted(lease, LATER)
            assert entry.id == 41
            new = store.begin(
                lease, apply_id="a", address="flowers/training/model", action="replace", reason="cause",
                fingerprint="f", at=LATER, by="bob",
            )  # fmt: skip
        assert new == 42
    changed = bytes_of(shared)
    done = surgery.import_from(shared, path, replace=True)
    assert (project.root / done.backup).read_bytes() == changed
    back = empty(project, "back")
    surgery.import_from(back, project.root / done.backup)
    assert bytes_of(back) == changed
