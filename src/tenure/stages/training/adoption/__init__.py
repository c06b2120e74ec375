"""Models that were fitted elsewhere and are taken over as they are. A kind is one file with its fields and two verbs:

`read(project, where)` reads the file or folder, without interpreting it, and refuses one that is not what it was said
to be (`sha256`).

`open(given, offered)` makes a predictor of it that fits the snapshot: no code of the file's choosing is ever run.
StageError points into the spec at `where`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tenure.stages.training.adoption.skops import AdoptSkops
from tenure.stages.training.adoption.tenure import AdoptTenure
from tenure.stages.training.adoption.xgboost import AdoptXgboost

Adopt = Annotated[AdoptSkops | AdoptXgboost | AdoptTenure, Field(discriminator="type")]
