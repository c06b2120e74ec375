"""Which treatment each feature gets: by its type, by what the training part shows of it, and by the spec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tenure.core.errors import StageError
from tenure.ml.treatments import treat_boolean, treatment
from tenure.stages.features.columns import ColumnFeatures, Kind
from tenure.stages.features.naming import unknown_column

if TYPE_CHECKING:
    import pyarrow as pa

    from tenure.ml.recipe import Interaction, Treatment
    from tenure.ml.signature import ColumnType
    from tenure.ml.transforms.parts import DatetimePart
    from tenure.stages.features.section import Features

_KINDS: dict[ColumnType, tuple[Kind, ...]] = {
    "number": ("numeric",),
    "integer": ("numeric", "categorical"),
    "boolean": ("numeric", "categorical"),
    "string": ("categorical", "text"),
    "timestamp": ("datetime",),
}
"""What a column of each type may be treated as, the usual first."""

_READS: dict[ColumnType, tuple[str, ...]] = {
    "number": ("number",),
    "integer": ("number", "text"),
    "boolean": ("number", "text"),
    "string": ("text",),
    "timestamp": ("timestamp",),
}

_WORDS = 5
"""Words per value, on average, from which text that hardly ever repeats is taken for sentences."""
_REPEATS = 0.5


def interactions_of(features: Features, kinds: Mapping[str, ColumnType]) -> tuple[Interaction, ...]:
    """The interactions, their columns checked. Raises StageError pointing into the spec."""
    from tenure.ml.recipe import Interaction

    found: list[Interaction] = []
    for position, asked in enumerate(features.interactions):
        where = ("features", "interactions", position, "columns")
        for place, name in enumerate(asked.columns):
            if name not in kinds:
                raise unknown_column(name, list(kinds), (*where, place))
            if kinds[name] not in ("number", "integer", "boolean"):
                raise StageError(
                    "an interaction needs numbers",
                    f"column {name!r} is {kinds[name]}",
                    "choose other columns, or compute it under features.derived",
                    path=(*where, place),
                )
        if asked.called in kinds:
            raise StageError(
                "an interaction has the name of another column",
                f"the data already has a column {asked.called!r}",
                "give it a name of its own",
                path=("features", "interactions", position),
            )
        found.append(Interaction(asked.called, asked.type, asked.columns))
    return tuple(found)


def treatments_of(
    features: Features,
    chosen: Mapping[str, ColumnType],
    interactions: Sequence[Interaction],
    table: pa.Table,
    notes: list[str],
) -> tuple[Treatment, ...]:
    """The treatments of every feature. `chosen` are raw and derived ones with their types, `table` holds their values
    in the training part. Raises StageError pointing into the spec."""
    types: dict[str, ColumnType] = {**chosen, **{item.name: "number" for item in interactions}}
    for name in features.columns:
        if name not in types:
            raise unknown_column(name, list(types), ("features", "columns", name))
    sentences = _sentences(features, chosen, table)
    treatments: list[Treatment] = []
    for name, kind in types.items():
        own = features.columns.get(name, ColumnFeatures())
        if own.transforms is not None:
            treatments += _given(name, kind, own)
            continue
        wanted = own.type or ("text" if name in sentences else _KINDS[kind][0])
        _check(name, kind, wanted, own)
        if wanted == "text":
            treatments += own.text(features.text).treat(name)
        elif wanted == "categorical":
            distinct = table.column(name).combine_chunks().unique()
            treatments += own.categorical(features.categorical).treat(name, len(distinct))
        elif wanted == "datetime":
            settings = own.datetime(features.datetime)
            parts = settings.parts if settings.parts is not None else _default_parts(name, table)
            treatments += settings.treat(name, parts, own.numeric(features.numeric))
        elif kind == "boolean":
            treatments += treat_boolean(name)
        else:
            treatments += own.numeric(features.numeric).treat(name)
    notes += [
        f"column {name} holds sentences, so its words are weighed (features.text)"
        for name in sentences
        if features.text.columns is None and name not in features.columns
    ]
    return tuple(treatments)


def closed_columns(
    features: Features, chosen: Mapping[str, ColumnType], treatments: Sequence[Treatment]
) -> set[str]:
    """Text columns treated as categories for which one that was never seen is to be refused."""
    encoded = {
        treatment.column
        for treatment in treatments
        if treatment.linear and treatment.reads == "text" and treatment.linear[0]["type"] != "tfidf"
    }
    return {
        name
        for name, kind in chosen.items()
        if kind == "string"
        and name in encoded
        and features.columns.get(name, ColumnFeatures()).categorical(features.categorical).unseen == "error"
    }


def _given(name: str, kind: ColumnType, own: ColumnFeatures) -> list[Treatment]:
    assert own.transforms is not None
    reads = own.transforms[0].TAKES
    if reads not in _READS[kind]:
        raise StageError(
            "the transform does not fit the column",
            f"{own.transforms[0].type} takes {_SAID[reads]}, and column {name!r} is {kind}",
            "choose another transform, or compute a column under features.derived",
            path=("features", "columns", name, "transforms", 0),
        )
    return [treatment(name, reads, own.transforms, own.transforms)]


_SAID = {"number": "numbers", "text": "text or whole numbers", "timestamp": "timestamps"}


def _check(name: str, kind: ColumnType, wanted: Kind, own: ColumnFeatures) -> None:
    where = ("features", "columns", name)
    if wanted not in _KINDS[kind]:
        raise StageError(
            "the column cannot be treated like this",
            f"column {name!r} is {kind}, which can be {' or '.join(_KINDS[kind])}, not {wanted}",
            "choose another type, or compute a column under features.derived",
            path=(*where, "type"),
        )
    allowed = {wanted, "numeric"} if wanted == "datetime" else {wanted}
    if other := sorted(own.said_of() - allowed):
        raise StageError(
            "a setting does not fit the column",
            f"column {name!r} is treated as {wanted}, and it has settings of a {other[0]} column",
            f"remove them, or set type: {other[0]}" if other[0] in _KINDS[kind] else "remove them",
            path=where,
        )


def _sentences(features: Features, chosen: Mapping[str, ColumnType], table: pa.Table) -> list[str]:
    """Text columns that hold sentences: those the spec lists, or those that look like it."""
    if features.text.columns is not None:
        for position, name in enumerate(features.text.columns):
            where = ("features", "text", "columns", position)
            if name not in chosen:
                raise unknown_column(name, list(chosen), where)
            if chosen[name] != "string":
                raise StageError(
                    "the column holds no text", f"column {name!r} is {chosen[name]}", "remove it", path=where
                )
        return list(features.text.columns)
    return [name for name, kind in chosen.items() if kind == "string" and holds_sentences(table.column(name))]


def holds_sentences(values: pa.ChunkedArray) -> bool:
    """Whether a text column has many words in its values and hardly ever the same value twice."""
    import pyarrow.compute as pc

    known = values.drop_null()
    if len(known) == 0:
        return False
    spaces = pc.mean(pc.count_substring_regex(pc.utf8_trim_whitespace(known), r"\s+")).as_py()
    return spaces + 1 >= _WORDS and len(pc.unique(known)) >= _REPEATS * len(known)


def _default_parts(name: str, table: pa.Table) -> tuple[DatetimePart, ...]:
    """Parts that recur; the hour only where the times of day differ, since dates alone are all midnight."""
    import pyarrow.compute as pc

    if len(pc.unique(pc.hour(table.column(name).drop_null()))) > 1:
        return ("month", "dayofweek", "dayofyear", "hour")
    return ("month", "dayofweek", "dayofyear")
