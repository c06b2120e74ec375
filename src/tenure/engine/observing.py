"""Looking at the running models: verdicts, and the causes that follow from them, are recorded; nothing else changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tenure.core.errors import TenureError
from tenure.engine.applying import boundary
from tenure.engine.compiling import desired_of, stage_of
from tenure.engine.result import ObserveResult
from tenure.engine.run import Acting, check_clock, context_of
from tenure.engine.stopping import never
from tenure.plan.diff import view_of

if TYPE_CHECKING:
    from tenure.state.record import Fact, Observation


def observe(project: Acting, select: Sequence[str] = ()) -> ObserveResult:
    """Ask every stage of the selected models what it sees; what one of them cannot see is a note."""
    now = project.now
    compiled = project.specs.compiled(select)
    check_clock(project, [item.model for item in compiled])
    states = project.reader.read_many([item.model for item in compiled])
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
                    seen = stage_of(resource).observe(resource, context_of(project, resource, view, never))
            except TenureError as error:
                notes.append(f"{resource.address}: {error}")
                continue
            observations += seen.observations
            facts += seen.facts
            if seen.cleared:
                project.store.settle_facts(item.model, seen.cleared, at=now, by=resource.address)
    if observations:
        project.store.add_observations(observations)
    new = tuple(fact for fact in facts if project.store.add_fact(fact))
    return ObserveResult(at=now, observations=tuple(observations), new_facts=new, notes=tuple(notes))
