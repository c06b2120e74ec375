"""What a model that is adopted is: where it lies, what it meets in the snapshot, and what is made of it."""

from __future__ import annotations

import datetime
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.spec.base import SpecModel, field
from tenure.stages.training.adoption.reading import Given, read_file

if TYPE_CHECKING:
    from tenure.ml.predictor import Predictor
    from tenure.ml.recipe import Recipe
    from tenure.ml.signature import ColumnType, Signature

Where = tuple[str | int, ...]
"""A path into the model's spec."""
Label = str | bool | int | float
AT: Where = ("training", "adopt")
"""Where the block is in the spec."""


@dataclass(frozen=True)
class Offered:
    """What an adopted model has to fit: the columns of the snapshot by name with type and whether a value may be
    missing, and the recipe and signature that the spec asks for."""

    columns: Mapping[str, tuple[ColumnType, bool]]
    recipe: Recipe
    signature: Signature


@dataclass(frozen=True)
class Opened:
    """A predictor made of an adopted file; `name` is what it is, such as LogisticRegression.

    `made_with` is the library that wrote it where the file says so and it is another version than ours. `says` are the
    labels that the estimator itself would answer for rows as `Predictor.matrix` gives them, where it has such a verb.
    """

    predictor: Predictor
    name: str
    made_with: str = ""
    notes: tuple[str, ...] = ()
    says: Any = None


class Kind(SpecModel, ABC):
    """The base of every kind of file that can be adopted."""

    path: str = field(
        Effect.METADATA,
        "The model file, relative to the project folder. It is read once, when the model is adopted.",
        min_length=1,
        examples=["models/churn.skops"],
    )
    sha256: str | None = field(
        Effect.METADATA,
        "The SHA-256 of the file, as `sha256sum` prints it; another file is then refused.",
        None,
        pattern=r"^(sha256:)?[0-9a-fA-F]{64}$",
    )

    trained_until: datetime.date | None = field(
        Effect.METADATA,
        "The last day of the data it was fitted on, as far as you know. Later rows then count as unseen when a version "
        "is compared with it; without it only rows do that came after the adoption. It needs data.timestamp_column, "
        "and is taken on trust.",
        None,
        examples=["2025-12-31"],
    )

    def read(self, project: Path, where: Where) -> Given:
        """The file as bytes. Raises StageError when it is not there, too large, or not the one that is named."""
        return read_file(project, self.path, self.sha256, where)

    @abstractmethod
    def open(self, given: Given, offered: Offered) -> Opened:
        """A predictor of what was read. Raises StageError pointing into the spec."""


def at_path(error: StageError, hint: str = "") -> StageError:
    """The same error, pointing to the path of the file; with a way out that fits an adoption."""
    return StageError(error.summary, error.detail, hint or error.hint, path=error.path or (*AT, "path"))
