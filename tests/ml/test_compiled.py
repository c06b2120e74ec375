"""Compiled preprocessing gives what the fitted transformer gives, bit by bit, for every recipe there is."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from tenure.ml.compiled import CompiledPreprocessor
from tenure.ml.expression import Derived
from tenure.ml.recipe import (
    CategoricalFeatures,
    DatetimeFeatures,
    NumericFeatures,
    Recipe,
    design_columns,
    design_frame,
    preprocessor,
)
from tenure.ml.signature import InputColumn

INPUTS = (
    InputColumn("a", "number", nullable=True, minimum=-3.0, maximum=3.0),
    InputColumn("b", "integer", nullable=True),
    InputColumn("empty", "number", nullable=True),
    InputColumn("flag", "boolean", nullable=True),
    InputColumn("code", "string", nullable=True, categories=("u", "v", "w")),
    InputColumn("free", "string", nullable=True),
    InputColumn("day", "timestamp", nullable=True),
)
FULL = {
    "numeric": NumericFeatures(("a", "b", "empty")),
    "boolean": ("flag",),
    "categorical": CategoricalFeatures(("code", "free")),
    "datetime": DatetimeFeatures(("day",)),
}
RECIPES = {
    "full": FULL,
    "numeric only": {"numeric": NumericFeatures(("a", "b"))},
    "categorical only": {"categorical": CategoricalFeatures(("code",))},
    "ordinal": FULL | {"categorical": CategoricalFeatures(("code", "free"), encoding="ordinal")},
    "few categories": FULL | {"categorical": CategoricalFeatures(("code", "free"), max_categories=1)},
    "minmax": FULL | {"numeric": NumericFeatures(("a", "b", "empty"), scaling="minmax")},
    "unscaled": FULL
    | {"numeric": NumericFeatures(("a", "b", "empty"), scaling="none", missing_indicator=False)},
    "raw": FULL | {"numeric": NumericFeatures(("a", "b"), "none", scaling="none")},
    "plain dates": FULL | {"datetime": DatetimeFeatures(("day",), ("year", "hour"), cyclical=False)},
    "derived": FULL
    | {"derived": (Derived("c", "a * 2 + b", "number"),), "numeric": NumericFeatures(("a", "c"))},
} | {
    strategy: FULL | {"numeric": NumericFeatures(("a", "b", "empty"), strategy)}
    for strategy in ("mean", "most_frequent", "constant")
}


def rows(seed: int, count: int = 70) -> pa.Table:
    generator = np.random.default_rng(seed)

    def holes(values: list[object], every: int) -> list[object]:
        return [None if (i + seed) % every == 0 else value for i, value in enumerate(values)]

    return pa.table(
        {
            "a": pa.array(holes(generator.normal(size=count).tolist(), 7), pa.float64()),
            "b": pa.array(holes(generator.integers(0, 9, count).tolist(), 5), pa.int64()),
            "empty": pa.array([None] * count, pa.float64()),
            "flag": pa.array(holes((generator.random(count) > 0.5).tolist(), 11), pa.bool_()),
            "code": pa.array(holes(generator.choice(["u", "v", "w"], count).tolist(), 9), pa.string()),
            "free": pa.array([f"text {i % (5 + seed)}" for i in range(count)], pa.string()),
            "day": pa.array(
                holes([datetime(2020, 1 + i % 12, 1 + i % 28, i % 24, tzinfo=UTC) for i in range(count)], 13),
                pa.timestamp("us", "UTC"),
            ),
        }
    )


@pytest.mark.parametrize("name", RECIPES)
def test_the_compiled_matrix_is_the_fitted_one_bit_by_bit(name):
    recipe = Recipe(INPUTS, **RECIPES[name])
    prepared = preprocessor(recipe).fit(design_frame(recipe, rows(0)))
    compiled = CompiledPreprocessor(prepared)
    for table in (rows(1), rows(2, 1), rows(3, 2)):
        given = compiled.transform(design_columns(recipe, table))
        np.testing.assert_array_equal(given, prepared.transform(design_frame(recipe, table)))
