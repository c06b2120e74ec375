"""Steps that change or drop rows, in the order of the spec. A kind is one file with its YAML fields and one verb.

`clean(table, target_column, where)` gives the new table and how many cells it changed; rows dropped are counted by the
caller. Raises StageError pointing into the spec at `where`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tenure.stages.data.cleaning.clip import Clip
from tenure.stages.data.cleaning.drop_duplicates import DropDuplicates
from tenure.stages.data.cleaning.drop_null_target import DropNullTarget

Step = Annotated[DropDuplicates | DropNullTarget | Clip, Field(discriminator="type")]
