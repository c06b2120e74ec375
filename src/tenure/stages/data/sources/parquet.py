"""Parquet files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.spec.base import field
from tenure.stages.data import files
from tenure.stages.data.lookup import refuse_repeated_names
from tenure.stages.data.sources.timed import Timed

if TYPE_CHECKING:
    from tenure.stages.data.engine import Engine
    from tenure.stages.data.loading import Loaded


class Parquet(Timed):
    """Columnar files that carry the types of their columns."""

    type: Literal["parquet"] = field(Effect.RETRAIN, "Read Parquet files.")
    path: str = field(
        Effect.RETRAIN,
        "A file or a glob, relative to the project folder. The files of a glob are read in order of name and must "
        "have the same columns.",
        min_length=1,
        examples=["data/flights.parquet"],
    )

    @property
    def looks_at(self) -> tuple[str, ...]:
        """The files themselves."""
        return (self.path,)

    def fingerprint(self, project: Path, recorded: Mapping[str, Any] | None) -> dict[str, Any]:
        """What the files are now; their rows are counted only when they are read."""
        return files.fingerprint(project, self.path, recorded, count_lines=False)

    def load(self, project: Path, where: tuple[str | int, ...], engine: Engine) -> Loaded:
        """All rows of all files."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        from tenure.stages.data.loading import load_arrow

        tables: list[pa.Table] = []
        for file in files.require(project, self.path, (*where, "path")):
            try:
                # Nothing in the name of its folder is taken for a partition, as a reader of data sets would.
                with file.open("rb") as stream:
                    content = pq.ParquetFile(stream)
                    refuse_repeated_names(
                        content.schema_arrow.names,
                        file.name,
                        "name them apart where the file is written",
                        (*where, "path"),
                    )
                    tables.append(content.read())
            except (pa.ArrowException, OSError) as error:
                raise StageError(
                    "a source file is not Parquet",
                    f"{file.name}: {str(error).splitlines()[0]}",
                    "check the file, or the type of the source",
                    path=(*where, "path"),
                ) from error
            if set(tables[-1].column_names) != set(tables[0].column_names):
                difference = sorted(set(tables[-1].column_names) ^ set(tables[0].column_names))
                raise StageError(
                    "the files of a source have different columns",
                    f"{file.name} differs from the first file in {', '.join(difference)}",
                    "narrow the glob, or give the files the same columns",
                    path=(*where, "path"),
                )
        try:
            whole = pa.concat_tables(
                [table.select(tables[0].column_names) for table in tables], promote_options="permissive"
            )
        except pa.ArrowException as error:
            raise StageError(
                "the files of a source have different types",
                str(error),
                "narrow the glob",
                path=(*where, "path"),
            ) from error
        return load_arrow(engine, whole)
