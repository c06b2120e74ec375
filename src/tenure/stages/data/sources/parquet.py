"""Parquet files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.spec.base import field
from tenure.stages.data import pieces
from tenure.stages.data.lookup import Where, refuse_repeated_names
from tenure.stages.data.sources.located import Located

if TYPE_CHECKING:
    import pyarrow as pa

    from tenure.stages.data.engine import Engine
    from tenure.stages.data.loading import Loaded


class Parquet(Located):
    """Columnar files that carry the types of their columns. The files of a glob must have the same columns; those on a
    server are fetched again only when they have changed.
    """

    type: Literal["parquet"] = field(Effect.RETRAIN, "Read Parquet files.")

    def fingerprint(self, project: Path, recorded: Mapping[str, Any] | None) -> dict[str, Any]:
        """What the files are now; their rows are counted only when they are read."""
        return self.now(project, recorded)

    def load(self, project: Path, where: Where, engine: Engine) -> Loaded:
        """All rows of all files."""
        import duckdb

        from tenure.ml.columns import logical_type
        from tenure.stages.data.engine import SQL_TYPES, not_of_the_data
        from tenure.stages.data.gathering import append_folders, constant, fetched, paths
        from tenure.stages.data.loading import cast, no_model_can_use, settle

        place = (*where, "path")
        ledger = self.ledger(project)
        found = pieces.locate(project, self.path, ledger, place)
        files = fetched(engine, found, ledger, place)
        ledger.save()
        schemas = [_schema(file, piece.name, place) for file, piece in zip(files, found, strict=True)]
        whole = _unified(schemas, [piece.name for piece in found], place)
        kinds = {column.name: logical_type(column.type) for column in whole}
        columns = {name: kind for name, kind in kinds.items() if kind is not None}
        unusable = {column.name: str(column.type) for column in whole if kinds[column.name] is None}
        if not columns:
            raise no_model_can_use(unusable)
        folders = append_folders(columns, found, where) if self.partitions else {}
        items = {name: cast(whole.field(name).type) for name in columns}
        every = columns | {name: kind for name, (kind, _) in folders.items()}
        types = [item.type for item in items.values()] + [SQL_TYPES[kind] for kind, _ in folders.values()]
        written = engine.create(types)
        for _, group in groupby(
            range(len(files)), lambda at: (schemas[at], [values[at] for _, values in folders.values()])
        ):
            positions = list(group)
            schema = schemas[positions[0]]
            given = ", ".join(f"g{n}" for n in range(len(schema)))
            selected = [items[name].of(f"g{schema.get_field_index(name)}") for name in columns]
            selected += [constant(kind, values[positions[0]]) for kind, values in folders.values()]
            scan = f"read_parquet({paths([files[at] for at in positions])}, hive_partitioning = false)"
            try:
                engine.extend(written, f"SELECT {', '.join(selected)} FROM {scan} AS given({given})")
            except duckdb.Error as error:
                if not_of_the_data(error):
                    raise
                raise StageError(
                    "a source file cannot be read",
                    f"{', '.join(found[at].name for at in positions[:3])}: {str(error).splitlines()[0]}",
                    "fetch or write it again",
                    path=place,
                ) from error
        return settle(engine, written, every, unusable)


def _schema(file: Path, name: str, place: Where) -> pa.Schema:
    """The columns of a file. Raises StageError when it is no whole Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with file.open("rb") as stream:
            schema = pq.ParquetFile(stream).schema_arrow
    except (pa.ArrowException, OSError) as error:
        raise StageError(
            "a source file is not Parquet",
            f"{name}: {str(error).splitlines()[0]}",
            "check the file, or the type of the source",
            path=place,
        ) from error
    refuse_repeated_names(schema.names, name, "name them apart where the file is written", place)
    return schema.remove_metadata()


def _unified(schemas: Sequence[pa.Schema], names: Sequence[str], place: Where) -> pa.Schema:
    """The columns of the first file in types that hold those of all."""
    import pyarrow as pa

    for schema, name in zip(schemas, names, strict=True):
        difference = sorted(set(schema.names) ^ set(schemas[0].names))
        if difference:
            raise StageError(
                "the files of a source have different columns",
                f"{name} differs from the first file in {', '.join(difference)}",
                "narrow the glob, or give the files the same columns",
                path=place,
            )
    try:
        return pa.unify_schemas(list(schemas), promote_options="permissive")
    except pa.ArrowException as error:
        raise StageError(
            "the files of a source have different types", str(error), "narrow the glob", path=place
        ) from error
