"""What is remembered of plans never hides a change, and spares reading what did not change."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.engine.projects import NOW, make_project, write_flowers, write_spec

from tenure.core import files
from tenure.core.errors import SpecError
from tenure.engine import memo, specs
from tenure.engine.planning import plan_afresh
from tenure.engine.project import Project
from tenure.plan.change import Plan, to_json
from tenure.state.record import Acknowledgement, Approval, Fact, Observation

TICK = 0.02
"""Seconds after which a file counts as settled in these tests; the clock of the kernel ticks every few milliseconds."""

LATER = NOW + timedelta(hours=1)
VARIABLE = "TENURE_TEST_DESCRIPTION"
CANARY = {"strategy": "canary", "steps": [10, 100], "bake_time": "3d"}


@pytest.fixture(autouse=True)
def _short_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_TICK_NS", int(TICK * 1e9))
    monkeypatch.setenv(VARIABLE, "Tells two flowers apart.")


@pytest.fixture(scope="module")
def living_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with everything that time can change: dates, an age, a notice, and a canary that bakes."""
    root = tmp_path_factory.mktemp("living")
    (root / "conf" / "monitoring").mkdir(parents=True)
    (root / "conf" / "monitoring" / "daily.yaml").write_text("window: {size: 1d}\n")
    changes: dict[str, Any] = {
        "defaults": [{"monitoring": "daily"}],
        "metadata": {"description": f"${{env:{VARIABLE},nothing}}"},
        "monitoring": {"window": None},
        "deployment": {"rollout": CANARY},
        "retirement": {
            "deprecation_date": "2026-08-01",
            "retirement_date": "2027-02-01",
            "minimum_notice": "30d",
            "consumers": [{"name": "shop"}],
            "criteria": [
                {"type": "age", "since_last_training": "60d"},
                {"type": "performance", "below": 0.6, "violation_windows": 1, "evaluation_windows": 1},
            ],
        },
    }
    make_project(root, changes)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(VARIABLE, "Tells two flowers apart.")
        assert _applied(root, NOW) == 0
        write_flowers(root / "data" / "flowers.csv", rows=140, seed=4)
        with_store(root, lambda store: store.add_fact(_request()))
        assert _applied(root, NOW) == 3
    return root


def _applied(root: Path, now: datetime) -> int:
    project = Project(root, now=now, actor="ann")
    code = project.apply(project.plan()).exit_code
    project.store.close()
    project.reader.close()
    return code


@pytest.fixture
def living(living_once: Path, tmp_path: Path) -> Path:
    root = tmp_path / "project"
    shutil.copytree(living_once, root)
    return root


class Reading:
    """Which specs were read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.files: list[str] = []
        load = specs.load

        def reading(path: Path, *arguments: Any, **more: Any) -> Any:
            self.files.append(path.stem)
            return load(path, *arguments, **more)

        monkeypatch.setattr(specs, "load", reading)


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Reading:
    return Reading(monkeypatch)


def settle() -> None:
    time.sleep(2 * TICK)


def remembered(root: Path, now: datetime = LATER, **more: Any) -> Plan:
    """The plan, remembered if it may be."""
    settle()
    return Project(root, now=now, **more).plan()


def memo_of(root: Path) -> Path:
    (path,) = (root / ".tenure" / "dev" / "cache").glob("plans-*")
    return path


def same(plan: Plan, project: Project, select: tuple[str, ...] = (), *, refresh: bool = True) -> None:
    """A plan is what one that remembers nothing would be, to the last bit."""
    expected = plan_afresh(project, select, (), refresh)
    assert plan == expected
    assert to_json(plan) == to_json(expected)


def test_what_did_not_change_is_not_read(applied: Path, reading: Reading) -> None:
    first = remembered(applied)
    assert reading.files == ["flowers"]
    assert not first.changed
    assert remembered(applied) == first
    assert reading.files == ["flowers"]
    assert remembered(applied, LATER + timedelta(days=3)).models == first.models
    assert reading.files == ["flowers"]


def test_what_waits_is_remembered_until_its_time_has_come(living: Path, reading: Reading) -> None:
    waiting = remembered(living)
    assert waiting.blocked
    assert not waiting.acting
    reading.files.clear()
    assert remembered(living, NOW + timedelta(days=2)).models == waiting.models
    assert reading.files == []
    ready = remembered(living, NOW + timedelta(days=3))
    assert ready.acting
    assert reading.files == ["flowers"]
    assert remembered(living, NOW + timedelta(days=3)).acting
    assert reading.files == ["flowers", "flowers"]


def test_one_changed_spec_costs_only_that_spec(applied: Path, reading: Reading) -> None:
    write_spec(applied, {"metadata": {"name": "roses"}}, "roses")
    assert _applied(applied, NOW) == 0
    plan = remembered(applied)
    assert {model.model for model in plan.models} == {"flowers", "roses"}
    reading.files.clear()
    write_spec(applied, {"metadata": {"name": "roses", "owner": "garden"}}, "roses")
    project = Project(applied, now=LATER)
    settle()
    changed = project.plan()
    assert reading.files == ["roses"]
    assert [model.model for model in changed.models if model.changed] == ["roses"]
    same(changed, project)


def test_a_touched_spec_is_read_but_not_worked_on(applied: Path, reading: Reading) -> None:
    before = remembered(applied)
    reading.files.clear()
    os.utime(applied / "specs" / "flowers.yaml")
    assert remembered(applied) == before
    assert reading.files == []


def _rewrite(path: Path, old: str, new: str) -> None:
    """Another content of the same length under the same modification time."""
    status, text = path.stat(), path.read_text()
    assert old in text
    assert len(old) == len(new)
    path.write_text(text.replace(old, new))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _behind_a_link(path: Path) -> None:
    """The spec becomes a link to the same text, and then the text changes where it lies now."""
    target = path.parents[1] / "elsewhere.yaml"
    path.rename(target)
    path.symlink_to(target)
    assert not remembered(path.parents[1]).acting
    _rewrite(target, "botany", "garden")


def _request() -> Fact:
    return Fact("f0", "flowers", "request", "k", "retrain", "auto", "More rows.", {}, NOW, "ann")


def _fact(root: Path, mode: str = "propose") -> None:
    fact = Fact("f1", "flowers", "request", "k", "retrain", mode, "Asked for.", {}, LATER, "ann")  # type: ignore[arg-type]
    Project(root).store.add_fact(fact)


def _observed(root: Path) -> None:
    bad = Observation("flowers", "performance", NOW, LATER, "critical", 0.1, {}, "sha256:v", LATER)
    Project(root).store.add_observations([bad])


CHANGES: dict[str, Callable[[Path], object]] = {
    "spec": lambda root: _rewrite(root / "specs" / "flowers.yaml", "botany", "garden"),
    "spec gone": lambda root: (root / "specs" / "flowers.yaml").unlink(),
    "new spec": lambda root: write_spec(root, {"metadata": {"name": "roses"}}, "roses"),
    "spec behind a link": lambda root: _behind_a_link(root / "specs" / "flowers.yaml"),
    "fragment": lambda root: _rewrite(root / "conf" / "monitoring" / "daily.yaml", "1d", "2d"),
    "project": lambda root: (root / "conf" / "config.yaml").write_text("state: {path: other.db}\n"),
    "environment variable": lambda root: os.environ.update({VARIABLE: "Something else."}),
    "environment variable gone": lambda root: os.environ.pop(VARIABLE),
    "rows": lambda root: write_flowers(root / "data" / "flowers.csv", rows=150, seed=5),
    "cells": lambda root: _rewrite(root / "data" / "flowers.csv", "white", "Wight"),
    "no data": lambda root: (root / "data" / "flowers.csv").unlink(),
    "fact": _fact,
    "notice": lambda root: _fact(root, "notify"),
    "observation": _observed,
    "rollback": lambda root: Project(root, now=LATER).rollback("flowers", to=1, reason="odd answers"),
    "acknowledgement": lambda root: Project(root).store.add_acknowledgement(
        Acknowledgement("flowers", "shop", "bob", "known", LATER)
    ),
    "forgotten state": lambda root: (root / ".tenure" / "dev" / "state.db").unlink(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_seen(living: Path, change: str) -> None:
    before = remembered(living)
    assert remembered(living) == before
    CHANGES[change](living)
    after = remembered(living)
    assert after != before
    same(after, Project(living, now=LATER))


@pytest.mark.parametrize(
    "now",
    [NOW, NOW + timedelta(days=4), datetime.fromisoformat("2026-08-01T00:00:00Z"), NOW + timedelta(days=900)],
)
def test_time_alone_is_seen(living: Path, now: datetime) -> None:
    remembered(living)
    same(remembered(living, now), Project(living, now=now))
    same(remembered(living), Project(living, now=LATER))


def test_a_clock_that_went_back_is_seen(applied: Path) -> None:
    """Past its greatest age the model is proposed for deprecation; a day before it is not."""
    old = remembered(applied, NOW + timedelta(days=600))
    assert any("Proposed" in note for change in old.models[0].changes for note in change.notes)
    young = remembered(applied, NOW + timedelta(days=500))
    same(young, Project(applied, now=NOW + timedelta(days=500)))
    assert young.models != old.models


def test_an_older_state_that_was_put_back_is_seen(living: Path) -> None:
    """Two histories of the same length that part: a counter would take the second for the first."""
    state = living / ".tenure" / "dev" / "state.db"
    assert not state.with_name("state.db-wal").exists()
    shutil.copy(state, living / "backup.db")
    with_store(
        living,
        lambda store: store.add_approval(Approval("flowers", "s", "risk", "approve", "", "eve", LATER)),
    )
    before = remembered(living)
    shutil.copy(living / "backup.db", state)
    with_store(
        living,
        lambda store: store.add_acknowledgement(Acknowledgement("flowers", "shop", "bob", "known", LATER)),
    )
    after = remembered(living)
    assert after != before
    same(after, Project(living, now=LATER))


def with_store(root: Path, write: Callable[[Any], object]) -> None:
    store = Project(root).store
    write(store)
    store.close()


def test_a_file_written_just_now_is_not_trusted(applied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_TICK_NS", 10**12)
    assert not Project(applied, now=LATER).plan().changed
    assert not list((applied / ".tenure" / "dev" / "cache").glob("plans-*"))


def test_with_and_without_a_look_at_the_sources_are_two_questions(applied: Path) -> None:
    write_flowers(applied / "data" / "flowers.csv", rows=150, seed=5)
    looked = remembered(applied)
    assert any("new row" in note for note in looked.models[0].notes)
    settle()
    for _ in range(2):
        assert not Project(applied, now=LATER).plan(refresh=False).models[0].notes
        assert remembered(applied) == looked


def test_selectors_choose_among_remembered_and_others(applied: Path, reading: Reading) -> None:
    write_spec(applied, {"metadata": {"name": "roses", "owner": "garden", "labels": {"tier": "1"}}}, "roses")
    assert _applied(applied, NOW) == 0
    remembered(applied)
    reading.files.clear()
    for select in (("roses",), ("owner:garden",), ("tag:tier=1",), ("specs/roses.yaml",)):
        plan = Project(applied, now=LATER).plan(select)
        assert [model.model for model in plan.models] == ["roses"]
        assert reading.files == []
        same(plan, Project(applied, now=LATER), select)
        reading.files.clear()
    left = Project(applied, now=LATER).plan(exclude=("roses",))
    assert [model.model for model in left.models] == ["flowers"]


def test_what_is_wrong_is_said_as_ever(applied: Path) -> None:
    remembered(applied)
    write_spec(applied, {"metadata": {"name": "Not A Name"}}, "wrong")
    with pytest.raises(SpecError) as found:
        Project(applied, now=LATER).plan()
    with pytest.raises(SpecError) as expected:
        plan_afresh(Project(applied, now=LATER), (), (), True)
    assert found.value.diagnostics == expected.value.diagnostics
    write_spec(applied, {}, "wrong")
    with pytest.raises(SpecError) as twice:
        Project(applied, now=LATER).plan()
    assert "used twice" in twice.value.diagnostics[0].summary


def test_a_mistake_is_told_without_reading_what_is_remembered(applied: Path, reading: Reading) -> None:
    """But for specs about which there is something to say: a warning beside the error, a name that is used twice."""
    write_spec(applied, {"metadata": {"name": "roses"}, "variables": {"unused": 1}}, "roses")
    write_spec(applied, {"metadata": {"name": "tulips"}}, "tulips")
    assert _applied(applied, NOW) == 0
    remembered(applied)
    write_spec(applied, {"metadata": {"name": "Not A Name"}}, "wrong")
    for wrong, read in (
        ({"metadata": {"name": "Not A Name"}}, {"wrong", "roses"}),
        ({"metadata": {"name": "tulips"}}, {"wrong", "roses", "tulips"}),
    ):
        write_spec(applied, wrong, "wrong")
        settle()
        reading.files.clear()
        with pytest.raises(SpecError) as found:
            Project(applied, now=LATER).plan()
        assert set(reading.files) == read
        with pytest.raises(SpecError) as expected:
            plan_afresh(Project(applied, now=LATER), (), (), True)
        assert found.value.diagnostics == expected.value.diagnostics
        assert len(found.value.diagnostics) == 2


def test_variables_of_the_environment_are_seen(applied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that reaches the spec through `conf/`, and one that reaches `conf/` through the environment."""
    variables = applied / "conf" / "env" / "dev.yaml"
    variables.parent.mkdir(parents=True)
    variables.write_text(f"variables: {{team: botany, note: '${{env:{VARIABLE}}}'}}\n")
    write_spec(applied, {"metadata": {"owner": "${var.team}", "description": "${var.note}"}})
    assert _applied(applied, LATER) == 0
    assert not remembered(applied).changed
    monkeypatch.setenv(VARIABLE, "Another text.")
    same(changed := remembered(applied), Project(applied, now=LATER))
    assert changed.acting
    monkeypatch.setenv(VARIABLE, "Tells two flowers apart.")
    assert not remembered(applied).changed
    _rewrite(variables, "botany", "garden")
    same(changed := remembered(applied), Project(applied, now=LATER))
    assert changed.acting


def test_what_computes_plans_is_named_by_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    libraries = tmp_path / "dist-packages"
    libraries.mkdir()
    monkeypatch.setattr(memo.site, "getsitepackages", lambda: [str(libraries)])
    before = memo.tool()
    assert memo.tool() == before
    os.utime(libraries, ns=(1, 1))
    assert memo.tool() != before


def test_whatever_is_cut_off_or_flipped_is_no_answer(living: Path) -> None:
    """Each byte at both ends, and hundreds between them: the file says what it said, or nothing."""
    remembered(living)
    path = memo_of(living)
    good = path.read_bytes()
    question = memo.question_of(living, (), True)
    kept = memo.recall(living, question)
    assert kept is not None
    for position in {*range(80), *range(80, len(good), len(good) // 200), *range(len(good) - 20, len(good))}:
        for content in (
            good[:position],
            good[:position] + bytes([good[position] ^ 0x41]) + good[position + 1 :],
        ):
            path.write_bytes(content)
            assert memo.recall(living, question) is None
    path.write_bytes(good)
    assert memo.recall(living, question) == kept


@pytest.mark.parametrize("length", [0, 1, 4, 40, 400])
def test_bytes_that_fit_their_checksum_are_no_answer_either(applied: Path, length: int) -> None:
    before = remembered(applied)
    body = bytes(range(256)) * 2
    check = zlib.crc32(body[:length]).to_bytes(4, "big")
    memo_of(applied).write_bytes(memo.MAGIC + check + body[:length])
    assert remembered(applied) == before


def test_several_processes_share_one_memory(applied: Path) -> None:
    """All of them find nothing remembered, look, and write at the same time; others read what one of them wrote."""
    command = [sys.executable, "-m", "tenure.cli.main", "-C", str(applied), "--now", "2026-05-03T11:00:00Z"]
    for cache in (False, True):
        assert bool(list(applied.glob(".tenure/dev/cache/plans-*"))) is cache
        running = [
            subprocess.Popen([*command, "plan", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            for _ in range(4)
        ]
        answers = [process.communicate(timeout=60) for process in running]
        assert [process.returncode for process in running] == [0] * 4, answers
        assert len({out for out, _ in answers}) == 1
    kept = (applied / ".tenure" / "dev" / "cache").glob("plans-*")
    assert [path.suffix for path in kept] == [".msgpack"]
    assert memo.recall(applied, memo.question_of(applied, (), True)) is not None


def test_what_a_killed_writer_left_is_removed_in_time(applied: Path) -> None:
    remembered(applied)
    left, writing = (memo_of(applied).with_name(f"plans-0-{name}.part") for name in ("left", "writing"))
    for path in (left, writing):
        path.write_bytes(b"tenure")
    os.utime(left, (time.time() - 7200, time.time() - 7200))
    remembered(applied, overrides=["env=dev"])
    assert not left.exists()
    assert writing.exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content[:-40] + bytes(40),
        lambda content: content.replace(b"unchanged", b"unchanced"),
        lambda content: b"SQLite format 3\0" + content,
    ],
)
def test_a_damaged_memo_is_written_anew(applied: Path, damage: Callable[[bytes], bytes]) -> None:
    before = remembered(applied)
    good = memo_of(applied).read_bytes()
    memo_of(applied).write_bytes(damage(good))
    assert remembered(applied) == before
    assert len(memo_of(applied).read_bytes()) == len(good)


def test_another_version_answers_by_itself(
    applied: Path, reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    remembered(applied)
    reading.files.clear()
    monkeypatch.setattr(memo, "VERSION", "99.0")
    remembered(applied)
    assert reading.files == ["flowers"]


def test_where_nothing_may_be_written_nothing_is(applied: Path) -> None:
    shutil.rmtree(applied / ".tenure" / "dev" / "cache", ignore_errors=True)
    (applied / ".tenure" / "dev" / "cache").write_text("not a folder")
    same(remembered(applied), Project(applied, now=LATER))
    assert (applied / ".tenure" / "dev" / "cache").read_text() == "not a folder"


def test_a_plan_before_the_first_apply_leaves_no_trace(tmp_path: Path) -> None:
    root = make_project(tmp_path)
    assert remembered(root).changed
    assert not (root / ".tenure").exists()


def test_environment_variables_are_kept_as_hashes(living: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_spec(living, {"metadata": {"description": f"${{env:{VARIABLE}}}"}})
    assert _applied(living, LATER) == 0
    write_spec(living, {"metadata": {"description": "${env:OTHER,Tells two flowers apart.}"}})
    monkeypatch.setenv("OTHER", "Tells two flowers apart.")
    assert not remembered(living).changed
    content = memo_of(living).read_bytes()
    assert b"OTHER" in content
    monkeypatch.setenv("OTHER", "hunter2")
    assert remembered(living).changed
    assert b"hunter2" not in memo_of(living).read_bytes()


def test_old_questions_make_room(applied: Path) -> None:
    for number in range(memo.MOST_QUESTIONS + 3):
        remembered(applied, overrides=["env=dev"] * number)
    kept = list((applied / ".tenure" / "dev" / "cache").glob("plans-*"))
    assert 1 < len(kept) <= memo.MOST_QUESTIONS


@dataclass
class World:
    """A project that people, programs and time act upon."""

    root: Path
    now: datetime = LATER
    count: int = 0
    specs: dict[str, Any] = field(default_factory=dict)

    def do(self, act: str) -> None:
        self.count += 1
        spec = self.root / "specs" / "flowers.yaml"
        store = Project(self.root).store
        match act:
            case "touch":
                os.utime(spec)
            case "owner":
                text = spec.read_text()
                old, new = ("botany", "garden") if "botany" in text else ("garden", "botany")
                _rewrite(spec, old, new)
            case "gate":
                spec.write_text(spec.read_text().replace("min: 0.7", "min: 0.71"))
            case "gate back":
                spec.write_text(spec.read_text().replace("min: 0.71", "min: 0.7"))
            case "rows":
                write_flowers(self.root / "data" / "flowers.csv", rows=140 + self.count, seed=self.count)
            case "touch data":
                os.utime(self.root / "data" / "flowers.csv")
            case "an hour" | "a week" | "a season" | "back":
                days = {"an hour": 1 / 24, "a week": 7, "a season": 90, "back": -5}[act]
                self.now += timedelta(days=days)
            case "fact":
                fact = Fact(
                    f"f{self.count}", "flowers", "request", "k", "retrain", "auto", "x", {}, self.now, "a"
                )
                store.add_fact(fact)
            case "settle":
                ids = [f"f{number}" for number in range(self.count)]
                store.settle_facts("flowers", ids, at=self.now, by="ann")
            case "acknowledge":
                store.add_acknowledgement(Acknowledgement("flowers", "shop", "bob", "known", self.now))
            case "observe":
                value = 0.1 if self.count % 2 else 0.9
                store.add_observations(
                    [Observation("flowers", "performance", NOW, LATER, "ok", value, {}, "sha256:v", LATER)]
                )
            case "variable":
                os.environ[VARIABLE] = f"Meaning {self.count % 2}."
            case "another spec":
                write_spec(self.root, {"metadata": {"name": "roses"}}, "roses")
        store.close()


ACTS = (
    "nothing", "touch", "owner", "gate", "gate back", "rows", "touch data", "an hour", "a week", "a season", "back",
    "fact", "settle", "acknowledge", "observe", "variable", "another spec",
)  # fmt: skip


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(acts=st.lists(st.sampled_from(ACTS), min_size=2, max_size=6))
def test_whatever_happens_the_plan_is_the_one_without_memory(
    living_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, acts: list[str]
) -> None:
    monkeypatch.setenv(VARIABLE, "Tells two flowers apart.")
    root = tmp_path / "world"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(living_once, root)
    world = World(root)
    for act in ("nothing", *acts):
        world.do(act)
        same(remembered(root, world.now), Project(root, now=world.now))
