"""The section `features`: which columns are inputs and how they are treated; declares `features/recipe`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from tenure.core.effect import Effect
from tenure.graph.declare import resource
from tenure.graph.resource import Resource, Sort
from tenure.ml.selection import AnySelection
from tenure.ml.treatments import Categorical, Datetimes, Numeric, TextFeatures
from tenure.spec.base import FieldProblem, SpecModel, default, field
from tenure.stages.base import (
    Identity,
    Output,
    StageContext,
    no_conditions,
    no_inputs,
    no_target,
    nothing_observed,
    nothing_to_verify,
)
from tenure.stages.features.columns import ColumnFeatures
from tenure.stages.features.leakage import Leakage

if TYPE_CHECKING:
    from tenure.plan.view import Target

NAME = "features"
RECIPE = "features/recipe"
SNAPSHOT = "data/snapshot"
VERSION = 2


class DerivedColumn(SpecModel):
    """A column computed from others of the same row, in training and serving by the same code."""

    name: str = field(Effect.RETRAIN, "Name of the new column.", min_length=1, examples=["temp_range"])
    expression: str = field(
        Effect.RETRAIN,
        "SQL expression over the columns of a row and over derived columns listed before. Functions of one row "
        "only: no subqueries, aggregates, clock or chance. Inside { } a comma ends it unless it is in quotes.",
        min_length=1,
        examples=["temp_max - temp_min", "income / nullif(household, 0)"],
    )


class InteractionColumn(SpecModel):
    """A feature computed from numbers of the same row; missing where one of them is."""

    type: Literal["product", "ratio", "sum", "difference"] = field(
        Effect.RETRAIN, "The first column with each of the others in turn; a division by 0 is missing."
    )
    columns: tuple[str, ...] = field(
        Effect.RETRAIN,
        "Columns with numbers or booleans, raw or derived.",
        min_length=2,
        max_length=10,
        examples=[["income", "household"]],
    )
    name: str | None = field(
        Effect.RETRAIN,
        "What to call it; when left out the columns with the word between.",
        None,
        min_length=1,
    )

    @property
    def called(self) -> str:
        """The name, given or made."""
        word = {"product": " x ", "ratio": " per ", "sum": " plus ", "difference": " minus "}[self.type]
        return self.name or word.join(self.columns)


class Features(SpecModel):
    """Which columns the model sees and how they become numbers. The defaults work for mixed tables."""

    include: tuple[str, ...] | None = field(
        Effect.BREAKING,
        "Columns the model sees, besides derived ones. When left out: all but the target, constant columns and ids.",
        None,
        examples=[["temp_max", "wind"]],
    )
    exclude: tuple[str, ...] = field(
        Effect.BREAKING, "Columns the model does not see.", (), examples=[["customer_id"]]
    )
    derived: tuple[DerivedColumn, ...] = field(
        Effect.RETRAIN,
        "Columns computed from others.",
        (),
        examples=[[{"name": "temp_range", "expression": "temp_max - temp_min"}]],
    )
    interactions: tuple[InteractionColumn, ...] = field(
        Effect.RETRAIN,
        "Products, ratios, sums and differences of columns.",
        (),
        examples=[[{"type": "ratio", "columns": ["income", "household"]}]],
    )
    numeric: Numeric = field(Effect.RETRAIN, "How numbers are treated.", Numeric)
    categorical: Categorical = field(Effect.RETRAIN, "How categories are treated.", Categorical)
    datetime: Datetimes = field(Effect.RETRAIN, "How timestamps are treated.", Datetimes)
    text: TextFeatures = field(Effect.RETRAIN, "How columns with sentences are treated.", TextFeatures)
    columns: dict[str, ColumnFeatures] = field(
        Effect.RETRAIN,
        "What is different for single columns, raw, derived or interactions, by name.",
        dict,
        examples=[{"zip": {"type": "categorical", "encoding": "target"}}],
    )
    selection: AnySelection | None = field(
        Effect.RETRAIN,
        "Which features stay, found out inside each fold; all of them when left out.",
        None,
        examples=[{"type": "mutual_information", "max_features": 30}],
    )
    leakage: Leakage = field(Effect.RETRAIN, "What is done about columns that give the target away.", Leakage)

    @model_validator(mode="after")
    def _names_are_used_once(self) -> Self:
        seen: set[str] = set()
        named: list[tuple[str, tuple[str | int, ...]]] = [
            (column.name, ("derived", position, "name")) for position, column in enumerate(self.derived)
        ]
        named += [
            (column.called, ("interactions", position)) for position, column in enumerate(self.interactions)
        ]
        for name, at in named:
            if name in seen:
                raise FieldProblem(f"two columns are called {name!r}", at=at, hint="give one another name")
            seen.add(name)
        for position, name in enumerate(self.exclude):
            if name in (self.include or ()):
                raise FieldProblem(
                    f"column {name!r} is both included and excluded",
                    at=("exclude", position),
                    hint="remove one",
                )
        return self


def describe(resource: Resource) -> str:
    """Which inputs there will be, as far as the spec says."""
    block = Features.model_validate(resource.config["features"])
    derived = ", ".join(item.name for item in block.derived)
    chosen = f"{len(block.include)} columns" if block.include else "every usable column"
    return f"{chosen} by type" + (f", and derived: {derived}" if derived else "")


def declare(identity: Identity, section: Features | None) -> Iterable[Resource]:
    """The recipe; without a section every default applies."""
    yield resource(
        identity.model,
        RECIPE,
        Sort.ARTIFACT,
        {"features": section or default(Features)},
        needs=(SNAPSHOT,),
        version=VERSION,
    )


def realise(resource: Resource, target: Target | None, context: StageContext) -> Output:
    """Check the block against the columns of the snapshot and write the recipe and the signature."""
    from tenure.stages.features.making import make_recipe

    return make_recipe(Features.model_validate(resource.config["features"]), resource.address, context)


target = no_target
verify = nothing_to_verify
observe_inputs = no_inputs
conditions = no_conditions
observe = nothing_observed
