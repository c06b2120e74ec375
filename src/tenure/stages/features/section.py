"""The section `features`: which columns are inputs and how they are treated; declares `features/recipe`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from tenure.core.effect import Effect
from tenure.graph.declare import resource
from tenure.graph.resource import Resource, Sort
from tenure.spec.base import FieldProblem, Share, SpecModel, default, field
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

if TYPE_CHECKING:
    from tenure.plan.view import Target

NAME = "features"
RECIPE = "features/recipe"
SNAPSHOT = "data/snapshot"
VERSION = 1


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


class Numeric(SpecModel):
    """How numbers, and the parts of timestamps, are treated. Everything is fitted on training rows only."""

    missing_value_strategy: Literal["median", "mean", "most_frequent", "constant", "none"] = field(
        Effect.RETRAIN,
        "What stands in for a missing number: a statistic of the training rows, or 0 for `constant`. `none` leaves "
        "it missing, which only tree algorithms accept.",
        "median",
    )
    missing_indicator: bool = field(
        Effect.RETRAIN, "Add a column that says where a number was missing, since that alone may tell.", True
    )
    scaling: Literal["standard", "minmax", "none"] = field(
        Effect.RETRAIN,
        "`standard` gives mean 0 and deviation 1, `minmax` the range 0 to 1. Linear algorithms need one, trees do not.",
        "standard",
    )


class Categorical(SpecModel):
    """How text columns become numbers."""

    encoding: Literal["onehot", "ordinal"] = field(
        Effect.RETRAIN,
        "`onehot` gives a column per category, `ordinal` one column of positions in the alphabet.",
        "onehot",
    )
    rare_below: Share = field(
        Effect.RETRAIN,
        "Categories with a smaller share of the training rows are treated as one; unseen categories join them.",
        0.01,
    )
    max_categories: int = field(
        Effect.RETRAIN,
        "Most frequent categories of a column that are kept apart; memory depends on it.",
        50,
        ge=1,
        le=1000,
    )


class Datetimes(SpecModel):
    """What is taken from timestamps."""

    parts: (
        tuple[Literal["year", "quarter", "month", "day", "dayofweek", "dayofyear", "hour", "minute"], ...]
        | None
    ) = field(
        Effect.RETRAIN,
        "Parts of a timestamp that become features. When left out: month, day of week and day of year, and the hour "
        "where times of day differ. An empty list leaves timestamps out.",
        None,
        examples=[["month", "dayofweek", "hour"]],
    )
    cyclical: bool = field(
        Effect.RETRAIN,
        "Give each part as sine and cosine, so that December is next to January; the year stays a number.",
        True,
    )


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
    numeric: Numeric = field(Effect.RETRAIN, "How numbers are treated.", Numeric)
    categorical: Categorical = field(Effect.RETRAIN, "How text is treated.", Categorical)
    datetime: Datetimes = field(Effect.RETRAIN, "How timestamps are treated.", Datetimes)

    @model_validator(mode="after")
    def _names_are_used_once(self) -> Self:
        seen: set[str] = set()
        for position, column in enumerate(self.derived):
            if column.name in seen:
                raise FieldProblem(
                    f"two derived columns are called {column.name!r}", at=("derived", position, "name")
                )
            seen.add(column.name)
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
