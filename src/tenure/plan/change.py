"""The plan as a value: text, JSON, Markdown, dry run and apply all read this and nothing else."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from tenure.core.decoding import converted, json_decoder
from tenure.core.digest import digest, digest_bytes
from tenure.core.effect import Effect, worst
from tenure.core.errors import PlanError
from tenure.graph.resource import Sort
from tenure.plan.action import Action, Reason
from tenure.plan.view import Blocker, Condition

FORMAT_VERSION = "1.1"
"""Minor versions only add. A reader refuses another major version. 1.1 added `checksum`."""


class FieldChange(msgspec.Struct, frozen=True):
    """One leaf of the configuration that changed: dotted path, old and new value, what the change costs."""

    path: str
    old: Any
    new: Any
    effect: Effect


class Cause(msgspec.Struct, frozen=True):
    """A recorded fact this change answers to."""

    id: str
    kind: str
    do: str
    mode: str
    sentence: str
    evidence: dict[str, Any]


class Change(msgspec.Struct, frozen=True):
    """What happens to one resource, and why.

    `before` and `after` are output digests (artifacts) or values (bindings); `after` is None when it is known only
    after apply. `intended` is what a blocked resource would do without its blockers. `seconds` is what the step took
    the last time, None when there is no history.
    """

    address: str
    sort: Sort
    action: Action
    reason: Reason
    sentence: str
    intended: Action | None = None
    effect: Effect | None = None
    fields: tuple[FieldChange, ...] = ()
    before: Any = None
    after: Any = None
    known: bool = True
    conditions: tuple[Condition, ...] = ()
    blockers: tuple[Blocker, ...] = ()
    causes: tuple[Cause, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float | None = None


class Promotion(msgspec.Struct, frozen=True):
    """Which version of another environment a plan takes over: its artifacts by local address, as output digests."""

    environment: str
    version: int
    digests: dict[str, str]


class ModelPlan(msgspec.Struct, frozen=True):
    """The plan of one model: what it was made for, and one change per resource in order.

    `lineage`, `serial`, `spec_digest` and `inputs_digest` are what a saved plan is checked against before any effect.
    `content_digest` covers what the spec asks for without the words about it. `promotes` names what is taken over from
    another environment, `moved_from` the name under which the model is recorded until the plan is applied.
    """

    model: str
    file: str
    lineage: str
    serial: int
    spec_digest: str
    inputs_digest: str
    lifecycle: str
    changes: tuple[Change, ...]
    notes: tuple[str, ...] = ()
    content_digest: str = ""
    promotes: Promotion | None = None
    moved_from: str = ""

    @property
    def acting(self) -> tuple[Change, ...]:
        """The changes apply would carry out."""
        return tuple(change for change in self.changes if change.action.acts) if self.changed else ()

    @property
    def blocked(self) -> tuple[Change, ...]:
        return (
            tuple(change for change in self.changes if change.action is Action.BLOCKED)
            if self.changed
            else ()
        )

    @property
    def changed(self) -> bool:
        """Whether anything differs from what is recorded."""
        # A loop, since this is asked about every change of ten thousand models several times.
        for change in self.changes:  # noqa: SIM110
            if change.action is not Action.NONE:
                return True
        return False

    @property
    def effect(self) -> Effect | None:
        """The worst effect of its changes."""
        return worst(change.effect for change in self.changes if change.effect is not None)

    @property
    def digest(self) -> str:
        """What approvals are bound to: what the plan means, not its words, nor when or on which serial it was made.

        Another description, owner or label keeps an approval; anything that decides a result, the data that will be
        read, a cause or an action voids it.
        """
        material = [
            [change.address, change.action.value, change.reason.value, [cause.id for cause in change.causes]]
            for change in self.changes
            if change.action is not Action.NONE and change.reason is not Reason.METADATA_CHANGED
        ]
        promoted = self.promotes.digests if self.promotes else None
        return digest([self.model, self.content_digest, self.inputs_digest, material, promoted])


class Plan(msgspec.Struct, frozen=True):
    """What an apply would do in one environment, and why.

    `checksum` covers everything else in a saved plan; it is empty in one that is not saved.
    """

    tool_version: str
    environment: str
    at: datetime
    models: tuple[ModelPlan, ...]
    unmanaged: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    format_version: str = FORMAT_VERSION
    checksum: str = ""

    @property
    def changed(self) -> bool:
        return any(model.changed for model in self.models)

    @property
    def acting(self) -> bool:
        return any(model.acting for model in self.models)

    @property
    def blocked(self) -> bool:
        return any(model.blocked for model in self.models)

    @property
    def effect(self) -> Effect | None:
        return worst(model.effect for model in self.models if model.effect is not None)

    @property
    def digest(self) -> str:
        """Digest over the plans of all models that change."""
        return digest([self.environment, [model.digest for model in self.models if model.changed]])

    def counts(self) -> dict[Action, int]:
        """Number of changes by action, in the order of `Action`."""
        totals = dict.fromkeys(Action, 0)
        for model in self.models:
            for change in model.changes:
                totals[change.action] += 1
        return totals


def to_json(plan: Plan) -> bytes:
    """The plan as JSON, one object with a checksum; `from_json(to_json(plan)) == plan`."""
    saved = msgspec.structs.replace(plan, checksum=_checksum(plan))
    return msgspec.json.format(msgspec.json.encode(saved), indent=2)


def from_json(data: bytes) -> Plan:
    """Read a saved plan. Raises PlanError when it is none, is of another major format version, or was edited."""
    try:
        content: Any = json_decoder(object).decode(data)
        version = str(content["format_version"]) if isinstance(content, dict) else ""
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError) as error:
        why = "it has no format_version" if isinstance(error, KeyError) else str(error)
        raise PlanError(
            "Not a plan file.",
            f"It cannot be read as a saved plan: {why}.",
            "Write one with: tenure plan --out plan.json",
        ) from error
    if version.split(".")[0] != FORMAT_VERSION.split(".")[0]:
        raise PlanError(
            "Plan of another format.",
            f"The file has format version {version!r}; this version of Tenure reads {FORMAT_VERSION}.",
            _AGAIN,
        )
    # Over the content as it is read, so that fields which a later minor version added are covered too.
    if content.get("checksum") != _checksum({**content, "checksum": ""}):
        raise PlanError(
            "The plan file was edited.",
            "Its content does not match its checksum: what was reviewed is not what would be done.",
            _AGAIN,
        )
    try:
        return converted({**content, "checksum": ""}, Plan, str_keys=True)
    except msgspec.ValidationError as error:
        raise PlanError("Damaged plan file.", str(error), _AGAIN) from error


_AGAIN = "Make the plan again: tenure plan --out plan.json"


def _checksum(content: Plan | dict[str, Any]) -> str:
    """Digest of a plan, as a value or as it was read, whose own checksum is empty."""
    return digest_bytes(msgspec.json.encode(content, order="sorted"))
