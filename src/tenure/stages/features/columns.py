"""The block `features.columns.<name>`: what is different for one column."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import field_validator, model_validator

from tenure.core.effect import Effect
from tenure.ml.transforms import AnyTransform
from tenure.ml.transforms.clip import Outliers
from tenure.ml.transforms.parts import DatetimePart
from tenure.ml.treatments import (
    Categorical,
    Datetimes,
    EncodingChoice,
    MissingValues,
    Numeric,
    ScalingChoice,
    TextFeatures,
)
from tenure.spec.base import FieldProblem, Share, SpecModel, field

Kind = Literal["numeric", "categorical", "datetime", "text"]

_OF_KIND: dict[Kind, tuple[str, ...]] = {
    "numeric": ("missing_value_strategy", "fill_value", "missing_indicator", "outliers", "log", "scaling"),
    "categorical": ("encoding", "rare_below", "max_categories", "smoothing", "unseen"),
    "datetime": ("parts", "cyclical"),
    "text": ("max_features", "components"),
}


class ColumnFeatures(SpecModel):
    """What is different for one column: single settings, which go before those of its kind, or all its transforms."""

    type: Kind | None = field(
        Effect.RETRAIN,
        "What the column is treated as, where its values do not tell: whole numbers that are codes are `categorical`, "
        "sentences are `text`.",
        None,
    )
    transforms: tuple[AnyTransform, ...] | None = field(
        Effect.RETRAIN,
        "Everything that is done to the column, in order, instead of what its kind brings; a name stands for a "
        "transform with its defaults. For trees, monotone steps at the end are left out.",
        None,
        min_length=1,
        examples=[["impute", "log1p", {"type": "scale", "method": "robust"}]],
    )
    missing_value_strategy: MissingValues | None = field(
        Effect.RETRAIN, "As in features.numeric, for this column.", None
    )
    fill_value: float | None = field(Effect.RETRAIN, "As in features.numeric, for this column.", None)
    missing_indicator: bool | None = field(Effect.RETRAIN, "As in features.numeric, for this column.", None)
    outliers: Outliers | None = field(
        Effect.RETRAIN, "As in features.numeric, for this column.", None, examples=[{"iqr": 1.5}]
    )
    log: bool | None = field(Effect.RETRAIN, "As in features.numeric, for this column.", None)
    scaling: ScalingChoice | None = field(Effect.RETRAIN, "As in features.numeric, for this column.", None)
    encoding: EncodingChoice | None = field(
        Effect.RETRAIN, "As in features.categorical, for this column.", None
    )
    rare_below: Share | None = field(Effect.RETRAIN, "As in features.categorical, for this column.", None)
    max_categories: int | None = field(
        Effect.RETRAIN, "As in features.categorical, for this column.", None, ge=1, le=100_000
    )
    smoothing: Literal["auto"] | float | None = field(
        Effect.RETRAIN, "As in features.categorical, for this column.", None
    )
    unseen: Literal["other", "missing", "error"] | None = field(
        Effect.RETRAIN, "As in features.categorical, for this column.", None
    )
    parts: tuple[DatetimePart, ...] | None = field(
        Effect.RETRAIN, "As in features.datetime, for this column.", None
    )
    cyclical: bool | None = field(Effect.RETRAIN, "As in features.datetime, for this column.", None)
    max_features: int | None = field(
        Effect.RETRAIN, "As in features.text, for this column.", None, ge=1, le=20_000
    )
    components: int | None = field(
        Effect.RETRAIN, "As in features.text, for this column.", None, ge=1, le=1000
    )

    @field_validator("transforms", mode="before")
    @classmethod
    def _bare_names(cls, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [{"type": item} if isinstance(item, str) else item for item in value]
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        given = {name for names in _OF_KIND.values() for name in names if getattr(self, name) is not None}
        if self.transforms is not None:
            if given:
                raise FieldProblem(
                    "transforms say everything that is done to the column",
                    at=(sorted(given)[0],),
                    hint="put it into transforms, or remove them",
                )
            for position, transform in enumerate(self.transforms[1:], start=1):
                if transform.TAKES != "number":
                    raise FieldProblem(
                        f"{transform.type} takes the column itself, so it comes first",
                        at=("transforms", position),
                    )
        elif self.type is not None and (wrong := sorted(given - set(_OF_KIND[self.type]))):
            raise FieldProblem(f"{wrong[0]} means nothing for a {self.type} column", at=(wrong[0],))
        return self

    def numeric(self, group: Numeric) -> Numeric:
        """The settings of numbers, with those of the column before those of the group."""
        return group.model_copy(update=self._own("numeric"))

    def categorical(self, group: Categorical) -> Categorical:
        """The settings of categories, likewise."""
        return group.model_copy(update=self._own("categorical"))

    def datetime(self, group: Datetimes) -> Datetimes:
        """The settings of timestamps, likewise."""
        return group.model_copy(update=self._own("datetime"))

    def text(self, group: TextFeatures) -> TextFeatures:
        """The settings of sentences, likewise."""
        return group.model_copy(update=self._own("text"))

    def _own(self, kind: Kind) -> dict[str, Any]:
        return {name: value for name in _OF_KIND[kind] if (value := getattr(self, name)) is not None}

    def said_of(self) -> set[Kind]:
        """The kinds that its settings are about."""
        return {
            kind for kind, names in _OF_KIND.items() if any(getattr(self, name) is not None for name in names)
        }
