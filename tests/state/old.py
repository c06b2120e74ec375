"""States as earlier versions wrote them, kept as text."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

FIXTURES = Path(__file__).parent / "fixtures"
SPECS = FIXTURES / "format-1-specs.json"
"""What the specs of that state asked for, compiled by the version that wrote it."""


def write_format_1(path: Path) -> Path:
    """A state of format 1 as a SQLite file: two models, a canary, a rollback, a retirement, a killed step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((FIXTURES / "format-1.sql").read_text(encoding="utf-8"))
    return path


def everything(path: Path, columns: Mapping[str, tuple[str, ...]]) -> dict[str, list[Any]]:
    """All rows of some columns of every table."""
    found = {}
    with closing(sqlite3.connect(path)) as connection:
        for table, names in columns.items():
            listed = ", ".join(f'"{name}"' for name in names)
            found[table] = connection.execute(f"SELECT {listed} FROM {table} ORDER BY 1, 2, 3").fetchall()
    return found
