"""Text with delimiters as a table.

DuckDB does the reading, told everything about the dialect: its own guessing would rather skip the rows it does not
understand than refuse them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tenure.core.errors import StageError
from tenure.ml.quoting import literal
from tenure.ml.written import Writing
from tenure.stages.data.engine import Engine, not_of_the_data
from tenure.stages.data.files import UNREADABLE
from tenure.stages.data.gathering import paths
from tenure.stages.data.loading import Loaded
from tenure.stages.data.lookup import Where
from tenure.stages.data.text_dialect import UTF8, as_utf8, diagnosis, header, with_plain_line_ends
from tenure.stages.data.text_values import typed

if TYPE_CHECKING:
    from tenure.ml.signature import ColumnType

_LONGEST = 16 << 20
"""Bytes of the longest row that is read."""


def read(
    engine: Engine,
    file: Path,
    shown: str,
    *,
    delimiter: str | None,
    encoding: str,
    null_values: Sequence[str],
    types: Mapping[str, ColumnType],
    writing: Writing,
    where: Where,
) -> Loaded:
    """All rows of a file, which messages call `shown`.

    Raises StageError for a wrong encoding, ragged rows, duplicate names and values that are not of the type declared
    in `types`; `where` is the path of the source in the spec.
    """
    import duckdb

    with TemporaryDirectory(dir=engine.folder) as name:
        folder = Path(name)
        readable = file if encoding in UTF8 else as_utf8(file, folder / "utf8.csv", encoding, where)
        delimiter, names = header(readable, shown, delimiter, where)
        unknown = [name for name in types if name not in names]
        if unknown:
            raise StageError(
                "unknown column",
                f"types names {', '.join(map(repr, unknown))}; the header has {', '.join(names)}",
                path=(*where, "types", unknown[0]),
            )

        def table(path: Path) -> Loaded:
            return typed(engine, _scan(path, names, delimiter, null_values), names, types, writing, where)

        try:
            return table(readable)
        except duckdb.Error as error:
            if not_of_the_data(error):
                raise
            # Different line ends in one file are the one fault that can be mended without changing a value.
            try:
                return table(with_plain_line_ends(readable, folder / "mended.csv"))
            except (duckdb.Error, *UNREADABLE):
                raise diagnosis(readable, shown, names, delimiter, error, where) from error


def _scan(file: Path, names: Sequence[str], delimiter: str, null_values: Sequence[str]) -> str:
    """The table function that reads a file as text. Columns are called c0, c1, ... to be free of their names."""
    columns = ", ".join(f"'c{position}': 'VARCHAR'" for position in range(len(names)))
    nulls = ", ".join(literal(text) for text in dict.fromkeys(["", *null_values]))
    return (
        f"read_csv({paths([file])}, auto_detect = false, columns = {{{columns}}}, header = true, "
        f"delim = {literal(delimiter)}, quote = '\"', escape = '\"', nullstr = [{nulls}], "
        # By default a buffer, of which each thread has some, is as large as sixteen of the longest rows.
        f"null_padding = false, strict_mode = true, max_line_size = {_LONGEST}, buffer_size = {2 * _LONGEST})"
    )
