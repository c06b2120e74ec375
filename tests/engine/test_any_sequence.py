"""Whatever is edited in whatever order, and wherever an apply fails: what must be true of the whole stays true."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.engine.processes import Hooked
from tests.engine.projects import NOW, merged, write_spec

from tenure.core.effect import Effect, worst
from tenure.core.errors import Interrupted, StageError
from tenure.engine import fleet as engine
from tenure.engine.compiling import stage_of
from tenure.engine.project import Project
from tenure.state.chain import verify

KNOBS: dict[str, tuple[Effect, tuple[dict[str, Any], ...]]] = {
    "words": (Effect.METADATA, tuple({"metadata": {"description": text}} for text in ("One.", "Two."))),
    "gate": (
        Effect.EVALUATE,
        tuple({"evaluation": {"gates": [{"metric": "accuracy", "min": low}]}} for low in (0.5, 0.55)),
    ),
    "seed": (Effect.RETRAIN, tuple({"training": {"seed": seed}} for seed in (1, 2))),
    "cleaning": (
        Effect.RETRAIN,
        ({"data": {"cleaning": []}}, {"data": {"cleaning": [{"type": "drop_duplicates"}]}}),
    ),
    "log": (
        Effect.RELEASE,
        tuple({"deployment": {"inference_log": {"sample": share}}} for share in (0.5, 1.0)),
    ),
    "signal": (
        Effect.OPERATE,
        tuple({"monitoring": {"signals": {"performance": {"min": low}}}} for low in (0.5, 0.6)),
    ),
    "risk": (Effect.REAPPROVE, tuple({"governance": {"risk_tier": tier}} for tier in ("low", "medium"))),
    "successor": (
        Effect.RETIRE,
        tuple({"retirement": {"successor": {"model": name}}} for name in ("trees", "grass")),
    ),
}
ADDRESSES = (
    "data/snapshot", "training/search", "training/model", "evaluation/report", "governance/version",
    "governance/approval", "retirement/policy", "deployment/endpoint", "monitoring/monitor",
)  # fmt: skip
FAILURES = (None, StageError("broken", "it broke"), Interrupted("stopped"), ZeroDivisionError("defect"))

FOREST = {"training": {"algorithms": {"logistic_regression": None, "random_forest": {}}}}
Setting = dict[str, int]
settings_of_knobs = st.fixed_dictionaries({name: st.integers(0, 1) for name in KNOBS})
step = st.tuples(settings_of_knobs, st.sampled_from(FAILURES), st.sampled_from(ADDRESSES))


def written(root: Path, chosen: Setting) -> None:
    changes: dict[str, Any] = {"training": {"limits": {"max_trials": 1}, "cross_validation": {"folds": 2}}}
    for name, position in chosen.items():
        changes = merged(changes, KNOBS[name][1][position])
    write_spec(root, changes)


def whole(root: Path) -> None:
    """What holds after every apply, however it ended: something serves and can be loaded, and the log is whole."""
    project = Project(root, now=NOW)
    state = project.state("flowers")
    routes = state.records["deployment/endpoint"].value["routes"]
    assert sum(route["share"] for route in routes) == 100
    for route in routes:
        for name in state.versions[route["version"]].artifacts.values():
            assert project.artifacts.has(name)
    head = project.reader.audit_head()
    assert head is not None
    assert verify(project.reader.audit(), head) == []
    assert not [entry for entry in project.reader.journal() if entry.outcome is None]


@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[
        Phase.generate
    ],  # an example is small as it is, and trains models: shrinking one would take minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=st.lists(step, min_size=1, max_size=3))
def test_every_sequence_of_edits_applies_and_failures(
    _applied_once: Path,  # noqa: PT019 - hypothesis takes it by name
    steps: list[tuple[Setting, Exception | None, str]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "project"
        shutil.copytree(_applied_once, root)
        clean: Setting | None = None
        for chosen, error, place in steps:
            written(root, chosen)
            project = Project(root, now=NOW, actor="ann")
            plan = project.plan()
            if clean is not None:
                edits = [KNOBS[name][0] for name in KNOBS if chosen[name] != clean[name]]
                assert worst([plan.effect, *edits] if plan.effect else edits) is plan.effect
                assert plan.changed is bool(edits)

            def fail(resource: Any, error: Exception | None = error, place: str = place) -> None:
                if error is not None and resource.local == place:
                    raise error

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(engine, "stage_of", lambda item, fail=fail: Hooked(stage_of(item), fail))
                result = project.apply(plan)
            assert result.exit_code in (0, 1, 130), result
            whole(root)
            announced = {change.address for model in plan.models for change in model.acting}
            done = {entry.address for entry in project.reader.journal() if entry.apply_id == result.apply_id}
            assert done <= announced
            left = Project(root, now=NOW, actor="ann")
            if result.exit_code == 0:
                assert not left.plan().changed
                clean = chosen
            else:
                assert left.plan().changed
                clean = None
        project = Project(root, now=NOW, actor="ann")
        assert project.apply(project.plan()).exit_code == 0
        assert not project.plan().changed
        whole(root)
        state = project.state("flowers")
        (route,) = state.records["deployment/endpoint"].value["routes"]
        live = state.versions[route["version"]]
        assert live.value["model_digest"] == state.records["training/model"].digest


def test_an_edit_that_is_taken_back_brings_its_model_back(applied: Path) -> None:
    project = Project(applied, now=NOW, actor="ann")
    first = project.state("flowers").records["training/model"].digest
    for changes in (FOREST, {}):
        write_spec(applied, changes)
        assert project.apply(project.plan()).exit_code == 0
        assert not project.plan().changed
    state = project.state("flowers")
    (route,) = state.records["deployment/endpoint"].value["routes"]
    assert state.versions[route["version"]].value["model_digest"] == first
    assert list(state.versions) == [1, 2, 3]
