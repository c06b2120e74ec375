"""An engine for tests of what works on its tables, and Arrow data as such a table."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest

from tenure.stages.data.engine import Engine, Table, opened
from tenure.stages.data.loading import load_arrow


@pytest.fixture
def engine() -> Iterator[Engine]:
    """The engine of one snapshot."""
    with opened() as found:
        yield found


def tabled(engine: Engine, rows: pa.Table) -> Table:
    """Arrow data in the engine."""
    return load_arrow(engine, rows).table
