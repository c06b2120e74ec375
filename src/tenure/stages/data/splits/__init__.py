"""How rows are divided into training, validation and test parts. A kind is one file with its YAML fields and its verb.

`assign(rows)` gives the rows with the part of each in one more column, `PART`: `train`, `validation`, `test`, or `gap`
for rows left out between two parts. It is deterministic for one seed. `columns` are those it looks at, and `sentence`
says for people what is kept for the test.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tenure.stages.data.splits.datetime import Datetime
from tenure.stages.data.splits.fixed import Fixed
from tenure.stages.data.splits.group import Group
from tenure.stages.data.splits.hash import Hash
from tenure.stages.data.splits.random import Random
from tenure.stages.data.splits.stratified import Stratified

__all__ = ["Datetime", "Fixed", "Group", "Hash", "Random", "Split", "Stratified"]

Split = Annotated[
    Random | Stratified | Datetime | Group | Hash | Fixed,
    Field(discriminator="type"),
]
