"""JSON files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.ml.written import Writing, WrittenFile
from tenure.spec.base import field
from tenure.stages.data import pieces
from tenure.stages.data.lookup import Where
from tenure.stages.data.sources.located import Located

if TYPE_CHECKING:
    from tenure.ml.signature import ColumnType
    from tenure.stages.data.engine import Engine
    from tenure.stages.data.loading import Loaded


class Json(Located):
    """JSON lines: one object per line, its keys are the columns; a file may also be one array of objects. `.gz` files
    are unpacked. Only new and changed files of a glob are parsed again.
    """

    type: Literal["json"] = field(Effect.RETRAIN, "Read JSON lines.")
    types: dict[str, Literal["number", "integer", "string", "boolean", "timestamp"]] = field(
        Effect.RETRAIN,
        "Types of columns that should not be found by reading, by name of the column. A list or an object that is "
        "declared to be a string becomes its JSON text.",
        dict,
        examples=[{"house_number": "string"}],
    )
    timestamp_format: str | tuple[str, ...] | None = field(
        Effect.RETRAIN,
        "How dates are written when not as ISO 8601, in the codes of strptime; of several, the first that fits.",
        None,
        examples=["%d.%m.%Y"],
    )

    def fingerprint(self, project: Path, recorded: Mapping[str, Any] | None) -> dict[str, Any]:
        """What the files are now."""
        return self.now(project, recorded)

    @property
    def written(self) -> WrittenFile:
        """How dates are written; all else is as usual in a file of text."""
        formats = (
            (self.timestamp_format,) if isinstance(self.timestamp_format, str) else self.timestamp_format
        )
        return WrittenFile(Writing(formats or ()))

    def load(self, project: Path, where: Where, engine: Engine) -> Loaded:
        """All objects of all files."""
        from tenure.stages.data import gathering, json_table

        def read(file: Path, shown: str, types: Mapping[str, ColumnType]) -> Loaded:
            return json_table.read(
                engine,
                file,
                shown,
                types={**self.types, **types},
                timestamp_formats=self.written.writing.timestamp_formats,
                where=where,
            )

        ledger = self.ledger(project)
        found = pieces.locate(project, self.path, ledger, (*where, "path"))
        if (file := pieces.alone(found)) and not self.partitions:
            loaded = read(file, file.name, {})
        else:
            loaded = gathering.gather(
                engine,
                found,
                ledger,
                read,
                where,
                folders=self.partitions,
                same_columns=False,
                mixed_is_text=False,
            )
        unknown = [name for name in self.types if name not in loaded.table.names]
        if unknown:
            raise StageError(
                "unknown column",
                f"types names {', '.join(map(repr, unknown))}; the objects have {', '.join(loaded.table.names)}",
                path=(*where, "types", unknown[0]),
            )
        return loaded
