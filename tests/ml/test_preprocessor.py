from __future__ import annotations

import time

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from tenure.core.errors import StageError
from tenure.ml.design import design
from tenure.ml.preprocessor import (
    decode,
    dropped_names,
    encode,
    feature_names,
    missing_values,
    preprocessor,
    unused_inputs,
)
from tenure.ml.recipe import Recipe
from tenure.ml.signature import InputColumn
from tenure.ml.transforms.base import Target
from tenure.ml.treatments import Categorical, Numeric, default_recipe

INPUTS = (
    InputColumn("a", "number", True),
    InputColumn("b", "integer"),
    InputColumn("f", "boolean", True),
    InputColumn("c", "string", True),
    InputColumn("t", "timestamp", True),
)
RECIPE = default_recipe(INPUTS)


def _table(rows: int = 80) -> pa.Table:
    generator = np.random.default_rng(2)
    return pa.table(
        {
            "a": [None if i % 9 == 0 else float(v) for i, v in enumerate(generator.normal(size=rows))],
            "b": generator.integers(0, 9, rows),
            "f": [None if i % 8 == 0 else bool(i % 3) for i in range(rows)],
            "c": [None if i % 6 == 0 else "uvw"[i % 3] for i in range(rows)],
            "t": pa.array([None if i % 5 == 0 else i * 10**11 for i in range(rows)], pa.timestamp("us")),
        }
    )


def _fitted(recipe: Recipe, form: str, table: pa.Table, target: Target | None = None):
    return preprocessor(recipe, form).fit_transform(design(recipe, table), target)


def test_the_linear_form_is_complete_and_scaled_with_a_column_per_category():
    fitted, matrix = _fitted(RECIPE, "linear", _table())
    assert matrix.dtype == np.float64
    assert not np.isnan(matrix).any()
    assert not missing_values(RECIPE, "linear")
    names = [name for name, _ in feature_names(fitted)]
    assert {"a", "b", "a is missing", "f", "c=u", "c=v", "c=w", "c=(missing)", "t__month_sin"} <= set(names)
    assert "b is missing" not in names
    assert matrix[:, names.index("b")].mean() == pytest.approx(0, abs=1e-12)
    assert matrix[:, names.index("b")].std() == pytest.approx(1)
    assert set(np.unique(matrix[:, names.index("a is missing")])) == {0.0, 1.0}


def test_the_tree_form_leaves_numbers_as_they_are_and_has_one_column_per_category():
    fitted, matrix = _fitted(RECIPE, "tree", _table())
    assert matrix.dtype == np.float32
    assert missing_values(RECIPE, "tree")
    assert feature_names(fitted) == [
        ("a", "a"),
        ("b", "b"),
        ("f", "f"),
        ("c", "c"),
        ("t__month", "t"),
        ("t__dayofweek", "t"),
        ("t__dayofyear", "t"),
        ("t__hour", "t"),
    ]
    a = design(RECIPE, _table())["a"]
    assert np.array_equal(matrix[:, 0], a.astype(np.float32), equal_nan=True)


def test_every_feature_names_the_column_it_comes_from():
    for form in ("linear", "tree"):
        fitted, matrix = _fitted(RECIPE, form, _table())
        named = feature_names(fitted)
        assert len(named) == matrix.shape[1] == len(set(named))
        assert {source for _, source in named} == {"a", "b", "f", "c", "t"}
        assert unused_inputs(fitted, RECIPE) == []


def test_the_width_does_not_depend_on_values_that_a_fold_lacks():
    recipe = default_recipe((InputColumn("a", "number", True), InputColumn("b", "number")))
    table = pa.table({"a": pa.array([None, None], pa.float64()), "b": [1.0, 2.0]})
    _, matrix = _fitted(recipe, "linear", table)
    assert matrix[:, 0].tolist() == [0.0, 0.0]
    assert not np.isnan(matrix).any()


def test_a_tree_is_spared_what_it_cannot_tell():
    numeric = Numeric(missing_value_strategy="mean", scaling="robust", log=True)
    (values, flags) = numeric.treat("a")
    assert [step["type"] for step in values.linear] == ["impute", "log1p", "scale"]
    assert [step["type"] for step in values.tree] == ["impute"]
    assert [step["type"] for step in flags.tree] == ["missing_indicator"]
    (values,) = Numeric(missing_value_strategy="none").treat("a")
    assert [step["type"] for step in values.linear] == ["scale"]
    assert missing_values(Recipe(INPUTS[:1], treatments=(values,)), "linear")


def test_many_categories_give_trees_the_mean_of_the_target_besides():
    few, many = Categorical().treat("c", 30), Categorical().treat("c", 31)
    assert [[step["type"] for step in item.tree] for item in few] == [["ordinal"]]
    assert [[step["type"] for step in item.tree] for item in many] == [["ordinal"], ["target"]]
    assert [item.linear is None for item in many] == [False, True]


def test_rare_unseen_and_missing_categories():
    recipe = Recipe(
        (InputColumn("c", "string", True),),
        treatments=tuple(Categorical(encoding="onehot", rare_below=0.1).treat("c", 4)),
    )
    train = pa.table({"c": ["a"] * 6 + ["b"] * 5 + ["r1", "r2"] + [None]})
    new = design(recipe, pa.table({"c": ["a", "r1", "never seen", None]}))
    fitted, _ = _fitted(recipe, "linear", train)
    assert [name for name, _ in feature_names(fitted)] == ["c=a", "c=b", "c=(other)", "c=(missing)"]
    assert fitted.transform(new).tolist() == [[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    complete, _ = _fitted(recipe, "linear", train.slice(0, 11))
    assert complete.transform(new).tolist() == [[1, 0], [0, 0], [0, 0], [0, 0]]
    as_missing = Recipe(
        recipe.inputs,
        treatments=tuple(Categorical(encoding="onehot", rare_below=0.1, unseen="missing").treat("c", 4)),
    )
    fitted, _ = _fitted(as_missing, "linear", train.slice(0, 13))
    assert fitted.transform(new).tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 1], [0, 0, 1]]


def test_categories_that_look_like_the_reserved_names_are_kept_apart():
    recipe = Recipe(
        (InputColumn("c", "string", True),),
        treatments=tuple(Categorical(encoding="onehot", rare_below=0.2).treat("c", 4)),
    )
    values = ["(other)"] * 5 + ["(missing)"] * 5 + ["rare"] + [None]
    _, codes = _fitted(recipe, "linear", pa.table({"c": values}))
    assert codes.shape == (12, 4)
    assert sorted(codes.sum(axis=0).tolist()) == [1, 1, 5, 5]


def test_two_hundred_thousand_categories_stay_small_and_quick():
    recipe = default_recipe((InputColumn("c", "string"),))
    table = pa.table({"c": [f"id-{i}" for i in range(200_000)]})
    rows = design(recipe, table)
    started = time.perf_counter()
    for form in ("linear", "tree"):
        fitted = preprocessor(recipe, form).fit(rows)
        assert fitted.transform(rows.take(np.arange(10))).shape[0] == 10
        assert len(encode(fitted)) < 40_000
    assert time.perf_counter() - started < 10


def test_a_selection_is_fitted_with_the_rest_and_says_what_it_left_out():
    recipe = msgspec.structs.replace(
        default_recipe(tuple(InputColumn(name, "number") for name in ("noise", "signal", "constant"))),
        selection={"type": "mutual_information"},
    )
    generator = np.random.default_rng(0)
    signal = generator.normal(size=300)
    table = pa.table({"noise": generator.normal(size=300), "signal": signal, "constant": np.ones(300)})
    target = Target(signal**2)
    fitted, matrix = _fitted(recipe, "linear", table, target)
    assert feature_names(fitted) == [("signal", "signal")]
    assert dropped_names(fitted) == [("noise", "noise"), ("constant", "constant")]
    assert unused_inputs(fitted, recipe) == ["noise", "constant"]
    assert matrix.shape == (300, 1)
    again = decode(encode(fitted))
    assert again.transform(design(recipe, table)).tobytes() == matrix.tobytes()
    with pytest.raises(StageError, match="a selection needs a target"):
        preprocessor(recipe).fit(design(recipe, table))


def test_only_the_blocks_that_a_selection_left_are_computed():
    recipe = Recipe(
        (InputColumn("a", "number"), InputColumn("c", "string")),
        treatments=(*Numeric().treat("a"), *Categorical().treat("c", 2)),
        selection={"type": "variance", "max_features": 1},
    )
    table = pa.table({"a": np.arange(50.0), "c": ["x", "y"] * 25})
    fitted, _ = _fitted(recipe, "tree", table, Target(np.arange(50.0)))
    assert feature_names(fitted) == [("a", "a")]
    rows = dict(design(recipe, table))
    del rows["c"]
    from tenure.ml.design import Design

    assert fitted.transform(Design(rows, 50)).shape == (50, 1)


def test_a_target_encoding_without_a_target_is_an_error():
    recipe = Recipe(
        (InputColumn("c", "string"),), treatments=tuple(Categorical(encoding="target").treat("c", 2))
    )
    with pytest.raises(StageError, match="needs a target"):
        preprocessor(recipe).fit(design(recipe, pa.table({"c": ["x", "y"]})))


def _damaged(data: bytes) -> dict[str, bytes]:
    read = msgspec.msgpack.decode(data)
    block = next(block for block in read["blocks"] if block["columns"] == ["c"])
    (step,) = block["steps"]
    other = {
        "format": {**read, "format": 99},
        "form": {**read, "form": "quadratic"},
        "kept": {**read, "kept": [10_000]},
        "from the end": {**read, "kept": [-1]},
    }
    step["learned"].pop("categories")
    other["lost"] = read
    numbers = msgspec.msgpack.decode(data)
    learned = numbers["blocks"][0]["steps"][0]["learned"]
    name = next(iter(learned))
    learned[name] = {**learned[name], "dtype": "|O8"}
    other["objects"] = numbers
    short = msgspec.msgpack.decode(data)
    array = short["blocks"][0]["steps"][0]["learned"][name]
    array["shape"], array["data"] = [1, 7], array["data"][:8] * 7
    other["shape"] = short
    return {"cut": data[: len(data) // 2], "empty": b"", "text": b"preprocessor"} | {
        name: msgspec.msgpack.encode(value) for name, value in other.items()
    }


def test_a_damaged_file_is_one_error():
    data = encode(_fitted(RECIPE, "linear", _table())[0])
    decode(data)
    for name, damaged in _damaged(data).items():
        with pytest.raises(StageError) as caught:
            decode(damaged)
        assert caught.value.summary == "the model file cannot be read", name
