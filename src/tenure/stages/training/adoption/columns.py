"""Which columns an adopted model takes: found by name in the snapshot, and written down as recipe and signature."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from tenure.core.errors import StageError
from tenure.stages.training.adoption.kind import AT, Label, Offered, Where

if TYPE_CHECKING:
    from tenure.ml.recipe import Recipe
    from tenure.ml.signature import ColumnType, Signature

NUMERIC: tuple[ColumnType, ...] = ("number", "integer", "boolean")


def chosen(
    names: Sequence[str] | None, count: int | None, given: Sequence[str] | None, offered: Offered
) -> tuple[str, ...]:
    """The columns in the model's order: `given` by the spec, else those of the names the model knows.

    `names` is None for a model that was fitted on an array; `count` is how many columns it takes, None when that is not
    known. Raises StageError when they cannot be told, or are not there.
    """
    if given is None and names is None:
        takes = f"takes {count} columns and " if count is not None else ""
        raise StageError(
            "the model does not say which columns it takes",
            f"it {takes}was fitted on an array, so that their names are not in the file",
            "list them in the order it was fitted with: columns: [first, second]",
            path=AT,
        )
    listed = tuple(given if given is not None else names or ())
    wanted = len(names) if names is not None else count
    where: Where = (*AT, "path") if given is None else (*AT, "columns")
    if wanted is not None and wanted != len(listed):
        raise StageError(
            "the model takes another number of columns",
            f"training.adopt.columns lists {len(listed)}, the model takes {wanted}"
            + (f": {', '.join(names)}" if names else ""),
            "list every column, in the order of the model",
            path=where,
        )
    known = {**_derived(offered), **{name: kind for name, (kind, _) in offered.columns.items()}}
    for position, name in enumerate(listed):
        place = where if given is None else (*where, position)
        if name == offered.signature.target:
            raise StageError(
                "the model takes the target",
                f"{name!r} is data.target_column, which is not known when the model predicts",
                "adopt a model that was fitted without it",
                path=place,
            )
        if name not in known:
            raise _unknown(name, known, place, by_model=given is None)
        if name in listed[:position]:
            raise StageError("a column is listed twice", f"{name!r} is there more than once", path=place)
    return listed


def fitting(
    columns: Sequence[str], types: Iterable[ColumnType], offered: Offered, where: Where, hint: str
) -> None:
    """Raises StageError when a column has a type that the model cannot take."""
    known = {**_derived(offered), **{name: kind for name, (kind, _) in offered.columns.items()}}
    allowed = tuple(types)
    for name in columns:
        if known[name] not in allowed:
            raise StageError(
                "a column has another type than the model takes",
                f"column {name!r} is {known[name]} in the snapshot; the model takes {', '.join(allowed)}",
                hint,
                path=where,
            )


def contract(
    columns: Sequence[str], classes: tuple[Label, ...], offered: Offered
) -> tuple[Recipe, Signature]:
    """Recipe and signature of a model that takes these columns: the raw inputs it needs, and nothing else.

    A derived column of the spec is computed for it as it would be for a model of the spec's own.
    """
    from tenure.ml.expression import references
    from tenure.ml.recipe import READS, Recipe, Treatment
    from tenure.ml.signature import InputColumn, Signature

    needed = {name.casefold() for name in columns}
    derived = []
    for column in reversed(offered.recipe.derived):
        if column.name.casefold() in needed:
            derived.append(column)
            needed |= {name.casefold() for name in references(column.name, column.expression)}
    described = {column.name: column for column in offered.recipe.inputs}
    inputs = tuple(
        described.get(name, InputColumn(name, kind, nullable))
        for name, (kind, nullable) in offered.columns.items()
        if name.casefold() in needed
    )
    kinds = {**_derived(offered), **{column.name: column.type for column in inputs}}

    recipe = Recipe(
        inputs=inputs,
        derived=tuple(reversed(derived)),
        # It does its own preprocessing: its columns are only read.
        treatments=tuple(Treatment(name, READS[kinds[name]]) for name in columns),
    )
    taken = {column.name for column in inputs}
    signature = Signature(
        inputs=inputs,
        task=offered.signature.task,
        target=offered.signature.target,
        classes=classes,
        accepted=tuple(name for name in offered.columns if name not in taken),
    )
    return recipe, signature


def outputs(
    own: Sequence[Label] | None, count: int, given: Sequence[Label] | None, offered: Offered
) -> tuple[int, ...]:
    """Which of the model's probabilities each class of the target is; empty where the order is the same.

    `own` are the labels in the file, None where it holds positions only. Raises StageError when the classes differ.
    """
    classes = offered.signature.classes
    where: Where = (*AT, "path") if given is None else (*AT, "classes")
    labels = list(given if given is not None else own if own is not None else classes)
    way_out = "say which class each of its outputs is, in their order: classes: [" + _listed(classes) + "]"
    if len(labels) != count:
        raise StageError(
            "the model has another number of classes",
            f"it gives {count} probabilities, and "
            + ("training.adopt.classes lists" if given is not None else "the target has")
            + f" {len(labels)} classes: {_listed(labels)}",
            way_out
            if given is not None
            else "adopt a model of the same classes, or correct data.target_column",
            path=where,
        )
    if len(set(labels)) < len(labels) or set(labels) != set(classes):
        raise StageError(
            "the model has other classes than the target",
            f"the model says {_listed(labels)}, the target has {_listed(classes)}",
            way_out,
            path=where,
        )
    order = tuple(labels.index(name) for name in classes)
    return () if order == tuple(range(count)) else order


def difference(signature: Signature, offered: Offered) -> str:
    """What a caller will have to send more or less once the spec's own search has made the next version."""
    now, later = ({column.name for column in item.inputs} for item in (signature, offered.signature))
    words = [
        f"{word} {', '.join(sorted(names))}"
        for word, names in (("takes besides", later - now), ("no longer needs", now - later))
        if names
    ]
    return f"a version of the spec's own search {', and '.join(words)}" if words else ""


def _derived(offered: Offered) -> dict[str, ColumnType]:
    return {column.name: column.type for column in offered.recipe.derived}


def _unknown(name: str, known: Mapping[str, object], where: Where, *, by_model: bool) -> StageError:
    folded = [column for column in known if column.casefold() == name.casefold()]
    near = folded or difflib.get_close_matches(name, known, n=1)
    listed = ", ".join(list(known)[:20]) + (", ..." if len(known) > 20 else "")
    if by_model:
        hint = "derive it under features.derived; or, when it has another name here, list the model's columns in order"
        hint += (
            f" under training.adopt.columns (is {near[0]!r} meant?)"
            if near
            else " under training.adopt.columns"
        )
    else:
        hint = f"did you mean {near[0]!r}?" if near else "check the name, or features.derived"
    return StageError(
        "a column of the model is missing",
        f"the model takes {name!r}, which is no column of the snapshot; there is {listed}",
        hint,
        path=where,
    )


def _listed(labels: Sequence[Label]) -> str:
    shown = ", ".join(str(label) for label in labels[:20])
    return shown + (", ..." if len(labels) > 20 else "")
