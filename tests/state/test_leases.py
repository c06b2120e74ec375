"""Whose lease counts as dead, and what the holder's name says."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from tests.state.places import in_file

from tenure.core.errors import StateLocked, StateTooNew
from tenure.state.leases import this_process
from tenure.state.opening import open_store


def test_a_holder_is_user_host_process_and_nonce() -> None:
    user, _, place = this_process("ada@corp").rpartition("@")
    host, pid, nonce = place.split(":")
    assert (user, host, pid) == ("ada@corp", socket.gethostname(), str(os.getpid()))
    assert nonce
    assert this_process("ada") != this_process("ada")


def a_dead_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
        return process.pid


def held_by(pid: int, *, host: str = "", mark: str = "") -> str:
    ours = this_process("ada").replace(f":{os.getpid()}:", f":{pid}:")
    if host:
        ours = ours.replace(socket.gethostname(), host)
    if mark:
        before, _, nonce = ours.rpartition(":")
        ours = f"{before}:{mark}-{nonce.split('-')[1]}"
    return ours


def taken_over(path: Path, holder: str) -> bool:
    """Whether somebody else gets the model while this holder has its lease."""
    with (
        closing(open_store(*in_file(path))) as store,
        closing(open_store(*in_file(path))) as other,
        store.lease("churn", holder),
    ):
        try:
            with other.lease("churn", this_process("bob")):
                return True
        except StateLocked:
            return False


def test_a_dead_process_of_this_machine_holds_nothing(tmp_path: Path) -> None:
    assert taken_over(tmp_path / "s.db", held_by(a_dead_process()))


def test_a_process_that_ended_and_that_nobody_waited_for_holds_nothing(tmp_path: Path) -> None:
    """A zombie still answers to signals."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        while Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
            time.sleep(0.01)
        os.kill(process.pid, 0)
        assert taken_over(tmp_path / "s.db", held_by(process.pid))


def test_a_stopped_process_lives(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        process.send_signal(signal.SIGSTOP)
        assert not taken_over(tmp_path / "s.db", held_by(process.pid))
        process.kill()


@pytest.mark.parametrize(
    "place", [{"host": "elsewhere"}, {"mark": "00000000"}], ids=["another host", "another container or boot"]
)
def test_a_process_elsewhere_is_never_taken_for_dead(tmp_path: Path, place: dict[str, str]) -> None:
    assert not taken_over(tmp_path / "s.db", held_by(a_dead_process(), **place))


@pytest.mark.parametrize(
    "holder",
    [f"{this_process('ada')}", held_by(1), "ada", "ada@host", "@::", "a@b:c:d"],
    ids=["this process", "process 1", "no place", "no process", "empty", "no number"],
)
def test_living_and_unknown_holders_keep_their_lease(tmp_path: Path, holder: str) -> None:
    assert not taken_over(tmp_path / "s.db", holder)


def test_a_process_that_has_been_running_since_before_an_upgrade_is_refused(tmp_path: Path) -> None:
    """It looked at the format when it began; a later version has upgraded the state since."""
    path = tmp_path / "s.db"
    with closing(open_store(*in_file(path))) as store:
        with store.lease("churn", this_process("ada")):
            pass
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE meta SET format = format + 1")
        with pytest.raises(StateTooNew), store.lease("churn", this_process("ada")):
            pass


def test_the_message_names_the_lease_and_how_to_end_it(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with closing(open_store(*in_file(path))) as store, store.lease("churn", "bob@elsewhere:1:x") as lease:
        with pytest.raises(StateLocked) as caught, store.lease("churn", this_process("ada")):
            pass
        assert f"lease {lease.id}." in caught.value.detail
        assert (
            caught.value.hint.splitlines()[-1]
            == f"If it hangs: tenure state unlock churn {lease.id} --reason WHY"
        )
