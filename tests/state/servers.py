"""A real PostgreSQL server for tests: a cluster of its own in a temporary folder, with fsync on, as a user has it."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

PASSWORD = "c4n4ry-hunter2"
VARIABLE = "TENURE_TEST_STATE_URL"
"""The environment variable that holds the URL of the server of the tests."""

ABSENT = "no PostgreSQL server (15 or later) on this machine (Debian: apt-get install postgresql)"


def programs() -> Path | None:
    """The folder with `initdb` and `pg_ctl` of the newest version; None where there is none."""
    found = {
        int(path.parts[-3]): path.parent for path in Path("/usr/lib/postgresql").glob("[1-9]*/bin/pg_ctl")
    }
    version = max(found, default=0)
    return found[version] if version >= 15 else None


def in_schema(name: str) -> dict[str, Any]:
    """A configuration of the state on the server of the tests."""
    return {"type": "postgres", "url": f"${{env:{VARIABLE}}}", "schema": name, "timeout": "20s"}


class Server:
    """One cluster. It can be stopped, cut off in the middle, and started again on the same port."""

    def __init__(self, folder: Path, bin_folder: Path) -> None:
        self.folder, self._bin = folder, bin_folder
        self.data = folder / "data"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    @property
    def url(self) -> str:
        return f"postgresql://tenure:{PASSWORD}@127.0.0.1:{self.port}/tenure"

    def settings(self, schema: str | None = None, **changes: Any) -> dict[str, Any]:
        """A configuration of the state, in a schema of its own."""
        return in_schema(schema or f"t_{uuid4().hex[:12]}") | changes

    def create(self) -> None:
        """Make the cluster and its database. Its language sorts text otherwise than byte by byte."""
        password = self.folder / "password"
        password.write_text(PASSWORD)
        if os.geteuid() == 0:
            for path in (self.folder, password):
                shutil.chown(path, _unprivileged())
        language = ("--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=da-DK")
        self._run("initdb", "-D", self.data, "-U", "tenure", f"--pwfile={password}", "-A", "scram-sha-256",
                  "-E", "UTF8", *language, "--no-sync")  # fmt: skip
        with (self.data / "postgresql.conf").open("a") as configuration:
            configuration.write(
                f"port = {self.port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{self.folder}'\n"
                "shared_buffers = 16MB\nmax_connections = 60\nfsync = on\n"
                "recovery_init_sync_method = syncfs\n"  # after a crash: one call, not one for each file
            )
        self.start()
        self.execute("CREATE DATABASE tenure", database="postgres")

    def start(self) -> None:
        self._control("start", "-l", self.folder / "log")

    def stop(self, mode: str = "fast") -> None:
        """`immediate` is a crash: nothing is written down, and the next start has to recover."""
        self._control("stop", "-m", mode)

    def restart(self, mode: str = "fast") -> None:
        self._control("restart", "-m", mode, "-l", self.folder / "log")

    def execute(self, query: str, *parameters: Any, database: str = "tenure") -> list[tuple[Any, ...]]:
        """Run a statement as somebody else, outside of any transaction."""
        import psycopg

        with psycopg.connect(self.url.removesuffix("tenure") + database, autocommit=True) as connection:
            cursor = connection.execute(query, parameters or None)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def end_sessions(self) -> int:
        """End every session of ours, as an administrator does; returns how many there were."""
        ended = self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tenure'"
        )
        return len(ended)

    def destroy(self) -> None:
        if (self.data / "postmaster.pid").exists():
            self.stop("immediate")

    def _control(self, *arguments: str | Path) -> None:
        self._run("pg_ctl", "-D", self.data, "-w", "-s", *arguments)

    def _run(self, program: str, *arguments: str | Path) -> None:
        command = [str(self._bin / program), *map(str, arguments)]
        if os.geteuid() == 0:  # which PostgreSQL refuses to run as
            command = ["setpriv", f"--reuid={_unprivileged()}", "--clear-groups", "--", *command]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, cwd="/", check=False)  # fmt: skip
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}"


@contextmanager
def postgres_server() -> Iterator[Server]:
    """A server that runs until the end of the block. There has to be one to start (`programs`)."""
    bin_folder = programs()
    assert bin_folder is not None, (
        "mark the test with `postgres`: it is then skipped where there is no server"
    )
    # pytest's own folders are closed to other users, and too deep for the name of a socket.
    with tempfile.TemporaryDirectory(prefix="pg-") as name:
        server = Server(Path(name), bin_folder)
        try:
            server.create()
            yield server
        finally:
            server.destroy()


def _unprivileged() -> str:
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
