"""What changing a field of the spec costs: the vocabulary of consequences, in order of severity."""

from __future__ import annotations

import enum
from collections.abc import Iterable


class Effect(enum.StrEnum):
    """The consequence of editing one field; declared on the field, shown in the plan and in the editor."""

    METADATA = "metadata"
    OPERATE = "operate"
    RELEASE = "release"
    REAPPROVE = "reapprove"
    EVALUATE = "evaluate"
    REDEPLOY = "redeploy"
    ADJUST = "adjust"
    RETRAIN = "retrain"
    BREAKING = "breaking"
    RETIRE = "retire"

    @property
    def severity(self) -> int:
        """Position in the order above; a plan's effect is the most severe of its changes."""
        return _SEVERITY[self]

    @property
    def sentence(self) -> str:
        """One sentence for the person about to edit the field."""
        return _SENTENCES[self]


_SEVERITY = {effect: position for position, effect in enumerate(Effect)}

_SENTENCES = {
    Effect.METADATA: "Changing it updates the recorded state only.",
    Effect.OPERATE: "Changing it updates the monitor and never retrains.",
    Effect.RELEASE: "Changing it updates the endpoint and never retrains.",
    Effect.REAPPROVE: "Changing it re-opens the approvals of the live version.",
    Effect.EVALUATE: "Changing it re-evaluates the model and never retrains.",
    Effect.REDEPLOY: "Changing it redeploys the same version and never retrains.",
    Effect.ADJUST: "Changing it makes a new version of the fitted model and never searches again.",
    Effect.RETRAIN: "Changing it retrains, starting at the first step whose input changed.",
    Effect.BREAKING: "Changing it retrains and breaks the contract with the model's consumers.",
    Effect.RETIRE: "Changing it moves the model towards or away from retirement; nothing is destroyed.",
}


def worst(effects: Iterable[Effect]) -> Effect | None:
    """The most severe effect, or None when there is none."""
    return max(effects, key=lambda effect: effect.severity, default=None)
