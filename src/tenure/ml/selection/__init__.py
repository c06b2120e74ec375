"""Which features of the matrix stay. A kind is one file, and a line here."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from tenure.ml.selection.correlation import Correlation
from tenure.ml.selection.count import Count
from tenure.ml.selection.model import ModelImportance
from tenure.ml.selection.mutual_information import MutualInformation
from tenure.ml.selection.variance import Variance

AnySelection = Annotated[
    Variance | Count | Correlation | MutualInformation | ModelImportance, Field(discriminator="type")
]
"""Every kind of selection."""


@cache
def _adapter() -> TypeAdapter[AnySelection]:
    return TypeAdapter(AnySelection)


def selection_of(config: dict[str, Any]) -> AnySelection:
    """The selection that a recipe describes. Raises pydantic's ValidationError when it is none."""
    return _adapter().validate_python(config)
