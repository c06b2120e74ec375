"""Applying a plan: refused as a whole before any effect, then model by model, independent ones side by side."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import msgspec

from tenure.core.errors import StalePlan, TenureError
from tenure.core.events import Note
from tenure.core.units import format_instant
from tenure.engine import moving, promoting, removing, surgery
from tenure.engine.applying import apply_model, boundary
from tenure.engine.compiling import Compiled, desired_of, stage_of
from tenure.engine.freshness import check_fresh
from tenure.engine.planning import inputs_of
from tenure.engine.removing import REMOVED
from tenure.engine.result import ApplyResult, ModelResult
from tenure.engine.run import Acting, Run, check_clock, context_of
from tenure.graph.resource import Resource, Sort
from tenure.plan.change import ModelPlan, Plan
from tenure.plan.diff import Desired, diff
from tenure.plan.view import Inputs, View
from tenure.stages.base import StageContext
from tenure.state.record import ModelState

_POLL_SECONDS = 0.2


def carry_out(
    project: Acting, plan: Plan, stopping: Callable[[], bool], *, wait: bool = False
) -> ApplyResult:
    """Carry out a plan. Raises StalePlan before any effect when one of its models moved since it was made, and
    TenureError when the clock went back. With `wait` a rollout step whose bake time has not passed is waited for."""
    if plan.environment != project.environment:
        raise StalePlan(
            "The plan is for another environment.",
            f"It was made for {plan.environment!r}; this is {project.environment!r}.",
            f"Apply it there: tenure apply --env {plan.environment} PLANFILE",
        )
    todo = [model for model in plan.models if model.changed]
    compiled = _compiled(project, [model for model in todo if model.lifecycle != REMOVED])
    _check_removed(project, [model for model in todo if model.lifecycle == REMOVED])
    check_clock(project, [name for model in todo for name in (model.model, model.moved_from) if name])
    _check_fresh(project, todo, compiled)
    started = time.monotonic()
    run = run_of(project, stopping)

    def one(model: ModelPlan) -> ModelResult:
        return _one(project, run, model, compiled.get(model.model))

    workers = max(1, min(len(todo), os.cpu_count() or 1))
    if workers == 1:
        results = [one(model) for model in todo]
    else:
        with ThreadPoolExecutor(workers, thread_name_prefix="apply") as pool:
            results = list(pool.map(one, todo))
    if wait and not stopping():
        results = [
            _finish_rollout(project, run, compiled[result.model], result)
            if result.model in compiled
            else result
            for result in results
        ]
    return ApplyResult(
        apply_id=run.apply_id,
        plan_digest=plan.digest,
        at=project.now,
        models=tuple(results),
        seconds=round(time.monotonic() - started, 3),
    )


def run_of(project: Acting, stopping: Callable[[], bool]) -> Run:
    """One apply in a project, with an id of its own."""
    from tenure.state.leases import this_process

    apply_id = f"{format_instant(project.now)}-{uuid.uuid4().hex[:6]}"

    def context_for(item: Resource, view: View, fingerprint: str) -> StageContext:
        return context_of(project, item, view, stopping, fingerprint=fingerprint, apply_id=apply_id)

    def bring(environment: str, blobs: Iterable[str]) -> None:
        promoting.bring(blobs, project.in_environment(environment).artifacts, project.artifacts)

    return Run(
        apply_id=apply_id,
        holder=this_process(project.actor),
        actor=project.actor,
        now=project.now,
        store=project.store,
        stage_of=stage_of,
        context_for=context_for,
        bring=bring,
        take_folders=partial(moving.take_folders, project.workspace),
        keep_copy=partial(surgery.keep_model, project),
        locate=project.specs.locate,
        emit=project.tell,
        stopping=stopping,
    )


def _one(project: Acting, run: Run, plan: ModelPlan, compiled: Compiled | None) -> ModelResult:
    try:
        with boundary():
            if compiled is None:
                return removing.forget(run, plan)
            inputs = _inputs(project, compiled, moving.recorded_for(run.store, plan))
            return apply_model(run, plan, _desired(project, compiled, plan), inputs)
    except TenureError as error:
        run.emit(Note(plan.model, str(error)))
        return ModelResult(
            model=plan.model, serial=plan.serial, steps=(), error=str(error), exit_code=error.exit_code
        )


def _finish_rollout(project: Acting, run: Run, compiled: Compiled, result: ModelResult) -> ModelResult:
    """Wait for bake times and take the rollout steps they hold back, until nothing or something else is left."""
    while result.exit_code == 3 and result.remaining and not run.stopping():
        kinds = {blocker.kind for change in result.remaining for blocker in change.blockers}
        if kinds != {"bake"} or project.fixed:  # a time that was given stands still
            return result
        time.sleep(_POLL_SECONDS)
        run = replace(run, now=project.now)
        state = run.store.read(compiled.model)
        plan = diff(desired_of(compiled), state, _inputs(project, compiled, state), run.now)
        if any(change.sort is Sort.ARTIFACT for change in plan.acting):
            return result  # a cause that came up meanwhile is not what is waited for
        if plan.acting:
            again = _one(project, run, plan, compiled)
            result = msgspec.structs.replace(again, steps=(*result.steps, *again.steps))
    return result


def _compiled(project: Acting, todo: Sequence[ModelPlan]) -> dict[str, Compiled]:
    """The specs of the models of a plan. Raises StalePlan when one is gone."""
    if not todo:
        return {}
    for model in todo:
        if not (project.root / model.file).is_file():
            raise StalePlan(
                "The plan is stale.",
                f"Since the plan was made, the spec of {model.model} has gone ({model.file}). Nothing was done.",
                "Bring it back, or look at a new plan: tenure plan",
            )
    return {item.model: item for item in project.specs.compiled([model.model for model in todo])}


def _check_fresh(project: Acting, todo: Sequence[ModelPlan], compiled: Mapping[str, Compiled]) -> None:
    """Refuse the whole plan when one of its models moved: it was reviewed as a whole."""
    states = project.reader.read_many([model.model for model in todo])
    for model in todo:
        if model.lifecycle == REMOVED:
            continue  # checked where it is carried out, under its lease
        item, state = compiled[model.model], states.get(model.model)
        if model.moved_from:
            state = moving.recorded_for(project.reader, model)
        desired = _desired(project, item, model)
        check_fresh(moving.unmoved(model), state, desired, _inputs(project, item, state), project.now)


def _check_removed(project: Acting, leaving: Sequence[ModelPlan]) -> None:
    """Refuse to forget what the configuration does not ask to forget any more."""
    asked = {removing.spec_digest(entry.model, entry.reason) for entry in project.config.removed}
    for model in leaving:
        if model.spec_digest not in asked:
            raise StalePlan(
                "The plan is stale.",
                f"{model.file} no longer says that {model.model} is removed as it was planned. Nothing was done.",
                "Look at a new plan: tenure plan",
            )


def _desired(project: Acting, compiled: Compiled, plan: ModelPlan) -> Desired:
    """What the spec asks for, with what the plan takes over from another environment."""
    desired = desired_of(compiled)
    if plan.promotes is None:
        return desired
    source = project.in_environment(plan.promotes.environment)
    offer = promoting.offer_of(source.reader, source.environment, compiled, plan.promotes.version)
    return replace(desired, offer=promoting.same_offer(offer, plan.promotes))


def _inputs(project: Acting, compiled: Compiled, state: ModelState | None) -> dict[str, Inputs]:
    return inputs_of(project.root, compiled, state, refresh=True)
