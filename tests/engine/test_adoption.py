"""The life of a model that was trained elsewhere: adopted as version 1, served, later replaced by one of its own."""

from __future__ import annotations

import hashlib
import signal
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
from tests.engine.processes import die, following, outcome
from tests.engine.projects import NOW, make_project, write_flowers, write_spec
from tests.engine.test_damage import blob, delete, record_facts
from tests.stages.training.outside import INPUTS, pipeline, save

from tenure.core.errors import StalePlan
from tenure.engine.project import Project
from tenure.plan.action import Action, Reason
from tenure.plan.change import Change
from tenure.server.main import start
from tenure.stages.training.adoption import taking, trial

ADOPT = {"training": {"adopt": {"type": "skops", "path": "models/flowers.skops"}}}
ANY_CHANGE = {"type": "champion", "metric": "accuracy", "min_change": -1.0}
CHAMPION = {"evaluation": {"gates": [{"metric": "accuracy", "min": 0.5}, ANY_CHANGE]}}


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models are tried in this process: loading the libraries once more would be most of the time."""
    monkeypatch.setattr(taking, "tried_apart", lambda request, stopping: trial.tried(request))


def bring(root: Path, changes: dict[str, Any] | None = None) -> Project:
    """A project whose spec adopts what was trained outside on the very same rows."""
    make_project(root, {**ADOPT, **(changes or {})})
    train_outside(root)
    return Project(root, now=NOW, actor="ann")


def train_outside(root: Path) -> None:
    save(pipeline(pd.read_csv(root / "data" / "flowers.csv")), root / "models" / "flowers.skops")


def change_at(project: Project, local: str) -> Change:
    plan = project.plan()
    (found,) = [change for change in plan.models[0].changes if change.address == f"flowers/{local}"]
    return found


@pytest.fixture(scope="module")
def _brought(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("brought")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(taking, "tried_apart", lambda request, stopping: trial.tried(request))
        project = bring(root, CHAMPION)
        assert project.apply(project.plan()).exit_code == 0
    return root


@pytest.fixture
def brought(_brought: Path, tmp_path: Path) -> Path:
    """The folder of a project whose adopted model is live."""
    import shutil

    root = tmp_path / "project"
    shutil.copytree(_brought, root)
    return root


def test_the_plan_says_that_it_adopts_and_what_cannot_be_known(tmp_path: Path) -> None:
    project = bring(tmp_path)
    for local in ("training/search", "training/model"):
        change = change_at(project, local)
        assert (change.action, change.reason, change.known) == (Action.ADOPT, Reason.ADOPTED, False)
    search = change_at(project, "training/search")
    assert search.sentence == "models/flowers.skops (skops): checked on the snapshot; nothing is searched"
    assert "cannot be known" in search.notes[0]
    assert "metrics are known after apply" in change_at(project, "training/model").sentence
    assert change_at(project, "data/snapshot").action is Action.CREATE


def test_it_is_recorded_judged_released_and_says_where_it_comes_from(brought: Path) -> None:
    state = Project(brought, now=NOW).state("flowers")
    search, model, version = (state.records[name].value for name in
                              ("training/search", "training/model", "governance/version"))  # fmt: skip
    assert (search["algorithm"], search["trials"], search["score"]) == ("adopted", 0, None)
    assert model["algorithm"] == "LogisticRegression"
    assert model["adopted"]["by"] == "ann"
    assert version["adopted"] == model["adopted"]
    assert state.records["deployment/endpoint"].value["routes"] == [{"version": 1, "share": 100}]
    report = state.records["evaluation/report"].value
    assert "cannot be known" in report["caution"]
    assert report["metrics"]["accuracy"]["value"] > 0.5
    card = (
        Project(brought, now=NOW)
        .artifacts.get(state.records["governance/version"].artifacts["card"])
        .decode()
    )
    assert "`models/flowers.skops` (skops)" in card
    assert model["adopted"]["digest"] in card
    assert "| Adopted by | ann, 2026-05-03T10:00:00" in card
    assert "cannot be known" in card


def test_adopting_twice_changes_nothing_and_neither_does_the_block_any_more(brought: Path) -> None:
    assert not Project(brought, now=NOW).plan().changed
    for block in (None, {"adopt": {"type": "xgboost", "path": "another.ubj"}}):
        write_spec(brought, {**CHAMPION, **({"training": block} if block else {})})
        assert not Project(brought, now=NOW).plan().changed
    (brought / "models" / "flowers.skops").unlink()
    write_spec(brought, {**CHAMPION, **ADOPT})
    assert not Project(brought, now=NOW).plan().changed


def test_one_request_is_answered_as_the_model_would_where_it_was_made(brought: Path) -> None:
    rows = pd.read_csv(brought / "data" / "flowers.csv")
    row = rows[INPUTS].iloc[0].to_dict()
    project = Project(brought, now=NOW)
    with closing(project.reader) as reader:
        running = start(reader, project.artifacts, brought / "log")
        try:
            answer = httpx.post(f"{running.url}/models/flowers/predict", json=row)
            odd = httpx.post(f"{running.url}/models/flowers/predict", json={**row, "colour": "green"})
            wrong = httpx.post(f"{running.url}/models/flowers/predict", json={**row, "petal": "long"})
        finally:
            running.stop()
    expected = pipeline(rows).predict_proba(rows[INPUTS].head(1))[0]
    (given,) = answer.json()["predictions"]
    assert given["probabilities"] == pytest.approx({"lily": expected[0], "rose": expected[1]}, abs=1e-9)
    assert (odd.status_code, wrong.status_code) == (200, 422)


def test_a_file_of_rows_is_scored(brought: Path) -> None:
    source = brought / "data" / "flowers.csv"
    Project(brought, now=NOW).predict("flowers", source, brought / "scored.csv")
    rows = pd.read_csv(source)
    assert list(pd.read_csv(brought / "scored.csv")["prediction"]) == list(
        pipeline(rows).predict(rows[INPUTS])
    )


def test_a_later_version_is_searched_and_compared_on_rows_the_adopted_one_cannot_know(brought: Path) -> None:
    old = (brought / "data" / "flowers.csv").read_text()
    write_flowers(brought / "data" / "flowers.csv", rows=80, seed=9)
    fresh = (brought / "data" / "flowers.csv").read_text().partition("\n")[2]
    (brought / "data" / "flowers.csv").write_text(old + fresh)
    project = Project(brought, now=NOW, actor="ann")
    project.retrain("flowers", reason="new labels")
    assert change_at(project, "training/search").action is Action.REPLACE
    assert project.apply(project.plan()).exit_code == 0
    state = project.state("flowers")
    assert list(state.versions) == [1, 2]
    assert state.records["training/search"].value["trials"] == 2
    assert "adopted" not in state.records["training/model"].value
    assert "adopted" not in state.versions[2].value
    assert "adopted" in state.versions[1].value
    report = state.records["evaluation/report"].value
    comparable = report["champion"]["comparable_rows"]
    # None of the 120 rows that were there when it was adopted counts, whatever part they were in.
    assert 0 < comparable < report["rows"]
    known = report["rows"] - comparable
    left_out = f"without the {known} of {report['rows']} test rows that it may have been fitted on"
    assert left_out in report["champion_note"]
    assert "caution" not in report


def test_on_the_same_rows_there_is_no_fair_comparison(brought: Path) -> None:
    write_spec(brought, {**CHAMPION, "training": {"seed": 8}})
    project = Project(brought, now=NOW, actor="ann")
    assert change_at(project, "training/search").action is Action.REPLACE
    assert project.apply(project.plan()).exit_code == 0
    report = project.state("flowers").records["evaluation/report"].value
    assert report["champion"] is None
    assert "may have been fitted on every row" in report["champion_note"]


def test_an_error_points_at_the_line_of_the_spec_and_a_better_file_goes_on(tmp_path: Path) -> None:
    project = bring(tmp_path)
    (tmp_path / "models" / "flowers.skops").write_bytes(b"\x80\x04K\x01.")
    result = project.apply(project.plan()).models[0]
    (failed,) = [step for step in result.steps if step.outcome == "failed"]
    assert failed.address == "flowers/training/search"
    lines = (tmp_path / "specs" / "flowers.yaml").read_text().splitlines()
    number = next(index for index, line in enumerate(lines, 1) if "models/flowers.skops" in line)
    assert failed.detail.startswith(f"specs/flowers.yaml:{number}:")
    assert "joblib.load" in failed.hint
    train_outside(tmp_path)
    assert change_at(project, "training/search").action is Action.ADOPT
    assert project.apply(project.plan()).exit_code == 0


def test_a_plan_shows_the_file_and_does_not_hold_for_another_one(tmp_path: Path) -> None:
    project = bring(tmp_path)
    file = tmp_path / "models" / "flowers.skops"
    plan = project.plan()
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert f"models/flowers.skops has SHA-256 {digest}." in plan.models[0].notes
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(StalePlan):
        project.apply(plan)
    assert project.reader.read("flowers") is None
    file.unlink()
    assert "models/flowers.skops cannot be found now." in project.plan().models[0].notes


def test_an_approval_of_one_file_does_not_hold_for_another(tmp_path: Path) -> None:
    project = bring(tmp_path)
    first = project.plan().models[0].digest
    write_spec(tmp_path, {"training": {"adopt": {"type": "skops", "path": "models/other.skops"}}})
    assert Project(tmp_path, now=NOW).plan().models[0].digest != first


def stopped_after(root: Path, local: str) -> None:
    """Apply, and die when a step is recorded."""
    taking.tried_apart = lambda request, stopping: trial.tried(request)  # type: ignore[assignment]
    project = Project(root, now=NOW, actor="ann")
    store: Any = project.store
    finish = store.finish

    def finishing(lease: Any, entry: Any, **more: Any) -> Any:
        found = finish(lease, entry, **more)
        if more.get("record") is not None and more["record"].address.endswith(local):
            die()
        return found

    store.finish = finishing
    sys.exit(project.apply(project.plan()).exit_code)


def killed_while_trying(root: Path) -> None:
    """Apply, and die when the file was read and tried, but nothing is recorded."""
    taking.tried_apart = following(lambda request, stopping: trial.tried(request), die)
    project = Project(root, now=NOW, actor="ann")
    sys.exit(project.apply(project.plan()).exit_code)


def test_killed_in_the_middle_it_adopts_the_same_model(tmp_path: Path, brought: Path) -> None:
    project = bring(tmp_path, CHAMPION)
    assert outcome(killed_while_trying, tmp_path) == -signal.SIGKILL
    assert change_at(project, "training/search").action is Action.ADOPT
    assert outcome(stopped_after, tmp_path, "training/search") == -signal.SIGKILL
    # Neither the file nor the block is needed any more.
    (tmp_path / "models" / "flowers.skops").unlink()
    write_spec(tmp_path, CHAMPION)
    project = Project(tmp_path, now=NOW, actor="ann")
    assert change_at(project, "training/search").action is Action.NONE
    assert change_at(project, "training/model").action is Action.ADOPT
    assert project.apply(project.plan()).exit_code == 0
    state, whole = project.state("flowers"), Project(brought, now=NOW).state("flowers")
    assert state.records["training/model"].digest == whole.records["training/model"].digest
    assert list(state.versions) == [1]
    assert not project.plan().changed


def test_until_there_is_a_model_an_edited_block_adopts_again(tmp_path: Path) -> None:
    project = bring(tmp_path)
    assert outcome(stopped_after, tmp_path, "training/search") == -signal.SIGKILL
    assert change_at(project, "training/search").action is Action.NONE
    (tmp_path / "models" / "flowers.skops").rename(tmp_path / "models" / "other.skops")
    write_spec(tmp_path, {"training": {"adopt": {"type": "skops", "path": "models/other.skops"}}})
    project = Project(tmp_path, now=NOW, actor="ann")
    assert change_at(project, "training/search").action is Action.ADOPT
    assert project.apply(project.plan()).exit_code == 0
    assert project.state("flowers").records["training/model"].value["adopted"]["path"] == "models/other.skops"


def test_a_search_that_was_made_before_any_model_gives_way_to_the_adopted_one(tmp_path: Path) -> None:
    bring(tmp_path)
    write_spec(tmp_path)
    assert outcome(stopped_after, tmp_path, "training/search") == -signal.SIGKILL
    write_spec(tmp_path, ADOPT)
    project = Project(tmp_path, now=NOW, actor="ann")
    assert change_at(project, "training/search").action is Action.ADOPT
    assert project.apply(project.plan()).exit_code == 0
    assert project.state("flowers").records["training/search"].value["trials"] == 0


def test_a_lost_blob_is_adopted_again_from_the_very_same_file(brought: Path) -> None:
    project = Project(brought, now=datetime(2026, 6, 1, tzinfo=UTC), actor="eve")
    before = project.state("flowers").records["training/model"]
    file = brought / "models" / "flowers.skops"
    content = file.read_bytes()
    delete(blob(project, before.artifacts["estimator.skops"]))
    record_facts(project)
    file.write_bytes(b"another file")
    assert change_at(project, "training/search").reason is Reason.DAMAGED
    result = project.apply(project.plan())
    (failed,) = [step for step in result.models[0].steps if step.outcome == "failed"]
    assert failed.sentence == "the model file is not the one that is named"
    file.write_bytes(content)
    assert project.apply(project.plan()).exit_code == 0
    after = project.state("flowers").records["training/model"]
    assert after.digest == before.digest
    assert after.value["adopted"] == before.value["adopted"]
    assert list(project.state("flowers").versions) == [1]
