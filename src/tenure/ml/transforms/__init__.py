"""What may be done to a column, in the order of the spec. A kind is one file, and a line here."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from tenure.ml.transforms.bin import Bin
from tenure.ml.transforms.clip import Clip
from tenure.ml.transforms.frequency import Frequency
from tenure.ml.transforms.impute import Impute
from tenure.ml.transforms.log1p import Log1p
from tenure.ml.transforms.missing_indicator import MissingIndicator
from tenure.ml.transforms.onehot import OneHot
from tenure.ml.transforms.ordinal import Ordinal
from tenure.ml.transforms.parts import Parts
from tenure.ml.transforms.scale import Scale
from tenure.ml.transforms.target import TargetEncoding
from tenure.ml.transforms.tfidf import Tfidf

AnyTransform = Annotated[
    Impute
    | MissingIndicator
    | Clip
    | Log1p
    | Scale
    | Bin
    | OneHot
    | Ordinal
    | Frequency
    | TargetEncoding
    | Tfidf
    | Parts,
    Field(discriminator="type"),
]
"""Every kind of transform."""


@cache
def _adapter() -> TypeAdapter[AnyTransform]:
    return TypeAdapter(AnyTransform)


def transform_of(config: dict[str, Any]) -> AnyTransform:
    """The transform that a recipe describes. Raises pydantic's ValidationError when it is none."""
    return _adapter().validate_python(config)
