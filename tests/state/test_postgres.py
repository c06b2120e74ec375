"""Opening a state in PostgreSQL: missing, foreign, newer, forbidden, unreachable; and what a message may not hold."""

from __future__ import annotations

import gc
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.state.servers import PASSWORD, VARIABLE, Server

from tenure.core.errors import StateError, StateLocked, StateTooNew, StateTooOld
from tenure.state import postgres as backend
from tenure.state.chain import verify
from tenure.state.opening import database_of, open_reader, open_store

pytestmark = pytest.mark.postgres

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HERE = Path()
SOURCE = str(Path(backend.__file__).parents[2])


def read(settings: dict[str, Any]) -> int:
    with closing(open_reader(HERE, settings)) as reader:
        return len(list(reader.audit()))


def write(settings: dict[str, Any]) -> None:
    with closing(open_store(HERE, settings)) as store:
        store.append_audit(at=NOW, actor="ada", action="test", subject="x", data={})


BOTH = pytest.mark.parametrize("use", [read, write])


def test_reading_creates_nothing(postgres: Server) -> None:
    settings = postgres.settings()
    assert read(settings) == 0
    assert postgres.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", settings["schema"]) == []


def test_first_writes_at_the_same_time_create_one_state(postgres: Server) -> None:
    settings = postgres.settings()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, [settings] * 8))
    with closing(open_reader(HERE, settings)) as reader:
        assert len(list(reader.audit())) == 8
        assert verify(reader.audit(), reader.audit_head()) == []


def test_a_database_holds_several_states(postgres: Server) -> None:
    dev, prod = postgres.settings("tenure_dev"), postgres.settings("tenure-Prod")
    write(dev)
    write(dev)
    write(prod)
    assert (read(dev), read(prod)) == (2, 1)


def test_a_schema_of_somebody_else(postgres: Server) -> None:
    postgres.execute("CREATE TABLE public.customers (name TEXT)")
    for use in (read, write):
        with pytest.raises(StateError, match="Not a state") as caught:
            use(postgres.settings("public"))
        assert "schema public" in caught.value.detail
    assert postgres.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == [("customers",)]


@BOTH
def test_a_later_format_is_refused(postgres: Server, use: Callable[[Any], Any]) -> None:
    settings = postgres.settings()
    write(settings)
    postgres.execute(f"UPDATE {settings['schema']}.meta SET format = 99")
    with pytest.raises(StateTooNew, match="later version"):
        use(settings)


def test_an_earlier_format_is_read_and_not_written(postgres: Server) -> None:
    settings = postgres.settings()
    write(settings)
    postgres.execute(f"UPDATE {settings['schema']}.meta SET format = 1")
    assert read(settings) == 1
    with pytest.raises(StateTooOld):
        write(settings)


def test_a_user_who_may_create_nothing(postgres: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    postgres.execute("CREATE ROLE guest LOGIN PASSWORD 'guest'")
    monkeypatch.setenv(VARIABLE, postgres.url.replace(f"tenure:{PASSWORD}", "guest:guest"))
    settings = postgres.settings("guests")
    assert read(settings) == 0
    with pytest.raises(StateError, match="not open to this user") as caught:
        write(settings)
    assert "GRANT CREATE" in caught.value.hint
    postgres.execute("CREATE SCHEMA guests AUTHORIZATION guest")
    write(settings)
    assert read(settings) == 1


def test_a_user_who_may_only_read_can_plan(postgres: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = postgres.settings()
    write(settings)
    postgres.execute("CREATE ROLE reviewer LOGIN PASSWORD 'reviewer'")
    postgres.execute(f"GRANT USAGE ON SCHEMA {settings['schema']} TO reviewer")
    postgres.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {settings['schema']} TO reviewer")
    monkeypatch.setenv(VARIABLE, postgres.url.replace(f"tenure:{PASSWORD}", "reviewer:reviewer"))
    with closing(open_reader(HERE, settings)) as reader:
        assert (reader.read_many(), len(list(reader.audit()))) == ({}, 1)
    with pytest.raises(StateError, match="not open to this user"):
        write(settings)
    assert read(settings) == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ((PASSWORD, "wrong"), "password authentication failed"),
        (("/tenure$", "/nothing"), 'database "nothing" does not exist'),
        (("postgresql://tenure", "postgresql://nobody"), "password authentication failed"),
    ],
)
@BOTH
def test_what_the_server_refuses_is_said_at_once(
    postgres: Server,
    monkeypatch: pytest.MonkeyPatch,
    use: Callable[[Any], Any],
    change: tuple[str, str],
    reason: str,
) -> None:
    monkeypatch.setenv(VARIABLE, re.sub(*change, postgres.url))
    monkeypatch.setattr("tenure.state.retrying._pause", None)  # nobody asks how long to wait
    with pytest.raises(StateError, match="cannot be opened") as caught:
        use(postgres.settings())
    assert reason in caught.value.detail
    assert f"${{env:{VARIABLE}}}" in caught.value.hint
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://tenure:c4n4ry@hunter2@127.0.0.1/tenure",
        "postgresql://tenure:c4n4ry%zhunter2@127.0.0.1/tenure",
        "c4n4ry-hunter2",
        "",
    ],
)
def test_a_url_that_is_none_is_not_repeated(
    postgres: Server, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv(VARIABLE, url)
    with pytest.raises(StateError, match="cannot be opened") as caught:
        read(postgres.settings())
    shown: BaseException | None = caught.value
    while shown is not None:
        assert "hunter2" not in repr(shown) + str(shown)
        shown = shown.__cause__
    assert "percent-encoded" in caught.value.hint


def test_a_reference_to_nothing(postgres: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(StateError, match="cannot be opened") as caught:
        read(postgres.settings())
    assert f"export {VARIABLE}=" in caught.value.hint
    with pytest.raises(StateError) as caught:
        read(postgres.settings(url="${file:/nowhere/url}"))
    assert "/nowhere/url cannot be read" in caught.value.detail


def test_a_url_as_sqlalchemy_writes_it_and_one_from_a_file(
    postgres: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(VARIABLE, postgres.url.replace("postgresql://", "postgresql+psycopg://"))
    settings = postgres.settings()
    write(settings)
    secret = tmp_path / "url"
    secret.write_text(postgres.url + "\n")
    assert read({**settings, "url": f"${{file:{secret}}}"}) == 1


def test_the_password_may_change_while_a_process_runs(
    postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = postgres.settings()
    postgres.execute("CREATE ROLE rotating LOGIN SUPERUSER PASSWORD 'first'")
    monkeypatch.setenv(VARIABLE, postgres.url.replace(f"tenure:{PASSWORD}", "rotating:first"))
    with closing(open_reader(HERE, settings)) as reader:
        assert list(reader.audit()) == []
        postgres.execute("ALTER ROLE rotating PASSWORD 'second'")
        monkeypatch.setenv(VARIABLE, postgres.url.replace(f"tenure:{PASSWORD}", "rotating:second"))
        postgres.end_sessions()
        assert list(reader.audit()) == []


def test_a_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch, postgres: Server) -> None:
    monkeypatch.setenv(VARIABLE, "postgresql://tenure:hunter2@127.0.0.1:1/tenure")
    with pytest.raises(StateError, match="cannot be reached") as caught:
        read(postgres.settings(timeout="300ms"))
    assert "127.0.0.1:1" in caught.value.detail
    assert "Connection refused" in caught.value.detail
    assert "hunter2" not in str(caught.value)


def test_an_encoding_that_cannot_hold_every_text(postgres: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    postgres.execute(
        "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    )
    monkeypatch.setenv(VARIABLE, postgres.url.removesuffix("tenure") + "latin")
    with pytest.raises(StateError, match="cannot be kept") as caught:
        write(postgres.settings())
    assert "UTF8" in caught.value.hint


def test_a_busy_state_says_so(postgres: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "_WRITING", backend._WRITING.replace("'30s'", "'50ms'"))
    settings = postgres.settings()
    write(settings)
    import psycopg

    with psycopg.connect(postgres.url) as other:
        other.execute(f"SELECT * FROM {settings['schema']}.meta FOR UPDATE")
        with pytest.raises(StateLocked, match="busy"):
            write(settings)
        assert read(settings) == 1


def test_what_is_recorded_is_durable_where_the_server_is_careless(postgres: Server) -> None:
    postgres.execute("ALTER DATABASE tenure SET synchronous_commit = 'off'")
    try:
        with closing(database_of(HERE, postgres.settings())) as database:
            shown = database.write(
                lambda connection: connection.exec_driver_sql("SHOW synchronous_commit").scalar()
            )
    finally:
        postgres.execute("ALTER DATABASE tenure RESET synchronous_commit")
    assert shown == "on"


def test_nothing_is_left_open(postgres: Server) -> None:
    """A project has nothing to be closed; who forgets it leaves no session behind."""
    settings = postgres.settings()
    reader, store = open_reader(HERE, settings), open_store(HERE, settings)
    store.append_audit(at=NOW, actor="ada", action="test", subject="x", data={})
    assert len(list(reader.audit())) == 1
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tenure'"
    assert postgres.execute(sessions)[0][0] >= 2
    before = postgres.execute(sessions)[0][0]
    del reader, store
    gc.collect()
    deadline = time.monotonic() + 5
    while postgres.execute(sessions)[0][0] > before - 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert postgres.execute(sessions)[0][0] == before - 2


def test_reading_does_not_import_sqlalchemy(postgres: Server) -> None:
    program = (
        "import sys; from pathlib import Path; from tenure.state.opening import open_reader;"
        f"open_reader(Path(), {postgres.settings()!r}).read_many(); sys.exit('sqlalchemy' in sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-c", program], check=True, env={**os.environ, "PYTHONPATH": SOURCE}, timeout=60
    )


def test_without_the_library_the_way_to_it_is_named() -> None:
    program = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from pathlib import Path; from tenure.state.opening import open_reader\n"
        "open_reader(Path(), {'type': 'postgres', 'url': 'x', 'schema': 's', 'timeout': '1s'})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, env={**os.environ, "PYTHONPATH": SOURCE},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert 'pip install "tenure[postgres]"' in done.stderr


def test_sqlite_does_not_need_the_library(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from tenure.state.opening import open_reader\n"
        f"open_reader(Path({str(tmp_path)!r}), {{'type': 'sqlite', 'path': 's.db'}}).read_many()\n"
        "sys.exit('psycopg' in sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-c", program], check=True, env={**os.environ, "PYTHONPATH": SOURCE}, timeout=60
    )
