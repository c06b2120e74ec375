"""JSON as a table: one object per line, or one array of objects. Keys become columns, in the order of their appearance.

A key that an object lacks is a missing value. What a key holds is found from all objects: whole numbers, numbers, true
and false, or text, which is a timestamp where every value looks like one. Objects and lists in a value are no column.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tenure.core.errors import StageError
from tenure.ml.quoting import literal, quoted
from tenure.ml.written import Writing
from tenure.stages.data.engine import Engine, not_of_the_data
from tenure.stages.data.files import UNREADABLE, open_bytes, unreadable
from tenure.stages.data.gathering import paths
from tenure.stages.data.loading import Loaded, no_model_can_use
from tenure.stages.data.lookup import Where
from tenure.stages.data.text_values import typed

if TYPE_CHECKING:
    from tenure.ml.signature import ColumnType

_GUESSES: dict[str, tuple[ColumnType, ...]] = {
    "BIGINT": ("integer", "number"),
    "UBIGINT": ("integer", "number"),
    "HUGEINT": ("integer", "number"),
    "UHUGEINT": ("integer", "number"),
    "DOUBLE": ("number",),
    "BOOLEAN": ("boolean",),
    "VARCHAR": ("timestamp",),
    "NULL": (),
}
"""What the values of a column may be, by what DuckDB says of the JSON values."""

_LONGEST = 16 << 20
_PIECE = 1 << 20


def read(
    engine: Engine,
    file: Path,
    shown: str,
    *,
    types: Mapping[str, ColumnType],
    timestamp_formats: tuple[str, ...],
    where: Where,
) -> Loaded:
    """All objects of a file, which messages call `shown`. `where` is the path of the source in the spec.

    Raises StageError for text that is no JSON, for anything that is not an object, and for a column with values of
    several types that `types` does not name.
    """
    import duckdb

    with TemporaryDirectory(dir=engine.folder) as name:
        try:
            file, first = _begun(file, Path(name))
        except UNREADABLE as error:
            raise StageError(
                "a source file cannot be read",
                f"{shown}: {unreadable(error)}",
                "fetch or write it again",
                path=(*where, "path"),
            ) from error
        if first == b"[" and _last(file) != b"]":
            # DuckDB takes such a file for whole.
            raise StageError(
                "a source file cannot be read as JSON",
                f"{shown}: the array is not closed, so the file is not whole",
                "fetch or write it again",
                path=(*where, "path"),
            )
        form = "array" if first == b"[" else "newline_delimited"
        options = f"format = '{form}', maximum_object_size = {_LONGEST}, ignore_errors = false"
        objects = f"read_json_objects({paths([file])}, {options})"
        try:
            structure = _structure(engine, objects, shown, where)
            nested = {key: _called(of) for key, of in structure.items() if not isinstance(of, str)}
            unusable = {key: kind for key, kind in nested.items() if key not in types}
            names = [key for key in structure if key not in unusable]
            if not names:
                raise no_model_can_use(unusable)
            for key in names:
                if structure[key] == "JSON" and key not in types:
                    raise _mixed(engine, objects, key, shown, where)
            columns = ", ".join(f"{literal(key)}: 'VARCHAR'" for key in names)
            items = ", ".join(f"{quoted(key)} AS c{n}" for n, key in enumerate(names))
            loaded = typed(
                engine,
                f"(SELECT {items} FROM read_json({paths([file])}, {options}, columns = {{{columns}}}))",
                names,
                {key: types[key] for key in names if key in types},
                Writing(timestamp_formats),
                where,
                guesses={key: _GUESSES.get(str(structure[key]), ()) for key in names},
            )
        except duckdb.Error as error:
            if not_of_the_data(error):
                raise
            reason = re.sub(r"^.*?(?=at byte|in line|Object)", "", str(error).splitlines()[0].strip())
            raise StageError(
                "a source file cannot be read as JSON",
                f"{shown}: {reason}",
                'correct the line; each one is an object, such as {"id": 1, "price": 2.5}',
                path=(*where, "path"),
            ) from error
        return loaded._replace(unusable=unusable)


def _begun(file: Path, folder: Path) -> tuple[Path, bytes]:
    """The file, or a copy without the byte order mark that DuckDB refuses, and the first sign that is no blank."""
    with open_bytes(file) as stream:
        head = stream.read(_PIECE)
        if not head.startswith(codecs.BOM_UTF8):
            return file, head.lstrip()[:1]
        head = head.removeprefix(codecs.BOM_UTF8)
        copy = folder / "without-mark.json"
        with copy.open("wb") as target:
            target.write(head)
            while piece := stream.read(_PIECE):
                target.write(piece)
        return copy, head.lstrip()[:1]


def _last(file: Path) -> bytes:
    """The last sign of a file that is no blank."""
    last = b""
    with open_bytes(file) as stream:
        if file.suffix != ".gz":
            stream.seek(max(0, file.stat().st_size - _PIECE))
        while piece := stream.read(_PIECE):
            last = piece.rstrip()[-1:] or last
    return last


def _structure(engine: Engine, objects: str, shown: str, where: Where) -> dict[str, Any]:
    """What each key holds: a type, or what is nested in it."""
    ((found,),) = engine.query(f"SELECT json_group_structure(json) FROM {objects}")
    structure = json.loads(found) if found else {}
    if not isinstance(structure, dict) or not structure:
        raise StageError(
            "a source has no rows" if not found else "a value is not an object",
            f"{shown} has no object in it"
            if not found
            else f"{shown} has a line or an entry that is a list, a text or a number",
            'write one object per line, such as {"id": 1, "price": 2.5}',
            path=(*where, "path"),
        )
    folded: dict[str, str] = {}
    for key in structure:
        if key.casefold() in folded:
            raise StageError(
                "duplicate column names",
                f"{shown} has the keys {folded[key.casefold()]!r} and {key!r}, which SQL does not tell apart",
                "rename one of them in the file",
                path=(*where, "path"),
            )
        folded[key.casefold()] = key
    return structure


def _called(nested: Any) -> str:
    return "list" if isinstance(nested, list) else "object"


def _mixed(engine: Engine, objects: str, key: str, shown: str, where: Where) -> StageError:
    """The refusal of a key with values of several types, which are counted."""
    path = literal('$."' + key.replace("\\", "\\\\").replace('"', '\\"') + '"')
    rows = engine.query(
        f"SELECT json_type(json, {path}) AS kind, count(*), any_value(json_extract(json, {path}))::VARCHAR "
        f"FROM {objects} WHERE kind IS NOT NULL AND kind <> 'NULL' GROUP BY kind ORDER BY count(*) DESC, kind"
    )
    listed = ", ".join(
        f"{kind.lower()} in {count} row(s), such as {example[:40]}" for kind, count, example in rows
    )
    return StageError(
        "values of several types in a column",
        f"{key!r} of {shown} is {listed}",
        f"set types: {{{key}: string}} for the source to read it as text, or another type that every value can have",
        path=(*where, "types"),
    )
