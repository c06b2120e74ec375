"""CSV files."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from tenure.core.effect import Effect
from tenure.ml.written import NULL_VALUES, Writing, WrittenFile
from tenure.spec.base import FieldProblem, field
from tenure.stages.data import pieces
from tenure.stages.data.sources.located import Located

if TYPE_CHECKING:
    from tenure.ml.signature import ColumnType
    from tenure.stages.data.engine import Engine
    from tenure.stages.data.loading import Loaded


def _encoding(name: str) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError:
        raise ValueError(
            f"{name!r} is not an encoding; usual ones are utf-8, latin-1, cp1252 and utf-16"
        ) from None


class Csv(Located):
    """Text files with one row per line and a header; `.gz` files are unpacked. The types of the columns are found by
    reading all of it. The files of a glob must have the same header; only new and changed ones are parsed again.
    """

    type: Literal["csv"] = field(Effect.RETRAIN, "Read CSV files.")
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = field(
        Effect.RETRAIN,
        "What separates the columns; found from the first lines when left out.",
        None,
        examples=[";"],
    )
    encoding: Annotated[str, AfterValidator(_encoding)] = field(
        Effect.RETRAIN, "Encoding of the text.", "utf-8", examples=["latin-1", "cp1252", "utf-16"]
    )
    decimal: Literal[".", ","] = field(
        Effect.RETRAIN, "What stands between the whole and the decimals of a number.", "."
    )
    thousands: Literal[",", ".", " ", "'", "_"] | None = field(
        Effect.RETRAIN,
        "What stands between the thousands of a number, as in 1,234,567. When left out, such a value is text.",
        None,
    )
    null_values: tuple[str, ...] = field(
        Effect.RETRAIN,
        "Texts that stand for a missing value, written exactly so; an empty one always does.",
        NULL_VALUES,
    )
    types: dict[str, Literal["number", "integer", "string", "boolean", "timestamp"]] = field(
        Effect.RETRAIN,
        "Types of columns that should not be found by reading, by name of the column.",
        dict,
        examples=[{"house_number": "string"}],
    )
    timestamp_format: str | tuple[str, ...] | None = field(
        Effect.RETRAIN,
        "How dates are written when not as ISO 8601 (2012-03-01, 2012/03/01 10:30, with or without an offset), in the "
        "codes of strptime; of several, the first that fits a value. Times without an offset are taken as UTC.",
        None,
        examples=["%d.%m.%Y", ["%m/%d/%Y %H:%M", "%d %b %Y"]],
    )

    @model_validator(mode="after")
    def _signs_differ(self) -> Self:
        if self.thousands == self.decimal:
            raise FieldProblem(
                f"{self.decimal!r} cannot stand for both decimals and thousands",
                at=("thousands",),
                hint='for 1.234,5 write decimal: "," and thousands: "."',
            )
        return self

    def fingerprint(self, project: Path, recorded: Mapping[str, Any] | None) -> dict[str, Any]:
        """What the files are now, with their lines."""
        return self.now(project, recorded, count_lines=True)

    @property
    def written(self) -> WrittenFile:
        """How the files are written."""
        formats = (
            (self.timestamp_format,) if isinstance(self.timestamp_format, str) else self.timestamp_format
        )
        return WrittenFile(
            Writing(formats or (), self.decimal, self.thousands),
            self.null_values,
            self.encoding,
            self.delimiter,
        )

    def load(self, project: Path, where: tuple[str | int, ...], engine: Engine) -> Loaded:
        """All rows of all files."""
        from tenure.stages.data import gathering, text_table

        def read(file: Path, shown: str, types: Mapping[str, ColumnType]) -> Loaded:
            return text_table.read(
                engine,
                file,
                shown,
                delimiter=self.delimiter,
                encoding=self.encoding,
                null_values=self.null_values,
                types={**self.types, **types},
                writing=self.written.writing,
                where=where,
            )

        ledger = self.ledger(project)
        found = pieces.locate(project, self.path, ledger, (*where, "path"))
        if (file := pieces.alone(found)) and not self.partitions:
            return read(file, file.name, {})
        return gathering.gather(
            engine,
            found,
            ledger,
            read,
            where,
            folders=self.partitions,
            same_columns=True,
            mixed_is_text=True,
        )
