"""One apply as everything that has an effect sees it: who, when, where to write, whom to tell, when to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from tenure.core.events import EventSink
from tenure.graph.resource import Resource
from tenure.plan.view import View
from tenure.stages.base import Stage, StageContext

if TYPE_CHECKING:
    from tenure.state.store import StateStore


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
