from __future__ import annotations

import time
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.preprocessing import OneHotEncoder

from tenure.core.errors import StageError
from tenure.ml.encoding import CategoryEncoder
from tenure.ml.expression import Derived
from tenure.ml.recipe import (
    CategoricalFeatures,
    DatetimeFeatures,
    NumericFeatures,
    Recipe,
    decode,
    derive,
    design_frame,
    encode,
    preprocessor,
)
from tenure.ml.signature import InputColumn, Signature, check_rows, rows_to_table

RECIPE = Recipe(
    inputs=(
        InputColumn("a", "number", nullable=True),
        InputColumn("n", "integer", nullable=True),
        InputColumn("c", "string", nullable=True),
        InputColumn("t", "timestamp"),
        InputColumn("f", "boolean"),
    ),
    derived=(Derived("double", "2 * a", "number"),),
    numeric=NumericFeatures(("a", "n", "double")),
    boolean=("f",),
    categorical=CategoricalFeatures(("c",), rare_below=0.0),
    datetime=DatetimeFeatures(("t",), parts=("year", "month", "dayofweek", "dayofyear", "hour")),
)


def _table(rows: int = 40) -> pa.Table:
    generator = np.random.default_rng(4)
    return pa.table(
        {
            "unused": ["x"] * rows,
            "a": [None if i % 9 == 0 else float(v) for i, v in enumerate(generator.normal(size=rows))],
            "n": [None if i % 7 == 0 else i for i in range(rows)],
            "c": [[None, "u", "v", "w"][i % 4] for i in range(rows)],
            "t": pa.array([datetime(2024, 2, 28 + i % 2, i % 24) for i in range(rows)]),  # noqa: DTZ001
            "f": [i % 3 == 0 for i in range(rows)],
        }
    )


def test_json_round_trip():
    assert decode(encode(RECIPE)) == RECIPE
    with pytest.raises(StageError, match="not a feature recipe"):
        decode(b"[]")


def test_a_request_and_a_table_give_the_same_frame():
    """Training reads Parquet, serving reads JSON: the model must not be able to tell."""
    table = _table()
    rows = [
        row | {"t": row["t"].isoformat()}
        for row in table.select([column.name for column in RECIPE.inputs]).to_pylist()
    ]
    signature = Signature(RECIPE.inputs, "binary", "y", (0, 1))
    assert check_rows(signature, rows).ok
    pd.testing.assert_frame_equal(
        design_frame(RECIPE, table), design_frame(RECIPE, rows_to_table(signature, rows)), check_exact=True
    )


def test_other_arrow_types_of_the_same_values_give_the_same_frame():
    table = _table()
    other = table.set_column(2, "n", table.column("n").cast(pa.int16()))
    other = other.set_column(3, "c", table.column("c").dictionary_encode())
    other = other.set_column(4, "t", table.column("t").cast(pa.timestamp("ns", "UTC")))
    pd.testing.assert_frame_equal(design_frame(RECIPE, table), design_frame(RECIPE, other), check_exact=True)


def test_parts_of_timestamps_agree_with_pandas():
    recipe = Recipe(
        (InputColumn("t", "timestamp", True),),
        datetime=DatetimeFeatures(
            ("t",),
            ("year", "quarter", "month", "day", "dayofweek", "dayofyear", "hour", "minute"),
            cyclical=False,
        ),
    )
    moments = pd.to_datetime(
        ["1969-12-31 23:59", "2000-02-29 00:00", "2024-12-31 13:45:59.5", "2023-06-05"], format="mixed"
    )
    frame = design_frame(recipe, pa.table({"t": pa.array([*moments.to_pydatetime(), None])}))
    for part in recipe.datetime.parts:
        assert frame[f"t__{part}"].tolist()[:4] == list(
            getattr(moments, {"dayofweek": "day_of_week", "dayofyear": "day_of_year"}.get(part, part))
        )
        assert np.isnan(frame[f"t__{part}"].iloc[4])


def test_cycles_join_their_ends():
    recipe = Recipe((InputColumn("t", "timestamp"),), datetime=DatetimeFeatures(("t",), ("hour",)))
    moments = [datetime(2024, 1, 1, hour) for hour in range(24)]  # noqa: DTZ001
    points = design_frame(recipe, pa.table({"t": pa.array(moments)})).to_numpy()
    steps = np.linalg.norm(np.roll(points, -1, axis=0) - points, axis=1)
    assert np.allclose(steps, 2 * np.sin(np.pi / 24))


def test_matrix_is_complete_and_its_width_does_not_depend_on_the_fold():
    table = _table()
    frame = design_frame(RECIPE, table)
    fitted = preprocessor(RECIPE).fit(frame)
    matrix = fitted.transform(frame)
    names = list(fitted.get_feature_names_out())
    assert matrix.shape == (40, len(names))
    assert not np.isnan(matrix).any()
    assert names[-4:] == ["c=u", "c=v", "c=w", "c=(missing)"]
    assert matrix[:, names.index("a")].mean() == pytest.approx(0, abs=1e-12)
    assert "missingindicator_a" in names


def test_infinity_is_missing():
    recipe = Recipe(
        (InputColumn("a", "number"),),
        numeric=NumericFeatures(("a",), scaling="none", missing_indicator=False),
    )
    frame = design_frame(recipe, pa.table({"a": [1.0, float("inf"), 3.0, float("-inf"), None]}))
    assert preprocessor(recipe).fit_transform(frame)[:, 0].tolist() == [1.0, 2.0, 3.0, 2.0, 2.0]


def test_a_column_without_values_becomes_constant():
    recipe = Recipe(
        (InputColumn("a", "number", True), InputColumn("b", "number")), numeric=NumericFeatures(("a", "b"))
    )
    frame = design_frame(recipe, pa.table({"a": pa.array([None, None], pa.float64()), "b": [1.0, 2.0]}))
    fitted = preprocessor(recipe).fit(frame)
    matrix = fitted.transform(frame)
    assert not np.isnan(matrix).any()
    assert (matrix[:, 0] == 0).all()


def test_none_keeps_missing_values_for_algorithms_that_take_them():
    recipe = Recipe(
        (InputColumn("a", "number", True),), numeric=NumericFeatures(("a",), "none", scaling="none")
    )
    matrix = preprocessor(recipe).fit_transform(design_frame(recipe, pa.table({"a": [1.0, None]})))
    assert np.isnan(matrix).tolist() == [[False], [True]]


def test_a_missing_column_and_a_column_of_another_type_are_named():
    with pytest.raises(StageError, match="a column is missing") as caught:
        derive(RECIPE, _table().drop_columns(["n"]))
    assert "'n'" in caught.value.detail
    with pytest.raises(StageError, match="another type") as caught:
        derive(RECIPE, _table().set_column(2, "n", pa.array(["many"] * 40)))
    assert "'n' is string, the model takes integer" in caught.value.detail


def test_one_hot_codes_agree_with_scikit_learn():
    generator = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"a": generator.choice(list("pqrs"), 200), "b": generator.choice(["x", "y"], 200)}, dtype=object
    )
    ours = CategoryEncoder().fit(frame).transform(frame)
    assert np.array_equal(ours, OneHotEncoder(sparse_output=False).fit_transform(frame))


def test_rare_unseen_and_missing_categories():
    train = pd.DataFrame({"c": ["a"] * 6 + ["b"] * 5 + ["r1", "r2"] + [None]}, dtype=object)
    new = pd.DataFrame({"c": ["a", "r1", "never seen", None]}, dtype=object)
    encoder = CategoryEncoder(rare_below=0.1).fit(train)
    assert encoder.get_feature_names_out().tolist() == ["c=a", "c=b", "c=(other)", "c=(missing)"]
    assert encoder.transform(new).tolist() == [[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    ordinal = CategoryEncoder(encoding="ordinal", rare_below=0.1).fit(train)
    assert ordinal.transform(new)[:, 0].tolist() == [0, 2, 2, 3]
    complete = CategoryEncoder().fit(train.iloc[:11])
    assert complete.transform(new).tolist() == [[1, 0], [0, 0], [0, 0], [0, 0]]


def test_categories_that_look_like_the_reserved_names_are_kept_apart():
    train = pd.DataFrame({"c": ["(other)"] * 5 + ["(missing)"] * 5 + ["rare"] + [None]}, dtype=object)
    codes = CategoryEncoder(rare_below=0.2).fit(train).transform(train)
    assert codes.shape == (12, 4)
    assert codes.sum(axis=0).tolist() == [5, 5, 1, 1]


def test_two_hundred_thousand_categories_stay_small_and_quick():
    frame = pd.DataFrame({"c": [f"id-{i}" for i in range(200_000)]}, dtype=object)
    started = time.perf_counter()
    encoder = CategoryEncoder(max_categories=20).fit(frame)
    assert encoder.transform(frame.head(10)).shape == (10, 21)
    assert sum(len(kept) for kept in encoder.kept_) == 20
    assert time.perf_counter() - started < 10
