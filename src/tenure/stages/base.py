"""What a stage is: the section of the spec it owns, the resources it declares, and the verbs that realise them.

A stage is a module `stages/<section>/section.py` that satisfies `Stage`. It never imports another stage: what it needs
from one arrives as `Record`s in `StageContext.records`, whose `value` and `artifacts` are the contract between stages:

data/snapshot     value: rows, columns [{name, type, nullable, empty?, sensitive?, pii?}], target, task, classes,
                  timestamp, entities, split {train: n, ...}, split_type, joins, cleaning, checks, label,
                  written (`ml.written.WrittenFile`, or None where the rows are no text),
                  leakage [{kind, sentence, rows, blocks}]
                  artifacts: snapshot (Parquet, column `__split__` = train|validation|test), profile, statistics (JSON)
features/recipe   value: task, target, classes, signature, notes          artifacts: recipe (JSON)
training/search   value: algorithm, params, score, metric, trials; nested, weighed where asked for
                  artifacts: trials (JSON)
training/model    value: algorithm, params, size, seconds, milliseconds; calibration, decision_threshold, intervals and
                  ensemble where asked for
                  artifacts: the files of ml/predictor.py; out_of_fold and curves, no part of its digest
evaluation/report value: passed, failed, waived, gates, primary, metrics, baseline, champion, worst_slices, fairness,
                  explanation, test_part; holds_until and holds_because (`plan/expiry.py`) where it relies on a waiver
                  artifacts: report (JSON)
governance/version value: number, status, passed, failed, model_digest    artifacts: card + all files of the predictor
governance/approval value: number, subject, state (granted|waiting|rejected|gated), granted {role: [who]}, missing
retirement/policy value: state, deprecated_at, sunset, successor, consumers, archive
deployment/endpoint value: target, state, routes [{version, share}], rollout, log, headers
monitoring/monitor value: state, version, reference, released, signals, window, alerting, policies
lifecycle/protection value: prevent_destroy; kept when the section is gone from the spec

training/search, training/model and governance/version also have `adopted` {type, path, digest, estimator, by, at, ...}
where the model was fitted elsewhere; a search that adopts has no trials, and no score.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from tenure.core.events import EventSink
from tenure.graph.resource import Resource
from tenure.plan.view import Blocker, Condition, Inputs, Target, View
from tenure.state.record import Fact, Observation, Record, Tombstone

if TYPE_CHECKING:
    from tenure.artifacts.store import ArtifactStore
    from tenure.executors.executor import Executor
    from tenure.spec.base import SpecModel
    from tenure.state.store import TrialStore


PROTECTION = "lifecycle/protection"


def protected(records: Mapping[str, Record]) -> bool:
    """Whether the recorded protection of a model (records by local address) forbids to retire or forget it."""
    record = records.get(PROTECTION)
    return record is not None and bool(record.value["prevent_destroy"])


def protection(model: str) -> Blocker:
    """What stands in the way of ending a protected model."""
    return Blocker(
        "protected",
        f"{model} is protected by prevent_destroy, which was applied before",
        f"Set lifecycle.prevent_destroy: false in its spec, then: tenure apply {model}",
    )


class Output(msgspec.Struct, frozen=True):
    """What a verb produced. `digest` names the result; `value` is small and JSON-able; `artifacts` are blob digests.

    `ordinal` numbers a version; a `tombstone` ends the life of the model's name. `sentence` says what came out, for
    people. `refused` means that the result is kept but a rule of the spec does not hold for it: the apply goes on and
    ends with exit code 3.
    """

    digest: str
    value: dict[str, Any]
    artifacts: dict[str, str] = {}
    ordinal: int | None = None
    tombstone: Tombstone | None = None
    sentence: str = ""
    refused: bool = False


@dataclass(frozen=True)
class Identity:
    """Which model a section belongs to, and what other sections may know of the document.

    `business` is the section of that name, `value` what it says predictions are worth: `stages.business.Value`, to be
    declared under `business.value`. Both are None where the document has none.
    """

    model: str
    lifecycle: str
    metadata: SpecModel
    spec_digest: str = ""
    business: SpecModel | None = None
    value: SpecModel | None = None


@dataclass(frozen=True)
class Folders:
    """Where the environment keeps what grows: prediction log and labels, a folder per model; and written reports."""

    predictions: Path
    labels: Path
    reports: Path
    archives: Path


def _this_machine() -> Executor:
    from tenure.executors.local import LocalExecutor

    return LocalExecutor()


@dataclass(frozen=True)
class StageContext:
    """What a verb is handed: the moment, the inputs, where to put blobs, where work runs, whom to tell, when to stop.

    `cache` is a folder for what is only worth the time it saves: it may be emptied whenever nothing is applied.
    """

    model: str
    now: datetime
    project: Path
    folders: Folders
    artifacts: ArtifactStore
    trials: TrialStore
    view: View
    previous: Record | None
    fingerprint: str
    emit: EventSink
    stopping: Callable[[], bool]
    apply_id: str = ""
    actor: str = ""
    server_url: str | None = None
    executor: Executor = field(default_factory=_this_machine)
    cache: Path | None = None

    @property
    def records(self) -> Mapping[str, Record]:
        """The latest record at each local address, needs included."""
        return self.view.records


class Stage(Protocol):
    """One section of the spec. Modules satisfy this protocol; mypy checks it where `STAGES` lists them."""

    NAME: str

    def declare(self, identity: Identity, section: Any) -> Iterable[Resource]:
        """The resources of this section, in order. `section` is the validated block, or None when it is absent."""

    def target(self, resource: Resource, view: View) -> Target:
        """The value a binding should have: pure, no I/O, no clock. Called for bindings only."""

    def realise(self, resource: Resource, target: Target | None, context: StageContext) -> Output:
        """Make an artifact, or carry out a binding's target; raises StageError."""

    def verify(self, record: Record, context: StageContext) -> str:
        """Read back what the world does with a binding that was just recorded: a sentence, or StageError."""

    def observe_inputs(self, resource: Resource, project: Path, previous: Record | None) -> Inputs:
        """A cheap look at the sources of a resource, compared with its record; heavy libraries stay unloaded."""

    def describe(self, resource: Resource) -> str:
        """What making this resource for the first time will do, in a phrase from its configuration. Pure."""

    def conditions(self, resource: Resource) -> tuple[Condition, ...]:
        """What this resource demands before a version may be promoted (gates, approvals): shown in the plan. Pure."""

    def observe(self, resource: Resource, context: StageContext) -> Observed:
        """Look at the running model: verdicts and the causes that follow from them. Writes nothing."""


class Observed(msgspec.Struct, frozen=True):
    """What a look at the world found: observations to record, facts that became true, and the ids of open facts that
    are no longer true (a breach that is over)."""

    observations: tuple[Observation, ...] = ()
    facts: tuple[Fact, ...] = ()
    cleared: tuple[str, ...] = ()


def no_target(resource: Resource, view: View) -> Target:
    """For stages without bindings."""
    raise NotImplementedError(f"{resource.address} is not a binding")


def nothing_to_verify(record: Record, context: StageContext) -> str:
    """For stages whose bindings are true as soon as they are recorded."""
    return ""


def no_inputs(resource: Resource, project: Path, previous: Record | None) -> Inputs:
    """For stages whose resources depend on nothing outside the state."""
    return Inputs(changed=False)


def no_conditions(resource: Resource) -> tuple[Condition, ...]:
    """For stages that demand nothing before a promotion."""
    return ()


def nothing_observed(resource: Resource, context: StageContext) -> Observed:
    """For stages that have nothing to look at in the world."""
    return Observed()
