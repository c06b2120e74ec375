"""Several estimators that answer together: the weighted mean of their numbers.

They may take different forms of the features, so an ensemble holds the preprocessors as well and is asked about a
`Design`; each form is prepared once, however many members take it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tenure.ml.preprocessor import Preprocessor
from tenure.ml.recipe import Form


@dataclass(frozen=True)
class Member:
    """A fitted estimator, the form of the features it takes, and its share of the answer."""

    estimator: Any
    form: Form
    weight: float


@dataclass(frozen=True)
class Ensemble:
    """Members whose weights add up to 1, and a preprocessor for each form that one of them takes."""

    members: tuple[Member, ...]
    preprocessors: Mapping[Form, Preprocessor]
