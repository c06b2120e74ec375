"""What the engine's verbs answer, as values for `render/` and for programs."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from tenure.plan.change import Change, Plan
from tenure.plan.view import Blocker
from tenure.state.record import Fact, Observation


class StepResult(msgspec.Struct, frozen=True):
    """How one step of an apply ended."""

    address: str
    action: str
    outcome: Literal["done", "skipped", "failed", "blocked"]
    sentence: str
    seconds: float = 0.0
    detail: str = ""
    hint: str = ""
    blockers: tuple[Blocker, ...] = ()


class ModelResult(msgspec.Struct, frozen=True):
    """How the apply of one model ended; `remaining` is what a next apply would still have to do."""

    model: str
    serial: int
    steps: tuple[StepResult, ...]
    remaining: tuple[Change, ...] = ()
    error: str = ""
    exit_code: int = 0


class ApplyResult(msgspec.Struct, frozen=True):
    """How an apply ended. Exit code: 0 done, 1 a step failed, 3 blocked, 4 locked or stale, 130 interrupted."""

    apply_id: str
    plan_digest: str
    at: datetime
    models: tuple[ModelResult, ...]
    seconds: float

    @property
    def exit_code(self) -> int:
        codes = [model.exit_code for model in self.models]
        for code in (130, 1, 4, 3):
            if code in codes:
                return code
        return 0


class ObserveResult(msgspec.Struct, frozen=True):
    """What a look at the world found, as it was recorded."""

    at: datetime
    observations: tuple[Observation, ...]
    new_facts: tuple[Fact, ...]
    notes: tuple[str, ...] = ()


class RunResult(msgspec.Struct, frozen=True):
    """One round of `run`: what was observed, what was applied unattended, what is proposed to a person."""

    observed: ObserveResult
    plan: Plan
    applied: ApplyResult | None
    proposed: tuple[str, ...]
