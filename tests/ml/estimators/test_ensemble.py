"""Several estimators as one file: the same bytes, the weighted mean of the answers, and damage is an error."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pyarrow as pa
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge

from tenure.core.errors import StageError
from tenure.ml.design import design
from tenure.ml.ensemble import Ensemble, Member
from tenure.ml.estimators.registry import format_of
from tenure.ml.predictor import Predictor, load, save
from tenure.ml.predictor_files import ENSEMBLE, PREDICTOR
from tenure.ml.preprocessor import preprocessor
from tenure.ml.signature import InputColumn, Signature
from tenure.ml.treatments import default_recipe

INPUTS = (InputColumn("a", "number"), InputColumn("c", "string", nullable=True))
RECIPE = default_recipe(INPUTS)
GENERATOR = np.random.default_rng(1)
A = GENERATOR.normal(size=80)
TABLE = pa.table({"a": A, "c": [None if i % 9 == 0 else "uvw"[i % 3] for i in range(80)]})
SIGNATURES = {
    "binary": Signature(INPUTS, "binary", "y", ("no", "yes")),
    "regression": Signature(INPUTS, "regression", "y", ()),
}


def _alone(task: str) -> list[tuple[float, Predictor]]:
    """The members as predictors of their own, with their weights."""
    rows = design(RECIPE, TABLE)
    kinds = [("linear", 0.75, LogisticRegression(), Ridge()), ("tree", 0.25, RandomForestClassifier(3, random_state=0),
              RandomForestRegressor(3, random_state=0))]  # fmt: skip
    made = []
    for form, weight, classifier, regressor in kinds:
        fitted = preprocessor(RECIPE, form).fit(rows)
        estimator = regressor if task == "regression" else classifier
        estimator.fit(fitted.transform(rows), A * 3 if task == "regression" else (A > 0).astype(int))
        made.append((weight, Predictor(RECIPE, SIGNATURES[task], fitted, estimator)))
    return made


def _together(task: str) -> Predictor:
    alone = _alone(task)
    members = tuple(Member(item.estimator, item.preprocessor.form, weight) for weight, item in alone)
    made = Ensemble(members, {item.preprocessor.form: item.preprocessor for _, item in alone})
    return Predictor(RECIPE, SIGNATURES[task], None, made)


@pytest.mark.parametrize("task", SIGNATURES)
def test_it_says_the_weighted_mean_and_its_file_says_the_same(task):
    predictor = _together(task)
    files = save(predictor)
    assert set(files) == {PREDICTOR, ENSEMBLE}
    assert save(_together(task)) == files
    again = load(files)
    assert save(again) == files
    said = [(weight, item.predict(TABLE)) for weight, item in _alone(task)]
    for found in (predictor.predict(TABLE), again.predict(TABLE)):
        if task == "regression":
            expected = sum(weight * one.labels for weight, one in said)
            assert found.labels == pytest.approx(expected, abs=1e-12)
        else:
            expected = sum(weight * one.probabilities for weight, one in said)
            assert found.probabilities == pytest.approx(expected, abs=1e-12)
            assert (found.labels == np.where(expected[:, 1] > 0.5, "yes", "no")).all()


def test_a_row_alone_gets_the_answer_it_gets_among_others():
    again = load(save(_together("binary")))
    together = again.predict(TABLE).probabilities
    for row in (0, 9, 41):
        assert np.array_equal(again.predict(TABLE.slice(row, 1)).probabilities[0], together[row])
    assert len(again.predict(TABLE.slice(0, 0))) == 0


def _with(data: bytes, compress: int = zipfile.ZIP_STORED, **changes: bytes | None) -> bytes:
    """The archive with parts replaced (`__` for the dot) or taken out."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w", compress) as new:
        for name in old.namelist():
            content = changes.get(name.replace(".", "__").replace("-", "_"), old.read(name))
            if content is not None:
                new.writestr(name, content)
    return buffer.getvalue()


def _damages() -> dict[str, dict[str, bytes]]:
    files = save(_together("binary"))
    data = files[ENSEMBLE]
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        index = json.loads(archive.read("ensemble.json"))
    itself = index | {"members": [index["members"][0] | {"estimator": "ensemble"}]}
    broken = {
        "no archive": b"x" * 100,
        "cut off": data[: len(data) // 2],
        "compressed": _with(data, zipfile.ZIP_DEFLATED),
        "no index": _with(data, ensemble__json=None),
        "no member": _with(data, member_0__skops=None),
        "no preprocessor": _with(data, preprocessor_tree__msgpack=None),
        "a damaged member": _with(data, member_1__skops=b"PK"),
        "another format": _with(data, ensemble__json=json.dumps(index | {"format": 9}).encode()),
        "no members": _with(data, ensemble__json=json.dumps(index | {"members": []}).encode()),
        "an ensemble in itself": _with(data, ensemble__json=json.dumps(itself).encode()),
    }
    return {what: files | {ENSEMBLE: content} for what, content in broken.items()}


@pytest.mark.parametrize("files", _damages().values(), ids=_damages().keys())
def test_damage_is_an_error(files):
    with pytest.raises(StageError):
        load(files)


def test_it_is_the_format_of_ensembles_alone():
    assert format_of(_together("binary").estimator).name == "ensemble"
    assert format_of(LogisticRegression()).name == "skops"
