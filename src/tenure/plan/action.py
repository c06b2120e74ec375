"""What can happen to a resource."""

from __future__ import annotations

import enum


class Action(enum.StrEnum):
    """One action per resource and plan."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    PROMOTE = "promote"
    RETIRE = "retire"
    ADOPT = "adopt"
    FORGET = "forget"
    BLOCKED = "blocked"
    NONE = "none"

    @property
    def symbol(self) -> str:
        """The mark in front of the address in a plan."""
        return _SYMBOLS[self]

    @property
    def acts(self) -> bool:
        """Whether apply has something to do."""
        return self not in (Action.NONE, Action.BLOCKED)


_SYMBOLS = {
    Action.CREATE: "+",
    Action.UPDATE: "~",
    Action.REPLACE: "-/+",
    Action.PROMOTE: ">",
    Action.RETIRE: "-",
    Action.ADOPT: "<",
    Action.FORGET: "x",
    Action.BLOCKED: "?",
    Action.NONE: "=",
}


class Reason(enum.StrEnum):
    """Why an action is taken, enumerated so that programs can rely on it."""

    UNCHANGED = "unchanged"
    NEW = "new"
    CONFIG_CHANGED = "config_changed"
    METADATA_CHANGED = "metadata_changed"
    STAGE_CHANGED = "stage_changed"
    INPUT_CHANGED = "input_changed"
    INPUT_RENEWED = "input_renewed"
    DATA_CHANGED = "data_changed"
    CAUSE = "cause"
    NEW_VERSION = "new_version"
    ROLLOUT = "rollout"
    REQUEST = "request"
    DATE_PASSED = "date_passed"
    LIFECYCLE = "lifecycle"
    NEED_BLOCKED = "need_blocked"
    RULE = "rule"
    RETIRED = "retired"
    ADOPTED = "adopted"
    PROMOTED = "promoted"
    REMOVED = "removed"
    MOVED = "moved"
    DAMAGED = "damaged"
    UNDECLARED = "undeclared"
