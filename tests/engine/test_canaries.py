"""Secrets planted in the environment and in files, through a model's whole life: in no byte that is kept or shown.

Packed files are opened: a secret inside a Parquet column or an archive is written down as much as one in plain text.
"""

from __future__ import annotations

import csv
import io
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.engine.projects import NOW, make_project, write_flowers, write_spec

from tenure.cli.main import run

ENVIRONMENT, FILE = "c4n4ry-fr0m-env", "c4n4ry-fr0m-file"
CANARIES = (ENVIRONMENT, FILE)


def source(query: str = "SELECT * FROM flowers", folder: str = "data") -> dict[str, Any]:
    reference = f"sqlite:///{folder}/${{env:SHOP_DB}}-${{file:keys/shop}}.db"
    return {
        "data": {
            "sources": {"flowers": {"type": "sql", "path": None, "connection": reference, "query": query}}
        }
    }


def database(root: Path) -> Path:
    return root / "data" / f"{ENVIRONMENT}-{FILE}.db"


def filled(root: Path, rows: int, seed: int) -> None:
    """The table behind the connection, whose address is the secret."""
    write_flowers(root / "data" / "flowers.csv", rows=rows, seed=seed)
    with (root / "data" / "flowers.csv").open(newline="") as stream:
        _, *values = list(csv.reader(stream))
    with closing(sqlite3.connect(database(root))) as connection, connection:
        connection.execute("DROP TABLE IF EXISTS flowers")
        connection.execute("CREATE TABLE flowers (petal REAL, sepal REAL, colour TEXT, kind TEXT)")
        connection.executemany("INSERT INTO flowers VALUES (?, ?, ?, ?)", values)


def unpacked(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    """A file, and everything that is packed in it."""
    yield name, name.encode() + data
    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as bundle:
            for entry in bundle.namelist():
                yield from unpacked(f"{name}!{entry}", bundle.read(entry))
    elif data[:4] == b"PAR1":
        import pyarrow.parquet as pq

        table = pq.read_table(io.BytesIO(data))
        yield f"{name}!rows", repr(table.schema.metadata).encode() + repr(table.to_pylist()).encode()


def leaks(root: Path) -> list[str]:
    """Every file below a project that holds a canary, but for those that are the secrets."""
    own = {database(root), root / "keys" / "shop"}
    return [
        name
        for path in sorted(root.rglob("*"))
        if path.is_file() and path not in own
        for name, content in unpacked(str(path.relative_to(root)), path.read_bytes())
        if any(canary.encode() in content for canary in CANARIES)
    ]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = make_project(tmp_path / "project", source() | {"evaluation": {"gates": []}})
    (root / "keys").mkdir()
    (root / "keys" / "shop").write_text(FILE + "\n")
    monkeypatch.setenv("SHOP_DB", ENVIRONMENT)
    monkeypatch.chdir(root)
    filled(root, 120, 3)
    return root


class Life:
    """Commands one after the other, and everything they said."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys, self.said = capsys, ""

    def __call__(self, line: str, expected: int = 0) -> str:
        code = run([*line.split(), "--now", NOW.isoformat()])
        shown = self.capsys.readouterr()
        text = shown.out + shown.err
        self.said += text
        assert code == expected, (line, text)
        return text


def test_through_a_whole_life(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    life = Life(capsys)
    life("validate -v")
    life("plan --out plan.json -v")
    life("plan --format markdown")
    life("plan --json")
    life("apply plan.json --json")
    write_flowers(root / "new.csv", rows=20, seed=9)
    life("predict flowers --input new.csv --output scored.csv")
    life("predict flowers --input new.csv --output scored.parquet")
    with (root / "scored.csv").open(newline="") as stream, (root / "truth.csv").open("w") as truth:
        rows = [f"{row['prediction_id']},{row['kind']}" for row in csv.DictReader(stream)]
        truth.write("\n".join(["prediction_id,kind", *rows, ""]))
    life("labels flowers --input truth.csv")
    life("observe -v")
    filled(root, 160, 4)
    life("retrain flowers --reason newer")
    life("apply --auto-approve -v")
    life("rollback flowers --to 1 --reason worse --auto-approve")
    life("run --once --json")
    for line in (
        "show flowers -v",
        "show flowers/data/snapshot --json",
        "history flowers -v",
        "card flowers",
    ):
        life(line)
    life("card flowers --out card.md")
    life("report flowers")
    life("audit export --out audit.ndjson")
    life("state list")
    life("state export --output state.ndjson")
    life("state backup --output copy.db")
    life("state doctor")
    write_spec(root, source() | {"evaluation": {"gates": []}, "state": "retired"})
    life("apply --auto-approve --json")
    assert (root / ".tenure/dev/archives/flowers.zip").exists()
    assert "${env:SHOP_DB}" in life.said
    assert not any(canary in life.said for canary in CANARIES)
    assert leaks(root) == []


def test_the_search_for_canaries_finds_them(root: Path) -> None:
    """In plain text, in a name, in a column, in an archive of an archive."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    assert leaks(root) == []
    (root / "a.txt").write_text(f"x{ENVIRONMENT}x")
    (root / f"{FILE}.txt").touch()
    pq.write_table(pa.table({"x": [FILE] * 100}), root / "b.parquet", compression="zstd")
    with zipfile.ZipFile(root / "c.zip", "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.write(root / "b.parquet", "inner.parquet")
    found = leaks(root)
    assert f"{FILE}.txt" in found
    assert {"a.txt", "b.parquet!rows", "c.zip!inner.parquet!rows"} <= set(found)


@pytest.mark.parametrize(
    ("changes", "environment", "words"),
    [
        (source(query="SELECT * FROM nosuch"), ENVIRONMENT, "nosuch"),
        (source(query="SELECT 'x' || "), ENVIRONMENT, "sql"),
        (source(folder="nowhere"), ENVIRONMENT, "flowers"),
        (source(), None, "SHOP_DB"),
        (source(), "other-" + ENVIRONMENT, "flowers"),
    ],
)
@pytest.mark.parametrize("form", ["-v", "--json"])
def test_nor_when_it_fails(
    root: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    environment: str | None,
    words: str,
    form: str,
) -> None:
    if environment is None:
        monkeypatch.delenv("SHOP_DB")
    else:
        monkeypatch.setenv("SHOP_DB", environment)
    write_spec(root, changes | {"evaluation": {"gates": []}})
    life = Life(capsys)
    said = life(f"apply --auto-approve {form}", expected=1)
    life("history flowers -v")
    assert words.lower() in said.lower()
    assert not any(canary in life.said for canary in CANARIES)
    assert [name for name in leaks(root) if not name.startswith("data/")] == []


def test_nor_in_the_traceback_of_a_defect(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library that breaks while it holds the address."""
    import sqlalchemy

    def broken(address: object, **_: object) -> None:
        raise RuntimeError("the driver is gone")

    monkeypatch.setattr(sqlalchemy, "create_engine", broken)
    code = run(["plan", "-v"])
    code = run(["apply", "--auto-approve", "-v"])
    shown = capsys.readouterr()
    assert code == 1
    assert not any(canary in shown.out + shown.err for canary in CANARIES)
    assert leaks(root) == []
