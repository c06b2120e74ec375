from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tenure.core.errors import StageError
from tenure.ml.design import LARGEST, Design, Text, derive, design
from tenure.ml.expression import Derived
from tenure.ml.recipe import Interaction, Recipe, Treatment, decode, encode
from tenure.ml.signature import InputColumn, Signature, check_rows, rows_to_table
from tenure.ml.transforms.parts import Parts
from tenure.ml.treatments import default_recipe

RECIPE = default_recipe(
    (
        InputColumn("a", "number", nullable=True),
        InputColumn("n", "integer", nullable=True),
        InputColumn("c", "string", nullable=True),
        InputColumn("t", "timestamp"),
        InputColumn("f", "boolean"),
    ),
    (Derived("double", "2 * a", "number"),),
)


def _table(rows: int = 90) -> pa.Table:
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


def _same(one: Design, other: Design) -> None:
    assert list(one) == list(other)
    for name in one:
        left, right = one[name], other[name]
        if isinstance(left, Text):
            left, right = (
                [None if code < 0 else text.categories[code] for code in text.codes] for text in (left, right)
            )
            assert left == right
        else:
            assert left.dtype == right.dtype
            assert left.tobytes() == right.tobytes()


def test_json_round_trip():
    assert decode(encode(RECIPE)) == RECIPE
    with pytest.raises(StageError, match="not a feature recipe"):
        decode(b"[]")


@pytest.mark.parametrize("rows", [3, 90])
def test_a_request_and_a_table_give_the_same_design(rows):
    """Training reads Parquet, serving reads JSON: the model must not be able to tell. Few rows take another path."""
    table = _table(rows)
    asked = [
        row | {"t": row["t"].isoformat()}
        for row in table.select([column.name for column in RECIPE.inputs]).to_pylist()
    ]
    signature = Signature(RECIPE.inputs, "binary", "y", (0, 1))
    assert check_rows(signature, asked).ok
    _same(design(RECIPE, table), design(RECIPE, rows_to_table(signature, asked)))


def test_other_arrow_types_of_the_same_values_give_the_same_design():
    table = _table()
    other = table.set_column(2, "n", table.column("n").cast(pa.int16()))
    other = other.set_column(3, "c", table.column("c").dictionary_encode())
    other = other.set_column(4, "t", table.column("t").cast(pa.timestamp("ns", "UTC")))
    _same(design(RECIPE, table), design(RECIPE, other))


@pytest.mark.parametrize("copies", [1, 30])
def test_infinity_is_missing_and_numbers_are_bounded(copies):
    recipe = default_recipe((InputColumn("a", "number"),))
    values = [1.0, float("inf"), float("-inf"), None, float("nan"), 1e300, -1e39, 5e-324, -0.0] * copies
    given = design(recipe, pa.table({"a": values}))["a"][:9]
    expected = np.array([1.0, *[np.nan] * 4, LARGEST, -LARGEST, 5e-324, -0.0])
    assert np.array_equal(given, expected, equal_nan=True)
    assert np.signbit(given[8])


def test_text_from_chunks_and_dictionaries_has_every_value_once():
    chunks = pa.chunked_array([pa.array(["x", None, "y"] * 30), pa.array(["y", "z"] * 30)])
    text = Text.of(chunks)
    assert sorted(text.categories) == ["x", "y", "z"]
    assert [None if code < 0 else text.categories[code] for code in text.codes] == chunks.to_pylist()
    assert dict(zip(text.categories, text.counts().tolist(), strict=True)) == {"x": 30, "y": 60, "z": 30}
    assert text.take(np.array([0, 1])).counts().sum() == 1


def test_rows_are_taken_by_position_and_by_mask():
    whole = design(RECIPE, _table())
    rows = np.array([4, 17, 80])
    mask = np.isin(np.arange(90), rows)
    _same(whole.take(rows), whole.take(mask))
    assert whole.take(mask).rows == 3
    assert whole.cells == 90 * 6


def test_interactions_are_computed_row_by_row():
    recipe = Recipe(
        (InputColumn("a", "number"), InputColumn("b", "integer"), InputColumn("f", "boolean")),
        interactions=(
            Interaction("a x b", "product", ("a", "b")),
            Interaction("a per b", "ratio", ("a", "b")),
            Interaction("all", "sum", ("a", "b", "f")),
            Interaction("less", "difference", ("a", "b")),
        ),
        treatments=tuple(Treatment(name, "number") for name in ("a x b", "a per b", "all", "less")),
    )
    table = pa.table({"a": [6.0, 1e38, None], "b": [2, 0, 1], "f": [True, False, True]})
    given = design(recipe, table)
    assert given["a x b"][:2].tolist() == [12.0, 0.0]
    assert given["a per b"][0] == 3.0
    assert np.isnan(given["a per b"][1])  # nothing can be said of a division by 0
    assert given["all"][:2].tolist() == [9.0, 1e38]
    assert given["less"][0] == 4.0
    assert all(np.isnan(given[name][2]) for name in given)


def test_whole_numbers_and_booleans_may_be_categories():
    recipe = Recipe(
        (InputColumn("n", "integer", True), InputColumn("f", "boolean")),
        treatments=(Treatment("n", "text"), Treatment("f", "text")),
    )
    for rows in (1, 40):
        given = design(recipe, pa.table({"n": [7, None] * rows, "f": [True, False] * rows}))
        assert [list(given[name].categories) for name in ("n", "f")] == [["7"], ["true", "false"]]


def test_parts_of_timestamps_agree_with_pandas():
    parts = ("year", "quarter", "month", "day", "dayofweek", "dayofyear", "hour", "minute")
    transform = Parts(type="parts", parts=parts, cyclical=False)
    moments = pd.to_datetime(
        ["1969-12-31 23:59", "2000-02-29 00:00", "2024-12-31 13:45:59.5", "2023-06-05", None], format="mixed"
    )
    matrix = transform.compiled({})(moments.to_numpy().astype("datetime64[us]"))
    for position, part in enumerate(parts):
        expected = getattr(moments, {"dayofweek": "day_of_week", "dayofyear": "day_of_year"}.get(part, part))
        assert matrix[:4, position].tolist() == list(expected)[:4]
    assert np.isnan(matrix[4]).all()


def test_cycles_join_their_ends():
    transform = Parts(type="parts", parts=("hour",))
    points = transform.compiled({})(np.arange(24).astype("datetime64[h]").astype("datetime64[us]"))
    steps = np.linalg.norm(np.roll(points, -1, axis=0) - points, axis=1)
    assert np.allclose(steps, 2 * np.sin(np.pi / 24))


def test_a_missing_column_and_a_column_of_another_type_are_named():
    with pytest.raises(StageError, match="a column is missing") as caught:
        derive(RECIPE, _table().drop_columns(["n"]))
    assert "'n'" in caught.value.detail
    with pytest.raises(StageError, match="another type") as caught:
        derive(RECIPE, _table().set_column(2, "n", pa.array(["many"] * 90)))
    assert "'n' is string, the model takes integer" in caught.value.detail


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("date_diff('day', opened, closed)", 3),
        ("epoch(closed) - epoch(opened)", 3 * 86400 + 3600.0),
        ("date_part('hour', closed - opened)", 1),
        ("closed > opened + INTERVAL 2 DAY", 1),
    ],
)
def test_time_between_two_timestamps_is_an_expression(expression, expected):
    from tenure.ml.expression import references, result_type

    kinds = {"opened": "timestamp", "closed": "timestamp"}
    assert set(references("x", expression)) == set(kinds)
    kind = result_type("x", expression, kinds)
    recipe = default_recipe(
        (InputColumn("opened", "timestamp"), InputColumn("closed", "timestamp", True)),
        (Derived("x", expression, kind),),
    )
    table = pa.table(
        {
            "opened": [datetime(2024, 1, 1, 23), datetime(2024, 1, 1)],  # noqa: DTZ001
            "closed": [datetime(2024, 1, 5), None],  # noqa: DTZ001
        }
    )
    if "date_diff" in expression:
        expected = 4  # midnights between
    given = design(recipe, table)["x"]
    assert given[0] == expected
    assert np.isnan(given[1])
