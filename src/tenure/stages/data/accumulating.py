"""Rows that come in batches, each of which finds its own types, as one table of the engine.

A database such as SQLite holds any type in any row, and a function may return anything. Whole numbers and numbers
become numbers; anything else that differs becomes text, also what came before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tenure.stages.data.engine import SQL_TYPES, Engine
from tenure.stages.data.loading import Loaded, no_model_can_use, settle

if TYPE_CHECKING:
    import pyarrow as pa

    from tenure.ml.signature import ColumnType


class Accumulated:
    """A table that grows batch by batch."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._written: str | None = None
        self._kinds: dict[str, ColumnType | None] = {}
        self._unusable: dict[str, str] = {}

    def add(self, batch: Mapping[str, Sequence[Any]]) -> None:
        """The next rows: values of Python by column, all of the same number."""
        import pyarrow as pa

        columns = {name: _column(values) for name, values in batch.items()}
        self.add_arrow(pa.table(columns))

    def add_arrow(self, batch: pa.Table) -> None:
        """The next rows, in Arrow types; a column that was not there before was missing in the rows before."""
        import pyarrow as pa

        from tenure.ml.columns import logical_type
        from tenure.stages.data.loading import cast

        usable = []
        for column in batch.schema:
            kind = logical_type(column.type)
            if kind is None:
                self._unusable[column.name] = str(column.type)
            elif column.name not in self._unusable:
                usable.append(column)
                self._widen(column.name, None if pa.types.is_null(column.type) else kind)
        if self._written is None:
            return
        names = list(self._kinds)
        items = []
        for column in usable:
            wanted = self._kinds[column.name] or "string"
            given = f"g{batch.schema.get_field_index(column.name)}"
            plain = given if pa.types.is_uint64(column.type) else cast(column.type).of(given)
            items.append(f"CAST({plain} AS {SQL_TYPES[wanted]})")
        targets = ", ".join(f"c{names.index(column.name)}" for column in usable)
        numbered = batch.rename_columns([f"g{n}" for n in range(batch.num_columns)])
        with self._engine.registered("batch", numbered):
            self._engine.query(
                f"INSERT INTO {self._written} ({targets}) SELECT {', '.join(items)} FROM batch"
            )

    def _widen(self, name: str, kind: ColumnType | None) -> None:
        """Make room for values of a kind in a column (None: for missing ones)."""
        if self._written is None:
            self._written = self._engine.create([SQL_TYPES[kind or "string"]])
            self._kinds[name] = kind
            return
        if name not in self._kinds:
            position = len(self._kinds)
            self._engine.query(
                f"ALTER TABLE {self._written} ADD COLUMN c{position} {SQL_TYPES[kind or 'string']}"
            )
            self._kinds[name] = kind
            return
        before = self._kinds[name]
        if kind is None or kind == before or (kind, before) == ("integer", "number"):
            return
        after: ColumnType = (
            kind if before is None else "number" if {kind, before} == {"integer", "number"} else "string"
        )
        if after != (before or "string"):
            position = list(self._kinds).index(name)
            self._engine.query(f"ALTER TABLE {self._written} ALTER c{position} TYPE {SQL_TYPES[after]}")
        self._kinds[name] = after

    def done(self, names: Sequence[str] = ()) -> Loaded:
        """All rows; `names` are the columns of a table without any."""
        if self._written is None and not self._unusable and names:
            self._written = self._engine.create(["VARCHAR"] * len(names))
            self._kinds = dict.fromkeys(names)
        usable = [name for name in self._kinds if name not in self._unusable]
        if self._written is None or not usable:
            raise no_model_can_use(self._unusable)
        kinds: dict[str, ColumnType] = {name: kind or "string" for name, kind in self._kinds.items()}
        loaded = settle(self._engine, self._written, kinds, self._unusable)
        table = loaded.table.select(usable) if len(usable) < len(kinds) else loaded.table
        return loaded._replace(table=table)


def _column(values: Sequence[Any]) -> pa.Array:
    """One Arrow column; numbers of two kinds become floats, any other mixture and what Arrow does not know text."""
    import pyarrow as pa

    try:
        found = pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        pass
    else:
        if not isinstance(found.type, pa.BaseExtensionType):
            return found
    known = [value for value in values if value is not None]
    if all(isinstance(value, int | float) for value in known):
        return pa.array([None if value is None else float(value) for value in values])
    return pa.array([None if value is None else str(value) for value in values])
