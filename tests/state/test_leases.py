"""Whose lease counts as dead, and what the holder's name says."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from tests.state.places import in_file

from tenure.core.errors import StateLocked
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


@pytest.mark.parametrize(
    "place", [{"host": "elsewhere"}, {"mark": "00000000"}], ids=["another host", "another container or boot"]
)
def test_a_process_elsewhere_is_never_taken_for_dead(tmp_path: Path, place: dict[str, str]) -> None:
    assert not taken_over(tmp_path / "s.db", held_by(a_dead_process(), **place))


@pytest.mark.parametrize(
    "holder", [f"{this_process('ada')}", held_by(1), "ada", "ada@host", "@::", "a@b:c:d"]
)
def test_living_and_unknown_holders_keep_their_lease(tmp_path: Path, holder: str) -> None:
    assert not taken_over(tmp_path / "s.db", holder)
