"""The same values in training, from a file and in serving: any table, any recipe, bit by bit."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tests.stages.lab import Lab

from tenure.core.errors import StageError
from tenure.ml.columns import canonical
from tenure.ml.design import design
from tenure.ml.predictor import Predictor
from tenure.ml.preprocessor import decode, encode, preprocessor
from tenure.ml.recipe import Recipe
from tenure.ml.recipe import decode as recipe_of
from tenure.ml.signature import Signature, check_rows, rows_to_table
from tenure.ml.transforms.base import Target

NUMBERS = st.one_of(
    st.none(),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, -0.0, 5e-324, 1e-40, 1e39, -1e300, 16777217.0, 0.1]),
    st.floats(-5, 5),
)
INTEGERS = st.one_of(st.none(), st.integers(-5, 5), st.sampled_from([2**53 + 1, -(2**62), 16777217]))
TEXTS = st.one_of(
    st.none(), st.sampled_from(["a", "b", "c", "", "(other)", "(missing)", "ä€😀", "A"]), st.text(max_size=3)
)
WORDS = st.lists(st.sampled_from(["red", "Green", "car", "cars", "naïve", "x1"]), max_size=6).map(" ".join)
MOMENTS = st.one_of(
    st.none(),
    st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001
    st.integers(0, 300).map(lambda day: datetime(2024, 1, 1) + timedelta(days=day)),  # noqa: DTZ001
)
COLUMNS = {
    "n": (NUMBERS, pa.float64()),
    "i": (INTEGERS, pa.int64()),
    "b": (st.one_of(st.none(), st.booleans()), pa.bool_()),
    "c": (TEXTS, pa.string()),
    "w": (WORDS, pa.string()),
    "t": (MOMENTS, pa.timestamp("us")),
}


@st.composite
def tables(draw: st.DrawFn, rows: int) -> pa.Table:
    """Every column has a value somewhere, so that its type is known."""
    columns = {
        name: draw(st.lists(values, min_size=rows, max_size=rows)) for name, (values, _) in COLUMNS.items()
    }
    return pa.table({name: pa.array(columns[name], kind) for name, (_, kind) in COLUMNS.items()})


NUMERIC = st.fixed_dictionaries(
    {},
    optional={
        "missing_value_strategy": st.sampled_from(
            ["auto", "median", "mean", "most_frequent", "constant", "none"]
        ),
        "missing_indicator": st.booleans(),
        "outliers": st.sampled_from([{"quantiles": [0.1, 0.9]}, {"iqr": 1.5}]),
        "log": st.booleans(),
        "scaling": st.sampled_from(["standard", "minmax", "robust", "quantile", "power", "none"]),
    },
)
CATEGORICAL = st.fixed_dictionaries(
    {},
    optional={
        "encoding": st.sampled_from(["auto", "onehot", "ordinal", "target", "frequency"]),
        "rare_below": st.sampled_from([0.0, 0.2]),
        "max_categories": st.integers(1, 4),
        "unseen": st.sampled_from(["other", "missing"]),
    },
)
BLOCKS = st.fixed_dictionaries(
    {"include": st.just(list(COLUMNS)), "leakage": st.just({"severity": "warn"})},
    optional={
        "numeric": NUMERIC,
        "categorical": CATEGORICAL,
        "datetime": st.sampled_from([{"cyclical": False}, {"cyclical": True, "parts": ["hour", "year", "minute"]}]),
        "text": st.sampled_from(
            [{"columns": ["w"]}, {"columns": ["w", "c"], "analyzer": "char", "ngrams": [1, 3], "min_rows": 1}]
        ),
        "interactions": st.sampled_from(
            [[{"type": kind, "columns": ["n", "i"]}] for kind in ("product", "ratio", "sum", "difference")]
        ),
        "derived": st.sampled_from(
            [
                [{"name": "d", "expression": "coalesce(n, 0) > i"}],
                [{"name": "d", "expression": "upper(c) || w"}, {"name": "e", "expression": "length(d)"}],
                [{"name": "d", "expression": "t + INTERVAL 1 HOUR"}],
            ]
        ),
        "columns": st.sampled_from(
            [
                {"i": {"type": "categorical", "encoding": "target"}, "b": {"type": "categorical"}},
                {"n": {"transforms": ["impute", {"type": "bin", "encoding": "onehot"}]}, "t": {"cyclical": False}},
                {"n": {"transforms": ["log1p", {"type": "clip", "high": 2}, {"type": "bin", "bins": 3}]}},
                {"w": {"type": "text", "components": 2}, "c": {"transforms": ["frequency", "scale"]}},
            ]
        ),
        "selection": st.sampled_from(
            [
                {"type": kind, "max_features": 4}
                for kind in ("variance", "count", "correlation", "mutual_information")
            ]
        ),
    },
)  # fmt: skip


def _requested(recipe: Recipe, signature: Signature, table: pa.Table) -> list[dict[str, Any]]:
    """The rows as a caller sends them: JSON text, in which a number that is not finite is null."""
    rows = table.select([column.name for column in recipe.inputs]).to_pylist()
    for row in rows:
        for name, value in row.items():
            if isinstance(value, datetime):
                row[name] = value.isoformat()
            elif isinstance(value, float) and not np.isfinite(value):
                row[name] = None
    return json.loads(json.dumps(rows))  # type: ignore[no-any-return]


@pytest.mark.slow
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)
@given(
    table=tables(24), new=tables(70), block=BLOCKS, form=st.sampled_from(["linear", "tree"]),
    task=st.sampled_from(["regression", "binary", "multiclass"]),
)  # fmt: skip
def test_training_files_and_requests_see_the_same_features(tmp_path, table, new, block, form, task):
    count = {"regression": 24, "binary": 2, "multiclass": 3}[task]
    y = [f"c{i % count}" for i in range(24)] if task != "regression" else [float(i) for i in range(24)]
    lab = Lab(tmp_path, canonical(table)[0].append_column("y", pa.array(y)), "y")
    try:
        value = lab.make_features(**block).value
    except StageError as error:
        assume("no value" not in error.detail and "no column is left" not in error.summary)
        raise
    made = lab.records["features/recipe"]
    recipe = recipe_of(lab.artifacts.get(made.artifacts["recipe"]))
    signature = msgspec.convert(value["signature"], Signature)
    # A later row may lack what no training row lacked: here it may, as `nullable` is another test's business.
    inputs = tuple(msgspec.structs.replace(column, nullable=True) for column in recipe.inputs)
    signature = msgspec.structs.replace(signature, inputs=inputs)
    codes = np.arange(24) % count if task != "regression" else np.array(y)
    target = Target(codes, tuple(signature.classes))

    rows = design(recipe, canonical(table)[0])
    fitted, shown = preprocessor(recipe, form).fit_transform(rows, target)
    stored = decode(encode(fitted))
    assert shown.shape == (24, len(fitted.names))
    assert not np.isinf(shown).any()
    served = Predictor(recipe, signature, stored, None)
    for given_rows in (table, new):
        clean = canonical(given_rows)[0]
        expected = fitted.transform(design(recipe, clean))
        assert not np.isinf(expected).any()
        assert served.matrix(clean).tobytes() == expected.tobytes()
        asked = _requested(recipe, signature, given_rows)
        assert check_rows(signature, asked).ok
        assert served.matrix(rows_to_table(signature, asked)).tobytes() == expected.tobytes()
        for position, row in enumerate(asked[:12]):
            alone = served.matrix(rows_to_table(signature, [row]))
            assert alone.tobytes() == expected[position : position + 1].tobytes()
