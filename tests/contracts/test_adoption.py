"""What every kind of adoption keeps: the model answers as it did where it was made; what does not fit is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from tests.stages.training import outside

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.ml.postprocessing import NONE
from tenure.ml.predictor import Predictor, load
from tenure.ml.predictor_files import FILES
from tenure.ml.signature import rows_to_table
from tenure.spec.base import effect_of
from tenure.stages.training.adoption import Adopt
from tenure.stages.training.adoption.reading import seen

KINDS = {kind.model_fields["type"].annotation.__args__[0]: kind for kind in get_args(get_args(Adopt)[0])}
NUMERIC = ["petal", "sepal", "leaves"]


@dataclass(frozen=True)
class Made:
    """A file that was made elsewhere, and what its own library says about rows."""

    path: Path
    says: Callable[[pd.DataFrame], np.ndarray]


def by_skops(folder: Path, table: pd.DataFrame, target: str) -> Made:
    model = outside.pipeline(table, target)
    path = outside.save(model, folder / "model.skops")
    return Made(path, model.predict if target == "height" else model.predict_proba)


def by_xgboost(folder: Path, table: pd.DataFrame, target: str) -> Made:
    columns = [name for name in reversed(NUMERIC) if name != target]
    codes = table[target] if target == "height" else (table[target] == "rose").astype(int)
    objective = "reg:squarederror" if target == "height" else "binary:logistic"
    model = outside.booster(table, columns, codes, objective)

    def says(rows: pd.DataFrame) -> np.ndarray:
        given = np.asarray(
            model.inplace_predict(rows[columns].to_numpy(dtype=float), validate_features=False)
        )
        return given if target == "height" else np.column_stack([1 - given, given])

    return Made(outside.save(model, folder / "model.ubj"), says)


def by_tenure(folder: Path, table: pd.DataFrame, target: str) -> Made:
    elsewhere = outside.lab(folder / "elsewhere", table, target)
    algorithm = "ridge" if target == "height" else "logistic_regression"
    elsewhere.search(algorithm, limits={"max_trials": 1}, cross_validation={"folds": 2})
    # What follows the search is part of the version, and has to come along.
    learned = (
        {"intervals": {"type": "conformal"}} if target == "height" else {"calibration": {"type": "sigmoid"}}
    )
    artifacts = elsewhere.fit(**learned).artifacts
    files = {name: artifacts[name] for name in FILES if name in artifacts}
    path = folder / "version"
    path.mkdir()
    for name, blob in files.items():
        (path / name).write_bytes(elsewhere.artifacts.get(blob))
    model = load({name: (path / name).read_bytes() for name in files})
    return Made(path, lambda rows: values(model, rows))


MAKERS = {"skops": by_skops, "xgboost": by_xgboost, "tenure": by_tenure}


def values(predictor: Predictor, rows: pd.DataFrame) -> np.ndarray:
    found = predictor.predict(pa.Table.from_pandas(rows, preserve_index=False))
    return found.labels if found.probabilities is None else found.probabilities


@pytest.fixture(scope="module", params=[(kind, target) for kind in KINDS for target in ("kind", "height")],
                ids=lambda pair: f"{pair[0]} of {pair[1]}")  # fmt: skip
def adopted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Each kind with a task: the lab, what was made elsewhere, and the answer of its adoption."""
    kind, target = request.param
    folder = tmp_path_factory.mktemp(kind)
    table = outside.flowers()
    here = outside.lab(folder / "here", table, target)
    made = MAKERS[kind](folder, table, target)
    answer = outside.adopt(here, type=kind, path=str(made.path))
    return kind, target, table, made, answer


def test_it_answers_as_it_did_where_it_was_made(adopted: Any) -> None:
    _, _, table, made, answer = adopted
    assert np.allclose(values(load(answer.files), table), made.says(table), atol=1e-6)


def test_a_version_keeps_what_follows_its_search(adopted: Any) -> None:
    kind, target, _, made, answer = adopted
    if kind != "tenure":
        assert load(answer.files).postprocessing == NONE
        return
    found = load(answer.files).postprocessing
    assert found == load({path.name: path.read_bytes() for path in made.path.iterdir()}).postprocessing
    assert (found.intervals if target == "height" else found.calibration) is not None


def test_a_row_on_its_own_gets_the_same_answer(adopted: Any) -> None:
    _, _, table, _, answer = adopted
    predictor = load(answer.files)
    names = [column.name for column in predictor.signature.inputs]
    row = pa.Table.from_pandas(table[names].head(1), preserve_index=False).to_pylist()
    alone = predictor.predict(rows_to_table(predictor.signature, row))
    together = values(predictor, table)
    assert np.allclose(
        alone.labels if alone.probabilities is None else alone.probabilities, together[:1], atol=1e-6
    )


def test_its_contract_names_what_it_takes_and_no_more(adopted: Any) -> None:
    kind, target, table, _, answer = adopted
    signature = load(answer.files).signature
    assert signature.target == target
    assert signature.classes == (() if target == "height" else ("lily", "rose"))
    wanted = set(NUMERIC) if kind == "xgboost" else {*outside.INPUTS}
    if kind == "tenure":
        wanted = set(table.columns)
    assert {column.name for column in signature.inputs} == wanted - {target}
    assert {*signature.accepted, *(column.name for column in signature.inputs)} == set(table.columns)


def test_the_same_file_gives_the_same_bytes(adopted: Any, tmp_path: Path) -> None:
    kind, target, table, made, answer = adopted
    again = outside.adopt(outside.lab(tmp_path, table, target), type=kind, path=str(made.path))
    assert again.files == answer.files


def test_a_target_of_another_task_is_refused(adopted: Any, tmp_path: Path) -> None:
    kind, target, table, made, _ = adopted
    here = outside.lab(tmp_path, table, "kind" if target == "height" else "height")
    with pytest.raises(StageError, match=r"does not fit the task|something else than the target") as caught:
        outside.adopt(here, type=kind, path=str(made.path))
    assert caught.value.path[:2] == ("training", "adopt")


def test_a_snapshot_without_one_of_its_columns_is_refused(adopted: Any, tmp_path: Path) -> None:
    kind, target, table, made, _ = adopted
    here = outside.lab(tmp_path, table.rename(columns={"petal": "petal_length"}), target)
    with pytest.raises(StageError, match="missing") as caught:
        outside.adopt(here, type=kind, path=str(made.path))
    assert "'petal'" in caught.value.detail
    assert caught.value.path == ("training", "adopt", "path")


def test_another_file_than_the_one_that_is_pinned_is_refused(adopted: Any, tmp_path: Path) -> None:
    kind, target, table, made, _ = adopted
    with pytest.raises(StageError, match="not the one that is named") as caught:
        outside.adopt(outside.lab(tmp_path, table, target), type=kind, path=str(made.path), sha256="0" * 64)
    assert caught.value.path == ("training", "adopt", "sha256")


def test_the_digest_that_a_plan_shows_is_the_one_to_pin(adopted: Any, tmp_path: Path) -> None:
    kind, target, table, made, answer = adopted
    shown = seen(tmp_path, str(made.path))
    assert shown is not None
    again = outside.adopt(outside.lab(tmp_path, table, target), type=kind, path=str(made.path), sha256=shown)
    assert again.files == answer.files


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_not_there_is_refused(kind: str, tmp_path: Path) -> None:
    here = outside.lab(tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "flower.model").write_bytes(b"?")
    with pytest.raises(StageError, match="missing") as caught:
        outside.adopt(here, type=kind, path="models/flowers.model")
    assert "flower.model" in caught.value.hint


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_described_and_costs_nothing_later(kind: str) -> None:
    assert KINDS[kind].__doc__
    for info in KINDS[kind].model_fields.values():
        assert info.description
        assert effect_of(info) is Effect.METADATA


def test_every_kind_has_a_maker_here() -> None:
    assert set(MAKERS) == set(KINDS)
