"""The feature recipe: from the raw columns of a row to the matrix an algorithm sees.

    table --derive--> + derived columns --design--> features in canonical types --preprocessor--> matrix

The first two steps look at one row at a time and are the same in training and serving. Only the preprocessor learns
(medians, scales, categories), and it is fitted inside each fold. It comes in two forms: `linear` for algorithms that
add and multiply (complete, scaled numbers, a column per category), and `tree` for those that only compare (missing
values stay, nothing is scaled, a category is one column).
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

import msgspec

from tenure.core.decoding import json_decoder
from tenure.core.errors import StageError
from tenure.ml.expression import Derived
from tenure.ml.signature import ColumnType, InputColumn

Form = Literal["linear", "tree"]
Reads = Literal["number", "text", "timestamp"]

READS: dict[ColumnType, Reads] = {
    "number": "number",
    "integer": "number",
    "boolean": "number",
    "string": "text",
    "timestamp": "timestamp",
}
"""How a column of each type is read when nothing else is said."""


class Interaction(msgspec.Struct, frozen=True):
    """A feature computed from numbers of the same row: the first with each of the others in turn. A division by 0
    is missing."""

    name: str
    type: Literal["product", "ratio", "sum", "difference"]
    columns: tuple[str, ...]


class Treatment(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is done to one feature: the transforms of `ml/transforms` in order, for each form; None leaves it out there.

    A feature may have several treatments, each giving columns of its own.
    """

    column: str
    reads: Reads
    linear: tuple[dict[str, Any], ...] | None = None
    tree: tuple[dict[str, Any], ...] | None = None

    def steps(self, form: Form) -> tuple[dict[str, Any], ...] | None:
        """The transforms for a form."""
        return self.linear if form == "linear" else self.tree


class Recipe(msgspec.Struct, frozen=True, omit_defaults=True, dict=True):
    """Raw inputs in order, columns derived from them, and the treatment of every column that is a feature.

    A raw input without a treatment is only read by derived columns and interactions. `selection` is the configuration
    of the feature selection, where there is one.
    """

    inputs: tuple[InputColumn, ...]
    derived: tuple[Derived, ...] = ()
    interactions: tuple[Interaction, ...] = ()
    treatments: tuple[Treatment, ...] = ()
    selection: dict[str, Any] | None = None

    @property
    def features(self) -> tuple[str, ...]:
        """The columns, raw, derived or interactions, that the model sees."""
        return tuple(self.reads)

    @cached_property
    def reads(self) -> dict[str, Reads]:
        """How each feature is read."""
        return {treatment.column: treatment.reads for treatment in self.treatments}


def encode(recipe: Recipe) -> bytes:
    """The recipe as JSON, always the same bytes for the same recipe."""
    return msgspec.json.encode(recipe)


def decode(data: bytes) -> Recipe:
    """The recipe from `encode`. Raises StageError when it is not one."""
    try:
        return json_decoder(Recipe).decode(data)
    except msgspec.DecodeError as error:
        raise StageError("not a feature recipe", str(error)) from error
