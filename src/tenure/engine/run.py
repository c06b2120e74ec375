"""One apply as everything that has an effect sees it: who, when, where to write, whom to tell, when to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from tenure.core.errors import TenureError
from tenure.core.events import Event, EventSink
from tenure.core.units import format_instant
from tenure.graph.resource import Resource
from tenure.plan.view import View
from tenure.stages.base import Stage, StageContext

if TYPE_CHECKING:
    from pathlib import Path

    from tenure.artifacts.store import ArtifactStore
    from tenure.engine.specs import Specs
    from tenure.engine.workspace import Workspace
    from tenure.executors.executor import Executor
    from tenure.spec.project import ProjectConfig
    from tenure.state.store import StateReader, StateStore


class Acting(Protocol):
    """A project in one environment, as far as whoever acts in it is concerned. `now` is read from the clock each time
    unless the time was `fixed`."""

    root: Path

    @property
    def now(self) -> datetime: ...
    @property
    def fixed(self) -> bool: ...
    @property
    def actor(self) -> str: ...
    @property
    def environment(self) -> str: ...
    @property
    def specs(self) -> Specs: ...
    @property
    def config(self) -> ProjectConfig: ...
    @property
    def workspace(self) -> Workspace: ...
    @property
    def reader(self) -> StateReader: ...
    @property
    def store(self) -> StateStore: ...
    @property
    def artifacts(self) -> ArtifactStore: ...
    @property
    def executor(self) -> Executor: ...

    def in_environment(self, name: str) -> Acting:
        """The same project in another environment."""

    def tell(self, event: Event) -> None:
        """Say how far things are."""


@dataclass(frozen=True)
class Run:
    """One apply: its identity, the moment, where it writes and whom it tells."""

    apply_id: str
    holder: str
    actor: str
    now: datetime
    store: StateStore
    stage_of: Callable[[Resource], Stage]
    context_for: Callable[[Resource, View, str], StageContext]
    bring: Callable[[str, Iterable[str]], None]
    take_folders: Callable[[str, str], None]
    keep_copy: Callable[[str], tuple[str, str]]
    locate: Callable[[str, tuple[str | int, ...]], str]
    emit: EventSink
    stopping: Callable[[], bool]


def context_of(
    project: Acting,
    item: Resource,
    view: View,
    stopping: Callable[[], bool],
    *,
    fingerprint: str = "",
    apply_id: str = "",
) -> StageContext:
    """What a stage's verb is handed for a resource of a model in this project."""
    return StageContext(
        model=view.model,
        now=view.now,
        project=project.root,
        folders=project.workspace.folders(view.model),
        artifacts=project.artifacts,
        trials=project.store,
        executor=project.executor,
        cache=project.workspace.cache,
        view=view,
        previous=view.records.get(item.local),
        fingerprint=fingerprint,
        emit=project.tell,
        stopping=stopping,
        apply_id=apply_id,
        actor=project.actor,
        server_url=project.config.server.url,
    )


def check_clock(project: Acting, models: Iterable[str]) -> None:
    """Refuse to act at a time before the newest record: a clock that went back must not be obeyed silently."""
    now = project.now
    for model, state in project.reader.read_many(models).items():
        latest = max((record.at for record in state.records.values()), default=None)
        if latest and latest > now:
            raise TenureError(
                "The clock went back.",
                f"It is {format_instant(now)}, but {model} was last changed at {format_instant(latest)}.",
                "Correct the clock; with --now, give a later time.",
            )
