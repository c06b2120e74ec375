"""How rows are divided into training, validation and test parts. A kind is one file with its YAML fields and one verb.

`assign(rows)` gives the rows with the part of each in one more column, `PART`: `train`, `validation`, `test`, or `gap`
for rows left out between two parts. It is deterministic for one seed.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tenure.stages.data.splits.datetime import Datetime
from tenure.stages.data.splits.hash import Hash
from tenure.stages.data.splits.random import Random
from tenure.stages.data.splits.stratified import Stratified

__all__ = ["Datetime", "Hash", "Random", "Split", "Stratified"]

Split = Annotated[Random | Stratified | Datetime | Hash, Field(discriminator="type")]
