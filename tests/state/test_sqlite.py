"""Opening a SQLite state that is missing, foreign, damaged, newer, read-only, busy or on a full disk."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.state.places import in_file

from tenure.core.errors import StateError, StateLocked, StateTooNew
from tenure.state import sqlite, writing
from tenure.state.chain import verify
from tenure.state.opening import open_reader, open_store

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A state file with some history, closed."""
    path = tmp_path_factory.mktemp("recorded") / "state.db"
    with closing(open_store(*in_file(path))) as store:
        for number in range(200):
            store.append_audit(
                at=NOW, actor="ada", action="test", subject="x", data={"n": number, "pad": "x" * 100}
            )
    return path.read_bytes()


@pytest.fixture
def path(recorded: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "state.db"
    path.write_bytes(recorded)
    return path


def read(path: Path) -> None:
    with closing(open_reader(*in_file(path))) as reader:
        list(reader.audit())


def write(path: Path, size: int = 1) -> None:
    with closing(open_store(*in_file(path))) as store:
        store.append_audit(at=NOW, actor="ada", action="test", subject="x", data={"pad": "x" * size})


BOTH = pytest.mark.parametrize("use", [read, write])


def test_reading_leaves_the_folder_as_it_was(path: Path) -> None:
    before = {each.name: each.read_bytes() for each in path.parent.iterdir()}
    assert list(before) == ["state.db"]
    read(path)
    assert {each.name: each.read_bytes() for each in path.parent.iterdir()} == before


def test_a_restored_backup_is_seen_by_a_reader_that_is_open(path: Path) -> None:
    backup = path.read_bytes()
    write(path)
    with closing(open_reader(*in_file(path))) as reader:
        assert len(list(reader.audit())) == 201
        path.rename(path.with_name("moved.db"))
        assert list(reader.audit()) == []
        path.write_bytes(backup)
        assert len(list(reader.audit())) == 200


def test_first_writes_at_the_same_time_create_one_state(tmp_path: Path) -> None:
    path = tmp_path / "dev" / "state.db"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, [path] * 8))
    with closing(open_reader(*in_file(path))) as reader:
        assert len(list(reader.audit())) == 8
        assert verify(reader.audit(), reader.audit_head()) == []


def test_the_first_write_waits_for_another_one(tmp_path: Path) -> None:
    """SQLite refuses to switch to its write-ahead log at once while somebody else is writing to the file."""
    path = tmp_path / "state.db"
    write(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other, ThreadPoolExecutor(1) as pool:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("BEGIN IMMEDIATE")
        writing = pool.submit(write, path)
        time.sleep(0.2)
        assert not writing.done()
        other.execute("ROLLBACK")
        writing.result(10)
    read(path)


@BOTH
def test_a_file_without_a_byte_is_no_new_state(path: Path, use: Callable[[Path], None]) -> None:
    """What a full disk or a careless copy left must not be taken for a beginning: its log would be thrown away."""
    path.write_bytes(b"")
    with pytest.raises(StateError, match="damaged") as caught:
        use(path)
    assert "is empty" in caught.value.detail
    assert path.read_bytes() == b""


def test_a_missing_table_is_damage(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TABLE heads")
    with (
        closing(open_reader(*in_file(path))) as reader,
        pytest.raises(StateError, match="damaged") as caught,
    ):
        reader.read_many()
    assert "backup" in caught.value.hint


@pytest.mark.parametrize("links", [True, False])
def test_a_state_file_appears_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    """No other process ever sees a state without its tables, also on a disk without links."""
    path = tmp_path / "state.db"
    if not links:
        monkeypatch.setattr(Path, "hardlink_to", lambda *_: os.link("/nowhere/at/all", "/nowhere"))
    seen: list[bool] = []
    found = writing.found
    monkeypatch.setattr(writing, "found", lambda one: (seen.append(path.exists()), found(one)))
    write(path)
    assert seen == [False]
    read(path)
    assert [file.name for file in tmp_path.iterdir()] == ["state.db"]


@BOTH
def test_a_later_format_is_refused_and_left_alone(path: Path, use: Callable[[Path], None]) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE meta SET format = 99")
    before = path.read_bytes()
    with pytest.raises(StateTooNew, match="later version") as caught:
        use(path)
    assert "99" in caught.value.detail
    assert path.read_bytes() == before


@BOTH
def test_a_file_that_is_no_database(path: Path, use: Callable[[Path], None]) -> None:
    path.write_text("apiVersion: tenure/v1\n" * 100)
    with pytest.raises(StateError, match="damaged") as caught:
        use(path)
    assert str(path) in caught.value.detail
    assert "backup" in caught.value.hint
    assert path.read_text().startswith("apiVersion"), "nothing was overwritten"


@BOTH
def test_somebody_elses_database(tmp_path: Path, use: Callable[[Path], None]) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE customers (name TEXT)")
    with pytest.raises(StateError, match="Not a state of Tenure"):
        use(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("customers",)]


def test_a_damaged_page_is_found(path: Path) -> None:
    with path.open("r+b") as stream:
        stream.seek(8 * 4096)
        stream.write(b"\xff" * (path.stat().st_size - 8 * 4096))
    with pytest.raises(StateError, match="damaged"):
        read(path)


def test_a_damaged_value_is_found(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE audit SET data = '{\"n\":' WHERE seq = 7")
    with pytest.raises(StateError, match="damaged") as caught:
        read(path)
    assert "audit event 7" in caught.value.detail


def test_a_changed_row_breaks_the_audit_chain(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE audit SET actor = 'eve' WHERE seq = 7")
    with closing(open_reader(*in_file(path))) as reader:
        assert [problem.seq for problem in verify(reader.audit(), reader.audit_head())] == [7]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE audit SET actor = 'ada' WHERE seq = 7")
        connection.execute("DELETE FROM audit WHERE seq > 190")
    with closing(open_reader(*in_file(path))) as reader:
        assert [problem.seq for problem in verify(reader.audit(), reader.audit_head())] == [200]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StateError, match="cannot be written") as caught:
        write(tmp_path / "file" / "dev" / "state.db")
    assert caught.value.hint
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(StateError, match="cannot be opened"):
        write(tmp_path / "folder.db")


def test_a_busy_state_says_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StateLocked, match="busy"):
            write(path)
        read(path)


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """The operating system refuses to let a file grow: what a full disk looks like to the one who writes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, previous)


def test_a_full_disk_loses_nothing_that_was_recorded(path: Path) -> None:
    with closing(open_store(*in_file(path))) as store:
        with (
            files_no_larger_than(path.stat().st_size),
            pytest.raises(StateError, match="cannot be written") as caught,
        ):
            store.append_audit(at=NOW, actor="ada", action="test", subject="x", data={"pad": "x" * 2_000_000})
        assert "safe" in caught.value.detail
        assert len(list(store.audit())) == 200
        store.append_audit(at=NOW, actor="ada", action="test", subject="x", data={"again": True})
        assert verify(store.audit(), store.audit_head()) == []
        assert len(list(store.audit())) == 201


def test_the_first_write_on_a_full_disk(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with files_no_larger_than(8_192), pytest.raises(StateError, match="cannot be written"):
        write(path)
    read(path)
    write(path)


@contextmanager
def somebody_without_rights() -> Iterator[None]:
    """Root may write everywhere, so it becomes somebody else for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_read_only_disk_can_be_read_and_says_why_it_is_not_written(path: Path) -> None:
    # pytest's own folders are closed to other users.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy = folder / "state.db"
        copy.write_bytes(path.read_bytes())
        copy.chmod(0o444)
        folder.chmod(0o555)
        with somebody_without_rights():
            with closing(open_reader(*in_file(copy))) as reader:
                assert len(list(reader.audit())) == 200
            with pytest.raises(StateError, match="cannot be opened") as caught:
                write(copy)
        folder.chmod(0o755)
    assert str(copy) in caught.value.detail
    assert "written" in caught.value.hint


def test_reading_does_not_import_sqlalchemy(path: Path) -> None:
    """Its import alone takes longer than a whole plan may."""
    program = (
        "import sys; from pathlib import Path; from tenure.state.opening import open_reader;"
        f"open_reader(Path({str(path.parent)!r}), {{'type': 'sqlite', 'path': {path.name!r}}}).read_many();"
        "sys.exit('sqlalchemy' in sys.modules)"
    )
    source = str(Path(sqlite.__file__).parents[2])
    subprocess.run([sys.executable, "-c", program], check=True, env={**os.environ, "PYTHONPATH": source})
