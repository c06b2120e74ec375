"""Explanation `none`: the model is not explained."""

from __future__ import annotations

from typing import Literal

from tenure.core.effect import Effect
from tenure.spec.base import SpecModel, field
from tenure.stages.evaluation.explanations.explanation import Asked, Explanation


class NoExplanation(SpecModel):
    """No explanation, where predicting some thousand rows takes too long."""

    type: Literal["none"] = field(Effect.EVALUATE, "The kind of explanation.")

    def explain(self, asked: Asked) -> Explanation | None:
        """Nothing."""
        return None
