"""CSV files."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field

from tenure.core.effect import Effect
from tenure.spec.base import field
from tenure.stages.data import files
from tenure.stages.data.sources.timed import Timed

if TYPE_CHECKING:
    from tenure.stages.data.engine import Engine
    from tenure.stages.data.loading import Loaded


def _encoding(name: str) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError:
        raise ValueError(
            f"{name!r} is not an encoding; usual ones are utf-8, latin-1, cp1252 and utf-16"
        ) from None


class Csv(Timed):
    """Text files with one row per line and a header; the types of the columns are found by reading all of it."""

    type: Literal["csv"] = field(Effect.RETRAIN, "Read CSV files.")
    path: str = field(
        Effect.RETRAIN,
        "A file or a glob, relative to the project folder; `.gz` files are unpacked. The files of a glob are read in "
        "order of name and must have the same header.",
        min_length=1,
        examples=["data/observations.csv", "data/2012-*.csv"],
    )
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
    null_values: tuple[str, ...] = field(
        Effect.RETRAIN,
        "Texts that stand for a missing value, written exactly so; an empty one always does.",
        ("NA", "N/A", "NaN", "nan", "NULL", "null", "None"),
    )
    types: dict[str, Literal["number", "integer", "string", "boolean", "timestamp"]] = field(
        Effect.RETRAIN,
        "Types of columns that should not be found by reading, by name of the column.",
        dict,
        examples=[{"house_number": "string"}],
    )
    timestamp_format: str | None = field(
        Effect.RETRAIN,
        "How dates are written when not as ISO 8601 (2012-03-01, 2012/03/01 10:30, with or without an offset), in the "
        "codes of strptime. Times without an offset are taken as UTC.",
        None,
        examples=["%d.%m.%Y", "%m/%d/%Y %H:%M"],
    )

    @property
    def looks_at(self) -> tuple[str, ...]:
        """The files themselves."""
        return (self.path,)

    def fingerprint(self, project: Path, recorded: Mapping[str, Any] | None) -> dict[str, Any]:
        """What the files are now."""
        return files.fingerprint(project, self.path, recorded, count_lines=True)

    def load(self, project: Path, where: tuple[str | int, ...], engine: Engine) -> Loaded:
        """All rows of all files."""
        from tenure.stages.data.text_table import read

        found = files.require(project, self.path, (*where, "path"))
        return read(
            engine,
            found,
            delimiter=self.delimiter,
            encoding=self.encoding,
            null_values=self.null_values,
            types=self.types,
            timestamp_format=self.timestamp_format,
            where=where,
            decimal=self.decimal,
        )
