"""Where data come from. A kind is one file with a model of its YAML fields and two verbs:

`fingerprint(project, recorded)` says cheaply what the source is now, as JSON: `digest` (None when it is known only once
the source is read), what it was told by (`size`, `mtime_ns`, `version`), `rows` where they can be counted, or
`{missing: True}`. It never raises for a source that is not there.

`looks_at` are the paths and globs `fingerprint` looks at, relative to the project; while their files keep their stamps
and nothing else is recorded, `fingerprint` says the same. None when what it says may change without them.

`load(project, where, engine)` reads all of it into the engine in a stable order (see `loading`); StageError points into
the spec at `where`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tenure.stages.data.sources.csv import Csv
from tenure.stages.data.sources.duckdb import Duckdb
from tenure.stages.data.sources.json import Json
from tenure.stages.data.sources.parquet import Parquet
from tenure.stages.data.sources.python import Python
from tenure.stages.data.sources.sklearn import Sklearn
from tenure.stages.data.sources.sql import Sql

Source = Annotated[Csv | Parquet | Json | Sql | Duckdb | Python | Sklearn, Field(discriminator="type")]
