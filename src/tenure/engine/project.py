"""A project in one environment: the engine's verbs for the command line, for notebooks and for programs.

project = tenure.Project(".")
plan = project.plan(["churn"])
project.apply(plan)
"""

from __future__ import annotations

import getpass
import os
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tenure.core.diagnostics import Diagnostic
from tenure.core.errors import Blocked, StalePlan, TenureError
from tenure.core.events import Event, EventSink, Note, ignore
from tenure.core.units import format_instant
from tenure.core.version import VERSION
from tenure.engine import moving, promoting, removing, requests, surgery
from tenure.engine.applying import apply_model, boundary
from tenure.engine.compiling import Compiled, desired_of, stage_of
from tenure.engine.freshness import check_fresh
from tenure.engine.planning import inputs_of, make_plan
from tenure.engine.removing import REMOVED
from tenure.engine.result import ApplyResult, ModelResult, ObserveResult, RunResult
from tenure.engine.run import Run
from tenure.engine.running import proposals, unattended
from tenure.engine.stopping import interrupt, never, stoppable
from tenure.engine.workspace import Workspace
from tenure.graph.resource import Resource, Sort
from tenure.plan.change import ModelPlan, Plan
from tenure.plan.diff import Desired, diff, view_of
from tenure.plan.view import Inputs, View
from tenure.stages.base import StageContext

if TYPE_CHECKING:
    from tenure.artifacts.store import ArtifactStore
    from tenure.engine.specs import Specs
    from tenure.spec.project import ProjectConfig
    from tenure.state.record import Acknowledgement, Approval, Fact, ModelState, Observation
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

        return open_reader(self.root, self.config.state_settings, self._tell)

    @cached_property
    def store(self) -> StateStore:
        """The recorded state, for writing."""
        from tenure.state.opening import open_store

        return open_store(self.root, self.config.state_settings, self._tell)

    @cached_property
    def artifacts(self) -> ArtifactStore:
        """The content-addressed blobs of this environment."""
        from tenure.artifacts.opening import open_artifacts

        return open_artifacts(self.root, self.config.artifacts, self.workspace.cache)

    def close(self) -> None:
        """Give the recorded state back; a later call opens it again.

        What the last one to close has written is in the file of the state then, not in a log beside it.
        """
        for name in ("reader", "store"):
            opened = self.__dict__.get(name)
            if opened is not None:
                opened.close()

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
        found = diff(desired, state, self._inputs(item, state, refresh=True), self.now)
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
        if plan.environment != self.environment:
            raise StalePlan(
                "The plan is for another environment.",
                f"It was made for {plan.environment!r}; this is {self.environment!r}.",
                f"Apply it there: tenure apply --env {plan.environment} PLANFILE",
            )
        todo = [model for model in plan.models if model.changed]
        compiled = self._compiled_for([model for model in todo if model.lifecycle != REMOVED])
        self._check_removed([model for model in todo if model.lifecycle == REMOVED])
        self._check_clock([name for model in todo for name in (model.model, model.moved_from) if name])
        self._check_fresh(todo, compiled)
        started = time.monotonic()
        apply_id = self._apply_id()
        with stoppable(self._abandon) as stopping:
            run = self._run(apply_id, compiled, stopping)
            workers = max(1, min(len(todo), os.cpu_count() or 1))
            if workers == 1:
                results = [self._apply_one(run, model, compiled.get(model.model)) for model in todo]
            else:
                with ThreadPoolExecutor(workers, thread_name_prefix="apply") as pool:
                    results = list(
                        pool.map(lambda model: self._apply_one(run, model, compiled.get(model.model)), todo)
                    )
            if wait and not stopping():
                results = [
                    self._finish_rollout(run, compiled[result.model], result, stopping)
                    if result.model in compiled
                    else result
                    for result in results
                ]
        return ApplyResult(
            apply_id=apply_id,
            plan_digest=plan.digest,
            at=self.now,
            models=tuple(results),
            seconds=round(time.monotonic() - started, 3),
        )

    def observe(self, select: Sequence[str] = ()) -> ObserveResult:
        """Look at the running models: record verdicts, and the causes that follow from them. Changes nothing else."""
        now = self.now
        compiled = self.specs.compiled(select)
        self._check_clock([item.model for item in compiled])
        states = self.reader.read_many([item.model for item in compiled])
        observations: list[Observation] = []
        facts: list[Fact] = []
        notes: list[str] = []
        for item in compiled:
            state = states.get(item.model)
            if state is None or state.tombstone:
                continue
            view = view_of(desired_of(item), state, now)
            for resource in item.resources:
                if resource.local not in state.records:
                    continue
                try:
                    with boundary():
                        seen = stage_of(resource).observe(
                            resource, self._context(resource, view, "", "", never)
                        )
                except TenureError as error:
                    notes.append(f"{resource.address}: {error}")
                    continue
                observations += seen.observations
                facts += seen.facts
                if seen.cleared:
                    self.store.settle_facts(item.model, seen.cleared, at=now, by=resource.address)
        if observations:
            self.store.add_observations(observations)
        new = tuple(fact for fact in facts if self.store.add_fact(fact))
        return ObserveResult(at=now, observations=tuple(observations), new_facts=new, notes=tuple(notes))

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
        self._check_clock([approval.model for approval in found])
        for approval in found:
            self.store.add_approval(approval)
        return found

    def acknowledge(self, model: str, *, consumer: str, reason: str) -> Acknowledgement:
        """Record that a consumer of the model knows of its retirement."""
        found = requests.acknowledgement(
            self.state(model), consumer=consumer, reason=reason, by=self.actor, at=self.now
        )
        self._check_clock([model])
        self.store.add_acknowledgement(found)
        return found

    def retrain(self, model: str, *, reason: str) -> Fact:
        """Record a person's request for a retraining; the next plan shows it."""
        fact = requests.retraining(self.state(model), reason=reason, by=self.actor, at=self.now)
        self._check_clock([model])
        self.store.add_fact(fact)
        return fact

    def rollback(self, model: str, *, to: int | None = None, reason: str) -> Plan:
        """Record the request to serve another version, and return the plan that carries it out."""
        state = self.state(model)
        fact = requests.serving(state, to=to, reason=reason, by=self.actor, at=self.now)
        self._check_clock([model])
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
        self._check_clock([model])
        if state.tombstone is not None:
            raise Blocked(
                "The model has ended.",
                f"{model} was retired or moved; its record is the evidence of that.",
                f"See it: tenure show {model}",
            )
        return removing.forget(self._run(self._apply_id(), {}, never), removing.removal(state, reason))

    def move(self, old: str, new: str) -> int:
        """Give a model another name in the state, as `lifecycle.moved_from` does; returns its serial."""
        state = self.state(old)
        self._check_clock([old])
        run = self._run(self._apply_id(), {}, never)
        return moving.move(run, old, new, state.serial)

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

    def report(self, model: str) -> Path:
        """Write the monitoring report of a model as one HTML file and return its path."""
        from tenure.stages.monitoring.report import report_of

        page = report_of(self.state(model), self.now)
        if page is None:
            raise TenureError(
                "Nothing is watched.",
                f"{model} has no monitor in this environment.",
                "Add a monitoring section to its spec and apply it.",
            )
        folder = self.workspace.folders(model).reports
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{model}.html"
        path.write_text(page, encoding="utf-8")
        return path

    def card(self, model: str, version: int | None = None) -> str:
        """The model card of a version in Markdown: by default of the one that serves, else of the latest."""
        state = self.state(model)
        number = version if version is not None else requests.serving_version(state)
        if number not in state.versions:
            have = ", ".join(map(str, sorted(state.versions))) or "none"
            raise TenureError("Unknown version.", f"{model} has no version {number}; it has: {have}.")
        return self.artifacts.get(state.versions[number].artifacts["card"]).decode()

    # ---- inside --------------------------------------------------------------------------------------------------

    def _tell(self, sentence: str) -> None:
        self._emit(Note("", sentence))

    def _emit(self, event: Event) -> None:
        """Tell whoever listens. One that left, or a full disk under a log, must not stop a step half-way."""
        with suppress(OSError):
            self.emit(event)

    def _inputs(self, compiled: Compiled, state: ModelState | None, refresh: bool) -> dict[str, Inputs]:
        return inputs_of(self.root, compiled, state, refresh)

    def _compiled_for(self, todo: Sequence[ModelPlan]) -> dict[str, Compiled]:
        """The specs of the models of a plan. Raises StalePlan when one is gone."""
        if not todo:
            return {}
        for model in todo:
            if not (self.root / model.file).is_file():
                raise StalePlan(
                    "The plan is stale.",
                    f"Since the plan was made, the spec of {model.model} has gone ({model.file}). Nothing was done.",
                    "Bring it back, or look at a new plan: tenure plan",
                )
        return {item.model: item for item in self.specs.compiled([model.model for model in todo])}

    def _check_fresh(self, todo: Sequence[ModelPlan], compiled: Mapping[str, Compiled]) -> None:
        """Refuse the whole plan when one of its models moved: it was reviewed as a whole."""
        states = self.reader.read_many([model.model for model in todo])
        for model in todo:
            if model.lifecycle == REMOVED:
                continue  # checked where it is carried out, under its lease
            item, state = compiled[model.model], states.get(model.model)
            if model.moved_from:
                state = moving.recorded_for(self.reader, model)
            check_fresh(
                moving.unmoved(model),
                state,
                self._desired(item, model),
                self._inputs(item, state, refresh=True),
                self.now,
            )

    def _check_removed(self, leaving: Sequence[ModelPlan]) -> None:
        """Refuse to forget what the configuration does not ask to forget any more."""
        asked = {removing.spec_digest(entry.model, entry.reason) for entry in self.config.removed}
        for model in leaving:
            if model.spec_digest not in asked:
                raise StalePlan(
                    "The plan is stale.",
                    f"{model.file} no longer says that {model.model} is removed as it was planned. Nothing was done.",
                    "Look at a new plan: tenure plan",
                )

    def _desired(self, compiled: Compiled, plan: ModelPlan) -> Desired:
        """What the spec asks for, with what the plan takes over from another environment."""
        desired = desired_of(compiled)
        if plan.promotes is None:
            return desired
        source = self.in_environment(plan.promotes.environment)
        offer = promoting.offer_of(source.reader, source.environment, compiled, plan.promotes.version)
        return replace(desired, offer=promoting.same_offer(offer, plan.promotes))

    def _check_clock(self, models: Sequence[str]) -> None:
        """Refuse to act at a time before the newest record: a clock that went back must not be obeyed silently."""
        now = self.now
        for model, state in self.reader.read_many(models).items():
            latest = max((record.at for record in state.records.values()), default=None)
            if latest and latest > now:
                raise TenureError(
                    "The clock went back.",
                    f"It is {format_instant(now)}, but {model} was last changed at {format_instant(latest)}.",
                    "Correct the clock; with --now, give a later time.",
                )

    def _apply_one(self, run: Run, plan: ModelPlan, compiled: Compiled | None) -> ModelResult:
        try:
            with boundary():
                if compiled is None:
                    return removing.forget(run, plan)
                state = moving.recorded_for(run.store, plan)
                inputs = self._inputs(compiled, state, refresh=True)
                return apply_model(run, plan, self._desired(compiled, plan), inputs)
        except TenureError as error:
            run.emit(Note(plan.model, str(error)))
            return ModelResult(
                model=plan.model, serial=plan.serial, steps=(), error=str(error), exit_code=error.exit_code
            )

    def _finish_rollout(
        self, run: Run, compiled: Compiled, result: ModelResult, stopping: Callable[[], bool]
    ) -> ModelResult:
        """Wait for bake times and take the rollout steps they hold back, until nothing or something else is left."""
        while result.exit_code == 3 and result.remaining and not stopping():
            kinds = {blocker.kind for change in result.remaining for blocker in change.blockers}
            if kinds != {"bake"} or self._now is not None:  # a time that was given stands still
                return result
            time.sleep(0.2)
            run = replace(run, now=self.now)
            state = run.store.read(compiled.model)
            plan = diff(desired_of(compiled), state, self._inputs(compiled, state, refresh=True), run.now)
            if any(change.sort is Sort.ARTIFACT for change in plan.acting):
                return result  # a cause that came up meanwhile is not what is waited for
            if plan.acting:
                again = self._apply_one(run, plan, compiled)
                result = msgspec.structs.replace(again, steps=(*result.steps, *again.steps))
        return result

    def _apply_id(self) -> str:
        return f"{format_instant(self.now)}-{uuid.uuid4().hex[:6]}"

    def _run(self, apply_id: str, compiled: Mapping[str, Compiled], stopping: Callable[[], bool]) -> Run:
        from tenure.state.leases import this_process

        def context_for(item: Resource, view: View, fingerprint: str) -> StageContext:
            return self._context(item, view, fingerprint, apply_id, stopping)

        def bring(environment: str, blobs: Iterable[str]) -> None:
            promoting.bring(blobs, self.in_environment(environment).artifacts, self.artifacts)

        return Run(
            apply_id=apply_id,
            holder=this_process(self.actor),
            actor=self.actor,
            now=self.now,
            store=self.store,
            stage_of=stage_of,
            context_for=context_for,
            bring=bring,
            take_folders=partial(moving.take_folders, self.workspace),
            keep_copy=partial(surgery.keep_model, self),
            locate=self.specs.locate,
            emit=self._emit,
            stopping=stopping,
        )

    def _context(
        self, item: Resource, view: View, fingerprint: str, apply_id: str, stopping: Callable[[], bool]
    ) -> StageContext:
        return StageContext(
            model=view.model,
            now=view.now,
            project=self.root,
            folders=self.workspace.folders(view.model),
            artifacts=self.artifacts,
            trials=self.store,
            view=view,
            previous=view.records.get(item.local),
            fingerprint=fingerprint,
            emit=self._emit,
            stopping=stopping,
            apply_id=apply_id,
            actor=self.actor,
            server_url=self.config.server.url,
        )

    def __repr__(self) -> str:
        return f"Project({str(self.root)!r})"
