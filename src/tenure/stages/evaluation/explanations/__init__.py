"""Explanations: which columns a model goes by, and in which direction. A kind is one file with its YAML fields and one
verb, `explain(asked)`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tenure.spec.base import DefaultKind
from tenure.stages.evaluation.explanations.explanation import Asked, Explanation, Importance
from tenure.stages.evaluation.explanations.none import NoExplanation
from tenure.stages.evaluation.explanations.permutation import Permutation
from tenure.stages.evaluation.explanations.shap import Shap

__all__ = ["Asked", "Explain", "Explanation", "Importance", "NoExplanation", "Permutation", "Shap"]

Explain = Annotated[
    Permutation | Shap | NoExplanation, Field(discriminator="type"), DefaultKind("permutation")
]
"""Every kind of explanation. A new kind is one file and one line here."""
