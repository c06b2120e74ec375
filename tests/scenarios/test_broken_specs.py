"""Broken specs and what a person is told about them, word for word.

To accept what is said now after an intended change: `TENURE_ACCEPT=1 pytest tests/scenarios/test_broken_specs.py`, and
read the difference before committing it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tenure.core.diagnostics import Diagnostic
from tenure.lifecycle import Model
from tenure.spec.validate import load

BROKEN = sorted((Path(__file__).parent / "broken").glob("*.yaml"))


def words(found: Diagnostic) -> Iterator[str]:
    yield f"{found.place}: {found.severity}: {found.summary}"
    yield from (f"    {line}" for line in found.excerpt)
    yield from (f"  {line}" for line in found.detail.splitlines())
    yield from (f"  > {line}" for line in found.hint.splitlines())


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_what_is_said_about_a_broken_spec(path: Path) -> None:
    loaded = load(path, Model, file=f"specs/{path.name}")
    assert loaded.value is None
    said = "\n".join(line for found in loaded.diagnostics for line in (*words(found), ""))
    expected = path.with_suffix(".txt")
    if os.environ.get("TENURE_ACCEPT"):
        expected.write_text(said, encoding="utf-8")
    assert said == expected.read_text(encoding="utf-8")


def test_there_is_no_expectation_without_a_spec() -> None:
    assert {path.stem for path in (Path(__file__).parent / "broken").glob("*.txt")} == {
        path.stem for path in BROKEN
    }
