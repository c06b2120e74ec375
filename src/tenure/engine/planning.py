"""A plan of the project: remembered where nothing can have changed, made anew where something may have.

The memo only ever gives answers that need no explanation. Whatever is wrong with a spec, with `conf/` or between specs
is said by the ordinary path, which remembers nothing and is the definition of what a plan is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from tenure.core.diagnostics import has_errors
from tenure.core.errors import SpecError, TenureError
from tenure.core.files import Look, Stamp, now_ns, settled
from tenure.core.version import VERSION
from tenure.engine import moving, removing
from tenure.engine.compiling import Compiled, desired_of, stage_of
from tenure.engine.memo import (
    Entry,
    Memo,
    Present,
    conf_is_settled,
    keep,
    packed,
    plan_in,
    question_of,
    recall,
    unified,
)
from tenure.engine.selecting import Selectable, World, asks_for_plans, chosen
from tenure.engine.workspace import Workspace
from tenure.graph.resource import Resource
from tenure.plan import adoption
from tenure.plan.change import ModelPlan, Plan
from tenure.plan.diff import diff
from tenure.plan.expiry import holds_until
from tenure.plan.view import Inputs, Target, View
from tenure.state.encoding import collector_paused
from tenure.state.opening import open_reader

if TYPE_CHECKING:
    from tenure.engine.specs import Made, Specs
    from tenure.spec.project import ProjectConfig
    from tenure.state.record import ModelState
    from tenure.state.store import Revision, StateReader

_AT_ONCE = 100
"""How many specs are held at the same time with their states; what is left of them is their plans."""


class Planned(Protocol):
    """What is planned: a project in one environment. Its specs and its configuration load when they are asked for."""

    root: Path

    @property
    def now(self) -> datetime: ...
    @property
    def specs(self) -> Specs: ...
    @property
    def config(self) -> ProjectConfig: ...
    @property
    def reader(self) -> StateReader: ...


def make_plan(
    project: Planned, overrides: Sequence[str], select: Sequence[str], exclude: Sequence[str], refresh: bool
) -> Plan:
    """The plan of the selected models, of all by default. Raises SpecError when a selected spec is invalid."""
    with collector_paused():
        planning = _Planning.begun(project, overrides, refresh)
        plan = None if planning is None else planning.plan(select, exclude)
        return plan or plan_afresh(project, select, exclude, refresh)


def plan_afresh(project: Planned, select: Sequence[str], exclude: Sequence[str], refresh: bool) -> Plan:
    """The same without remembering anything."""
    if asks_for_plans((*select, *exclude)):
        whole = plan_afresh(project, (), (), refresh)
        modified = frozenset(plan.model for plan in whole.models if plan.changed)
        files = {*project.specs.selected(select, exclude, modified)}
        kept = tuple(plan for plan in whole.models if plan.file in files)
        return msgspec.structs.replace(whole, models=kept, unmanaged=())
    leaving = _leaving(project, select, exclude)
    gone = {plan.model for plan in leaving}
    others_selected = [selector for selector in select if selector not in gone]
    compiled = project.specs.compiled(others_selected, exclude) if others_selected or not select else ()
    removing.refuse_specs_of(project.config.removed, (item.model for item in compiled))
    everything = not select and not exclude
    states = project.reader.read_many(None if everything else [item.model for item in compiled])
    now = project.now
    plans = []
    for item in compiled:
        state = states.get(item.model)
        old = moving.moves(item, state, project.reader.read)
        inputs = inputs_of(project.root, item, old or state, refresh)
        plan = diff(desired_of(item), old or state, inputs, now)
        plans.append(moving.moved(plan, item.moved_from, project.specs) if old and item.moved_from else plan)
    removing.refuse_moves_of(leaving, plans)
    plans += leaving
    named = gone | {item.model for item in compiled} | {plan.moved_from for plan in plans}
    others = (model for model, state in states.items() if model not in named and not state.tombstone)
    return Plan(
        tool_version=VERSION,
        environment=project.config.env.name,
        at=now,
        models=tuple(plans),
        unmanaged=tuple(sorted(others)) if everything else (),
    )


def _leaving(project: Planned, select: Sequence[str], exclude: Sequence[str]) -> tuple[ModelPlan, ...]:
    """The plans of models that the configuration removes."""
    entries = project.config.removed
    if not entries:
        return ()
    ended = {model: one.retired for model, one in project.reader.revisions().items()}
    states = project.reader.read_many(removing.pending([entry.model for entry in entries], ended))
    return removing.removals(entries, states, select, exclude)


def inputs_of(root: Path, compiled: Compiled, state: ModelState | None, refresh: bool) -> dict[str, Inputs]:
    """What a look at the sources of a model finds, by local address; and a look at what it is going to adopt.

    Nothing is looked at for a retired one.
    """
    if not refresh or (state and state.tombstone):
        return {}
    records = state.records if state else {}
    return {
        item.local: stage_of(item).observe_inputs(item, root, records.get(item.local))
        for item in compiled.resources
        if not item.needs or adoption.pending(item, records)
    }


class _Planning:
    """One plan: what is remembered, how things are, and what has to be made anew.

    Each mark (a stamp, a revision, the text of `conf/`) is taken before what it marks is read. A change in between then
    leaves an answer that is newer than its mark, which the next plan only makes once more; never one that is older.
    """

    def __init__(
        self, project: Planned, memo: Memo, files: Mapping[str, Stamp | None], refresh: bool, began: int
    ) -> None:
        self.project, self.memo, self.files = project, memo, files
        self.refresh, self.began, self.now = refresh, began, project.now
        self.revisions: dict[str, Revision] = {}
        self.kept: dict[str, Entry] = {}
        self.dirty = False

    @classmethod
    def begun(cls, project: Planned, overrides: Sequence[str], refresh: bool) -> _Planning | None:
        """Look at everything that stands for all models; None when the ordinary path has to say what is wrong."""
        began = now_ns()
        try:
            question = question_of(project.root, overrides, refresh)
            files = Workspace(project.root, "").spec_stamps()
        except (OSError, TenureError):
            return None
        memo = recall(project.root, question)
        if memo is None:
            config = project.config
            memo = Memo(question, config.env.name, config.state_settings)
            memo.variables = memo.hashed(project.specs.configured.reads.environment)
            memo.removed = tuple(entry.model for entry in config.removed)
        return cls(project, memo, files, refresh, began)

    def plan(self, select: Sequence[str], exclude: Sequence[str]) -> Plan | None:
        """The plan; None when the ordinary path has to say what is wrong."""
        everything = not select and not exclude
        reader = open_reader(self.project.root, self.memo.state)
        try:
            self.revisions = reader.revisions()
            ended = {model: one.retired for model, one in self.revisions.items()}
            if removing.pending(self.memo.removed, ended):
                return None
            names = {model: one.name for model, one in self.revisions.items()}
            present = Present(self.project.root, self.now, self.began, self.files, names)
            for file in self.files:
                if (entry := present.valid(self.memo, file)) is not None:
                    self.kept[file] = entry
                    self.dirty |= entry is not self.memo.entries[file]
            late = asks_for_plans((*select, *exclude))
            picked = list(self.files) if late else self._picked(select, exclude)
            fresh = [file for file in picked if file not in self.kept]
            made = {file: plan_in(self.kept[file]) for file in picked if file in self.kept}
            for start in range(0, len(fresh), _AT_ONCE):
                several = self._made(fresh[start : start + _AT_ONCE])
                if several is None:
                    break
                states = reader.read_many([one.compiled.model for one in several])
                try:
                    made |= {one.compiled.file: self._diff(one, states) for one in several}
                except TenureError:
                    return None  # one of them cannot move; the ordinary path says so, and what else is wrong
            plans = [made[file] for file in picked if file in made]
            named = {plan.model for plan in plans}
            if len(named) < len(picked):
                self._refuse(picked)
                return None
            if named.intersection(self.memo.removed):
                return None
            self._remember()
        finally:
            reader.close()
        if late:
            modified = frozenset(plan.model for plan in plans if plan.changed)
            files = {*self._picked(select, exclude, modified)}
            plans = [plan for plan in plans if plan.file in files]
        named |= {plan.moved_from for plan in plans}
        others = [model for model, one in self.revisions.items() if model not in named and not one.retired]
        return Plan(
            tool_version=VERSION,
            environment=self.memo.environment,
            at=self.now,
            models=tuple(plans),
            unmanaged=tuple(sorted(others)) if everything else (),
        )

    def _picked(
        self, select: Sequence[str], exclude: Sequence[str], modified: frozenset[str] | None = None
    ) -> list[str]:
        if not select and not exclude:
            return list(self.files)
        entries = [self._entry(file) for file in self.files]
        return [item.file for item in chosen(entries, select, exclude, World(self.project.root, modified))]

    def _entry(self, file: str) -> Selectable:
        kept = self.kept.get(file)
        return self.project.specs.entry(file) if kept is None else _Remembered(file, kept)

    def _made(self, files: Sequence[str]) -> list[Made] | None:
        """Specs that are not remembered; None when one of them has an error."""
        found = []
        for file in files:
            made = self.project.specs.made(file)
            if made is None:
                return None
            found.append(made)
        return found

    def _refuse(self, files: Sequence[str]) -> None:
        """Say what is wrong with specs or between them; nothing when it has been corrected in the meantime.

        Specs that are remembered without remarks are read only when they have a name in common with another.
        """
        specs = self.project.specs
        suspects = [file for file in files if file not in self.kept or self.kept[file].remarks]
        found = specs.findings(suspects)
        entries: list[Selectable] = [self._entry(file) for file in files]
        named = Counter(entry.model for entry in entries)
        more = [entry.file for entry in entries if entry.file in suspects or named[entry.model] > 1]
        if more != suspects:
            found = specs.findings(more)
        if has_errors(found):
            raise SpecError(found)

    def _diff(self, made: Made, states: Mapping[str, ModelState]) -> ModelPlan:
        compiled = made.compiled
        state = states.get(compiled.model)
        old = moving.moves(compiled, state, self.project.reader.read)
        state = old or state
        inputs = inputs_of(self.project.root, compiled, state, self.refresh)
        desired = desired_of(compiled)
        ends = [desired.retires] if desired.retires and desired.retires > self.now else []
        recorded = state.records.values() if state else ()
        ends += [moment for record in recorded if (moment := holds_until(record)) is not None]

        def target(item: Resource, view: View) -> Target:
            found = desired.target(item, view)
            if found.holds_until is not None:
                ends.append(found.holds_until)
            return found

        plan = diff(replace(desired, target=target), state, inputs, self.now)
        if old and compiled.moved_from:
            return moving.moved(plan, compiled.moved_from, self.project.specs)
        until = min(ends, default=None)
        if not plan.acting and (until is None or until > self.now):
            plan = unified(plan)
            self._enter(made, plan, inputs, until)
        return plan

    def _enter(
        self, made: Made, plan: ModelPlan, inputs: Mapping[str, Inputs], until: datetime | None
    ) -> None:
        """Remember an answer if everything it came from has a mark that can be trusted."""
        compiled = made.compiled
        looked: list[Look] = []
        for seen in inputs.values():
            if seen.looked is None:
                return
            looked += seen.looked
        stamp, revision = self.files.get(compiled.file), self.revisions.get(compiled.model)
        stamps = [one for item in looked for _, one in item.files]
        if stamp is None or revision is None or not settled([stamp, *stamps], self.began):
            return
        self.kept[compiled.file] = Entry(
            stamp=stamp,
            content=made.content,
            environment=self.memo.hashed(made.environment),
            looked=tuple(looked),
            revision=revision.name,
            since=self.now,
            until=until,
            model=compiled.model,
            owner=compiled.owner,
            labels=compiled.labels,
            downstream=made.entry.downstream,
            fragments=made.entry.fragments,
            remarks=made.remarks,
            plan=packed(plan),
        )
        self.dirty = True

    def _remember(self) -> None:
        if self.dirty and conf_is_settled(self.project.root, self.began):
            others = {file: entry for file, entry in self.memo.entries.items() if file in self.files}
            self.memo.entries = others | self.kept
            keep(self.project.root, self.memo)


class _Remembered:
    """What selectors look at, of a spec that was not read."""

    def __init__(self, file: str, entry: Entry) -> None:
        self.file = file
        self.model = entry.model
        self.owner = entry.owner
        self.labels = entry.labels
        self.downstream = entry.downstream
        self.fragments = entry.fragments
