"""What every algorithm keeps: it fits the tasks it claims, repeats itself under one seed, and survives being stored."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys

import numpy as np
import pytest

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.ml.design import Design
from tenure.ml.intervals import Margins
from tenure.ml.metrics import baseline, metric, score
from tenure.ml.postprocessing import Postprocessing
from tenure.ml.predictions import Predictions
from tenure.ml.predictor import Predictor, Quantiles, load, predict_matrix, save
from tenure.ml.predictor_files import FILES
from tenure.ml.preprocessor import preprocessor
from tenure.ml.signature import InputColumn, Signature
from tenure.ml.treatments import default_recipe
from tenure.spec.base import effect_of
from tenure.stages.training.algorithm import Algorithm, Rows, Setting
from tenure.stages.training.algorithms import Algorithms
from tenure.stages.training.space import Fixed

ROWS, FEATURES = 90, 3
CLASSES = {"binary": ("no", "yes"), "multiclass": ("a", "b", "c"), "regression": ()}
TREES = {"regression": "sklearn.tree.ExtraTreeRegressor"}
EXTRAS = ("xgboost", "lightgbm", "catboost")


def _block(name: str, task: str) -> dict:
    """The defaults, and for what has none a class that can do the task."""
    if name != "estimator":
        return {}
    space = {"min_samples_leaf": {"type": "int", "low": 2, "high": 8}, "max_features": [0.9, 0.5]}
    return {"class": TREES.get(task, "sklearn.tree.ExtraTreeClassifier"), "search_space": space}


def _algorithm(name: str, task: str = "binary") -> Algorithm:
    return Algorithms.model_validate({name: _block(name, task)}).listed()[name]


EVERY = {name: _algorithm(name) for name in Algorithms.kinds()}
INSTALLED = [name for name in EVERY if name not in EXTRAS or importlib.util.find_spec(name)]
CLAIMED = [(name, task) for name in INSTALLED for task in EVERY[name].TASKS]
WITHOUT_WEIGHTS = {"k_nearest_neighbors"}
"""What only leaves out rows of weight 0."""


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
    return start | dict.fromkeys(few, 12)


def _truth(task: str, rows: Rows) -> np.ndarray:
    return rows.target if task == "regression" else np.array(CLASSES[task], dtype=object)[rows.target]


@pytest.mark.parametrize(("name", "task"), CLAIMED)
def test_it_learns_every_task_it_claims(name, task):
    rows = _rows(task)
    fit = _algorithm(name, task).fit(_small(name), rows, _setting(task), None)
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
        fit = _algorithm(name, task).fit(_small(name), _rows(task), _setting(task), None)
        return Predictor(recipe, _signature(task), prepared, fit.estimator)

    first = made()
    files = save(first)
    assert save(made()) == files
    before, after = first.predict_matrix(rows.matrix), load(files).predict_matrix(rows.matrix)
    assert np.array_equal(before.labels, after.labels)
    if task != "regression":
        assert np.array_equal(before.probabilities, after.probabilities)


QUANTILES = [name for name, algorithm in EVERY.items() if algorithm.QUANTILES]


@pytest.mark.parametrize("name", QUANTILES)
def test_quantiles_are_those_of_the_target(name):
    """The share of rows below an estimated quantile is the quantile, where rows vary little and where they vary much;
    and the files of a predictor have both."""
    rows = 4000
    x = np.random.default_rng(1).uniform(0, 1, (rows, FEATURES))
    y = x[:, 0] + (0.2 + x[:, 1]) * np.random.default_rng(2).normal(size=rows)
    learned = Rows(x[:3000], y[:3000])
    setting, params = _setting("regression"), EVERY[name].start() | {"rounds": 60, "learning_rate": 0.1}
    ends = []
    for quantile in (0.1, 0.9):
        fit = EVERY[name].fit(params, learned, dataclasses.replace(setting, quantile=quantile), None)
        said = predict_matrix(fit.estimator, x[3000:], _signature("regression")).labels
        for half in (x[3000:, 1] < 0.5, x[3000:, 1] >= 0.5):
            assert np.mean(y[3000:][half] <= said[half]) == pytest.approx(quantile, abs=0.06)
        ends.append(fit.estimator)
    recipe = default_recipe(_signature("regression").inputs)
    prepared = preprocessor(recipe).fit(Design({f"x{i}": x[:, i] for i in range(FEATURES)}, rows))
    mean = EVERY[name].fit(params, learned, setting, None).estimator
    made = Predictor(recipe, _signature("regression"), prepared, mean, None,
                     Postprocessing(margins=Margins(0.8, -0.1, 0.2)), Quantiles(*ends))  # fmt: skip
    one, two = (predictor.predict_matrix(x[3000:]) for predictor in (made, load(save(made))))
    assert (one.interval.low < one.interval.high).all()
    assert np.array_equal(one.interval.low, two.interval.low)
    assert np.array_equal(one.interval.high, two.interval.high)
    assert set(save(made)) <= set(FILES)


@pytest.mark.parametrize(("name", "task"), CLAIMED)
def test_validation_rows_stop_the_fit_at_most(name, task):
    """What a fit reports must be something a refit without validation rows understands."""
    rows, validation = _rows(task), _rows(task)
    fit = _algorithm(name, task).fit(_small(name), rows, _setting(task), validation)
    again = _algorithm(name, task).fit(_small(name) | dict(fit.learned), _rows(task), _setting(task), None)
    one, two = (predict_matrix(item.estimator, rows.matrix, _signature(task)) for item in (fit, again))
    assert np.array_equal(one.labels, two.labels)


@pytest.mark.parametrize(("name", "task"), [case for case in CLAIMED if EVERY[case[0]].MISSING_VALUES])
def test_missing_values_are_taken_where_it_says_so(name, task):
    rows = _rows(task, missing=True)
    fit = _algorithm(name, task).fit(_small(name), rows, _setting(task), None)
    assert len(predict_matrix(fit.estimator, rows.matrix, _signature(task))) == ROWS


@pytest.mark.parametrize(("name", "task"), [case for case in CLAIMED if not EVERY[case[0]].MISSING_VALUES])
def test_missing_values_are_refused_where_it_says_so(name, task):
    if name == "estimator":
        pytest.skip("some of its classes take them; it is given none")
    with pytest.raises(ValueError, match="NaN"):
        _algorithm(name, task).fit(_small(name), _rows(task, missing=True), _setting(task), None)


@pytest.mark.parametrize(("name", "task"), [case for case in CLAIMED if case[1] == "multiclass"])
def test_a_class_missing_from_the_rows_has_no_probability_worth_speaking_of(name, task):
    rows = _rows(task)
    kept = rows.target != 1
    fit = _algorithm(name, task).fit(
        _small(name), Rows(rows.matrix[kept], rows.target[kept]), _setting(task), None
    )
    probabilities = predict_matrix(fit.estimator, rows.matrix, _signature(task)).probabilities
    assert probabilities.shape == (ROWS, 3)
    assert probabilities[:, 1].max() < 0.34
    assert probabilities.sum(axis=1) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("name", EVERY)
def test_the_portfolio_lies_in_the_default_space(name):
    algorithm = EVERY[name]
    portfolio = tuple(dict(member) for member in algorithm.PORTFOLIO)
    assert algorithm.starts() == portfolio or (name == "estimator" and len(algorithm.starts()) == 1)
    large = tuple(dict(member) for member in algorithm.PORTFOLIO_OF_LARGE)
    assert algorithm.starts(algorithm.LARGE_ROWS) == algorithm.starts()
    assert algorithm.starts(algorithm.LARGE_ROWS + 1) == (large or algorithm.starts())
    for start in (*algorithm.starts(), *large):
        expected = {parameter for parameter in algorithm.dimensions() if algorithm.counts(parameter, start)}
        assert set(start) == expected
    searched = any(not isinstance(dimension, Fixed) for dimension in algorithm.dimensions().values())
    assert searched or name == "linear_regression", "which has nothing to search"


@pytest.mark.parametrize("name", EVERY)
def test_a_narrower_space_moves_the_starting_point_into_it(name):
    algorithm = EVERY[name]
    if name == "estimator":
        pytest.skip("it starts in the middle of its space")
    for parameter, start in algorithm.start().items():
        if isinstance(start, str | bool):
            continue
        low, high = (start + 1, start + 2) if isinstance(start, int) else (start / 4, start / 2)
        kind = "int" if isinstance(start, int) else "uniform"
        space = {parameter: {"type": kind, "low": low, "high": high}}
        moved = type(algorithm).model_validate({**_block(name, "binary"), "search_space": space}).start()
        assert moved[parameter] == (low if isinstance(start, int) else high)


@pytest.mark.parametrize(("name", "task"), CLAIMED)
def test_weights_count_like_rows_that_occur_so_often(name, task):
    """Rows of weight 0 might as well not be there: what is learned from the others decides."""
    rows = _rows(task)
    turned = rows.target[::-1].copy()
    weights = np.repeat([1.0, 0.0], ROWS)
    both = Rows(np.vstack([rows.matrix, rows.matrix]), np.concatenate([rows.target, turned]), weights)
    fit = _algorithm(name, task).fit(_small(name), both, _setting(task), None)
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
    fit = _algorithm(name, task).fit(_small(name), _rows(task), setting, _rows(task))
    assert [rounds for rounds, _ in told] == [1, 2, 3]
    assert told[0][1] > told[-1][1]
    assert len(predict_matrix(fit.estimator, _rows(task).matrix, _signature(task))) == ROWS


@pytest.mark.parametrize("name", EVERY)
def test_every_field_is_described_and_has_an_effect(name):
    algorithm = EVERY[name]
    blocks = [type(algorithm)] + ([] if name == "estimator" else [type(algorithm.search_space)])
    for block in blocks:
        assert block.__doc__
        for info in block.model_fields.values():
            assert info.description
            assert effect_of(info) is Effect.RETRAIN


@pytest.mark.parametrize("name", EVERY)
def test_the_block_validates_against_its_own_schema(name):
    jsonschema = pytest.importorskip("jsonschema")
    schema = Algorithms.model_json_schema()
    jsonschema.validate({name: _block(name, "binary")}, schema)
    jsonschema.validate({name: EVERY[name].model_dump(mode="json", by_alias=True, exclude_none=True)}, schema)


# --- unfortunate rows -------------------------------------------------------------------------------------------------


def _fitted(name: str, task: str, rows: Rows, validation: Rows | None = None) -> Predictions:
    fit = _algorithm(name, task).fit(_small(name), rows, _setting(task), validation)
    return predict_matrix(fit.estimator, rows.matrix, _signature(task))


def _sound(predictions: Predictions) -> bool:
    if predictions.probabilities is None:
        return bool(np.isfinite(predictions.labels.astype(float)).all())
    sums = predictions.probabilities.sum(axis=1)
    return bool(np.isfinite(predictions.probabilities).all() and np.allclose(sums, 1, atol=1e-6))


@pytest.mark.parametrize(("name", "task"), CLAIMED)
def test_every_member_of_the_portfolio_can_be_fitted(name, task):
    small = {key: value for key, value in _small(name).items() if key in ("n_estimators", "max_iter")}
    algorithm = _algorithm(name, task)
    large = algorithm.starts(algorithm.LARGE_ROWS + 1)
    for member in (*algorithm.starts(), *(member for member in large if member not in algorithm.starts())):
        fit = _algorithm(name, task).fit(member | small, _rows(task), _setting(task), None)
        assert _sound(predict_matrix(fit.estimator, _rows(task).matrix, _signature(task)))


@pytest.mark.parametrize(("name", "task"), CLAIMED)
def test_a_row_gets_the_same_answer_alone_as_among_others(name, task):
    rows = _rows(task)
    fit = _algorithm(name, task).fit(_small(name), rows, _setting(task), None)
    together = predict_matrix(fit.estimator, rows.matrix, _signature(task))
    for position in (0, 7, ROWS - 1):
        alone = predict_matrix(fit.estimator, rows.matrix[position : position + 1], _signature(task))
        values = [one.labels if task == "regression" else one.probabilities for one in (alone, together)]
        assert values[0][0] == pytest.approx(values[1][position], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("name", "task"), CLAIMED)
def test_the_number_of_threads_does_not_change_the_model(name, task):
    def fitted(threads: int) -> Predictions:
        setting = dataclasses.replace(_setting(task), threads=threads)
        fit = _algorithm(name, task).fit(_small(name), _rows(task), setting, _rows(task))
        return predict_matrix(fit.estimator, _rows(task).matrix, _signature(task))

    one, two = fitted(1), fitted(2)
    assert np.array_equal(one.labels, two.labels)
    if task != "regression":
        assert np.array_equal(one.probabilities, two.probabilities)


@pytest.mark.parametrize(("name", "task"), CLAIMED)
def test_columns_that_say_nothing_are_taken(name, task):
    rows = _rows(task)
    constant = np.column_stack([rows.matrix, np.full(ROWS, 3.0), np.zeros(ROWS)])
    assert _sound(_fitted(name, task, Rows(constant, rows.target)))


@pytest.mark.parametrize(("name", "task"), CLAIMED)
def test_a_handful_of_rows_is_taken(name, task):
    classes = max(len(CLASSES[task]), 2)
    matrix = np.random.default_rng(1).normal(size=(2 * classes, FEATURES))
    target = np.arange(2 * classes) % classes
    rows = Rows(matrix, target.astype(float) if task == "regression" else target)
    assert _sound(_fitted(name, task, rows))


@pytest.mark.parametrize(("name", "task"), [case for case in CLAIMED if case[1] != "regression"])
def test_a_class_of_one_row_is_taken(name, task):
    rows = _rows(task)
    common = rows.target != 1
    common[np.flatnonzero(rows.target == 1)[0]] = True
    assert _sound(_fitted(name, task, Rows(rows.matrix[common], rows.target[common])))


@pytest.mark.parametrize(("name", "task"), [case for case in CLAIMED if case[1] == "multiclass"])
@pytest.mark.parametrize("absent", [0, 1, 2])
def test_validation_rows_of_a_class_that_was_not_learned_are_taken(name, task, absent):
    rows, kept = _rows(task), _rows(task).target != absent
    train = Rows(rows.matrix[kept], rows.target[kept])
    fit = _algorithm(name, task).fit(_small(name), train, _setting(task), rows)
    predictions = predict_matrix(fit.estimator, rows.matrix, _signature(task))
    assert _sound(predictions)
    assert predictions.probabilities[:, absent].max() < 0.34


@pytest.mark.parametrize("name", [name for name, task in CLAIMED if task == "regression"])
def test_a_target_that_never_changes_is_predicted(name):
    rows = Rows(_rows("regression").matrix, np.full(ROWS, 7.5))
    assert _fitted(name, "regression", rows, rows).labels == pytest.approx(np.full(ROWS, 7.5), abs=1e-6)


@pytest.mark.parametrize("name", [name for name, task in CLAIMED if task == "regression"])
@pytest.mark.parametrize("unit", [1e-3, 1e9])
def test_the_unit_of_the_target_does_not_matter(name, unit):
    rows = _rows("regression")
    one = _fitted(name, "regression", rows).labels
    other = _fitted(name, "regression", Rows(rows.matrix, rows.target * unit)).labels
    assert np.corrcoef(one, other.astype(float))[0, 1] > 0.99
    assert np.std(other) / unit == pytest.approx(np.std(one), rel=0.1)


@pytest.mark.parametrize(("name", "task"), CLAIMED)
def test_what_it_is_given_is_left_as_it_is(name, task):
    """Trials of other threads read the same rows."""
    rows, validation = _rows(task), _rows(task)
    for part in (rows, validation):
        part.matrix.setflags(write=False)
        part.target.setflags(write=False)
    _algorithm(name, task).fit(_small(name), rows, _setting(task), validation)


@pytest.mark.parametrize(("name", "task"), CLAIMED)
def test_weights_of_rows_pull(name, task):
    """Two halves that contradict each other: the heavier one wins."""
    if name in WITHOUT_WEIGHTS:
        pytest.skip("documented: it does not know weights")
    rows = _rows(task)
    turned = rows.target[::-1].copy()
    stacked = np.vstack([rows.matrix, rows.matrix])
    target = np.concatenate([rows.target, turned])
    errors = []
    for weights in ([1.0, 0.02], [0.02, 1.0]):
        predictions = _fitted(name, task, Rows(stacked, target, np.repeat(weights, ROWS)))
        said = predictions.labels[:ROWS]
        truth = _truth(task, rows)
        wrong = np.abs(said - truth).mean() if task == "regression" else (said != truth).mean()
        errors.append(wrong)
    assert errors[0] < errors[1]


@pytest.mark.parametrize("name", EXTRAS)
def test_a_package_that_is_missing_is_named_with_the_command_that_installs_it(name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(StageError, match="not installed") as caught:
        _algorithm(name).fit(_small(name), _rows("binary"), _setting("binary"), None)
    assert caught.value.hint == f"pip install 'tenure[{name}]'"
    assert caught.value.path == ("training", "algorithms", name)
