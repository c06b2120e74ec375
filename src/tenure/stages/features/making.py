"""Making the recipe: columns chosen, derived columns typed, groups filled; every name checked against the snapshot."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tenure.core.digest import digest
from tenure.core.errors import StageError
from tenure.core.events import Note
from tenure.spec.base import config_of
from tenure.stages.base import Output
from tenure.stages.features.naming import unknown_column

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from tenure.ml.columns import ColumnProfile, Profile
    from tenure.ml.expression import Derived
    from tenure.ml.signature import ColumnType, InputColumn
    from tenure.stages.base import StageContext
    from tenure.stages.features.section import Features

MOST_LISTED = 100
"""Categories of an input that the signature lists; with more, unseen ones are not told apart."""
MOST_ROWS = 1_000_000
"""Training rows that are looked at; of more, a sample, so that a recipe for any number of rows takes bounded memory."""
_SEED = 20_240_229
"""Of that sample: fixed, since a recipe has no seed of its own."""
MOST_CLOSED = 1000
"""Categories that the signature lists where it takes no others."""

_IDENTIFIER = re.compile(r"(^|_)(id|uuid|guid|key|index|rowid)$|^unnamed", re.IGNORECASE)
_FEW_ROWS = 20


def make_recipe(features: Features, address: str, context: StageContext) -> Output:
    """Recipe and signature from the training part of the snapshot. Raises StageError pointing into the spec."""
    import msgspec

    from tenure.ml.columns import profile
    from tenure.ml.design import derive, design
    from tenure.ml.recipe import Recipe, encode
    from tenure.ml.signature import Signature
    from tenure.ml.snapshot import target_codes, target_values
    from tenure.stages.features.leakage import examine
    from tenure.stages.features.treating import closed_columns, interactions_of, treatments_of

    snapshot = context.records["data/snapshot"]
    facts = snapshot.value
    types: dict[str, ColumnType] = {column["name"]: column["type"] for column in facts["columns"]}
    nullable = {column["name"] for column in facts["columns"] if column["nullable"]}
    target = facts["target"]
    notes: list[str] = []
    table = _looked_at(context.artifacts.local(snapshot.artifacts["snapshot"]), notes)

    derived, read = _derived(features, types, target)
    raw = _chosen(features, types, target, table, profile(table), notes)
    kinds = {name: types[name] for name in types if name != target} | {
        column.name: column.type for column in derived
    }
    interactions = interactions_of(features, kinds)
    read |= {name for item in interactions for name in item.columns if name in types}
    used = [name for name in types if name in {*raw, *read}]
    inputs = tuple(_input(name, types[name], name in nullable, table) for name in used)
    recipe = Recipe(inputs, tuple(derived), interactions)
    computed = derive(recipe, table)
    chosen = {name: kinds[name] for name in (*raw, *(column.name for column in derived))}
    treatments = treatments_of(features, chosen, interactions, computed, notes)
    closed = closed_columns(features, chosen, treatments)
    recipe = msgspec.structs.replace(
        recipe,
        inputs=tuple(_closed(column, table) if column.name in closed else column for column in inputs),
        treatments=treatments,
        selection=None if features.selection is None else config_of(features.selection),
    )
    if not recipe.features:
        raise StageError(
            "no column is left to learn from",
            f"besides the target {target!r}, no usable column remains"
            + "".join(f"; {note}" for note in notes),
            "list columns under features.include, or bring data with more of them",
            path=("features",),
        )
    signature = Signature(
        inputs=recipe.inputs,
        task=facts["task"],
        target=target,
        classes=tuple(facts["classes"]),
        accepted=tuple(name for name in types if name not in used),
    )
    codes = target_codes(target_values(table, signature), signature)
    notes += examine(
        features.leakage,
        design(recipe, table),
        recipe.reads,
        codes,
        signature.classes,
        target,
        facts.get("leakage", ()),
    )
    for note in notes:
        context.emit(Note(address, note))
    described = msgspec.to_builtins(signature)
    blob = context.artifacts.put(encode(recipe))
    return Output(
        digest=digest([blob, described]),
        value={
            "task": facts["task"],
            "target": target,
            "classes": list(facts["classes"]),
            "signature": described,
            "features": list(recipe.features),
            "notes": notes,
        },
        artifacts={"recipe": blob},
        sentence=f"{len(recipe.inputs)} columns and {len(recipe.derived)} derived for {target}, a {facts['task']} task",
    )


def _looked_at(file: Path, notes: list[str]) -> pa.Table:
    """The training part, or a sample of it where that is large; what was left out goes to `notes`."""
    from tenure.ml.pieces import Pieces, spread
    from tenure.ml.snapshot import PART, read_parts

    parts = ["train"]
    pieces = Pieces(file, parts)
    if pieces.rows <= MOST_ROWS:
        return read_parts(file, parts).drop_columns([PART])
    notes.append(f"decided by {MOST_ROWS:,} of the {pieces.rows:,} training rows, categories and ranges too")
    columns = [name for name in pieces.columns if name != PART]
    return pieces.take(spread(pieces.rows, MOST_ROWS, _SEED), columns)


def _derived(features: Features, types: dict[str, ColumnType], target: str) -> tuple[list[Derived], set[str]]:
    """Derived columns with their types, and the raw columns they read."""
    from tenure.ml.expression import Derived, references, result_type

    known = {name: kind for name, kind in types.items() if name != target}
    derived: list[Derived] = []
    read: set[str] = set()
    for position, column in enumerate(features.derived):
        where: tuple[str | int, ...] = ("features", "derived", position)
        if column.name.casefold() in {name.casefold() for name in (*known, target)}:
            raise StageError(
                "a derived column has the name of another",
                f"the data already has a column {column.name!r}",
                "give the derived column a name of its own",
                path=(*where, "name"),
            )
        names = {name.casefold(): name for name in known}  # SQL does not tell upper and lower case apart
        for reference in references(column.name, column.expression, (*where, "expression")):
            if reference.casefold() == target.casefold():
                raise StageError(
                    "a derived column uses the target",
                    f"derived column {column.name!r} reads {target!r}, which is not known when the model predicts",
                    path=(*where, "expression"),
                )
            if reference.casefold() not in names:
                raise unknown_column(reference, list(known), (*where, "expression"))
            read.add(names[reference.casefold()])
        kind = result_type(column.name, column.expression, known, (*where, "expression"))
        derived.append(Derived(column.name, column.expression, kind))
        known[column.name] = kind
    return derived, read & set(types)


def _chosen(
    features: Features,
    types: dict[str, ColumnType],
    target: str,
    table: pa.Table,
    profile: Profile,
    notes: list[str],
) -> list[str]:
    """The raw columns that are features, in the order of the data; what was left out goes to `notes`."""
    candidates = [name for name in types if name != target]
    for position, name in enumerate(features.exclude):
        if name not in types:
            raise unknown_column(name, candidates, ("features", "exclude", position))
    if features.include is not None:
        for position, name in enumerate(features.include):
            if name == target:
                raise StageError(
                    "the target is no feature",
                    f"{name!r} is the column to predict",
                    "remove it from features.include",
                    path=("features", "include", position),
                )
            if name not in types:
                raise unknown_column(name, candidates, ("features", "include", position))
        return [name for name in candidates if name in features.include]
    facts = {column.name: column for column in profile.columns}
    named = {*features.columns, *(features.text.columns or ())}
    chosen = []
    for name in candidates:
        if name in features.exclude:
            continue
        reason = None if name in named else _useless(facts[name], table, features)
        if reason:
            notes.append(f"column {name} is left out: {reason}")
        else:
            chosen.append(name)
    return chosen


def _useless(column: ColumnProfile, table: pa.Table, features: Features) -> str | None:
    """Why a column that nobody asked for is left out, if it is."""
    from tenure.stages.features.treating import holds_sentences

    rows = table.num_rows
    if column.nulls == rows:
        return "it has no value in the training part"
    if column.distinct == 1 and column.nulls == 0:
        return "it has the same value in every row of the training part"
    unique = column.distinct == rows - column.nulls and column.distinct > _FEW_ROWS
    if column.type == "string" and unique and not holds_sentences(table.column(column.name)):
        return "every row has another text, as ids do"
    if column.type == "integer" and unique and _IDENTIFIER.search(column.name):
        return "it numbers the rows"
    if column.type == "timestamp" and features.datetime.parts == ():
        return "features.datetime.parts is empty"
    return None


def _input(name: str, kind: ColumnType, nullable: bool, table: pa.Table) -> InputColumn:
    """One input with what the training part shows of it."""
    import pyarrow.compute as pc

    from tenure.ml.signature import InputColumn

    values = table.column(name).drop_null()
    if kind == "string":
        distinct = pc.unique(values)
        listed = tuple(sorted(distinct.to_pylist())) if len(distinct) <= MOST_LISTED else None
        return InputColumn(name, kind, nullable, categories=listed)
    if kind == "boolean" or len(values) == 0:
        return InputColumn(name, kind, nullable)
    ends = pc.min_max(values)
    low, high = ends["min"].as_py(), ends["max"].as_py()
    if kind == "timestamp":
        return InputColumn(name, kind, nullable, minimum=low.isoformat(), maximum=high.isoformat())
    return InputColumn(name, kind, nullable, minimum=low, maximum=high)


def _closed(column: InputColumn, table: pa.Table) -> InputColumn:
    """An input that takes no category but those of the training part. Raises StageError when they are too many."""
    import msgspec
    import pyarrow.compute as pc

    values = pc.unique(table.column(column.name).drop_null()).to_pylist()
    if len(values) > MOST_CLOSED:
        raise StageError(
            "a column has too many categories to refuse others",
            f"column {column.name!r} has {len(values):,} in the training part; up to {MOST_CLOSED:,} can be listed",
            "choose unseen: other for it, under features: columns",
            path=("features", "categorical", "unseen"),
        )
    return msgspec.structs.replace(column, categories=tuple(sorted(values)), closed=True)
