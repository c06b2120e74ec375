"""A project that people, programs and time act upon, and what a careful observer knows about it.

A `World` owns a folder with a real project. Its methods do one thing each, as a user would; what comes of it is judged
by `invariants`.
"""

from __future__ import annotations

import copy
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.engine.projects import merged, write_flowers
from tests.fuzz import documents
from tests.fuzz.standins import Script, Staged

from tenure.core import files
from tenure.core.errors import TenureError
from tenure.engine import fleet as engine
from tenure.engine import memo
from tenure.engine.compiling import stage_of
from tenure.engine.project import Project
from tenure.engine.result import ApplyResult
from tenure.plan.change import Plan, from_json
from tenure.state.record import ModelState

BEGINNING = datetime(2026, 5, 3, 10, tzinfo=UTC)
TICK = 0.012
"""Seconds after which a file counts as settled here: the clock that stamps files ticks every few milliseconds."""
ENVIRONMENTS = ("dev", "prod")
SECRET, WORDS = "TENURE_FUZZ_SECRET", "TENURE_FUZZ_WORDS"
CANARY = "c4n4ry-4f-th3-m1n3"

PLAIN: dict[str, Any] = {
    "apiVersion": "tenure/v1",
    "kind": "Model",
    "metadata": {"name": "plain", "owner": "botany"},
    "data": {"sources": {"flowers": {"type": "csv", "path": "data/flowers.csv"}}, "target_column": "kind"},
    "training": {"algorithms": {"logistic_regression": {}}, "limits": {"max_trials": 2}},
    "evaluation": {"gates": [{"metric": "accuracy", "min": 0.55}]},
    "deployment": {"target": {"type": "http"}},
    "monitoring": {
        "signals": {"performance": {"type": "model_performance", "metric": "accuracy", "min": 0.6}}
    },
}
"""A short spec."""

GUARDED: dict[str, Any] = merged(
    PLAIN,
    {
        "metadata": {"name": "guarded", "description": "${env:TENURE_FUZZ_WORDS,nothing}", "labels": {"tier": "1"}},
        "defaults": [{"monitoring": "daily"}],
        "data": {
            "sources": {
                "flowers": {"type": "csv", "path": "data/flowers.csv"},
                "shop": {
                    "type": "sql", "connection": "sqlite:///${env:TENURE_FUZZ_SECRET}.db", "query": "SELECT 1",
                },
            },
            "join": [{"left": "flowers", "right": "shop", "on": ["petal"]}],
        },
        "training": {"seed": "${var.seed}", "limits": {"max_trials": "${var.trials}"}},
        "governance": {"approvals": [{"role": "risk"}], "intended_use": "Teaching."},
        "deployment": {"rollout": {"strategy": "canary", "steps": [10, 100], "bake_time": "1d"}},
        "monitoring": {"window": None},
        "retirement": {
            "minimum_notice": "30d",
            "consumers": [{"name": "shop"}],
            "criteria": [{"type": "age", "since_last_training": "90d"}],
        },
    },
)  # fmt: skip
"""A spec with everything that makes a plan wait, and with references."""

TEMPLATES = {"plain": PLAIN, "guarded": GUARDED, "changing": merged(PLAIN, {
    "metadata": {"name": "changing"},
    "data": {"refresh": "on_change", "sources": {"flowers": {"path": "data/other-*.csv"}}},
    "evaluation": {"gates": []},
    "retirement": {"on_match": "deprecate", "criteria": [{"type": "age", "since_last_training": "36h"}]},
})}  # fmt: skip
QUICK: dict[str, Any] = {
    "training": {"limits": {"max_trials": 1}, "cross_validation": {"folds": 2}},
    "evaluation": {"resamples": 100},
}
"""What keeps real training short."""
REAL = {name: merged(TEMPLATES[name], QUICK) for name in ("plain", "changing")}
"""The specs for sequences that train: their data are there."""
VARIABLES: dict[str, dict[str, Any]] = {"dev": {"seed": 1, "trials": 2}, "prod": {"seed": 1, "trials": 3}}


@dataclass
class Saved:
    """A plan that lies in a file until somebody applies it, and what the world was like."""

    env: str
    data: bytes
    plan: Plan


@dataclass
class Ledger:
    """What was recorded in one environment when somebody last looked: it may only grow."""

    history: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    journal: dict[int, Any] = field(default_factory=dict)
    audit: Any = None
    blobs: dict[str, tuple[int, int]] = field(default_factory=dict)
    searched: dict[Path, tuple[int, int]] = field(default_factory=dict)
    tombstones: dict[str, Any] = field(default_factory=dict)


@dataclass
class Applied:
    """One apply as an observer saw it: the plan, the state before it, what was said."""

    env: str
    plan: Plan
    before: dict[str, ModelState]
    marks: tuple[Any, ...]
    result: ApplyResult | None
    error: BaseException | None


class World:
    """The project, its clock and the observer's notes. `real` trains real models."""

    def __init__(self, root: Path, *, real: bool = False) -> None:
        self.root = root
        self.now = BEGINNING
        self.script = Script(real=real)
        self.templates = REAL if real else TEMPLATES
        self.docs: dict[str, dict[str, Any]] = {}
        self.styles: dict[str, str] = {}
        self.gone: dict[str, dict[str, Any]] = {}
        self.variables = copy.deepcopy(VARIABLES)
        self.window = "1d"
        self.saved: list[Saved] = []
        self.ledgers = {env: Ledger() for env in ENVIRONMENTS}
        self.rows = {"flowers.csv": 0, "other-1.csv": 0}
        self.written = 0.0
        self.asked_to_forget: set[str] = set()
        self.asked_to_move: set[tuple[str, str]] = set()
        self.removed: list[str] = []
        self.kills = 0
        self.applies = 0

    # ---- files -----------------------------------------------------------------------------------------------------

    def begin(self, models: Sequence[str]) -> None:
        """A project with data, configuration and some specs; nothing is applied yet."""
        for name in self.rows:
            self.write_data(name, 0)
        self.write_conf()
        for model in models:
            self.write_spec(f"specs/{model}.yaml", copy.deepcopy(self.templates[model]))

    def write_spec(self, file: str, document: dict[str, Any], style: str = "plain") -> None:
        """Write a spec in one of the ways a document can be written."""
        self.docs[file], self.styles[file] = document, style
        self._write(file, documents.text(document, style))

    def remove_spec(self, file: str) -> None:
        """Delete the file."""
        (self.root / file).unlink()
        self.gone[file] = self.docs.pop(file)
        self.touched()

    def write_conf(self) -> None:
        """Variables of both environments, and the fragment that specs build on."""
        for env in ENVIRONMENTS:
            content = yaml.safe_dump({"name": env, "variables": self.variables[env]})
            self._write(f"conf/env/{env}.yaml", content)
        entries = [{"model": model, "reason": "no longer used"} for model in self.removed]
        start = "defaults: [{env: dev}, {state: sqlite}, {artifacts: local}, _self_]\n"
        self._write("conf/config.yaml", start + (yaml.safe_dump({"removed": entries}) if entries else ""))
        self._write("conf/monitoring/daily.yaml", f"window: {{size: {self.window}}}\n")

    def write_data(self, name: str, edition: int) -> None:
        """The edition of a data file; edition 0 is the first."""
        rows = 120 if self.script.real else 24
        write_flowers(self.root / "data" / name, rows=rows + 3 * edition, seed=5 + edition)
        self.rows[name] = edition
        self.touched()

    def remove_data(self, name: str) -> None:
        """Delete the file."""
        (self.root / "data" / name).unlink(missing_ok=True)
        self.touched()

    def _write(self, file: str, content: str) -> None:
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode())
        self.touched()

    def touched(self) -> None:
        """Remember when a file was last written."""
        self.written = time.monotonic()

    def settle(self) -> None:
        """Wait until what was written can be told from what will be written."""
        time.sleep(max(0.0, self.written + TICK - time.monotonic()))

    # ---- verbs -----------------------------------------------------------------------------------------------------

    @contextmanager
    def project(
        self, env: str = "dev", *, now: datetime | None = None, actor: str = "ann"
    ) -> Iterator[Project]:
        """The project as one command sees it; its connections are closed afterwards, as with a process that ends."""
        overrides = [] if env == "dev" else [f"env={env}"]
        project = Project(self.root, overrides=overrides, now=now or self.now, actor=actor)
        try:
            yield project
        finally:
            for name in ("store", "reader"):
                if name in project.__dict__:
                    project.__dict__[name].close()

    def plan(self, env: str, select: Sequence[str] = ()) -> Plan | None:
        """A plan; None when a spec is wrong."""
        with self.project(env) as project:
            try:
                return project.plan(select)
            except TenureError:
                return None

    def states(self, env: str) -> dict[str, ModelState]:
        """Everything recorded in an environment."""
        with self.project(env) as project:
            return project.reader.read_many()

    def marks(self, env: str) -> tuple[Any, ...]:
        """Two equal ones mean that nothing was written in between."""
        with self.project(env) as project:
            return (project.reader.audit_head(), project.reader.revisions(), project.reader.routes_serial())

    def apply(self, env: str, plan: Plan) -> Applied:
        """Apply a plan in this process."""
        before, marks = self.states(env), self.marks(env)
        result, error = None, None
        with self.project(env) as project:
            try:
                result = project.apply(plan)
            except (TenureError, KeyboardInterrupt) as raised:
                error = raised
        self.script.failing.clear()
        self.script.meanwhile.clear()
        self.applies += 1
        return Applied(env, plan, before, marks, result, error)

    def applying(self, env: str, plan: Plan, *, alone: bool = True) -> Callable[[], Any]:
        """The same for a process of its own: it answers with the exit code and the id of the apply."""

        def verb() -> Any:
            if alone:
                os.cpu_count = lambda: 1  # one model after the other: the n-th effect is always the same one
            with self.project(env, actor=f"ann{os.getpid()}") as project:
                result = project.apply(plan)
                return {
                    "code": result.exit_code,
                    "apply": result.apply_id,
                    "said": [m.error for m in result.models],
                }

        return verb

    def copy(self, target: Path) -> World:
        """Another world that is like this one now. Artifacts never change, so they are linked."""

        def link(source: str, place: str) -> str:
            if "/artifacts/" in source:
                os.link(source, place)
                return place
            return shutil.copy2(source, place)

        shutil.copytree(self.root, target, copy_function=link)
        twin = World(target, real=self.script.real)
        twin.now, twin.docs, twin.script = self.now, copy.deepcopy(self.docs), self.script
        return twin

    def pass_time(self, seconds: float) -> None:
        """The clock goes on, or jumps back."""
        self.now += timedelta(seconds=seconds)


@contextmanager
def in_force(script: Script, words: str = "Some words.") -> Iterator[None]:
    """While it lasts, stages are followed by what the script says, and files settle quickly."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "stage_of", lambda item: Staged(stage_of(item), script))
        patch.setattr(files, "_TICK_NS", int(TICK * 0.8e9))
        patch.setattr(memo, "tool", lambda: "this version")  # looked up once, not at every plan
        patch.setenv(SECRET, CANARY)
        patch.setenv(WORDS, words)
        yield


def saved(plan: Plan, data: bytes, env: str) -> Saved:
    """A plan as a file holds it."""
    return Saved(env, data, from_json(data))


def ending(states: Mapping[str, ModelState]) -> dict[str, Any]:
    """What a state says, without who wrote it in which process and how long that took."""
    return {
        model: {
            "records": {local: _lasting(record) for local, record in state.records.items()},
            "versions": {number: _lasting(record) for number, record in state.versions.items()},
            "facts": [(fact.id, fact.settled_at) for fact in state.facts],
            "retired": state.tombstone is not None,
        }
        for model, state in states.items()
    }


def _lasting(record: Any) -> dict[str, Any]:
    passing = {"by", "apply_id", "serial", "seconds"}
    fields = {name: getattr(record, name) for name in record.__struct_fields__ if name not in passing}
    # An archive holds the records as they are, with those passing things; so do the names that follow from it.
    if record.value.get("archive"):
        fields |= {"digest": "", "artifacts": {}, "value": {**record.value, "archive": ""}}
    if record.value.get("state") == "gone":
        fields |= {"fingerprint": "", "inputs": sorted(record.inputs)}
    return fields
