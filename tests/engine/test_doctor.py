"""Everything an environment relies on is really broken, thing by thing: found, named, and repaired if it can be."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from tests.engine.processes import outcome, search_until
from tests.engine.projects import NOW, make_project, write_flowers

from tenure.core.drafts import ABANDONED_SECONDS
from tenure.core.errors import StateError, StateTooNew
from tenure.engine.doctor import Diagnosis, diagnosed, repaired
from tenure.engine.findings import KINDS
from tenure.engine.mending import REPAIRS
from tenure.engine.project import Project
from tenure.state.chain import verify


@pytest.fixture
def applied(applied: Path) -> Path:
    """The folder of a project whose one model is live, with all of its state in the one file."""
    with closing(sqlite3.connect(place(applied))) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
    return applied


def project(root: Path) -> Project:
    return Project(root, now=NOW, actor="ann")


def place(root: Path) -> Path:
    return root / ".tenure" / "dev" / "state.db"


def edit(root: Path, *statements: str) -> None:
    """Change a state behind the back of Tenure."""
    with closing(sqlite3.connect(place(root))) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def kinds(diagnosis: Diagnosis) -> list[str]:
    return list(dict.fromkeys(finding.kind for finding in diagnosis.findings))


def blob(root: Path, address: str, name: str) -> Path:
    digest = project(root).state("flowers").records[address].artifacts[name].removeprefix("sha256:")
    return root / ".tenure" / "dev" / "artifacts" / digest[:2] / digest


def flip(path: Path) -> None:
    """Change one bit in the middle."""
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_sound_environment_is_healthy_and_looking_changes_nothing(applied: Path) -> None:
    before = place(applied).read_bytes()
    diagnosis = diagnosed(project(applied))
    assert (diagnosis.healthy, diagnosis.findings) == (True, ())
    assert repaired(project(applied)) == diagnosis
    assert place(applied).read_bytes() == before
    assert not list(place(applied).parent.glob("*.backup")), "without anything to repair no copy is kept"


def test_nothing_recorded_is_healthy(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    assert diagnosed(project(tmp_path)).healthy
    assert not (tmp_path / ".tenure").exists()


# ---- the state -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "kind", "said"),
    [
        ("UPDATE records SET body = '{' WHERE id = 3", "unreadable", "Record 3 cannot be read"),
        ("UPDATE documents SET body = '{}' WHERE id = 1", "unreadable", "not what its digest"),
        ("INSERT INTO approvals (model, at, body) VALUES ('flowers', '2026', 'x')", "unreadable", "cannot be read"),
        ("INSERT INTO trials VALUES ('s', 1, 'x')", "unreadable", "cannot be read"),
        ("UPDATE records SET local = 'data/other' WHERE id = 1", "misplaced", "is one of flowers/data/snapshot"),
        ("UPDATE models SET serial = 2", "misplaced", "the model is at 2"),
        ("DELETE FROM documents WHERE id = 1", "reference", "refers to document 1"),
        ("DELETE FROM models", "reference", "belongs to a model that is not there"),
        ("UPDATE audit SET actor = 'eve' WHERE seq = 3", "audit", "was changed"),
        ("DELETE FROM audit WHERE seq = 3", "audit", "due"),
        ("DELETE FROM audit WHERE seq > 5", "audit", "cut off or rewritten"),
        ("UPDATE audit SET data = '{' WHERE seq = 3", "audit", "audit event 3 cannot be read"),
        ("UPDATE meta SET audit_hash = 'sha256:0'", "audit", "cut off or rewritten"),
    ],
)  # fmt: skip
def test_what_was_changed_behind_its_back_is_found_and_left_for_a_person(
    applied: Path, statement: str, kind: str, said: str
) -> None:
    edit(applied, statement)
    diagnosis = diagnosed(project(applied))
    assert not diagnosis.healthy
    assert any(one.kind == kind and said in one.text for one in diagnosis.findings), diagnosis.findings
    assert kind not in REPAIRS
    assert KINDS[kind].severity == "error"


def test_a_record_that_is_not_what_the_log_says(applied: Path) -> None:
    """Somebody put another model in the place of the one that passed the gates."""
    other = """replace(CAST(body AS TEXT), '"digest":"sha256:', '"digest":"sha256:f')"""
    edit(applied, f"UPDATE records SET body = CAST({other} AS BLOB) WHERE local = 'training/model'")
    (finding,) = [one for one in diagnosed(project(applied)).findings if one.kind == "unvouched"]
    assert finding.subject.startswith("flowers/training/model")
    assert "says otherwise" in finding.text


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM heads WHERE local = 'deployment/endpoint'",
        "DELETE FROM heads",
        "UPDATE heads SET record = 1 WHERE local = 'training/model'",
        "UPDATE heads SET record = 999 WHERE local = 'training/model'",
        "INSERT INTO heads VALUES ('flowers', 'training/other', 0, 1)",
        "UPDATE heads SET record = 1 WHERE ordinal = 1",
    ],
)
def test_heads_are_taken_from_the_records_again(applied: Path, statement: str) -> None:
    before = project(applied).state("flowers")
    edit(applied, statement)
    found = diagnosed(project(applied))
    assert kinds(found) == ["head"]
    assert found.findings[0].model == "flowers"
    diagnosis = repaired(project(applied))
    assert diagnosis.healthy, diagnosis.findings
    assert any("taken from the records again" in text for text in diagnosis.repaired)
    assert project(applied).state("flowers") == before
    assert not project(applied).plan().changed
    reader = project(applied).reader
    assert [event.subject for event in reader.audit() if event.action == "heads.rebuilt"] == ["flowers"]
    assert verify(reader.audit(), reader.audit_head()) == []
    with closing(sqlite3.connect(applied / diagnosis.backup)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_killed_run_leaves_a_step_and_a_lease_that_are_closed(tmp_path: Path) -> None:
    root = make_project(tmp_path)
    assert outcome(search_until, root, 1) == -signal.SIGKILL
    found = diagnosed(project(root))
    assert kinds(found) == ["step", "lease"]
    assert found.findings[0].subject == "flowers/training/search"
    diagnosis = repaired(project(root))
    assert diagnosis.healthy
    assert len(diagnosis.repaired) == 2
    assert project(root).reader.journal()[0].outcome == "interrupted"
    assert project(root).apply(project(root).plan()).exit_code == 0


def test_a_run_that_goes_on_is_not_disturbed(applied: Path) -> None:
    own = project(applied)
    with own.store.lease("flowers", "bob@elsewhere:1:x") as lease:
        own.store.begin(
            lease, apply_id="a", address="flowers/data/snapshot", action="replace", reason="cause", fingerprint="f",
            at=NOW, by="bob",
        )  # fmt: skip
        assert diagnosed(project(applied)).healthy
        edit(applied, "DELETE FROM heads WHERE local = 'deployment/endpoint'")
        diagnosis = repaired(project(applied))
        assert not diagnosis.healthy
        assert any("Left as it is: flowers is held by bob" in text for text in diagnosis.repaired)


def test_a_broken_file_is_said_to_be_broken_and_is_not_touched(applied: Path) -> None:
    content = bytearray(place(applied).read_bytes())
    for page in range(4, len(content) // 4096 - 1):
        content[page * 4096 : page * 4096 + 200] = os.urandom(200)
    place(applied).write_bytes(content)
    diagnosis = diagnosed(project(applied))
    assert kinds(diagnosis)[0] == "database"
    (place(applied).parent / "cache").mkdir(exist_ok=True)
    (place(applied).parent / "cache" / "plans-00000000.msgpack").write_bytes(
        b"something that could be repaired"
    )
    with pytest.raises(StateError):  # a faithful copy comes first, which a broken file does not give
        repaired(project(applied))
    assert not list(place(applied).parent.glob("*.backup"))


def test_a_file_that_is_no_database_is_a_finding_not_an_error(applied: Path) -> None:
    place(applied).write_bytes(os.urandom(20_000))
    diagnosis = diagnosed(project(applied))
    assert "database" in kinds(diagnosis)
    assert not diagnosis.healthy


def test_a_state_of_a_later_version_is_not_looked_into(applied: Path) -> None:
    edit(applied, "UPDATE meta SET format = 99")
    with pytest.raises(StateTooNew):
        diagnosed(project(applied))


# ---- artifacts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("harm", [Path.unlink, flip], ids=["missing", "damaged"])
def test_an_artifact_that_can_be_made_again_is_asked_for(applied: Path, harm: Callable[[Path], None]) -> None:
    path = blob(applied, "features/recipe", "recipe")
    content = path.read_bytes()
    harm(path)
    found = diagnosed(project(applied))
    assert "blob" in kinds(found)
    assert any(one.subject == "flowers/features/recipe" for one in found.findings)
    diagnosis = repaired(project(applied))
    assert kinds(diagnosis) == ["blob_rebuilding"]
    assert not diagnosis.healthy
    assert repaired(project(applied)).findings == diagnosis.findings, "asked for once"
    plan = project(applied).plan()
    (model,) = plan.models
    assert "flowers/features/recipe" in {change.address for change in model.acting}
    assert project(applied).apply(plan).exit_code == 0
    assert path.read_bytes() == content
    assert diagnosed(project(applied)).healthy


def test_an_artifact_that_was_put_back_is_not_made_again(applied: Path) -> None:
    path = blob(applied, "evaluation/report", "report")
    shutil.copy(path, applied / "kept")
    path.unlink()
    repaired(project(applied))
    shutil.copy(applied / "kept", path)
    found = diagnosed(project(applied))
    assert (kinds(found), found.healthy) == (["mended"], True)
    assert repaired(project(applied)).findings == ()
    assert not project(applied).plan().changed


@pytest.fixture
def twice(applied: Path) -> Path:
    """A model in its second version."""
    write_flowers(applied / "data" / "flowers.csv", rows=160, seed=4)
    own = project(applied)
    own.retrain("flowers", reason="more rows")
    assert own.apply(own.plan()).exit_code == 0
    return applied


def test_an_earlier_version_that_is_lost_is_said_to_be_lost(twice: Path) -> None:
    artifacts = project(twice).state("flowers").versions[1].artifacts
    name, digest = next((n, d) for n, d in sorted(artifacts.items()) if n == "card")
    digits = digest.removeprefix("sha256:")
    (twice / ".tenure/dev/artifacts" / digits[:2] / digits).unlink()
    diagnosis = repaired(project(twice))
    (finding,) = diagnosis.findings
    assert (finding.kind, finding.subject) == ("blob_lost", "flowers/governance/version, version 1")
    assert f"{name} is missing" in finding.text
    assert not diagnosis.healthy


def test_what_only_the_past_refers_to_is_noted(twice: Path) -> None:
    """The search of the first version was replaced; a version keeps no trials."""
    first, *_ = project(twice).reader.history("flowers", "training/search")
    digits = first.artifacts["trials"].removeprefix("sha256:")
    (twice / ".tenure/dev/artifacts" / digits[:2] / digits).unlink()
    diagnosis = diagnosed(project(twice))
    (finding,) = diagnosis.findings
    assert (finding.kind, finding.severity) == ("blob_past", "note")
    assert finding.subject == "flowers/training/search"
    assert diagnosis.healthy, "nothing that runs needs it"


def test_artifacts_nobody_refers_to_are_reported_and_kept(applied: Path) -> None:
    digest = project(applied).artifacts.put(b"x" * 1500)
    diagnosis = repaired(project(applied))
    (finding,) = diagnosis.findings
    assert (finding.kind, finding.subject, finding.size, finding.text) == ("unused", digest, 1500, "1.5 KB")
    assert diagnosis.healthy
    assert project(applied).artifacts.has(digest)


def test_artifacts_that_cannot_be_read_are_not_said_to_be_lost(applied: Path) -> None:
    folder = applied / ".tenure/dev/artifacts"
    folder.rename(applied / "elsewhere")
    folder.symlink_to(folder)  # a loop: the place cannot be read, which says nothing about what is there
    diagnosis = diagnosed(project(applied))
    assert kinds(diagnosis) == ["artifacts"]


# ---- files -----------------------------------------------------------------------------------------------------------


def test_what_killed_runs_left_half_written_is_swept_once_it_is_old(applied: Path) -> None:
    home = place(applied).parent
    old = [
        home / "artifacts" / ".1-abc.part",
        home / "state.db.x.1.part",
        home / "cache" / "plans-1.msgpack.1.part",
    ]
    young = home / "artifacts" / ".2-abc.part"
    for path in (*old, young):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"half")
    before = time.time() - ABANDONED_SECONDS - 60
    for path in old:
        os.utime(path, (before, before))
    diagnosis = diagnosed(project(applied))
    assert [one.subject for one in diagnosis.findings] == sorted(
        str(path.relative_to(applied)) for path in old
    )
    assert diagnosis.healthy
    assert repaired(project(applied)).findings == ()
    assert [path.exists() for path in (*old, young)] == [False, False, False, True]


def test_a_cache_that_cannot_be_read_is_dropped(applied: Path) -> None:
    time.sleep(0.3)  # what was written just now is not trusted yet
    project(applied).plan()
    (cache,) = (place(applied).parent / "cache").glob("plans-*")
    assert diagnosed(project(applied)).findings == ()
    flip(cache)
    assert kinds(diagnosed(project(applied))) == ["cache"]
    assert repaired(project(applied)).findings == ()
    assert not cache.exists()
    assert not project(applied).plan().changed


@pytest.mark.parametrize("folder", ["predictions", "labels"])
def test_a_log_file_that_cannot_be_read_is_named(applied: Path, folder: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    home = place(applied).parent / folder / "flowers"
    home.mkdir(parents=True)
    pq.write_table(pa.table({"id": [str(number) for number in range(5000)]}), home / "good.parquet")
    (home / "cut.parquet").write_bytes((home / "good.parquet").read_bytes()[:-20])
    (home / "empty.parquet").write_bytes(b"")
    diagnosis = diagnosed(project(applied))
    assert [(one.kind, Path(one.subject).name, one.model) for one in diagnosis.findings] == [
        ("log", "cut.parquet", "flowers"),
        ("log", "empty.parquet", "flowers"),
    ]
    assert not diagnosis.healthy


def test_several_things_at_once_are_all_repaired_in_one_go(applied: Path) -> None:
    """What hides behind broken heads is seen, and repaired, in the next round."""
    blob(applied, "evaluation/report", "report").unlink()
    edit(applied, "DELETE FROM heads")
    assert kinds(diagnosed(project(applied))) == ["head"]
    diagnosis = repaired(project(applied))
    assert kinds(diagnosis) == ["blob_rebuilding"]
    assert any("taken from the records" in text for text in diagnosis.repaired)
    assert any("made again by the next apply" in text for text in diagnosis.repaired)


@pytest.mark.parametrize(
    "statement", ["UPDATE heads SET record = 999 WHERE local = 'training/model'", "DELETE FROM documents"]
)
def test_other_verbs_send_to_the_doctor(applied: Path, statement: str) -> None:
    edit(applied, statement)
    with pytest.raises(StateError) as caught:
        project(applied).state("flowers")
    assert caught.value.hint.endswith("tenure state doctor")
