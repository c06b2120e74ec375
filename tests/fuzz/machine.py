"""Random sequences over a real project. Each rule is one thing that can happen; adding one is a small method.

Arguments are plain values that are chosen from what is possible now, so a failing sequence is printed as a test that
can be copied (`test_found.py`), and written as JSON that `scripts/fuzz --replay` takes.
"""

from __future__ import annotations

import copy
import functools
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pydantic import ValidationError
from tests.fuzz import documents, faults, invariants
from tests.fuzz.faults import Fault
from tests.fuzz.standins import ERRORS
from tests.fuzz.world import ENVIRONMENTS, TEMPLATES, Applied, Saved, World, in_force

from tenure.core.effect import Effect
from tenure.core.errors import TenureError
from tenure.core.leaves import flatten
from tenure.engine.planning import plan_afresh
from tenure.lifecycle import Model
from tenure.plan.change import Plan, from_json, to_json
from tenure.spec.base import config_of, effects_of
from tenure.stages.base import Observed
from tenure.stages.evaluation.section import Evaluation
from tenure.stages.features.section import Features
from tenure.stages.governance.section import Governance
from tenure.stages.retirement.section import Retirement
from tenure.state.record import Fact, ModelState, Observation

LOCALS = (
    "data/snapshot", "features/recipe", "training/search", "training/model", "evaluation/report", "governance/version",
    "governance/approval", "retirement/policy", "lifecycle/protection", "deployment/endpoint", "monitoring/monitor",
)  # fmt: skip
SLOW = {("data",), ("features",), ("training",)}
"""Sections whose random edits make real training slow or impossible; in real sequences `retune` edits them."""
HOUR, DAY = 3600.0, 86400.0
environments = st.sampled_from(("dev", "dev", "prod"))
places = st.sampled_from(LOCALS)


def happens(**values: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A rule whose calls are noted, so that they can be replayed."""

    def noted(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def call(machine: Life, **given: Any) -> None:
            machine.steps.append([function.__name__, json.loads(json.dumps(given))])
            machine.figures["steps"] += 1
            function(machine, **given)

        return rule(**values)(call)

    return noted


def chosen(options: Callable[[Any], list[Any]]) -> st.SearchStrategy[Any]:
    """One of the things that are possible now."""
    return st.runner().flatmap(lambda machine: st.sampled_from(options(machine)))


UNPICKLED: list[str] = []
"""What was unpickled since the sequence began; the interpreter says so itself."""


@functools.cache
def _listen() -> None:
    def heard(event: str, values: tuple[Any, ...]) -> None:
        if event == "pickle.find_class":
            UNPICKLED.append(".".join(map(str, values)))

    sys.addaudithook(heard)


class Life(RuleBasedStateMachine):
    """A project, everything that may happen to it, and what must stay true."""

    real: ClassVar[bool] = False
    figures: ClassVar[dict[str, int]] = {"sequences": 0, "steps": 0, "applies": 0, "kills": 0, "refused": 0}
    last: ClassVar[list[Any]] = []
    """The steps of the sequence that ran last, as JSON."""

    def __init__(self) -> None:
        super().__init__()
        shared = Path("/dev/shm")
        self.folder = Path(tempfile.mkdtemp(prefix="tenure-fuzz-", dir=shared if shared.is_dir() else None))
        self.world = World(self.folder / "project", real=self.real)
        self.force = in_force(self.world.script)
        self.force.__enter__()
        _listen()
        UNPICKLED.clear()
        type(self).last = self.steps = []
        self.figures["sequences"] += 1

    def teardown(self) -> None:
        self.force.__exit__(None, None, None)
        shutil.rmtree(self.folder, ignore_errors=True)

    @invariant()
    def _always(self) -> None:
        if self.world.docs or self.world.gone:
            invariants.always(self.world)
            invariants.no_pickle_was_loaded(UNPICKLED)

    # ---- what is possible now --------------------------------------------------------------------------------------

    def files(self) -> list[str]:
        return sorted(self.world.docs)

    def edits(self) -> list[tuple[str, documents.Edit]]:
        found = [(file, edit) for file in self.files() for edit in documents.edits(self.world.docs[file])]
        return [(file, edit) for file, edit in found if edit[0][:1] not in SLOW] if self.real else found

    def recorded(self, env: str) -> dict[str, ModelState]:
        return self.world.states(env) if (self.world.root / ".tenure" / env).exists() else {}

    def models(self) -> list[tuple[str, str]]:
        found = [(env, model) for env in ENVIRONMENTS for model in self.recorded(env)]
        return found or [("dev", "nobody")]

    # ---- beginning -------------------------------------------------------------------------------------------------

    @initialize(
        models=st.lists(st.sampled_from(sorted(TEMPLATES)), min_size=1, max_size=2, unique=True),
        applied=st.booleans(),
    )
    def begin(self, models: list[str], applied: bool) -> None:
        self.steps.append(["begin", {"models": models, "applied": applied}])
        self.world.begin([model for model in models if model in self.world.templates] or ["plain"])
        if applied:
            self._apply_all("dev")

    # ---- specs -----------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.world.docs)
    @happens(edit=chosen(lambda self: self.edits()), style=st.sampled_from(("plain", *documents.STYLES)))
    def edit(self, edit: tuple[str, documents.Edit], style: str) -> None:
        """One field of one spec."""
        file, change = edit
        before = self.world.docs[file]
        self.world.write_spec(file, documents.edited(before, change), style)
        if _document(self.world, before) is not None and _document(self.world, self.world.docs[file]) is None:
            invariants.always(self.world)  # a wrong spec is said to be wrong, by every way to plan
            self.world.write_spec(file, before, style)

    @precondition(lambda self: self.world.docs)
    @happens(
        file=chosen(files),
        change=st.sampled_from(
            (
                (("training", "seed"), 1),
                (("training", "seed"), 2),
                (("training", "limits", "max_trials"), 2),
                (("data", "cleaning"), [{"type": "drop_duplicates"}]),
                (("data", "checks"), [{"type": "row_count", "min": 10}]),
                (("features", "numeric", "scaling"), "minmax"),
                (("training", "algorithms", "ridge"), {}),
            )
        ),
    )
    def retune(self, file: str, change: documents.Edit) -> None:
        """Something that renews a model, and that a real search can do in a moment."""
        self.world.write_spec(file, documents.edited(self.world.docs[file], change))

    @precondition(lambda self: self.world.docs)
    @happens(file=chosen(files), style=st.sampled_from(documents.STYLES))
    def reformat(self, file: str, style: str) -> None:
        before = self.world.plan("dev")
        self.world.write_spec(file, self.world.docs[file], style)
        invariants.reformatting_changed_nothing(before, self.world.plan("dev"))

    @precondition(lambda self: self.world.docs)
    @happens(file=chosen(files), name=st.sampled_from(("specs/moved.yaml", "specs/sub/folder.yml")))
    def rename_file(self, file: str, name: str) -> None:
        if name not in self.world.docs:
            before = self.world.plan("dev")
            document = self.world.docs[file]
            self.world.remove_spec(file)
            self.world.gone.pop(file)
            self.world.write_spec(name, document, self.world.styles[file])
            after = self.world.plan("dev")
            if before is not None and after is not None:
                by_name = sorted(after.models, key=lambda model: model.model)
                assert [
                    (m.model, m.spec_digest) for m in sorted(before.models, key=lambda model: model.model)
                ] == [(model.model, model.spec_digest) for model in by_name]

    @precondition(lambda self: self.world.docs)
    @happens(file=chosen(files))
    def delete_file(self, file: str) -> None:
        self.world.remove_spec(file)

    @precondition(lambda self: self.world.gone)
    @happens(file=chosen(lambda self: sorted(self.world.gone)))
    def bring_file_back(self, file: str) -> None:
        self.world.write_spec(file, self.world.gone.pop(file))

    @happens(model=chosen(lambda self: sorted(self.world.templates)))
    def add_model(self, model: str) -> None:
        self.world.gone.pop(f"specs/{model}.yaml", None)
        self.world.write_spec(f"specs/{model}.yaml", copy.deepcopy(self.world.templates[model]))

    @precondition(lambda self: self.world.docs)
    @happens(file=chosen(files), state=st.sampled_from(("active", "deprecated", "deprecated", "retired")))
    def set_state(self, file: str, state: str) -> None:
        self.world.write_spec(file, documents.edited(self.world.docs[file], (("state",), state)))

    @precondition(lambda self: self.world.docs)
    @happens(first=chosen(edits), second=chosen(edits))
    def combine(self, first: tuple[str, documents.Edit], second: tuple[str, documents.Edit]) -> None:
        """Two edits of a model with nothing to do: alone, and together."""
        file = first[0]
        one, other = first[1], second[1]
        base = self.world.docs[file]
        shorter = min(len(one[0]), len(other[0]))
        clash = second[0] != file or one[0][:shorter] == other[0][:shorter]
        name = base["metadata"]["name"]
        plain = self._planned_as(file, base, name)
        if clash or plain is None or plain.changed:
            return
        single = [self._planned_as(file, documents.edited(base, edit), name) for edit in (one, other)]
        both = self._planned_as(file, documents.edited(documents.edited(base, one), other), name)
        self.world.write_spec(file, base, self.world.styles[file])
        for edit, plan in zip((one, other), single, strict=True):
            declared = self._declared(base, documents.edited(base, edit))
            if plan is not None and declared is not None:
                invariants.an_edit_costs_what_it_says(declared, plan)
        if None not in (*single, both):
            invariants.more_edits_cost_no_less(*single, both)  # type: ignore[arg-type]

    def _planned_as(self, file: str, document: dict[str, Any], name: str) -> Any:
        self.world.write_spec(file, document)
        with self.world.project() as project:
            try:
                plan = plan_afresh(project, [name], (), True)
            except TenureError:
                return None
        return plan.models[0]

    def _declared(self, before: dict[str, Any], after: dict[str, Any]) -> list[Effect] | None:
        """The declared effects of the leaves in which two documents differ; None when one of them is wrong."""
        old, new = _document(self.world, before), _document(self.world, after)
        if old is None or new is None:
            return None
        old, new = _with_defaults(old), _with_defaults(new)
        effects = effects_of(old) | effects_of(new)
        leaves = [dict(flatten(config_of(document))) for document in (old, new)]
        paths = {
            path for path in leaves[0].keys() | leaves[1].keys() if leaves[0].get(path) != leaves[1].get(path)
        }
        return [effects[path] for path in sorted(paths) if path in effects]

    # ---- configuration, data, time ---------------------------------------------------------------------------------

    @happens(
        env=environments,
        change=st.sampled_from((("seed", 1), ("seed", 2), ("trials", 2), ("trials", 3), ("unused", 5))),
    )
    def set_variable(self, env: str, change: tuple[str, int]) -> None:
        self.world.variables[env][change[0]] = change[1]
        self.world.write_conf()

    @happens(window=st.sampled_from(("1d", "2d", "nonsense")))
    def edit_fragment(self, window: str) -> None:
        self.world.window = window
        self.world.write_conf()

    @happens(words=st.sampled_from(("Some words.", "Other words.")))
    def set_environment_variable(self, words: str) -> None:
        self.force.__exit__(None, None, None)
        self.force = in_force(self.world.script, words)
        self.force.__enter__()

    @happens(name=st.sampled_from(("flowers.csv", "other-1.csv", "other-2.csv")), edition=st.integers(0, 2))
    def bring_data(self, name: str, edition: int) -> None:
        self.world.write_data(name, edition)

    @happens(name=st.sampled_from(("flowers.csv", "other-1.csv", "other-2.csv")))
    def lose_data(self, name: str) -> None:
        self.world.remove_data(name)

    @happens(seconds=st.sampled_from((0.000001, 60.0, HOUR, DAY, 36 * HOUR, 40 * DAY, 200 * DAY)))
    def pass_time(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @happens(seconds=st.sampled_from((1.0, HOUR, 3 * DAY)))
    def clock_jumps_back(self, seconds: float) -> None:
        """Plans are made, and nothing is done at a time before what is recorded."""
        self.world.pass_time(-seconds)
        invariants.always(self.world)
        states = self.world.states("dev")
        plan = self.world.plan("dev")
        if plan is not None and plan.changed:
            applied = self.world.apply("dev", plan)
            invariants.refused_before_any_effect(self.world, applied)
            newest = max(
                (record.at for model in plan.models if model.changed and model.model in states
                 for record in states[model.model].records.values()),
                default=None,
            )  # fmt: skip
            assert newest is None or newest <= self.world.now or applied.error is not None, (
                "obeyed a clock that went back"
            )
        self.world.pass_time(seconds)

    @happens(env=environments, damage=st.sampled_from(("delete", "garbage", "cut")))
    def lose_cache(self, env: str, damage: str) -> None:
        for path in (self.world.root / ".tenure" / env / "cache").glob("*"):
            content = path.read_bytes()
            path.unlink()
            if damage != "delete":
                path.write_bytes(b"nonsense" if damage == "garbage" else content[: len(content) // 2])

    # ---- applies ---------------------------------------------------------------------------------------------------

    @happens(env=environments)
    def apply(self, env: str) -> None:
        """Everything that may be done now."""
        self._apply_all(env)

    def _apply_all(self, env: str) -> None:
        plan = self.world.plan(env)
        if plan is None:
            return
        applied = self._applied(env, plan)
        if applied.result is not None:
            invariants.plan_after_success_is_empty(self.world, applied)

    @precondition(lambda self: len(self.world.docs) > 1)
    @happens(env=environments, file=chosen(files))
    def apply_some(self, env: str, file: str) -> None:
        """One of several models: nothing happens to the others."""
        name = self.world.docs[file]["metadata"]["name"]
        with self.world.project(env) as project:
            try:
                plan = project.plan([name])
            except TenureError:
                return
        applied = self._applied(env, plan)
        others = {model for model in applied.before if model != name}
        after = self.world.states(env)
        assert all(after[model] == applied.before[model] for model in others), "another model was touched"

    @happens(
        env=environments,
        place=places,
        when=st.sampled_from(("before", "after")),
        error=st.sampled_from(sorted(ERRORS)),
    )
    def apply_failing(self, env: str, place: str, when: str, error: str) -> None:
        """A verb fails; what does not depend on it is done, and the next apply goes on."""
        plan = self.world.plan(env)
        if plan is not None:
            self.world.script.failing[place] = (when, error)
            self._applied(env, plan)

    @precondition(lambda self: self.world.docs)
    @happens(env=environments, edit=chosen(edits), at=st.integers(0, 10_000), resume=st.booleans())
    def edit_and_kill(self, env: str, edit: tuple[str, documents.Edit], at: int, resume: bool) -> None:
        """An edit that is killed while it is carried out for the first time."""
        file, change = edit
        before = self.world.docs[file]
        self.world.write_spec(file, documents.edited(before, change))
        if self.world.plan(env) is None:
            self.world.write_spec(file, before)
        self._killed(env, at, [], resume=resume)

    @happens(
        env=environments,
        at=st.integers(0, 10_000),
        again=st.lists(st.integers(1, 200), max_size=2),
        resume=st.booleans(),
    )
    def apply_killed(self, env: str, at: int, again: list[int], resume: bool) -> None:
        """Killed at any effect, perhaps while it is taken up again too; then it ends as if it had not been."""
        self._killed(env, at, again, resume=resume)

    def _killed(self, env: str, at: int, again: list[int], *, resume: bool) -> None:
        plan = self.world.plan(env)
        if plan is None or not plan.acting:
            return
        twin = self.world.copy(self.folder / f"twin{len(self.steps)}")
        whole = faults.run(twin.root, twin.applying(env, plan))
        if whole.answer.get("raised") or whole.effects == 0:
            return
        first, points = plan, [1 + at % whole.effects, *again]
        for point in points:
            plan = self.world.plan(env)
            assert plan is not None
            ended = faults.run(self.world.root, self.world.applying(env, plan), Fault("kill", point))
            self.world.kills += ended.killed
            self.figures["kills"] += ended.killed
            invariants.always(self.world)
        if resume:
            plan = self.world.plan(env)
            assert plan is not None
            self._applied(env, plan)
            self._taken_up(env, twin, whole, first)
        shutil.rmtree(twin.root)

    def _taken_up(self, env: str, twin: World, whole: faults.Ended, first: Plan) -> None:
        subjects = {model.digest for model in first.models}
        # What people decided about a plan is about that plan; what a killed apply of it left to do is another one.
        decided = any(
            one.subject in subjects for state in self.world.states(env).values() for one in state.approvals
        )
        if whole.answer.get("code") in (0, 3) and not decided:
            invariants.converged(self.world, twin, env)

    @happens(
        env=environments, at=st.integers(1, 300), kind=st.sampled_from(("full disk", "stop", "stop twice"))
    )
    def apply_disturbed(self, env: str, at: int, kind: str) -> None:
        """The disk fills up, or somebody presses Ctrl-C, in the middle of an apply."""
        plan = self.world.plan(env)
        if plan is None or not plan.acting:
            return
        ended = faults.run(self.world.root, self.world.applying(env, plan), Fault(kind, at))
        assert not ended.killed, ended
        raised = ended.answer.get("raised")
        assert raised in (None, "KeyboardInterrupt") or ended.answer.get("code") is not None, (
            f"unexpected: {ended.answer}"
        )

    @happens(env=environments, verb=st.sampled_from(("apply", "apply", "retrain", "plan")))
    def apply_at_once(self, env: str, verb: str) -> None:
        """Two processes at the same moment."""
        plan = self.world.plan(env)
        if plan is None or not plan.acting:
            return
        before = self._last_step(env)
        other = self.world.applying(env, plan, alone=False) if verb == "apply" else self._another(env, verb)
        ended = faults.race(
            self.world.root, {"ann": self.world.applying(env, plan, alone=False), "bob": other}
        )
        if verb == "apply" and not any(
            one.answer.get("code") is None and one.answer.get("raised") for one in ended.values()
        ):
            refused = all((one.answer.get("raised") or "") == "StalePlan" for one in ended.values())
            if not refused and all((one.answer.get("code") or 0) in (0, 3, 4) for one in ended.values()):
                invariants.one_acted(self.world, env, plan, ended, before)

    def _another(self, env: str, verb: str) -> Callable[[], Any]:
        def act() -> Any:
            with self.world.project(env, actor="bob") as project:
                if verb == "plan":
                    return {"said": to_json(project.plan()).decode()[:1]}
                for model in project.reader.read_many():
                    project.retrain(model, reason="at once")
                return {"said": "asked"}

        return act

    @happens(
        env=environments,
        place=places,
        act=st.sampled_from(("apply", "retrain", "edit", "data", "plan", "approve")),
    )
    def apply_while(self, env: str, place: str, act: str) -> None:
        """Somebody else does something while a verb runs."""
        plan = self.world.plan(env)
        if plan is None or not plan.acting:
            return
        seen: list[Any] = []
        self.world.script.meanwhile[place] = lambda: seen.append(self._meanwhile(env, act, plan))
        self._applied(env, plan, judged=act in ("apply", "plan"))
        if act == "apply":
            for ended in seen:
                assert ended.error is not None or ended.result.exit_code in (0, 3, 4), ended

    def _meanwhile(self, env: str, act: str, plan: Plan) -> Any:
        world = self.world
        match act:
            case "edit":
                for file, document in list(world.docs.items()):
                    world.write_spec(
                        file, documents.edited(document, (("metadata", "description"), "Meanwhile."))
                    )
            case "data":
                world.write_data("flowers.csv", (world.rows["flowers.csv"] + 1) % 3)
            case _:
                with world.project(env, actor="bob") as project:
                    if act == "plan":
                        return project.plan()
                    if act == "apply":
                        try:
                            return Applied(env, plan, {}, (), project.apply(plan), None)
                        except TenureError as error:
                            return Applied(env, plan, {}, (), None, error)
                    for model in project.reader.read_many():
                        if act == "retrain":
                            project.retrain(model, reason="meanwhile")
        return None

    def _applied(self, env: str, plan: Plan, *, judged: bool = True) -> Applied:
        applied = self.world.apply(env, plan)
        self.figures["applies"] += 1
        self.figures["refused"] += applied.error is not None
        if judged:
            invariants.refused_before_any_effect(self.world, applied)
            invariants.did_what_was_shown(self.world, applied)
        if applied.result is not None and judged:
            finished = [model.model for model in applied.result.models if not model.error]
            invariants.nothing_is_open(self.world, env, finished)
        return applied

    def _last_step(self, env: str) -> int:
        with self.world.project(env) as project:
            return max((entry.id for entry in project.reader.journal(limit=1)), default=0)

    # ---- saved plans -----------------------------------------------------------------------------------------------

    @happens(env=environments)
    def save_plan(self, env: str) -> None:
        plan = self.world.plan(env)
        if plan is not None:
            self.world.saved = [*self.world.saved[-2:], Saved(env, to_json(plan), plan)]

    @precondition(lambda self: self.world.saved)
    @happens(
        which=chosen(lambda self: list(range(len(self.world.saved)))),
        env=st.sampled_from((None, *ENVIRONMENTS)),
    )
    def apply_saved(self, which: int, env: str | None) -> None:
        """A plan from a file, some time later, perhaps in the wrong environment."""
        saved = self.world.saved[which]
        place = env or saved.env
        fresh = self.world.plan(place)
        applied = self._applied(place, from_json(saved.data))
        if place != saved.env:
            assert applied.error is not None
        elif fresh is not None:
            invariants.stale_exactly_when_it_moved(applied, fresh)

    @precondition(lambda self: self.world.saved)
    @happens(
        which=chosen(lambda self: list(range(len(self.world.saved)))),
        role=st.sampled_from(("risk", "nobody")),
        decision=st.sampled_from(("approve", "approve", "reject")),
    )
    def decide_plan(self, which: int, role: str, decision: Any) -> None:
        saved = self.world.saved[which]
        path = self.folder / "plan.json"
        path.write_bytes(saved.data)
        with self.world.project(saved.env, actor="cro") as project:
            self._asked(lambda: project.approve(str(path), role=role, reason="seen", decision=decision))

    # ---- people and monitors ---------------------------------------------------------------------------------------

    @happens(where=chosen(models), reason=st.sampled_from(("drift", "audit")))
    def retrain(self, where: tuple[str, str], reason: str) -> None:
        with self.world.project(where[0]) as project:
            self._asked(lambda: project.retrain(where[1], reason=reason))

    @happens(where=chosen(models), to=st.sampled_from((None, 1, 2, 9)))
    def rollback(self, where: tuple[str, str], to: int | None) -> None:
        with self.world.project(where[0]) as project:
            self._asked(lambda: project.rollback(where[1], to=to, reason="odd answers"))

    @happens(
        where=chosen(models),
        version=st.integers(1, 3),
        decision=st.sampled_from(("approve", "approve", "reject")),
        by=st.sampled_from(("cro", "bob")),
    )
    def decide_version(self, where: tuple[str, str], version: int, decision: Any, by: str) -> None:
        with self.world.project(where[0], actor=by) as project:
            subject = f"{where[1]}@{version}"
            self._asked(lambda: project.approve(subject, role="risk", reason="seen", decision=decision))

    @happens(where=chosen(models))
    def acknowledge(self, where: tuple[str, str]) -> None:
        with self.world.project(where[0]) as project:
            self._asked(lambda: project.acknowledge(where[1], consumer="shop", reason="known"))

    @happens(
        where=chosen(models),
        do=st.sampled_from(("retrain", "rollback", "notify")),
        mode=st.sampled_from(("notify", "propose", "auto")),
        verdict=st.sampled_from(("ok", "critical")),
        run=st.booleans(),
    )
    def observe(self, where: tuple[str, str], do: str, mode: Any, verdict: Any, run: bool) -> None:
        """A monitor has seen something; perhaps the unattended round follows."""
        env, model = where
        now, number = self.world.now, len(self.steps)
        fact = Fact(f"f{number}", model, "monitoring", f"k{do}", do, mode, "It broke.", {}, now, "monitor")
        seen = Observation(model, "performance", now, now, verdict, 0.4, {}, "1", now)
        state = self.recorded(env).get(model)
        known = [
            one for one in (state.facts if state else ()) if one.settled_at is None and one.by == "monitor"
        ]
        over = () if verdict == "critical" else tuple(one.id for one in known)
        self.world.script.seen = {model: Observed((seen,), () if over else (fact,), over)}
        with self.world.project(env) as project:
            before = {name: state.records for name, state in project.reader.read_many().items()}
            self._asked(lambda: project.run() if run else project.observe())
            after = {name: state.records for name, state in project.reader.read_many().items()}
            assert run or before == after, "looking changed what is recorded"
        self.world.script.seen = {}

    # ---- names, environments, leaving ------------------------------------------------------------------------------

    @precondition(lambda self: self.world.docs)
    @happens(file=chosen(files), name=st.sampled_from(("renamed", "plain", "guarded")), said=st.booleans())
    def rename_model(self, file: str, name: str, said: bool) -> None:
        """Another name in the spec; with `moved_from` what is recorded comes along, without it is another model."""
        document = self.world.docs[file]
        old = document["metadata"]["name"]
        if any(one["metadata"]["name"] == name for one in self.world.docs.values()):
            return
        lifecycle = (
            {**(document.get("lifecycle") or {}), "moved_from": old} if said else document.get("lifecycle")
        )
        if said:
            self.world.asked_to_move.add((old, name))
        self.world.write_spec(
            file,
            {**document, "metadata": {**document["metadata"], "name": name}, "lifecycle": lifecycle or {}},
        )

    @happens(where=chosen(models), name=st.sampled_from(("renamed", "plain")))
    def move_in_the_state(self, where: tuple[str, str], name: str) -> None:
        env, old = where
        self.world.asked_to_move.add((old, name))
        with self.world.project(env) as project:
            self._asked(lambda: project.move(old, name))

    @happens(where=chosen(models))
    def forget(self, where: tuple[str, str]) -> None:
        """Refused for everything that serves, is protected or has ended."""
        env, model = where
        before = self.recorded(env).get(model)
        if before is None:
            return
        self.world.asked_to_forget.add(model)
        with self.world.project(env) as project:
            refused = self._asked(lambda: project.forget(model, reason="no longer used"))
        invariants.protection_held(before, refused)

    @happens(models=st.lists(st.sampled_from(("plain", "guarded", "renamed")), max_size=2, unique=True))
    def set_removed(self, models: list[str]) -> None:
        """What the configuration says may leave the state; with a spec of that name it is refused."""
        self.world.removed = models
        self.world.asked_to_forget |= {*models}
        self.world.write_conf()

    @precondition(lambda self: self.world.docs)
    @happens(file=chosen(files), origin=environments, env=environments)
    def promote(self, file: str, origin: str, env: str) -> None:
        """The version of one environment in another one, by its digests."""
        model = self.world.docs[file]["metadata"]["name"]
        if origin == env or model not in self.recorded(origin):
            return
        with self.world.project(env) as project, self.world.project(origin) as other:
            try:
                plan = project.promotion(model, other)
            except TenureError:
                return
        applied = self._applied(env, plan)
        after = self.recorded(env).get(model)
        if after is not None:
            invariants.what_is_promoted_is_the_same(plan, self.recorded(origin)[model], after, applied)

    def _asked(self, ask: Callable[[], Any]) -> bool:
        """What a person asks for may be refused with a sentence, never with any other error; says whether it was."""
        try:
            ask()
        except TenureError:
            return True
        return False


def _document(world: World, data: dict[str, Any]) -> Model | None:
    """The document as the spec says it without references and fragments; None when it is wrong or has some."""
    data = {key: value for key, value in data.items() if key != "defaults"}
    try:
        return Model.model_validate(
            json.loads(json.dumps(data).replace('"${var.seed}"', "1").replace('"${var.trials}"', "2"))
        )
    except ValidationError:
        return None


def _with_defaults(document: Model) -> Model:
    """A section that is left out means the same as one without any field, where there is always one."""
    sections = {
        "features": Features,
        "evaluation": Evaluation,
        "governance": Governance,
        "retirement": Retirement,
    }
    absent = {name: section() for name, section in sections.items() if getattr(document, name) is None}
    return document.model_copy(update=absent)
