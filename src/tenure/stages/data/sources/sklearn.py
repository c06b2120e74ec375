"""The small data sets that scikit-learn brings along."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tenure.core.digest import digest
from tenure.core.effect import Effect
from tenure.spec.base import field
from tenure.stages.data.sources.timed import Timed

if TYPE_CHECKING:
    from tenure.stages.data.engine import Engine
    from tenure.stages.data.loading import Loaded


class Sklearn(Timed):
    """A small data set to try things on. The column to predict is called `target`."""

    type: Literal["sklearn"] = field(Effect.RETRAIN, "Read a data set that is part of scikit-learn.")
    name: Literal["iris", "wine", "breast_cancer", "diabetes", "digits"] = field(
        Effect.RETRAIN,
        "Which one: iris, wine and digits have several classes, breast_cancer two, diabetes is a regression.",
    )

    @property
    def looks_at(self) -> tuple[str, ...]:
        """The folder the library is installed in: installing another version changes it."""
        return (str(importlib.metadata.distribution("scikit-learn").locate_file("")),)

    def fingerprint(self, project: Path, recorded: Mapping[str, Any] | None) -> dict[str, Any]:
        """The data change with the version of the library only."""
        version = importlib.metadata.version("scikit-learn")
        return {"digest": digest(["scikit-learn", self.name, version]), "version": version}

    def load(self, project: Path, where: tuple[str | int, ...], engine: Engine) -> Loaded:
        """The features under the names scikit-learn gives them, and `target`: class names as text where there are."""
        import pyarrow as pa
        from sklearn import datasets

        from tenure.stages.data.loading import load_arrow

        bunch = getattr(datasets, f"load_{self.name}")()
        names = [str(name) for name in bunch.feature_names]
        columns = {name: pa.array(bunch.data[:, position]) for position, name in enumerate(names)}
        if self.name in ("iris", "wine", "breast_cancer"):
            columns["target"] = pa.array([str(bunch.target_names[code]) for code in bunch.target])
        else:
            columns["target"] = pa.array(bunch.target)
        return load_arrow(engine, pa.table(columns))
