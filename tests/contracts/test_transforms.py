"""What every transform promises; a new kind is tested as soon as it is in the union and has an example here."""

from __future__ import annotations

import json
from typing import Any, get_args

import numpy as np
import pytest

from tenure.ml.design import Design, Text
from tenure.ml.preprocessor import Block, Preprocessor, decode, encode
from tenure.ml.transforms import AnyTransform, transform_of
from tenure.ml.transforms.base import Target, Transform
from tenure.spec.base import config_of, effects_of

KINDS = get_args(get_args(AnyTransform)[0])
ROWS = 60

# Kind -> every way of writing it that takes another path.
EXAMPLES: dict[str, list[dict[str, Any]]] = {
    "impute": [
        {},
        {"strategy": "mean"},
        {"strategy": "most_frequent"},
        {"strategy": "constant", "value": -1},
    ],
    "missing_indicator": [{}],
    "clip": [{"low": -0.5}, {"quantiles": [0.1, 0.9]}, {"iqr": 1.5}],
    "log1p": [{}],
    "scale": [{"method": method} for method in ("standard", "minmax", "robust", "quantile", "power")],
    "bin": [{}, {"strategy": "uniform", "encoding": "onehot"}, {"edges": [-1, 0, 1]}],
    "onehot": [{}, {"max_categories": 2}, {"rare_below": 0.3, "unseen": "missing"}],
    "ordinal": [{}, {"order": "frequency", "max_categories": 2}],
    "frequency": [{}, {"max_categories": 2}],
    "target": [{}, {"smoothing": 10}],
    "tfidf": [{}, {"analyzer": "char", "ngrams": [2, 3]}, {"ngrams": [1, 2], "components": 3, "min_rows": 1}],
    "parts": [{}, {"parts": ["year", "quarter", "day", "minute"], "cyclical": False}],
}
CASES = [
    pytest.param(kind, position, id=f"{kind}-{position}")
    for kind, ways in EXAMPLES.items()
    for position in range(len(ways))
]
TARGETS = {
    "regression": Target(np.linspace(-2, 3, ROWS)),
    "binary": Target(np.arange(ROWS) % 2, ("no", "yes")),
    "multiclass": Target(np.arange(ROWS) % 3, ("a", "b", "c")),
}


def _transform(kind: str, position: int = 0) -> Transform:
    return transform_of({"type": kind, **EXAMPLES[kind][position]})


def _values(transform: Transform, seed: int = 0) -> Any:
    generator = np.random.default_rng(seed)
    if transform.TAKES == "number":
        matrix = generator.normal(size=(ROWS, 3))
        matrix[generator.random(matrix.shape) < 0.2] = np.nan
        matrix[:, 2] = np.round(matrix[:, 2])
        return matrix
    if transform.TAKES == "timestamp":
        moments = np.datetime64("2024-02-27T21:15:00", "us") + generator.integers(0, 10**14, ROWS)
        moments[::7] = np.datetime64("NaT")
        return moments
    texts = ["red apples", "green apples", "a red car", "blue", "", "(other)"]
    return Text(generator.integers(-1, len(texts), ROWS), texts)


def _some(values: Any, rows: Any) -> Any:
    return values.take(rows) if isinstance(values, Text) else values[rows].copy()


def _columns(transform: Transform) -> list[str]:
    return ["x", "y", "z"] if transform.TAKES == "number" else ["x"]


def test_every_kind_has_an_example_and_is_called_like_its_file() -> None:
    assert {get_args(kind.model_fields["type"].annotation)[0] for kind in KINDS} == set(EXAMPLES)
    for kind in KINDS:
        assert kind.__module__.rsplit(".", 1)[1] == get_args(kind.model_fields["type"].annotation)[0]


@pytest.mark.parametrize(("kind", "position"), CASES)
def test_every_field_has_a_cost_and_survives_the_state(kind: str, position: int) -> None:
    transform = _transform(kind, position)
    assert "type" in effects_of(transform)
    assert transform_of(json.loads(json.dumps(config_of(transform)))) == transform


@pytest.mark.parametrize("task", TARGETS)
@pytest.mark.parametrize(("kind", "position"), CASES)
def test_a_row_alone_gives_what_it_gives_among_all_bit_by_bit(kind: str, position: int, task: str) -> None:
    transform = _transform(kind, position)
    learned, shown = transform.fit_transform(_values(transform), TARGETS[task])
    action = transform.compiled(learned)
    new = _values(transform, 1)
    everything = np.asarray(action(_some(new, np.arange(ROWS))), dtype=np.float64)
    named = transform.names(_columns(transform), learned)
    assert shown.shape == everything.shape == (ROWS, len(named))
    for row in range(ROWS):
        alone = np.asarray(action(_some(new, np.array([row]))), dtype=np.float64)
        assert alone.tobytes() == everything[row : row + 1].tobytes()


@pytest.mark.parametrize(("kind", "position"), CASES)
def test_equal_rows_teach_the_same_and_it_survives_the_file(kind: str, position: int) -> None:
    transform = _transform(kind, position)
    reads = transform.TAKES
    columns = tuple(_columns(transform))

    def made() -> Preprocessor:
        learned = transform.fit(_values(transform), TARGETS["binary"])
        return Preprocessor("linear", [Block(columns, reads, ((transform, learned),))])

    values = _values(transform, 1)
    given = (
        {name: values[:, place] for place, name in enumerate(columns)} if reads == "number" else {"x": values}
    )
    design = Design(given, ROWS)
    data = encode(made())
    assert encode(made()) == data
    again = decode(data)
    assert encode(again) == data
    assert again.transform(design).tobytes() == made().transform(design).tobytes()


@pytest.mark.parametrize(("kind", "position"), CASES)
def test_training_rows_without_a_value_are_no_error(kind: str, position: int) -> None:
    transform = _transform(kind, position)
    values = _values(transform)
    empty: Any = Text(np.full(ROWS, -1), []) if transform.TAKES == "text" else np.full_like(values, np.nan)
    learned = transform.fit(empty, TARGETS["binary"])
    action = transform.compiled(learned)
    for rows in (empty, _values(transform, 1)):
        given = np.asarray(action(_some(rows, np.arange(ROWS))), dtype=np.float64)
        assert given.shape == (ROWS, len(transform.names(_columns(transform), learned)))
        assert not np.isinf(given).any()
        if transform.completes:
            assert not np.isnan(given).any()


@pytest.mark.parametrize(
    ("kind", "position"), [case for case in CASES if case.values[0] in ("scale", "log1p", "clip")]
)
def test_numbers_of_any_size_stay_finite_and_in_order(kind: str, position: int) -> None:
    transform = _transform(kind, position)
    column = np.array([-3.4e38, -1e30, -1.0, -5e-324, 0.0, 5e-324, 1e-3, 1.0, 2.0, 1e30, 3.4e38])[:, None]
    learned = transform.fit(column, None)
    given = transform.compiled(learned)(column.copy())[:, 0]
    assert np.isfinite(given).all()
    assert (np.diff(given) >= 0).all()


@pytest.mark.parametrize(("kind", "position"), [case for case in CASES if case.values[0] == "scale"])
def test_a_constant_column_does_not_become_noise(kind: str, position: int) -> None:
    transform = _transform(kind, position)
    for value in (0.1, 1e9 + 0.1, -1e-300):
        learned = transform.fit(np.full((50, 1), value), None)
        assert np.abs(transform.compiled(learned)(np.full((3, 1), value))).max() < 1e-6
