"""Rules the cleaned rows must keep. A kind is one file with a model of its YAML fields and one verb:

`check(table, where)` gives a `Finding`: how many rows break the rule, and a few of them. Raises StageError pointing
into the spec at `where` when the rule cannot be applied at all (an unknown column, text where numbers are needed).
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tenure.stages.data.checks.between import Between
from tenure.stages.data.checks.in_set import InSet
from tenure.stages.data.checks.not_null import NotNull
from tenure.stages.data.checks.row_count import RowCount
from tenure.stages.data.checks.unique import Unique

Check = Annotated[NotNull | Between | InSet | Unique | RowCount, Field(discriminator="type")]
