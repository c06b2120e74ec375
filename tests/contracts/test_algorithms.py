"""What every algorithm keeps: it fits the tasks it claims, repeats itself under one seed, and survives being stored."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tenure.core.effect import Effect
from tenure.ml.design import Design
from tenure.ml.metrics import baseline, metric, score
from tenure.ml.predictor import Predictor, load, predict_matrix, save
from tenure.ml.preprocessor import preprocessor
from tenure.ml.signature import InputColumn, Signature
from tenure.ml.treatments import default_recipe
from tenure.spec.base import effect_of
from tenure.stages.training.algorithm import Rows, Setting
from tenure.stages.training.algorithms import Algorithms
from tenure.stages.training.space import Fixed

ROWS, FEATURES = 90, 3
CLASSES = {"binary": ("no", "yes"), "multiclass": ("a", "b", "c"), "regression": ()}
EVERY = Algorithms.model_validate({name: {} for name in Algorithms.model_fields}).listed()
CLAIMED = [(name, task) for name, algorithm in EVERY.items() for task in algorithm.TASKS]


def _rows(task: str, *, missing: bool = False) -> Rows:
    generator = np.random.default_rng(6)
    matrix = generator.normal(size=(ROWS, FEATURES))
    signal = matrix[:, 0] - matrix[:, 1]
    target = {
        "binary": (signal > 0).astype(int),
        "multiclass": np.digitize(signal, [-0.7, 0.7]),
        "regression": signal,
    }[task]
    if missing:
        matrix[generator.random(matrix.shape) < 0.1] = np.nan
        matrix[:, 2] = np.nan  # and one column without any value, as a fold may have
    return Rows(matrix, target)


def _signature(task: str) -> Signature:
    inputs = tuple(InputColumn(f"x{i}", "number") for i in range(FEATURES))
    return Signature(inputs, task, "y", CLASSES[task])


def _setting(task: str, seed: int = 3) -> Setting:
    return Setting(task, len(CLASSES[task]), seed, 1)


def _small(name: str) -> dict:
    """The starting point with few trees, so that the suite is quick."""
    start = EVERY[name].start()
    few = {"n_estimators", "max_iter"} & set(start) if name != "logistic_regression" else ()
    return start | {key: 12 for key in few}


def _truth(task: str, rows: Rows) -> np.ndarray:
    return rows.target if task == "regression" else np.array(CLASSES[task], dtype=object)[rows.target]


@pytest.mark.parametrize(("name", "task"), CLAIMED)
def test_it_learns_every_task_it_claims(name, task):
    rows = _rows(task)
    fit = EVERY[name].fit(_small(name), rows, _setting(task), None)
    predictions = predict_matrix(fit.estimator, rows.matrix, _signature(task))
    truth = _truth(task, rows)
    measure = metric("rmse" if task == "regression" else "accuracy", task)
    naive = baseline(task, truth, ROWS, CLASSES[task])
    assert measure.better(score(measure, truth, predictions), score(measure, truth, naive))


@pytest.mark.parametrize(("name", "task"), CLAIMED)
def test_equal_seeds_give_equal_files_and_files_give_equal_predictions(name, task):
    recipe = default_recipe(_signature(task).inputs)
    rows = _rows(task)
    prepared = preprocessor(recipe).fit(Design({f"x{i}": rows.matrix[:, i] for i in range(FEATURES)}, ROWS))

    def made() -> Predictor:
        fit = EVERY[name].fit(_small(name), _rows(task), _setting(task), None)
        return Predictor(recipe, _signature(task), prepared, fit.estimator)

    first = made()
    files = save(first)
    assert save(made()) == files
    before, after = first.predict_matrix(rows.matrix), load(files).predict_matrix(rows.matrix)
    assert np.array_equal(before.labels, after.labels)
    if task != "regression":
        assert np.array_equal(before.probabilities, after.probabilities)


@pytest.mark.parametrize(("name", "task"), CLAIMED)
def test_validation_rows_stop_the_fit_at_most(name, task):
    """What a fit reports must be something a refit without validation rows understands."""
    rows, validation = _rows(task), _rows(task)
    fit = EVERY[name].fit(_small(name), rows, _setting(task), validation)
    again = EVERY[name].fit(_small(name) | dict(fit.learned), _rows(task), _setting(task), None)
    one, two = (predict_matrix(item.estimator, rows.matrix, _signature(task)) for item in (fit, again))
    assert np.array_equal(one.labels, two.labels)


@pytest.mark.parametrize(("name", "task"), [case for case in CLAIMED if EVERY[case[0]].MISSING_VALUES])
def test_missing_values_are_taken_where_it_says_so(name, task):
    rows = _rows(task, missing=True)
    fit = EVERY[name].fit(_small(name), rows, _setting(task), None)
    assert len(predict_matrix(fit.estimator, rows.matrix, _signature(task))) == ROWS


@pytest.mark.parametrize(("name", "task"), [case for case in CLAIMED if not EVERY[case[0]].MISSING_VALUES])
def test_missing_values_are_refused_where_it_says_so(name, task):
    with pytest.raises(ValueError, match="NaN"):
        EVERY[name].fit(_small(name), _rows(task, missing=True), _setting(task), None)


@pytest.mark.parametrize(("name", "task"), [case for case in CLAIMED if case[1] == "multiclass"])
def test_a_class_missing_from_the_rows_has_no_probability_worth_speaking_of(name, task):
    rows = _rows(task)
    kept = rows.target != 1
    fit = EVERY[name].fit(_small(name), Rows(rows.matrix[kept], rows.target[kept]), _setting(task), None)
    probabilities = predict_matrix(fit.estimator, rows.matrix, _signature(task)).probabilities
    assert probabilities.shape == (ROWS, 3)
    assert probabilities[:, 1].max() < 0.34
    assert probabilities.sum(axis=1) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("name", EVERY)
def test_the_portfolio_lies_in_the_default_space(name):
    algorithm = EVERY[name]
    assert algorithm.starts() == tuple(dict(member) for member in algorithm.PORTFOLIO)
    for start in algorithm.starts():
        expected = {parameter for parameter in algorithm.dimensions() if algorithm.counts(parameter, start)}
        assert set(start) == expected
    searched = any(not isinstance(dimension, Fixed) for dimension in algorithm.dimensions().values())
    assert searched or name == "linear_regression", "which has nothing to search"


@pytest.mark.parametrize("name", EVERY)
def test_a_narrower_space_moves_the_starting_point_into_it(name):
    algorithm = EVERY[name]
    for parameter, start in algorithm.start().items():
        if isinstance(start, str | bool):
            continue
        space = {parameter: {"type": "uniform", "low": start + 1, "high": start + 2}}
        moved = type(algorithm).model_validate({"search_space": space}).start()
        assert moved[parameter] == start + 1


@pytest.mark.parametrize(("name", "task"), CLAIMED)
def test_weights_count_like_rows_that_occur_so_often(name, task):
    """Rows of weight 0 might as well not be there: what is learned from the others decides."""
    rows = _rows(task)
    turned = rows.target[::-1].copy()
    weights = np.repeat([1.0, 0.0], ROWS)
    both = Rows(np.vstack([rows.matrix, rows.matrix]), np.concatenate([rows.target, turned]), weights)
    fit = EVERY[name].fit(_small(name), both, _setting(task), None)
    predictions = predict_matrix(fit.estimator, rows.matrix, _signature(task))
    truth = _truth(task, rows)
    measure = metric("rmse" if task == "regression" else "accuracy", task)
    naive = baseline(task, truth, ROWS, CLASSES[task])
    assert measure.better(score(measure, truth, predictions), score(measure, truth, naive))


@pytest.mark.parametrize(("name", "task"), [case for case in CLAIMED if EVERY[case[0]].ROUNDS])
def test_one_that_works_in_rounds_can_be_stopped_after_any(name, task):
    told = []

    def watch(rounds: int, loss: float) -> bool:
        told.append((rounds, loss))
        return rounds == 3

    setting = dataclasses.replace(_setting(task), watch=watch)
    fit = EVERY[name].fit(_small(name), _rows(task), setting, _rows(task))
    assert [rounds for rounds, _ in told] == [1, 2, 3]
    assert told[0][1] > told[-1][1]
    assert len(predict_matrix(fit.estimator, _rows(task).matrix, _signature(task))) == ROWS


@pytest.mark.parametrize("name", EVERY)
def test_every_field_is_described_and_has_an_effect(name):
    algorithm = EVERY[name]
    for block in (type(algorithm), type(algorithm.search_space)):
        assert block.__doc__
        for info in block.model_fields.values():
            assert info.description
            assert effect_of(info) is Effect.RETRAIN


@pytest.mark.parametrize("name", EVERY)
def test_the_block_validates_against_its_own_schema(name):
    jsonschema = pytest.importorskip("jsonschema")
    schema = Algorithms.model_json_schema()
    jsonschema.validate({name: {}}, schema)
    jsonschema.validate({name: EVERY[name].model_dump(mode="json")}, schema)
