"""What a pure decision may look at, and what it says: the view of one model, and the target of one binding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from tenure.core.files import Look
from tenure.plan.action import Action, Reason
from tenure.state.record import Acknowledgement, Approval, Fact, Observation, Record


class Condition(msgspec.Struct, frozen=True):
    """What must hold for a later step to be taken; known only once the steps before it are done.

    `subject` names what it is about where that is one thing: the role of an approval.
    """

    kind: str
    text: str
    subject: str = ""


class Blocker(msgspec.Struct, frozen=True):
    """What stands in the way now, and the way out: usually a command. `subject` as for conditions."""

    kind: str
    text: str
    hint: str = ""
    subject: str = ""


class Target(msgspec.Struct, frozen=True):
    """The value a binding should have, as far as it is known.

    The generic diff compares `value` with the recorded one. With `blockers` the step is not taken. `renewing` inputs
    make it known after apply only; `conditions` then say what has to hold. `action` and `reason` name the difference
    for people. `holds_until` is the next moment at which passing time alone may change any of this (a date, an age, the
    end of a notice or of a bake time); a target that looks at `View.now` must give it. With `known=False` the value is
    open although no input has another output: what is recorded about an input decides it.
    """

    value: dict[str, Any]
    action: Action = Action.UPDATE
    reason: Reason = Reason.CONFIG_CHANGED
    sentence: str = ""
    conditions: tuple[Condition, ...] = ()
    blockers: tuple[Blocker, ...] = ()
    notes: tuple[str, ...] = ()
    holds_until: datetime | None = None
    known: bool = True


class Inputs(msgspec.Struct, frozen=True):
    """What a cheap look at the sources of a resource found, compared with what its record was made from.

    `changed` is None when that is known only by reading them in full. `sentences` say what is new, for people; `seen`
    is what was seen, JSON-able, so that a saved plan can be checked against it. `looked` are the files that were looked
    at, as they were just before: while they stay so, another look finds the same. None when that cannot be told.
    """

    changed: bool | None = None
    sentences: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    seen: dict[str, Any] = {}
    looked: tuple[Look, ...] | None = ()


class Offer(msgspec.Struct, frozen=True):
    """What made one version in another environment, by local address: taken over as it is where the spec asks for the
    same."""

    environment: str
    model: str
    version: int
    records: dict[str, Record]

    @property
    def name(self) -> str:
        """`dev churn@3`."""
        return f"{self.environment} {self.model}@{self.version}"


@dataclass(frozen=True)
class View:
    """One model as recorded, the moment, and which artifacts this plan renews.

    `records` is keyed by local address. An address in `renewing` has an output that is known only after apply; one in
    `adopting` is taken over instead of made; one in `revised` keeps its output, but what is recorded about it is known
    only after apply; one in `held` cannot be brought up to date in this plan. `plan_digest` is what approvals of the
    plan are bound to.
    """

    model: str
    lifecycle: str
    now: datetime
    records: Mapping[str, Record]
    versions: Mapping[int, Record]
    facts: tuple[Fact, ...] = ()
    approvals: tuple[Approval, ...] = ()
    acknowledgements: tuple[Acknowledgement, ...] = ()
    observations: tuple[Observation, ...] = ()
    renewing: frozenset[str] = frozenset()
    revised: frozenset[str] = frozenset()
    adopting: frozenset[str] = frozenset()
    held: frozenset[str] = frozenset()
    plan_digest: str = ""

    def value(self, local: str) -> dict[str, Any] | None:
        """The recorded value at a local address, or None."""
        record = self.records.get(local)
        return None if record is None else record.value
