"""A model whose spec got another name: what was recorded under the old one comes along, log and labels included.

The spec says so (`lifecycle.moved_from`), the plan shows it, and it is done once: when the new name has records of its
own, the line in the spec means nothing any more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from tenure.core.effect import Effect
from tenure.core.errors import TenureError
from tenure.graph.resource import Sort
from tenure.plan.action import Action, Reason
from tenure.plan.change import Change, ModelPlan

if TYPE_CHECKING:
    from pathlib import Path

    from tenure.engine.compiling import Compiled
    from tenure.engine.run import Run
    from tenure.engine.specs import Specs
    from tenure.engine.workspace import Workspace
    from tenure.state.record import ModelState
    from tenure.state.store import Lease, StateReader

NAME = "lifecycle/name"
"""Where the plan shows that a model moves. It is no record: a name is what records go by."""

KEPT_BY_NAME = ("predictions", "labels")
"""What lies in a folder of the model's name."""


def moves(
    item: Compiled, state: ModelState | None, read: Callable[[str], ModelState | None]
) -> ModelState | None:
    """What is recorded about a model under its old name, as it will read under the new one; None when nothing moves."""
    if item.moved_from is None or (state is not None and (state.records or _taken(state, item.moved_from))):
        return None
    source = read(item.moved_from)
    if source is None or source.tombstone is not None:
        return None
    from tenure.state.renaming import renamed

    return renamed(source, item.model)


def moved(plan: ModelPlan, old: str, specs: Specs) -> ModelPlan:
    """The plan of a model that gets its records from another name first.

    Raises TenureError while a spec of the old name is there: it would be left without its records.
    """
    for file in specs.files:
        if specs.entry(file).model == old:
            raise TenureError(
                "The old name still has a spec.",
                f"{plan.file} moves what is recorded about {old}, and {file} is called {old!r}.",
                f"Remove {file}, or the line moved_from in {plan.file}.",
            )
    change = Change(
        address=f"{plan.model}/{NAME}",
        sort=Sort.BINDING,
        action=Action.UPDATE,
        reason=Reason.MOVED,
        sentence=f"moved from {old}: its versions, history and approvals come along",
        effect=Effect.REDEPLOY,
        before={"name": old},
        after={"name": plan.model},
        notes=(f"Callers of {old} get 410 Gone and the new name.",),
    )
    return msgspec.structs.replace(plan, moved_from=old, changes=(change, *plan.changes))


def unmoved(plan: ModelPlan) -> ModelPlan:
    """The plan without its move: what it does once the records are there."""
    changes = tuple(change for change in plan.changes if change.reason is not Reason.MOVED)
    return msgspec.structs.replace(plan, moved_from="", changes=changes)


def recorded_for(reader: StateReader, plan: ModelPlan) -> ModelState | None:
    """The state a plan is about: of the old name, as it reads under the new one, while the model still has to move."""
    state = reader.read(plan.model)
    if not plan.moved_from or (state is not None and state.records):
        return state
    from tenure.state.renaming import renamed

    source = reader.read(plan.moved_from)
    return state if source is None or source.tombstone is not None else renamed(source, plan.model)


def move(run: Run, old: str, new: str, serial: int) -> int:
    """Give a model another name at once, without a spec that says so. Raises StateError when it cannot have it."""
    with run.store.lease(new, run.holder) as lease:
        return carry_out(run, lease, old, serial)


def carry_out(run: Run, lease: Lease, old: str, serial: int) -> int:
    """Bring what is recorded and kept under the old name to the one of the lease; returns the serial afterwards.

    The log goes first, and once more for what a server wrote meanwhile; killed in between, it is done again.
    """
    with run.store.lease(old, run.holder) as other:
        run.store.close_interrupted(other, run.now)
        run.take_folders(old, lease.model)
        after = run.store.rename(other, lease, serial=serial, at=run.now, by=run.actor)
    run.take_folders(old, lease.model)
    return after


def take_folders(workspace: Workspace, old: str, new: str) -> None:
    """Bring the prediction log and the labels of the old name to the new one, file by file.

    Repeating it is harmless: a server that has not yet followed may have written another file meanwhile. Raises
    TenureError when the file system refuses.
    """
    source, target = workspace.folders(old), workspace.folders(new)
    for kind in KEPT_BY_NAME:
        _merge(getattr(source, kind), getattr(target, kind))


def _merge(source: Path, target: Path) -> None:
    if not source.is_dir():
        return
    try:
        for path in sorted(source.rglob("*")):
            if path.is_file():
                place = target / path.relative_to(source)
                place.parent.mkdir(parents=True, exist_ok=True)
                path.rename(place)
        for folder in sorted((path for path in source.rglob("*") if path.is_dir()), reverse=True):
            folder.rmdir()
        source.rmdir()
    except OSError as error:
        raise TenureError(
            "The log cannot be moved.",
            f"{source} to {target}: {error.strerror}. What was moved stays; nothing is lost.",
            "Check the permissions, then repeat the command.",
        ) from error


def _taken(state: ModelState, old: str) -> bool:
    """Whether the new name has ended, other than by having been moved to the old one before."""
    stone = state.tombstone
    return stone is not None and not (stone.moved and stone.successor == old)
