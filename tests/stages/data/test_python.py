"""Functions of a project: their code is hashed, their parameters are checked, their errors have a line."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tenure.core.errors import StageError
from tenure.stages.data.arrival import compare
from tenure.stages.data.engine import opened
from tenure.stages.data.sources.python import Python


def moment(year: int, month: int, day: int, hour: int = 0) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC).replace(tzinfo=None)


WHERE = ("data", "sources", "s")
MODULE = """
from __future__ import annotations
import datetime
from shop.prices import price

def rows(count: int, since: datetime.date = datetime.date(2026, 1, 1), tags: list[str] | None = None):
    for n in range(count):
        yield {"n": n, "price": price(n), "at": since, "tag": tags[n % len(tags)] if tags else None}

def frame(count: int):
    import pandas as pd
    return pd.DataFrame({"n": range(count), "t": ["x"] * count}, index=range(5, 5 + count))

def reader():
    import pyarrow as pa
    return pa.table({"n": [2, 1]}).to_reader()

def untyped(count):
    return []

def nothing(count: int):
    return count

def no_dicts():
    yield [1, 2]

def late_key():
    yield {"a": 1}
    for _ in range(20_000):
        yield {"a": 2.5, "b": "x"}

def fails(count: int):
    yield {"n": 1}
    raise KeyError("gone")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "src/shop").mkdir(parents=True)
    (tmp_path / "src/shop/__init__.py").write_text("")
    (tmp_path / "src/shop/prices.py").write_text("def price(n):\n    return n / 2\n")
    (tmp_path / "src/shop/orders.py").write_text(MODULE)
    (tmp_path / "daily-rows.py").write_text("def rows():\n    return [{'a': 1}]\n")
    return tmp_path


def load(folder: Path, function: str, **parameters: Any) -> dict[str, list[Any]]:
    with opened() as engine:
        source = Python(type="python", function=function, parameters=parameters)
        found: dict[str, list[Any]] = source.load(folder, WHERE, engine).table.arrow().to_pydict()
        return found


def refusal(folder: Path, function: str, **parameters: Any) -> StageError:
    with pytest.raises(StageError) as caught:
        load(folder, function, **parameters)
    return caught.value


def test_dicts_frames_and_readers(folder: Path) -> None:
    assert load(folder, "shop.orders:rows", count=3, since="2026-02-03", tags=["a", "b"]) == {
        "n": [0, 1, 2],
        "price": [0.0, 0.5, 1.0],
        "at": [moment(2026, 2, 3)] * 3,
        "tag": ["a", "b", "a"],
    }
    assert load(folder, "src/shop/orders.py:frame", count=2) == {"n": [0, 1], "t": ["x", "x"]}
    assert load(folder, "shop.orders:reader") == {"n": [2, 1]}
    assert load(folder, "daily-rows.py:rows") == {"a": [1]}


def test_a_key_and_a_type_that_come_late(folder: Path) -> None:
    found = load(folder, "shop.orders:late_key")
    assert (found["a"][:2], found["b"][:2], len(found["a"])) == ([1.0, 2.5], [None, "x"], 20_001)


@pytest.mark.parametrize(
    ("function", "parameters", "path", "detail"),
    [
        ("shop.orders:rows", {}, ("parameters",), "missing a required argument: 'count'"),
        ("shop.orders:rows", {"count": 1, "more": 2}, ("parameters",), "unexpected keyword argument 'more'"),
        ("shop.orders:rows", {"count": "three"}, ("parameters", "count"), "Expected `int`, got `str`"),
        ("shop.orders:rows", {"count": 1, "tags": [1]}, ("parameters", "tags"), "Expected `str`, got `int`"),
        ("shop.orders:untyped", {"count": 1}, ("parameters", "count"), "does not say what 'count' is"),
        ("shop.orders:nothing", {"count": 1}, ("function",), "returns int"),
        ("shop.orders:no_dicts", {}, ("function",), "gives [1, 2]"),
        ("shop.orders:absent", {}, ("function",), "has no function 'absent'"),
        ("elsewhere:rows", {}, ("function",), "the project has no file for 'elsewhere:rows'"),
        ("json:loads", {}, ("function",), "the project has no file for 'json:loads'"),
        ("../outside.py:rows", {}, ("function",), ""),
    ],
)
def test_what_does_not_fit_is_refused(
    folder: Path, function: str, parameters: dict[str, Any], path: tuple[str, ...], detail: str
) -> None:
    if function.startswith(".."):
        with pytest.raises(ValueError, match="pattern"):
            Python(type="python", function=function)
        return
    error = refusal(folder, function, **parameters)
    assert (error.path, detail in error.detail) == ((*WHERE, *path), True), error.detail


def test_an_error_has_the_file_and_the_line(folder: Path) -> None:
    error = refusal(folder, "shop.orders:fails", count=1)
    line = 1 + MODULE[: MODULE.index("raise KeyError")].count("\n")
    assert error.detail == f"src/shop/orders.py:{line}: KeyError: 'gone'"
    (folder / "src/shop/prices.py").write_text("def price(n)\n")
    assert refusal(folder, "shop.orders:rows", count=1).detail.startswith("src/shop/prices.py:1: SyntaxError")


def test_the_code_and_what_it_imports_are_part_of_the_source(folder: Path) -> None:
    source = Python(type="python", function="shop.orders:rows", parameters={"count": 3})
    before = source.fingerprint(folder, None)
    assert before["modules"] == 3
    (folder / "daily-rows.py").write_text("changed = True\n")
    assert source.fingerprint(folder, before) == before
    (folder / "src/shop/prices.py").write_text("def price(n):\n    return n / 3\n")
    now = source.fingerprint(folder, before)
    at = datetime(2026, 5, 3, tzinfo=UTC)
    recorded = before | {"digest": "sha256:of-the-rows", "rows": 3}
    assert compare({"s": recorded}, {"s": before}, at).changed is None
    assert compare({"s": recorded}, {"s": now}, at).sentences == (
        "s: other code since the snapshot of 03 May 2026.",
    )


def test_a_look_runs_nothing(folder: Path) -> None:
    (folder / "boom.py").write_text("raise SystemExit('run')\ndef rows():\n    return []\n")
    assert Python(type="python", function="boom.py:rows").fingerprint(folder, None)["code"]
    (folder / "broken.py").write_text("def rows(:\n")
    found = Python(type="python", function="broken.py:rows").fingerprint(folder, None)
    assert found == {"missing": True, "reason": "broken.py:1: invalid syntax"}
    assert Python(type="python", function="daily-rows.py:none").fingerprint(folder, None) == {
        "missing": True,
        "reason": "daily-rows.py has no function none",
    }


def test_an_edited_module_is_read_anew_and_leaves_nothing_behind(folder: Path) -> None:
    path = list(sys.path)
    assert load(folder, "shop.orders:rows", count=2)["price"] == [0.0, 0.5]
    (folder / "src/shop/prices.py").write_text("def price(n):\n    return n * 9\n")
    assert load(folder, "shop.orders:rows", count=2)["price"] == [0.0, 9.0]
    assert not [name for name in sys.modules if name.split(".")[0] == "shop"]
    assert sys.path == path
    assert not list(folder.rglob("__pycache__"))
