"""A final fit in parts: the same on any workers, to all rows, with none of them read at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError
from tests.stages.lab import Lab

from tenure.core.errors import Interrupted, StageError
from tenure.core.events import Note
from tenure.ml import preprocessor, recipe, snapshot
from tenure.ml.pieces import Pieces, spread
from tenure.ml.predictor import load_recorded
from tenure.stages.base import Identity, Output
from tenure.stages.features.section import Features
from tenure.stages.training import fitting
from tenure.stages.training import section as training
from tenure.stages.training.preparation import LEARNED_FROM, Sample, fit_preprocessor, load_rows
from tenure.stages.training.ranks import NUMBERS, ROWS, SAMPLE, Part, Task, _prepared, _tracker
from tenure.stages.training.section import Training

SPACE = {"max_depth": 3, "subsample": 1.0, "colsample_bytree": 1.0}
XGBOOST = {"xgboost": {"search_space": SPACE | {"n_estimators": 20}, "early_stopping_rounds": 0}}
IN_PARTS = {"algorithms": XGBOOST, "distributed": {"search_rows": 1000, "parts": 3}}
SEARCHED = {"limits": {"max_trials": 1}} | IN_PARTS


def _table(rows: int = 4000, scale: float = 1.0) -> pa.Table:
    draw = np.random.default_rng(3)
    a, b = draw.normal(size=rows), draw.normal(size=rows)
    said = a + 0.5 * b + draw.normal(size=rows) * 0.5
    return pa.table(
        {
            "a": a,
            "b": [None if i % 9 == 0 else float(v) for i, v in enumerate(b)],
            "c": draw.choice(["u", "v", "w"], rows).tolist(),
            "number": said * scale,
            "two": np.where(said > 0.4, "yes", "no").tolist(),
            "three": np.digitize(said, [-1.5, 1]).astype(str).tolist(),
        }
    )


def _lab(folder: Path, target: str = "two", scale: float = 1.0, **features: Any) -> Lab:
    table = _table(scale=scale)
    made = Lab(
        folder,
        table.drop_columns([name for name in ("number", "two", "three") if name != target]),
        target,
    )
    file = folder / "groups.parquet"
    pq.write_table(pq.read_table(folder / "snapshot.parquet"), file, row_group_size=700)
    blob = made.artifacts.put_file(file)
    made.records["data/snapshot"] = made.record(
        "data/snapshot", Output(blob, made.records["data/snapshot"].value, {"snapshot": blob})
    )
    made.make_features(**features)
    return made


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    made = _lab(tmp_path)
    made.search(**SEARCHED)
    return made


def _said(lab: Lab) -> Any:
    """What the model says of the test rows: probabilities, or numbers."""
    predictor = load_recorded(lab.records["training/model"].artifacts, lab.artifacts)
    file = lab.artifacts.local(lab.records["data/snapshot"].artifacts["snapshot"])
    found = predictor.predict(snapshot.read_parts(file, ["test"]))
    return found.labels.astype(float) if found.probabilities is None else found.probabilities


@pytest.mark.parametrize("target", ["two", "three", "number"])
def test_it_comes_close_to_a_fit_of_all_rows_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    lab = _lab(tmp_path, target)
    lab.search(**SEARCHED)
    weights = {} if target == "number" else {"class_weights": "balanced"}
    output = lab.fit(**IN_PARTS, **weights)
    assert (output.value["rows"], output.value["distributed"]["rows"]) == (3000, 3000)
    assert (output.value["distributed"]["sample"], output.value["distributed"]["parts"]) == (1000, 3)
    said = _said(lab)
    lab.fit(algorithms=XGBOOST, **weights)
    whole = _said(lab)
    with monkeypatch.context() as patched:
        patched.setattr(fitting, "load_rows", lambda context, _: load_rows(context, Sample(1000, 7)))
        lab.fit(algorithms=XGBOOST, **weights)
    sample = _said(lab)
    assert np.abs(said - whole).mean() < np.abs(sample - whole).mean() / 2


def test_a_target_of_small_numbers_is_learned_as_well(tmp_path: Path) -> None:
    """xgboost makes no split that gains less than a millionth."""
    said = []
    for scale in (1.0, 2.0**-13):
        folder = tmp_path / str(scale)
        folder.mkdir()
        lab = _lab(folder, "number", scale)
        lab.search(**SEARCHED)
        lab.fit(**IN_PARTS)
        said.append(_said(lab) / scale)
    assert said[0].std() > 0.5
    assert said[1] == pytest.approx(said[0], abs=0.02)


def test_no_process_reads_all_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = _lab(tmp_path)

    def refused(*_: Any) -> None:
        raise AssertionError("all rows at once")

    monkeypatch.setattr(snapshot, "read_parts", refused)
    lab.search(**SEARCHED)
    lab.fit(calibration={"type": "sigmoid"}, **IN_PARTS)


def test_the_same_on_a_cluster_that_sees_the_rows_or_not(
    lab: Lab, joined: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tenure.executors import dask

    here = lab.fit(**IN_PARTS)
    lab.executor = joined
    there = lab.fit(**IN_PARTS)
    assert (there.digest, there.value["distributed"]["workers"]) == (here.digest, 2)
    monkeypatch.setattr(dask, "_sees", _blind)
    sent = lab.fit(**IN_PARTS)
    assert (sent.digest, sent.value["distributed"]["workers"]) == (here.digest, 2)
    assert not list((lab.folder / "cache").glob("parts-*"))


def _blind(file: str, content: str) -> bool:
    return False


LONG = {"xgboost": {"search_space": SPACE | {"n_estimators": 1000}, "early_stopping_rounds": 0}}


def test_a_worker_that_dies_changes_nothing(tmp_path: Path, joined: Any, cluster: Any) -> None:
    lab = _lab(tmp_path)
    lab.search(**SEARCHED | {"algorithms": LONG})
    block = IN_PARTS | {"algorithms": LONG}
    here = lab.fit(**block)
    workers = {worker.pid for worker in cluster.workers.values()}
    killed: list[int] = []

    def kill() -> None:
        end = time.monotonic() + 60
        while not killed and time.monotonic() < end:
            fitting = [pid for pid in workers if _children(pid)]
            if len(fitting) == 2:
                time.sleep(0.3)
                os.kill(fitting[0], signal.SIGKILL)
                killed.append(fitting[0])
            time.sleep(0.05)

    lab.executor = joined
    hand = threading.Thread(target=kill)
    hand.start()
    there = lab.fit(**block)
    hand.join()
    assert killed
    assert [event.text for event in lab.events if isinstance(event, Note) and "begins again" in event.text]
    assert there.digest == here.digest


def _children(pid: int) -> list[int]:
    """Processes of a worker that fit."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(child) for child in task.read_text().split()]
        except OSError:
            continue
    return [child for child in found if b"tenure.executors.apart" in _command(child)]


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_it_ends_when_it_is_asked_to(tmp_path: Path) -> None:
    lab = _lab(tmp_path)
    lab.search(**SEARCHED)
    begun: list[int] = []

    def stopping() -> bool:
        begun.extend(_children(os.getpid()))
        return bool(begun)

    lab.stopping = stopping
    with pytest.raises(Interrupted, match="the search is kept"):
        lab.fit(**IN_PARTS)
    assert not _children(os.getpid())
    assert not list((lab.folder / "cache").glob("parts-*"))


def test_a_rank_may_leave_long_after_the_first(tmp_path: Path) -> None:
    said: list[str] = []
    meeting: Any = SimpleNamespace(number=0, host="127.0.0.1", tell=said.append)
    task = Task((), 2, "xgboost", {}, {}, 7, b"", b"", {}, None)
    rank = (
        "import json, sys, time; from xgboost import collective; "
        "collective.init(**json.loads(sys.argv[1]), dmlc_task_id=sys.argv[2]); "
        "time.sleep(2 * int(sys.argv[2])); collective.finalize()"
    )
    with _tracker(task, meeting, lambda: False):
        first, second = (
            subprocess.Popen([sys.executable, "-c", rank, said[0], str(number)]) for number in range(2)
        )
        assert first.wait(60) == 0
    assert second.wait(60) == 0


def test_what_is_wrong_with_rows_is_said_by_whoever_finds_it(lab: Lab) -> None:
    """A row without a target that lies outside the sample."""
    file = lab.artifacts.local(lab.records["data/snapshot"].artifacts["snapshot"])
    table = pq.read_table(file)
    target = table.column("two").to_pylist()
    learned = [i for i, part in enumerate(table.column(snapshot.PART).to_pylist()) if part == "train"]
    outside = next(n for n in range(2000, 3000) if n not in spread(3000, 1000, 7))
    target[learned[outside]] = None
    place = table.schema.get_field_index("two")
    pq.write_table(table.set_column(place, "two", pa.array(target)), lab.folder / "holed.parquet")
    blob = lab.artifacts.put_file(lab.folder / "holed.parquet")
    lab.records["data/snapshot"] = lab.record(
        "data/snapshot", Output(blob, lab.records["data/snapshot"].value, {"snapshot": blob})
    )
    with pytest.raises(StageError, match="the target has missing values"):
        lab.fit(**IN_PARTS)


def test_a_threshold_is_learned_without_another_fit(lab: Lab) -> None:
    lab.remembers = True
    first = lab.fit(**IN_PARTS)
    again = lab.fit(decision_threshold={"type": "maximize", "metric": "f1"}, **IN_PARTS)
    assert (first.value["fitted_again"], again.value["fitted_again"]) == (True, False)
    assert again.value["distributed"] == first.value["distributed"]
    other = lab.fit(algorithms=XGBOOST, distributed={"search_rows": 1000, "parts": 4})
    assert other.value["fitted_again"]


def test_rows_of_the_sample_do_not_see_their_own_target(tmp_path: Path) -> None:
    """A target encoding is fitted to the sample, and shows its rows what the others say."""
    lab = _lab(tmp_path, columns={"c": {"type": "categorical", "encoding": "target"}})
    section = Training.model_validate(SEARCHED)
    search, _ = training.declare(Identity("lab", "active", metadata=Features()), section)
    rows = load_rows(lab.context(search), Sample(1000, 7))
    fitted, matrix = fit_preprocessor(rows, np.arange(1000), "tree", 7)
    assert not np.array_equal(matrix, fitted.transform(rows.design), equal_nan=True)

    given = tmp_path / "given"
    (given / "out" / "0").mkdir(parents=True)
    file = lab.artifacts.local(lab.records["data/snapshot"].artifacts["snapshot"])
    (given / ROWS).write_bytes(file.read_bytes())
    numbers = spread(3000, 1000, 7)
    np.save(given / NUMBERS, numbers)
    np.save(given / SAMPLE, matrix)
    pieces = tuple((p.group, p.start, p.stop, p.first) for p in Pieces(file, LEARNED_FROM).between(100, 2900))
    task = Task(
        (), 1, "xgboost", {}, {}, 7, recipe.encode(rows.recipe), preprocessor.encode(fitted),
        msgspec.to_builtins(rows.signature), None,
    )  # fmt: skip
    batches = _prepared(task, Part(0, ROWS, pieces), given, given / "out", threading.Semaphore(1))
    made = np.concatenate([batch().matrix for batch in batches])
    inside = (numbers >= 100) & (numbers < 2900)
    assert np.array_equal(made[numbers[inside] - 100], matrix[inside], equal_nan=True)


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ({"algorithms": {"xgboost": {}, "ridge": {}}}, "ridge cannot be fitted in parts"),
        ({"ensemble": {"type": "greedy"}}, "an ensemble is chosen and fitted on rows that are all in memory"),
        ({"sampling": {"type": "undersample"}}, "where all of them are in memory"),
    ],
)
def test_what_cannot_be_fitted_in_parts_is_said_before_anything_is_done(
    block: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        Training.model_validate(IN_PARTS | block)
    Training.model_validate({"algorithms": XGBOOST} | block)


def test_a_sample_with_one_class_only_says_what_to_raise(tmp_path: Path) -> None:
    rare = ["yes" if i == 2501 else "no" for i in range(4000)]
    lab = Lab(tmp_path, pa.table({"a": np.arange(4000.0), "y": rare}), "y")
    lab.make_features(leakage={"check": False})
    seed = next(
        seed for seed in range(20) if 1876 not in spread(3000, 1000, seed)
    )  # every fourth is for the test
    with pytest.raises(StageError, match="one class only") as caught:
        lab.search(**SEARCHED | {"seed": seed})
    assert caught.value.path == ("training", "distributed", "search_rows")
