"""A secret is resolved when it is used and written down nowhere: not in state, artifacts, plan or output."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.engine.projects import NOW, make_project

from tenure.cli.main import run
from tenure.engine.project import Project
from tenure.plan.change import to_json

CANARY = "c4n4ry-s3cr3t"
SOURCE: dict[str, Any] = {
    "type": "sql",
    "path": None,
    "connection": "sqlite:///data/${env:SHOP_DB}.db",
    "query": "SELECT * FROM flowers",
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose rows are in a database that only the secret leads to."""
    import csv

    root = make_project(
        tmp_path / "project", {"data": {"sources": {"flowers": SOURCE}}, "evaluation": {"gates": []}}
    )
    monkeypatch.setenv("SHOP_DB", CANARY)
    with (root / "data" / "flowers.csv").open(newline="") as stream:
        names, *rows = list(csv.reader(stream))
    with closing(sqlite3.connect(root / "data" / f"{CANARY}.db")) as connection:
        connection.execute(
            f"CREATE TABLE flowers ({names[0]} REAL, {names[1]} REAL, {names[2]} TEXT, {names[3]} TEXT)"
        )
        connection.executemany("INSERT INTO flowers VALUES (?, ?, ?, ?)", rows)
        connection.commit()
    return root


def bytes_under(folder: Path) -> bytes:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return b"".join(path.read_bytes() + str(path).encode() for path in files)


def test_a_canary_is_in_no_byte_that_is_kept_or_shown(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    now = ["--now", "2026-05-03T10:00:00Z"]
    assert run(["plan", "--out", "plan.json", *now]) == 0
    assert run(["apply", "plan.json", "--json", *now]) == 0
    assert run(["show", "flowers", "-v", *now]) == 0
    assert run(["show", "flowers/data/snapshot", "--json", *now]) == 0
    assert run(["history", "flowers", "-v", *now]) == 0
    assert run(["card", "flowers", *now]) == 0
    assert run(["audit", "export", *now]) == 0
    shown = capsys.readouterr()
    kept = bytes_under(root / ".tenure") + (root / "plan.json").read_bytes()
    assert b"${env:SHOP_DB}" in kept
    assert CANARY.encode() not in kept
    assert CANARY not in shown.out + shown.err
    assert CANARY.encode() not in to_json(Project(root, now=NOW).plan())


@pytest.mark.parametrize(
    "connection", [SOURCE["connection"], "nosuch+dialect://u:${env:SHOP_DB}@h/d", "${env:SHOP_DB}"]
)
def test_nor_when_the_connection_fails(
    root: Path, connection: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    make_project(root, {"data": {"sources": {"flowers": {**SOURCE, "connection": connection}}}})
    (root / "data" / f"{CANARY}.db").unlink()
    assert run(["apply", "--auto-approve", "-v"]) == 1
    shown = capsys.readouterr()
    assert "connection" in shown.out + shown.err or "database" in shown.out + shown.err
    assert CANARY not in shown.out + shown.err
    assert CANARY.encode() not in bytes_under(root / ".tenure")
