"""A project in one environment: the engine's verbs for the command line, for notebooks and for programs.

project = tenure.Project(".")
plan = project.plan(["churn"])
project.apply(plan)
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tenure.core.diagnostics import Diagnostic
from tenure.core.errors import Blocked, TenureError
from tenure.core.events import Event, EventSink, Note, ignore
from tenure.core.version import VERSION
from tenure.engine import fleet, moving, observing, promoting, removing, requests
from tenure.engine.compiling import desired_of
from tenure.engine.planning import inputs_of, make_plan
from tenure.engine.result import ApplyResult, ModelResult, ObserveResult, RunResult
from tenure.engine.run import check_clock
from tenure.engine.running import proposals, unattended
from tenure.engine.stopping import interrupt, never, stoppable
from tenure.engine.workspace import Workspace
from tenure.plan.change import Plan
from tenure.plan.diff import diff

if TYPE_CHECKING:
    from tenure.artifacts.store import ArtifactStore
    from tenure.engine.reporting import About
    from tenure.engine.specs import Specs
    from tenure.executors.executor import Executor
    from tenure.spec.project import ProjectConfig
    from tenure.state.record import Acknowledgement, Approval, Fact, ModelState
    from tenure.state.store import StateReader, StateStore


class Project:
    """A folder of specs with its recorded state in one environment.

    `root` is the folder that holds `specs/`. `overrides` are in Hydra's grammar (`env=prod`,
    `training.limits.max_trials=10`). `now` fixes the time every decision is taken at; by default it is read from the
    clock once per verb. `emit` receives progress events. `abandon` is called when somebody asks a running apply to
    stop for the second time.
    """

    def __init__(
        self,
        root: Path | str = ".",
        *,
        overrides: Sequence[str] = (),
        now: datetime | None = None,
        emit: EventSink = ignore,
        actor: str | None = None,
        abandon: Callable[[], None] = interrupt,
    ) -> None:
        self.root = Path(root).resolve()
        self.emit = emit
        self._abandon = abandon
        self._now = now
        self._actor = actor
        self._overrides = tuple(overrides)

    @property
    def now(self) -> datetime:
        """The time of decisions: the given one, else the clock's, in UTC."""
        return (self._now or datetime.now(UTC)).astimezone(UTC)

    @property
    def fixed(self) -> bool:
        """Whether the time was given and stands still."""
        return self._now is not None

    @cached_property
    def specs(self) -> Specs:
        """The specs of the project, validated and compiled on demand."""
        from tenure.engine.specs import Specs

        return Specs(self.root, self._overrides)

    @property
    def config(self) -> ProjectConfig:
        """The project's configuration in this environment."""
        return self.specs.config

    @property
    def environment(self) -> str:
        return self.config.env.name

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.root, self.environment)

    @property
    def actor(self) -> str:
        """Who acts: as configured, else the user of this process."""
        return self._actor or self.config.actor or os.environ.get("TENURE_ACTOR") or getpass.getuser()

    @cached_property
    def reader(self) -> StateReader:
        """The recorded state, for reading. Opening it creates nothing."""
        from tenure.state.opening import open_reader

        return open_reader(self.root, self.config.state_settings, self._say)

    @cached_property
    def store(self) -> StateStore:
        """The recorded state, for writing."""
        from tenure.state.opening import open_store

        return open_store(self.root, self.config.state_settings, self._say)

    @cached_property
    def artifacts(self) -> ArtifactStore:
        """The content-addressed blobs of this environment."""
        from tenure.artifacts.opening import open_artifacts

        return open_artifacts(self.root, self.config.artifacts, self.workspace.cache)

    @cached_property
    def executor(self) -> Executor:
        """Where work runs, as configured. Its workers start with the first work."""
        from tenure.executors.opening import open_executor

        return open_executor(self.config.executor)

    def close(self) -> None:
        """Give the recorded state back, and end the workers; a later call opens both again.

        What the last one to close has written is in the file of the state then, not in a log beside it.
        """
        for name in ("reader", "store"):
            opened = self.__dict__.get(name)
            if opened is not None:
                opened.close()
        workers = self.__dict__.pop("executor", None)
        if workers is not None:
            workers.close()

    def tell(self, event: Event) -> None:
        """Tell whoever listens. One that left, or a full disk under a log, must not stop a step half-way."""
        with suppress(OSError):
            self.emit(event)

    # ---- looking -------------------------------------------------------------------------------------------------

    def validate(self, select: Sequence[str] = (), *, exclude: Sequence[str] = ()) -> tuple[Diagnostic, ...]:
        """Every error and warning of the selected specs (all by default)."""
        return self.specs.diagnostics(select, exclude)

    def plan(self, select: Sequence[str] = (), *, exclude: Sequence[str] = (), refresh: bool = True) -> Plan:
        """What an apply would do and why. Raises SpecError when a selected spec is invalid.

        Changes nothing; it remembers in the environment's `cache/` what it found for models with nothing to do. With
        `refresh=False` the data sources are not looked at.
        """
        # A plan is about the files as they are now, whatever this project has read before.
        self.__dict__.pop("specs", None)
        return make_plan(self, self._overrides, select, exclude, refresh)

    def state(self, model: str) -> ModelState:
        """What is recorded about a model. Raises TenureError when nothing is."""
        return requests.known(self.reader, model)

    def promotion(self, model: str, source: Project, *, version: int | None = None) -> Plan:
        """What taking over a version of another environment would do here: by default the one that serves there.

        Its artifacts are adopted by digest where the spec asks for the same in this environment; where it asks for
        something else, the plan's notes say what differs, and it is made anew.
        """
        self.__dict__.pop("specs", None)
        (item,) = self.specs.compiled([model])
        offer = promoting.offer_of(source.reader, source.environment, item, version)
        state = self.reader.read(model)
        desired = replace(desired_of(item), offer=offer)
        found = diff(desired, state, inputs_of(self.root, item, state, refresh=True), self.now)
        return Plan(tool_version=VERSION, environment=self.environment, at=self.now, models=(found,))

    def in_environment(self, name: str) -> Project:
        """The same project and overrides in another environment."""
        kept = [text for text in self._overrides if not text.startswith("env=")]
        return Project(
            self.root,
            overrides=[f"env={name}", *kept],
            now=self._now,
            emit=self.emit,
            actor=self._actor,
            abandon=self._abandon,
        )

    # ---- acting --------------------------------------------------------------------------------------------------

    def apply(self, plan: Plan, *, wait: bool = False) -> ApplyResult:
        """Carry out a plan, model by model, independent models side by side.

        Raises StalePlan before any effect when one of its models moved since it was made, and TenureError when the
        clock went back. With `wait` a rollout step whose bake time has not passed is waited for.
        """
        with stoppable(self._abandon) as stopping:
            return fleet.carry_out(self, plan, stopping, wait=wait)

    def observe(self, select: Sequence[str] = ()) -> ObserveResult:
        """Look at the running models: record verdicts, and the causes that follow from them. Changes nothing else."""
        return observing.observe(self, select)

    def run(self, select: Sequence[str] = ()) -> RunResult:
        """Observe, plan, apply what the specs' policies allow unattended, and name what waits for a person."""
        observed = self.observe(select)
        plan = self.plan(select)
        allowed = tuple(model for model in plan.models if unattended(model))
        applied = self.apply(msgspec.structs.replace(plan, models=allowed)) if allowed else None
        left = self.plan(select) if applied else plan
        return RunResult(
            observed=observed,
            plan=plan,
            applied=applied,
            proposed=tuple(sentence for model in left.models for sentence in proposals(model)),
        )

    # ---- deciding ------------------------------------------------------------------------------------------------

    def approve(
        self, subject: str, *, role: str, reason: str, decision: Literal["approve", "reject"] = "approve"
    ) -> tuple[Approval, ...]:
        """Record a decision about a saved plan or a version (`weather@2`), bound to its digest."""
        found = requests.approvals(
            self.reader, subject, role=role, reason=reason, decision=decision, by=self.actor, at=self.now
        )
        check_clock(self, [approval.model for approval in found])
        for approval in found:
            self.store.add_approval(approval)
        return found

    def acknowledge(self, model: str, *, consumer: str, reason: str) -> Acknowledgement:
        """Record that a consumer of the model knows of its retirement."""
        found = requests.acknowledgement(
            self.state(model), consumer=consumer, reason=reason, by=self.actor, at=self.now
        )
        check_clock(self, [model])
        self.store.add_acknowledgement(found)
        return found

    def retrain(self, model: str, *, reason: str) -> Fact:
        """Record a person's request for a retraining; the next plan shows it."""
        fact = requests.retraining(self.state(model), reason=reason, by=self.actor, at=self.now)
        check_clock(self, [model])
        self.store.add_fact(fact)
        return fact

    def rollback(self, model: str, *, to: int | None = None, reason: str) -> Plan:
        """Record the request to serve another version, and return the plan that carries it out."""
        state = self.state(model)
        fact = requests.serving(state, to=to, reason=reason, by=self.actor, at=self.now)
        check_clock(self, [model])
        earlier = [item.id for item in state.facts if item.settled_at is None and item.do == "serve"]
        if earlier:
            self.store.settle_facts(model, earlier, at=self.now, by=self.actor)
        self.store.add_fact(fact)
        return self.plan([model])

    def forget(self, model: str, *, reason: str) -> ModelResult:
        """Take a model out of the state and keep a copy of its records in a file.

        Raises Blocked while it serves, is protected, or was retired: what a model did for others is kept.
        """
        state = self.state(model)
        check_clock(self, [model])
        if state.tombstone is not None:
            raise Blocked(
                "The model has ended.",
                f"{model} was retired or moved; its record is the evidence of that.",
                f"See it: tenure show {model}",
            )
        return removing.forget(fleet.run_of(self, never), removing.removal(state, reason))

    def move(self, old: str, new: str) -> int:
        """Give a model another name in the state, as `lifecycle.moved_from` does; returns its serial."""
        state = self.state(old)
        check_clock(self, [old])
        return moving.move(fleet.run_of(self, never), old, new, state.serial)

    # ---- using ---------------------------------------------------------------------------------------------------

    def predict(self, model: str, source: Path, output: Path, *, version: int | None = None) -> Any:
        """Score a CSV or Parquet file with the live (or the given) version; predictions are logged like served ones."""
        from tenure.stages.deployment.batch import predict_file

        return predict_file(
            self.state(model),
            self.artifacts,
            source,
            output,
            log_folder=self.workspace.folders(model).predictions,
            now=self.now,
            executor=self.executor,
            version=version,
        )

    def labels(self, model: str, source: Path) -> Any:
        """Take in the truth for logged predictions from a CSV or Parquet file."""
        from tenure.stages.monitoring.labels import ingest

        counts = ingest(self.state(model), source, self.workspace.folders(model).labels)
        # What the truth was said to be decides about retraining, so its arrival belongs to the audit log.
        self.store.append_audit(
            at=self.now,
            actor=self.actor,
            action="labels.ingested",
            subject=model,
            data=msgspec.to_builtins(counts),
        )
        return counts

    def report(self, model: str, about: About = "monitoring", out: Path | None = None) -> Path:
        """Write a report of a model as one HTML file and return its path: `out`, or one in the folder of reports.

        Raises TenureError when there is nothing to report on.
        """
        from tenure.engine.reporting import page_of

        page = page_of(about, self.state(model), self.artifacts, self.now)
        if out is None:
            folder = self.workspace.folders(model).reports
            folder.mkdir(parents=True, exist_ok=True)
            # A model's name has no dot in it, so no two reports share a file.
            out = folder / (f"{model}.html" if about == "monitoring" else f"{model}.{about}.html")
        try:
            out.write_text(page, encoding="utf-8")
        except OSError as error:
            raise TenureError(
                "The report cannot be written.", f"{out}: {error.strerror}.", "Name another place with --out."
            ) from error
        return out

    def card(self, model: str, version: int | None = None) -> str:
        """The model card of a version in Markdown: by default of the one that serves, else of the latest."""
        state = self.state(model)
        number = version if version is not None else requests.serving_version(state)
        if number not in state.versions:
            have = ", ".join(map(str, sorted(state.versions))) or "none"
            raise TenureError("Unknown version.", f"{model} has no version {number}; it has: {have}.")
        return self.artifacts.get(state.versions[number].artifacts["card"]).decode()

    # ---- inside --------------------------------------------------------------------------------------------------

    def _say(self, sentence: str) -> None:
        self.tell(Note("", sentence))

    def __repr__(self) -> str:
        return f"Project({str(self.root)!r})"
