"""How columns of each type are treated: the blocks `numeric`, `categorical`, `datetime` and `text` of a spec.

Each gives the transforms of one column in both forms. `auto` leaves the choice to the form: a linear algorithm needs
complete, scaled numbers, while a tree sees most in numbers as they are and in categories as one column each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from tenure.core.effect import Effect
from tenure.ml.transforms import AnyTransform
from tenure.ml.transforms.clip import Clip, Outliers
from tenure.ml.transforms.frequency import Frequency
from tenure.ml.transforms.impute import Impute
from tenure.ml.transforms.log1p import Log1p
from tenure.ml.transforms.missing_indicator import MissingIndicator
from tenure.ml.transforms.onehot import OneHot
from tenure.ml.transforms.ordinal import Ordinal
from tenure.ml.transforms.parts import DatetimePart, Parts
from tenure.ml.transforms.scale import Scale
from tenure.ml.transforms.target import TargetEncoding
from tenure.ml.transforms.tfidf import Tfidf
from tenure.spec.base import Share, SpecModel, config_of, field

if TYPE_CHECKING:
    from tenure.ml.expression import Derived
    from tenure.ml.recipe import Reads, Recipe, Treatment
    from tenure.ml.signature import InputColumn

MANY_CATEGORIES = 30
"""Categories above which `auto` gives trees the mean of the target besides a position."""

MissingValues = Literal["auto", "median", "mean", "most_frequent", "constant", "none"]
ScalingChoice = Literal["auto", "standard", "minmax", "robust", "quantile", "power", "none"]
EncodingChoice = Literal["auto", "onehot", "ordinal", "target", "frequency"]


class Numeric(SpecModel):
    """How numbers, and the parts of timestamps, are treated. Everything is fitted on training rows only."""

    missing_value_strategy: MissingValues = field(
        Effect.RETRAIN,
        "What stands in for a missing number: a statistic of the training rows, or `fill_value` for `constant`. `none` "
        "leaves it missing, which only tree algorithms accept; `auto` does so for them, and is median for others.",
        "auto",
    )
    fill_value: float = field(Effect.RETRAIN, "What stands in where the strategy is `constant`.", 0.0)
    missing_indicator: bool = field(
        Effect.RETRAIN,
        "Where something stands in, add a column that says where a number was missing, since that alone may tell.",
        True,
    )
    outliers: Outliers | None = field(
        Effect.RETRAIN,
        "Move outliers to the ends of a range found in the training rows.",
        None,
        examples=[{"quantiles": [0.01, 0.99]}],
    )
    log: bool = field(
        Effect.RETRAIN, "Take the logarithm of 1 + x (the sign kept) before scaling, for long tails.", False
    )
    scaling: ScalingChoice = field(
        Effect.RETRAIN,
        "`standard` gives mean 0 and deviation 1, `minmax` the range 0 to 1, `robust` median 0 and quartiles 1 apart, "
        "`quantile` a normal distribution by rank, `power` nearly one. Trees compare only, so nothing is scaled for "
        "them; `auto` is standard for all others.",
        "auto",
    )

    def treat(
        self, column: str, before: Sequence[AnyTransform] = (), flagged: Sequence[AnyTransform] = ()
    ) -> list[Treatment]:
        """The treatments of a number; `before` are steps that make it one, `flagged` those for its indicator."""
        reads: Reads = "timestamp" if before else "number"
        steps: list[AnyTransform] = []
        if self.outliers is not None:
            steps.append(Clip(type="clip", quantiles=self.outliers.quantiles, iqr=self.outliers.iqr))
        linear, tree = self._imputed("median"), self._imputed(None)
        scaling: list[AnyTransform] = [Log1p(type="log1p")] if self.log else []
        if self.scaling != "none":
            method = "standard" if self.scaling == "auto" else self.scaling
            scaling.append(Scale(type="scale", method=method))
        found = [treatment(column, reads, [*before, *steps, *linear, *scaling], [*before, *steps, *tree])]
        if self.missing_indicator and (linear or tree):
            flag = [*flagged, MissingIndicator(type="missing_indicator")]
            found.append(treatment(column, reads, flag if linear else None, flag if tree else None))
        return found

    def _imputed(self, automatic: Literal["median"] | None) -> list[AnyTransform]:
        strategy = automatic if self.missing_value_strategy == "auto" else self.missing_value_strategy
        if strategy is None or strategy == "none":
            return []
        return [
            Impute(
                type="impute", strategy=strategy, value=self.fill_value if strategy == "constant" else None
            )
        ]


class Categorical(SpecModel):
    """How text columns, and others treated as categories, become numbers."""

    encoding: EncodingChoice = field(
        Effect.RETRAIN,
        "`onehot` gives a column per category, `ordinal` one column of positions, `target` the mean of the target "
        "(computed without the row's own while learning), `frequency` the share of rows. `auto` is onehot; for trees "
        "it is positions by frequency, and for many categories the mean of the target besides.",
        "auto",
    )
    rare_below: Share | None = field(
        Effect.RETRAIN,
        "Categories with a smaller share of the training rows are treated as one. When left out 0.01 for onehot, and "
        "0 for the others.",
        None,
        examples=[0.02],
    )
    max_categories: int | None = field(
        Effect.RETRAIN,
        "Most frequent categories of a column that are kept apart; memory depends on it. When left out 50 for onehot, "
        "and 1000 for the others.",
        None,
        ge=1,
        le=100_000,
        examples=[20],
    )
    smoothing: Literal["auto"] | float = field(
        Effect.RETRAIN,
        "For `target`: how many rows the mean of all rows counts for in that of a category; `auto` estimates it.",
        "auto",
        examples=["auto", 20],
    )
    unseen: Literal["other", "missing", "error"] = field(
        Effect.RETRAIN,
        "What a category that is rare, or was never seen, counts as: `other`, or `missing`. With `error` a rare one is "
        "other, and a request with one that was never seen is refused.",
        "other",
    )

    def treat(self, column: str, distinct: int) -> list[Treatment]:
        """The treatments of a category with so many values in the training part."""
        if self.encoding != "auto":
            steps = [self._encoder(self.encoding)]
            return [treatment(column, "text", steps, steps)]
        position = [self._encoder("ordinal", by_frequency=True)]
        found = [treatment(column, "text", [self._encoder("onehot")], position)]
        if distinct > MANY_CATEGORIES:
            found.append(treatment(column, "text", None, [self._encoder("target")]))
        return found

    def _encoder(self, encoding: str, *, by_frequency: bool = False) -> AnyTransform:
        shared: dict[str, Any] = {"unseen": "missing" if self.unseen == "missing" else "other"}
        if self.rare_below is not None:
            shared["rare_below"] = self.rare_below
        if self.max_categories is not None:
            shared["max_categories"] = self.max_categories
        if encoding == "onehot":
            return OneHot(type="onehot", **shared)
        if encoding == "ordinal":
            return Ordinal(type="ordinal", order="frequency" if by_frequency else "alphabet", **shared)
        if encoding == "frequency":
            return Frequency(type="frequency", **shared)
        return TargetEncoding(type="target", smoothing=self.smoothing, **shared)


class Datetimes(SpecModel):
    """What is taken from timestamps."""

    parts: tuple[DatetimePart, ...] | None = field(
        Effect.RETRAIN,
        "Parts of a timestamp that become features. When left out: month, day of week and day of year, and the hour "
        "where times of day differ. An empty list leaves timestamps out.",
        None,
        examples=[["month", "dayofweek", "hour"]],
    )
    cyclical: bool | None = field(
        Effect.RETRAIN,
        "Give each part as sine and cosine, so that December is next to January; the year stays a number. When left "
        "out, all but trees get it.",
        None,
        examples=[True],
    )

    def treat(self, column: str, parts: tuple[DatetimePart, ...], numeric: Numeric) -> list[Treatment]:
        """The treatments of a timestamp: its parts, which then are numbers."""
        if not parts:
            return []
        plain, cycles = (
            numeric.treat(
                column,
                [Parts(type="parts", parts=parts, cyclical=cyclical)],
                [Parts(type="parts", parts=parts[:1], cyclical=False)],
            )
            for cyclical in (bool(self.cyclical), self.cyclical is not False)
        )
        return [
            item
            for for_tree, for_linear in zip(plain, cycles, strict=True)
            for item in _by_form(for_linear, for_tree)
        ]


class TextFeatures(SpecModel):
    """Columns that hold sentences, and how these become numbers."""

    columns: tuple[str, ...] | None = field(
        Effect.RETRAIN,
        "The columns. When left out those with many words and hardly ever the same text twice.",
        None,
        examples=[["comment"]],
    )
    encoding: Literal["tfidf"] = field(
        Effect.RETRAIN,
        "`tfidf` weighs words by how frequent they are in a text and how rare in others.",
        "tfidf",
    )
    max_features: int = field(
        Effect.RETRAIN,
        "Most terms of a column. The matrix is dense, so memory is rows x terms x 8 bytes, for trees 4.",
        300,
        ge=1,
        le=20_000,
    )
    analyzer: Literal["word", "char"] = field(
        Effect.RETRAIN,
        "`word` takes words of two letters and more, `char` letters in a row inside words, which bears misspellings.",
        "word",
    )
    ngrams: tuple[int, int] = field(
        Effect.RETRAIN, "Fewest and most words, or letters, that make a term.", (1, 1), examples=[[1, 2]]
    )
    lowercase: bool = field(Effect.RETRAIN, "Treat upper and lower case as equal.", True)
    min_rows: int = field(Effect.RETRAIN, "Fewest training rows that must have a term.", 2, ge=1)
    components: int | None = field(
        Effect.RETRAIN,
        "Condense the weights into so many columns (truncated singular value decomposition); not done when left out.",
        None,
        ge=1,
        le=1000,
        examples=[50],
    )

    def treat(self, column: str) -> list[Treatment]:
        """The treatment of a column of sentences, the same in both forms."""
        settings = {
            name: value for name, value in config_of(self).items() if name not in ("columns", "encoding")
        }
        steps = [Tfidf.model_validate({"type": "tfidf", **settings})]
        return [treatment(column, "text", steps, steps)]


def treatment(
    column: str, reads: Reads, linear: Sequence[AnyTransform] | None, tree: Sequence[AnyTransform] | None
) -> Treatment:
    """One treatment, from transforms. A tree is spared what it cannot tell: monotone steps at the end."""
    from tenure.ml.recipe import Treatment

    if tree is not None:
        last = len(tree)
        while last and tree[last - 1].MONOTONE:
            last -= 1
        tree = tree[:last]
    return Treatment(
        column,
        reads,
        None if linear is None else tuple(config_of(step) for step in linear),
        None if tree is None else tuple(config_of(step) for step in tree),
    )


def treat_boolean(column: str) -> list[Treatment]:
    """A truth value: 1 or 0; for all but trees the more frequent one stands in where it is missing."""
    return [treatment(column, "number", [Impute(type="impute", strategy="most_frequent")], [])]


def _by_form(linear: Treatment, tree: Treatment) -> list[Treatment]:
    """One treatment of the linear form of one and the tree form of the other, where they have any."""
    from tenure.ml.recipe import Treatment

    found = Treatment(linear.column, linear.reads, linear.linear, tree.tree)
    return [] if found.linear is None and found.tree is None else [found]


def default_recipe(inputs: Sequence[InputColumn], derived: Sequence[Derived] = ()) -> Recipe:
    """Every input and derived column treated by its type with the defaults of a spec."""
    from tenure.ml.recipe import Recipe

    treatments: list[Treatment] = []
    numeric, parts = Numeric(), Parts(type="parts").parts
    columns: list[InputColumn | Derived] = [*inputs, *derived]
    for column in columns:
        if column.type == "boolean":
            treatments += treat_boolean(column.name)
        elif column.type == "string":
            treatments += Categorical().treat(column.name, 0)
        elif column.type == "timestamp":
            treatments += Datetimes().treat(column.name, parts, numeric)
        else:
            treatments += numeric.treat(column.name)
    return Recipe(inputs=tuple(inputs), derived=tuple(derived), treatments=tuple(treatments))
