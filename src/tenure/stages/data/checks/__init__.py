"""Rules the cleaned rows must keep. A kind is one file with a model of its YAML fields and one verb:

`check(looked, where)` gives a `Finding`: how many rows break the rule, and a few of them. Raises StageError pointing
into the spec at `where` when the rule cannot be applied at all (an unknown column, text where numbers are needed).
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tenure.stages.data.checks.between import Between
from tenure.stages.data.checks.distinct_count import DistinctCount
from tenure.stages.data.checks.expression import Expression
from tenure.stages.data.checks.freshness import Freshness
from tenure.stages.data.checks.in_set import InSet
from tenure.stages.data.checks.monotonic import Monotonic
from tenure.stages.data.checks.not_null import NotNull
from tenure.stages.data.checks.null_share import NullShare
from tenure.stages.data.checks.references import References
from tenure.stages.data.checks.regex import Regex
from tenure.stages.data.checks.row_count import RowCount
from tenure.stages.data.checks.schema import Schema
from tenure.stages.data.checks.statistic import Statistic
from tenure.stages.data.checks.unique import Unique

__all__ = ["Check", "References"]

Check = Annotated[
    NotNull
    | NullShare
    | Between
    | InSet
    | Regex
    | Unique
    | DistinctCount
    | RowCount
    | Freshness
    | Statistic
    | Monotonic
    | References
    | Expression
    | Schema,
    Field(discriminator="type"),
]
