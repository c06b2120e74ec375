from __future__ import annotations

import io
import json
import pickle
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
import skops.io
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier

from tenure.core.errors import StageError
from tenure.ml.design import design
from tenure.ml.postprocessing import Postprocessing
from tenure.ml.predictor import FORMAT, PLAIN, Predictor, load, save
from tenure.ml.predictor_files import BOOSTER, PREDICTOR, PREPROCESSOR, SKOPS_ESTIMATOR
from tenure.ml.preprocessor import preprocessor
from tenure.ml.signature import InputColumn, Signature
from tenure.ml.treatments import default_recipe

INPUTS = (InputColumn("a", "number"), InputColumn("b", "number", nullable=True), InputColumn("c", "string"))
RECIPE = default_recipe(INPUTS)
CLASSES = {"binary": ("no", "yes"), "multiclass": ("high", "low", "mid"), "regression": ()}


def _table(rows: int = 90) -> pa.Table:
    generator = np.random.default_rng(8)
    return pa.table(
        {
            "a": generator.normal(size=rows),
            "b": [None if i % 8 == 0 else float(v) for i, v in enumerate(generator.normal(size=rows))],
            "c": generator.choice(["u", "v", "w"], rows).tolist(),
        }
    )


def _target(task: str) -> np.ndarray:
    a = _table().column("a").to_numpy()
    return {"binary": (a > 0).astype(int), "multiclass": np.digitize(a, [-0.5, 0.5]), "regression": 3 * a}[
        task
    ]


def _booster(task: str, matrix: np.ndarray) -> object:
    import xgboost

    objective = {
        "binary": "binary:logistic",
        "multiclass": "multi:softprob",
        "regression": "reg:squarederror",
    }[task]
    params = {"objective": objective, "nthread": 1, "seed": 1} | (
        {"num_class": 3} if task == "multiclass" else {}
    )
    return xgboost.train(params, xgboost.QuantileDMatrix(matrix, _target(task)), 8)


def _fitted(task: str, estimator: object = None) -> Predictor:
    frame = design(RECIPE, _table())
    prepared = preprocessor(RECIPE).fit(frame)
    matrix = prepared.transform(frame)
    model = _booster(task, matrix) if estimator is None else estimator.fit(matrix, _target(task))
    return Predictor(RECIPE, Signature(INPUTS, task, "y", CLASSES[task]), prepared, model)


ESTIMATORS = [
    ("binary", LogisticRegression()),
    ("multiclass", LogisticRegression()),
    ("regression", Ridge()),
    ("binary", RandomForestClassifier(5, random_state=0)),
    ("multiclass", RandomForestClassifier(5, random_state=0)),
    ("regression", RandomForestRegressor(5, random_state=0)),
    ("binary", HistGradientBoostingClassifier(max_iter=5, random_state=0)),
    ("multiclass", HistGradientBoostingClassifier(max_iter=5, random_state=0)),
    ("regression", HistGradientBoostingRegressor(max_iter=5, random_state=0)),
    ("binary", None),
    ("multiclass", None),
    ("regression", None),
]


@pytest.mark.parametrize(
    ("task", "estimator"),
    ESTIMATORS,
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_round_trip_changes_no_prediction_and_no_byte(task, estimator):
    predictor = _fitted(task, estimator)
    files = save(predictor)
    again = load(files)
    before, after = predictor.predict(_table()), again.predict(_table())
    assert (before.labels == after.labels).all()
    assert before.classes == after.classes == CLASSES[task]
    if task == "regression":
        assert before.probabilities is None
        assert after.probabilities is None
        assert np.corrcoef(after.labels, _target(task))[0, 1] > 0.9
    else:
        assert np.array_equal(before.probabilities, after.probabilities)
        assert after.probabilities.sum(axis=1) == pytest.approx(1.0, abs=1e-6)
        assert (after.labels == np.array(CLASSES[task], dtype=object)[_target(task)]).mean() > 0.8
    assert (again.recipe, again.signature) == (RECIPE, predictor.signature)
    assert save(again) == files


@pytest.mark.parametrize(
    "estimator",
    [RandomForestClassifier(3, random_state=1), HistGradientBoostingClassifier(max_iter=3, random_state=1)],
)
def test_the_same_training_gives_the_same_bytes(estimator):
    assert save(_fitted("binary", estimator)) == save(_fitted("binary", estimator))


def test_no_rows_give_no_predictions():
    predictions = _fitted("binary", LogisticRegression()).predict(_table().slice(0, 0))
    assert len(predictions) == 0
    assert predictions.probabilities.shape == (0, 2)


def test_a_class_missing_from_the_training_rows_has_probability_zero():
    predictor = _fitted("binary", LogisticRegression())
    three = Predictor(
        RECIPE,
        Signature(INPUTS, "multiclass", "y", ("a", "b", "c")),
        predictor.preprocessor,
        predictor.estimator,
    )
    probabilities = three.predict(_table()).probabilities
    assert (probabilities[:, 2] == 0).all()
    assert probabilities.sum(axis=1) == pytest.approx(1.0)


def test_a_predictor_may_be_used_from_several_threads():
    predictor = load(save(_fitted("multiclass")))
    expected = predictor.predict(_table()).probabilities
    with ThreadPoolExecutor(4) as pool:
        for result in pool.map(lambda _: predictor.predict(_table()).probabilities, range(16)):
            assert np.array_equal(result, expected)


class Mischief:
    """What a pickle could do: run a function while it is being opened."""

    opened = False

    def __reduce__(self):
        return (_open, ())


def _open():
    Mischief.opened = True
    return Mischief()


@pytest.mark.parametrize("name", [PREPROCESSOR, SKOPS_ESTIMATOR])
def test_a_pickle_is_never_opened(name):
    files = save(_fitted("binary", LogisticRegression())) | {name: pickle.dumps(Mischief())}
    with pytest.raises(StageError, match=r"not in a safe format|cannot be read"):
        load(files)
    assert not Mischief.opened


def test_a_pickled_booster_is_never_opened():
    files = save(_fitted("binary")) | {BOOSTER: pickle.dumps(Mischief())}
    with pytest.raises(StageError, match=r"not in a safe format|cannot be read"):
        load(files)
    assert not Mischief.opened


def test_a_type_that_is_not_on_the_list_is_refused_by_name():
    forest = save(_fitted("binary", LogisticRegression()))
    foreign = io.BytesIO(skops.io.dumps(LogisticRegression()))
    with zipfile.ZipFile(foreign) as archive:
        schema = json.loads(archive.read("schema.json"))
    schema["__module__"], schema["__class__"] = "subprocess", "Popen"
    forged = io.BytesIO()
    with zipfile.ZipFile(forged, "w") as archive:
        archive.writestr("schema.json", json.dumps(schema))
    with pytest.raises(StageError, match="types that are not trusted") as caught:
        load(forest | {SKOPS_ESTIMATOR: forged.getvalue()})
    assert "subprocess.Popen" in caught.value.detail


@pytest.mark.parametrize("name", [PREDICTOR, PREPROCESSOR, SKOPS_ESTIMATOR])
def test_missing_and_damaged_files(name):
    files = save(_fitted("binary", LogisticRegression()))
    with pytest.raises(StageError, match="incomplete"):
        load({key: data for key, data in files.items() if key != name})
    with pytest.raises(StageError):
        load(files | {name: files[name][: len(files[name]) // 2]})


def test_a_damaged_booster_is_an_error():
    files = save(_fitted("regression"))
    with pytest.raises(StageError, match="cannot be read"):
        load(files | {BOOSTER: files[BOOSTER][:200]})


def test_a_tree_that_points_outside_itself_is_refused():
    """scikit-learn follows child indices without a check, so that this file could crash the server."""
    predictor = _fitted("binary", RandomForestClassifier(1, random_state=0))
    tree = predictor.estimator.estimators_[0].tree_
    state = tree.__getstate__()
    state["nodes"]["left_child"][0] = 10_000
    tree.__setstate__(state)
    with pytest.raises(StageError, match="damaged"):
        load(save(predictor))


def test_an_estimator_without_a_safe_format_is_refused_when_saving_or_loading():
    predictor = _fitted("binary", KNeighborsClassifier(algorithm="kd_tree"))
    with pytest.raises(StageError):
        load(save(predictor))


def test_a_preprocessor_that_differs_is_found():
    predictor = _fitted("binary", LogisticRegression())
    rows = design(RECIPE, _table())
    expected = predictor.preprocessor.transform(rows)
    predictor.verify(rows, expected)
    predictor.preprocessor = preprocessor(RECIPE).fit(design(RECIPE, _table().slice(0, 60)))
    with pytest.raises(StageError, match="gives another result"):
        predictor.verify(rows, expected)


def test_postprocessing_is_part_of_the_file_and_of_its_format():
    bare = _fitted("binary", LogisticRegression())
    assert json.loads(save(bare)[PREDICTOR])["format"] == PLAIN
    made = Predictor(
        bare.recipe, bare.signature, bare.preprocessor, bare.estimator, None, Postprocessing(threshold=0.9)
    )
    files = save(made)
    assert json.loads(files[PREDICTOR])["format"] == FORMAT
    again = load(files)
    assert again.postprocessing == made.postprocessing
    assert save(again) == files
    found = again.predict(_table())
    assert np.array_equal(found.labels == "yes", found.probabilities[:, 1] >= 0.9)
    assert (found.labels != bare.predict(_table()).labels).any()


def test_a_model_without_postprocessing_has_the_same_bytes_however_that_is_said():
    bare = _fitted("binary", LogisticRegression())
    empty = Predictor(bare.recipe, bare.signature, bare.preprocessor, bare.estimator, None, Postprocessing())
    assert save(empty) == save(bare)
