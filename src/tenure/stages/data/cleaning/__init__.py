"""Steps that change or drop rows, in the order of the spec. A kind is one file with its YAML fields and one verb.

`clean(table, target_column, where)` gives the new table and how many cells it changed; rows dropped are counted by the
caller. Raises StageError pointing into the spec at `where`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tenure.stages.data.cleaning.cast import Cast
from tenure.stages.data.cleaning.clip import Clip
from tenure.stages.data.cleaning.drop_columns import DropColumns
from tenure.stages.data.cleaning.drop_duplicates import DropDuplicates
from tenure.stages.data.cleaning.drop_null_target import DropNullTarget
from tenure.stages.data.cleaning.drop_nulls import DropNulls
from tenure.stages.data.cleaning.drop_rows import DropRows
from tenure.stages.data.cleaning.fill import Fill
from tenure.stages.data.cleaning.map_values import MapValues
from tenure.stages.data.cleaning.normalize_text import NormalizeText
from tenure.stages.data.cleaning.parse_datetime import ParseDatetime
from tenure.stages.data.cleaning.parse_number import ParseNumber
from tenure.stages.data.cleaning.rename import Rename
from tenure.stages.data.cleaning.set_null import SetNull
from tenure.stages.data.cleaning.winsorize import Winsorize

Step = Annotated[
    DropDuplicates
    | DropNullTarget
    | DropNulls
    | DropRows
    | DropColumns
    | Rename
    | Cast
    | ParseNumber
    | ParseDatetime
    | SetNull
    | Fill
    | MapValues
    | NormalizeText
    | Clip
    | Winsorize,
    Field(discriminator="type"),
]
