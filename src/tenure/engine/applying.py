"""Applying the plan of one model: step by step, each with a durable intent before and a durable outcome after.

Under the model's lease the plan is checked against the state, the spec and the sources it was made for. Then every
resource is decided again with what is known by now (`plan.diff.decide`, the function the plan came from), and the steps
that the plan announced are taken. A failed step stops what depends on it and nothing else. A killed run leaves an open
journal entry; the next one closes it and repeats that step.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import msgspec

from tenure.core.errors import (
    Interrupted,
    StageBlocked,
    StageError,
    StalePlan,
    StateError,
    TenureError,
)
from tenure.core.events import (
    Note,
    StepBlocked,
    StepFailed,
    StepFinished,
    StepSkipped,
    StepStarted,
)
from tenure.engine import moving
from tenure.engine.freshness import behind_blocked, check_fresh
from tenure.engine.result import ModelResult, StepResult
from tenure.engine.run import Run
from tenure.graph.resource import Resource, Sort
from tenure.plan.action import Action, Reason
from tenure.plan.change import Change, ModelPlan
from tenure.plan.diff import NO_INPUTS, Desired, decide, diff, view_of
from tenure.plan.leftover import left_over
from tenure.plan.view import Inputs, Target, View
from tenure.stages.base import Output, StageContext
from tenure.state.record import ModelState, Record

if TYPE_CHECKING:
    from tenure.state.store import Lease

MAX_ROUNDS = 100
"""A binding that still wants another step after so many is a defect of its stage."""


def apply_model(run: Run, plan: ModelPlan, desired: Desired, inputs: Mapping[str, Inputs]) -> ModelResult:
    """Carry out the plan of one model. A failed step is part of the result; raises StateLocked and StalePlan."""
    with run.store.lease(plan.model, run.holder) as lease:
        state = moving.recorded_for(run.store, plan)
        check_fresh(moving.unmoved(plan), state, desired, inputs, run.now)
        taken = [_move(run, plan, lease, state.serial)] if plan.moved_from and state else []
        for entry in run.store.close_interrupted(lease, run.now):
            run.emit(
                Note(
                    entry.address,
                    f"An earlier apply was interrupted here; its {entry.action} is taken up again.",
                )
            )
        walk = _Walk(run, plan, desired, inputs, lease)
        walk.take()
    try:
        after = run.store.read(plan.model)
    except StateError:
        if not walk.error:
            raise
        # The state went away during a step, which is said already; so is what was done before.
        done = sum(step.outcome == "done" for step in walk.steps)
        return ModelResult(
            model=plan.model,
            serial=plan.serial + done,
            steps=(*taken, *walk.steps),
            error=walk.error,
            exit_code=walk.exit_code,
        )
    left = diff(desired, after, {local: walk.left_of(local, seen) for local, seen in inputs.items()}, run.now)
    return ModelResult(
        model=plan.model,
        serial=after.serial if after else 0,
        steps=(*taken, *walk.steps),
        remaining=tuple(change for change in left.changes if change.action is not Action.NONE),
        error=walk.error,
        exit_code=walk.exit_code,
    )


def _move(run: Run, plan: ModelPlan, lease: Lease, serial: int) -> StepResult:
    """Give what is recorded under the old name the new one."""
    (change,) = [change for change in plan.changes if change.reason is Reason.MOVED]
    run.emit(StepStarted(change.address, change.action.value, change.sentence))
    started = time.monotonic()
    moving.carry_out(run, lease, plan.moved_from, serial)
    seconds = round(time.monotonic() - started, 3)
    run.emit(StepFinished(change.address, change.action.value, seconds, ""))
    return StepResult(change.address, change.action.value, "done", change.sentence, seconds)


@dataclass
class _Walk:
    """The way through the resources of one model: what was done, and what may not be built upon."""

    run: Run
    plan: ModelPlan
    desired: Desired
    inputs: Mapping[str, Inputs]
    lease: Lease
    steps: list[StepResult] = field(default_factory=list)
    held: frozenset[str] = frozenset()
    interrupted: bool = False
    error: str = ""
    exit_code: int = 0

    def take(self) -> None:
        """Take every step that may be taken. What was done before an error stays part of the result."""
        behind = behind_blocked(self.plan, self.desired)
        state = self.run.store.read(self.plan.model)
        left = left_over(self.desired.resources, state.records) if state else ()
        for item in (*self.desired.resources, *left):
            try:
                self.step(item, behind)
            except (StateError, StalePlan) as error:
                # Without a state that can be written nothing further may be done.
                self.error = str(error)
                self.run.emit(Note(self.plan.model, self.error))
                self._worsen(error.exit_code)
                return
            except TenureError as error:
                self._report_failure(item, error, 0.0)
                self.held |= {item.local}
            if self.interrupted:
                return

    def left_of(self, local: str, seen: Inputs) -> Inputs:
        """What is still new in the sources of a resource: nothing once they have been read."""
        done = any(
            step.outcome == "done" and step.address == f"{self.plan.model}/{local}" for step in self.steps
        )
        return msgspec.structs.replace(seen, changed=False, sentences=()) if done else seen

    def step(self, item: Resource, behind: frozenset[str]) -> None:
        """Bring one resource as far as it may go now."""
        announced = next((change for change in self.plan.changes if change.address == item.address), None)
        for _ in range(MAX_ROUNDS):
            if self.run.stopping():
                self._stop()
                return
            state = self.run.store.read(self.plan.model)
            view = replace(view_of(self.desired, state, self.run.now, self.plan.digest), held=self.held)
            with boundary():
                change = decide(item, self.desired, view, self.inputs.get(item.local, NO_INPUTS))
            if change.action is Action.BLOCKED:
                self._blocked(item, change)
                return
            if change.action is Action.NONE:
                self._unnecessary(item, announced)
                return
            if (announced is None or announced.action is Action.NONE) and item.address not in behind:
                raise StalePlan(
                    "The plan is stale.",
                    f"{item.address} would be changed ({change.sentence}), which the plan does not show.",
                    f"Look at a new plan: tenure plan {self.plan.model}",
                )
            if not self._perform(item, change, view, state):
                self.held |= {item.local}
                return
            if item.sort is Sort.ARTIFACT:
                return
        raise TenureError(
            "A stage does not settle.", f"{item.address} wants another step after {MAX_ROUNDS}."
        )

    def _perform(self, item: Resource, change: Change, view: View, state: ModelState | None) -> bool:
        run = self.run
        inputs = {need: view.records[need].digest for need in item.needs if need in view.records}
        fingerprint = item.fingerprint(inputs) if len(inputs) == len(item.needs) else item.content
        entry = run.store.begin(
            self.lease, apply_id=run.apply_id, address=item.address, action=change.action.value,
            reason=change.reason.value, fingerprint=fingerprint, at=run.now, by=run.actor,
        )  # fmt: skip
        run.emit(StepStarted(item.address, change.action.value, change.sentence))
        started = time.monotonic()
        context = run.context_for(item, view, fingerprint)
        try:
            output = self._output(item, change, view, context)
        except Interrupted:
            run.store.finish(self.lease, entry, outcome="interrupted", at=run.now)
            self._stop()
            return False
        except TenureError as error:
            self._failed(item, entry, error, time.monotonic() - started)
            return False
        seconds = time.monotonic() - started
        causes = tuple(cause.id for cause in change.causes)
        record = Record(
            address=item.address, sort=item.sort, fingerprint=fingerprint, content=item.content, metadata=item.metadata,
            config=item.config, effects=item.effects, digest=output.digest, value=output.value,
            artifacts=output.artifacts, inputs=inputs, at=run.now, by=run.actor, apply_id=run.apply_id,
            serial=(state.serial if state else 0) + 1, seconds=round(seconds, 3), causes=causes, ordinal=output.ordinal,
        )  # fmt: skip
        record = self._as_made(record, item, change, view)
        lineage = state.lineage if state else ""
        run.store.finish(
            self.lease, entry, outcome="done", at=run.now, record=record, serial=state.serial if state else 0,
            settle=causes, tombstone=output.tombstone and msgspec.structs.replace(output.tombstone, lineage=lineage),
            audit={"action": change.action.value, "reason": change.reason.value, "digest": output.digest,
                   "fingerprint": fingerprint, "plan": self.plan.digest, "apply": run.apply_id, "causes": list(causes)},
        )  # fmt: skip
        if output.refused:
            self._worsen(3)
        return self._verify(item, change, record, context, output.sentence)

    def _as_made(self, record: Record, item: Resource, change: Change, view: View) -> Record:
        """An artifact that stays or is taken over is as old as it is: from when it was made, not from now."""
        offer = self.desired.offer
        if change.reason is Reason.PROMOTED and offer is not None:
            taken = offer.records[item.local]
            return msgspec.structs.replace(record, at=taken.at, seconds=taken.seconds, origin=offer.name)
        if change.reason is Reason.METADATA_CHANGED and item.sort is Sort.ARTIFACT:
            kept = view.records[item.local]
            return msgspec.structs.replace(
                record, at=kept.at, seconds=kept.seconds, causes=kept.causes, origin=kept.origin
            )
        return record

    def _output(self, item: Resource, change: Change, view: View, context: StageContext) -> Output:
        previous = view.records.get(item.local)
        if (
            change.reason is Reason.METADATA_CHANGED
            and previous
            and item.sort is Sort.ARTIFACT
            and not item.identity
        ):
            # Only words about the artifact changed; the artifact itself stays as it is.
            return Output(previous.digest, previous.value, previous.artifacts, previous.ordinal)
        offer = self.desired.offer
        if change.reason is Reason.PROMOTED and offer is not None:
            taken = offer.records[item.local]
            self.run.bring(offer.environment, taken.artifacts.values())
            return Output(taken.digest, taken.value, taken.artifacts, taken.ordinal)
        stage = self.run.stage_of(item)
        wanted: Target | None = self.desired.target(item, view) if item.sort is Sort.BINDING else None
        with boundary():
            return stage.realise(item, wanted, context)

    def _verify(
        self, item: Resource, change: Change, record: Record, context: StageContext, made: str
    ) -> bool:
        seconds = record.seconds
        try:
            with boundary():
                seen = self.run.stage_of(item).verify(record, context) if item.sort is Sort.BINDING else ""
        except TenureError as error:
            self._report_failure(item, error, seconds)
            return False
        seen = seen or made
        sentence = seen or change.sentence
        self.steps.append(StepResult(item.address, change.action.value, "done", sentence, seconds))
        self.run.emit(StepFinished(item.address, change.action.value, seconds, seen))
        return True

    def _failed(self, item: Resource, entry: int, error: TenureError, seconds: float) -> None:
        blocked = isinstance(error, StageBlocked)
        try:
            self.run.store.finish(
                self.lease,
                entry,
                outcome="blocked" if blocked else "failed",
                at=self.run.now,
                detail=str(error),
            )
        finally:
            self._report_failure(item, error, seconds)

    def _report_failure(self, item: Resource, error: TenureError, seconds: float) -> None:
        detail = error.detail
        if isinstance(error, StageError) and error.path:
            place = self.run.locate(self.plan.file, error.path)
            detail = f"{place}: {detail}" if place else detail
        blocked = isinstance(error, StageBlocked)
        self.steps.append(
            StepResult(
                item.address,
                Action.BLOCKED.value if blocked else "fail",
                "blocked" if blocked else "failed",
                error.summary,
                seconds,
                detail,
                error.hint,
            )
        )
        self.run.emit(StepFailed(item.address, error.summary, detail, error.hint))
        self._worsen(error.exit_code)

    def _blocked(self, item: Resource, change: Change) -> None:
        if change.reason is Reason.NEED_BLOCKED:
            self.held |= {item.local}
        hint = next((blocker.hint for blocker in change.blockers if blocker.hint), "")
        sentence = "; ".join(blocker.text for blocker in change.blockers)
        self.steps.append(
            StepResult(
                item.address, Action.BLOCKED.value, "blocked", sentence, hint=hint, blockers=change.blockers
            )
        )
        self.run.emit(StepBlocked(item.address, sentence, hint))
        if change.reason is not Reason.NEED_BLOCKED or self.exit_code == 0:
            self._worsen(3)

    def _unnecessary(self, item: Resource, announced: Change | None) -> None:
        done = any(step.address == item.address for step in self.steps)
        if announced is None or not announced.action.acts or done:
            return
        sentence = "Made from the same content as before; nothing to do."
        self.steps.append(StepResult(item.address, announced.action.value, "skipped", sentence))
        self.run.emit(StepSkipped(item.address, sentence))

    def _stop(self) -> None:
        self.interrupted = True
        self._worsen(130)

    def _worsen(self, code: int) -> None:
        order = (0, 3, 4, 1, 130)
        self.exit_code = max(self.exit_code, code, key=order.index)


@contextmanager
def boundary() -> Iterator[None]:
    """The one boundary around a stage: a defect in a stage or a library must not take other models down.

    Raises StageError, Interrupted, and what the stage raised on purpose.
    """
    try:
        yield
    except TenureError:
        raise
    except KeyboardInterrupt as stop:
        raise Interrupted("Interrupted.") from stop
    except OSError as error:
        raise StageError(
            "The file system refused.", f"{type(error).__name__}: {error}", _way_out(error)
        ) from error
    except Exception as error:
        raise StageError(
            "A stage failed unexpectedly.",
            f"{type(error).__name__}: {error}",
            "Run again with -v for the traceback, and report it as a defect.",
        ) from error


def _way_out(error: OSError) -> str:
    import errno

    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "Free some space and run the same command again; everything done so far is kept."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "Check the permissions of the path and run the same command again."
    return "Run the same command again; everything done so far is kept."
