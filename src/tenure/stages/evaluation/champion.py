"""The champion: the version a candidate is compared with, and on which rows the comparison is fair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenure.core.errors import ArtifactError, StageError
from tenure.stages.evaluation.unseen import adopted, unseen_rows

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from tenure.ml.predictions import Predictions
    from tenure.ml.predictor import Predictor
    from tenure.ml.signature import Signature
    from tenure.stages.base import StageContext
    from tenure.state.record import Record


@dataclass(frozen=True)
class Champion:
    """The version a candidate is compared with, or why there is none."""

    version: int | None
    predictions: Predictions | None
    note: str
    unseen: npt.NDArray[np.bool_] | None = None
    """Which test rows the champion was not fitted on; None without a champion."""
    missing: bool = False
    """Whether there is another version to compare with, and no fair way to do so."""


def champion_of(context: StageContext, model: Record, test: pa.Table, signature: Signature) -> Champion:
    """The version that serves most requests, or the last one that passed where nothing is deployed."""
    from tenure.ml.predictor import load_recorded

    number = champion_version(context)
    record = context.view.versions.get(number) if number is not None else None
    if record is None or number is None:
        return Champion(None, None, "there is no champion yet")
    if record.value.get("model_digest") == model.digest:
        return Champion(None, None, f"the model is the champion itself (version {number})")
    try:
        champion: Predictor = load_recorded(record.artifacts, context.artifacts, threads=0)
        other = champion.signature
        if (other.task, other.target, other.classes) != (signature.task, signature.target, signature.classes):
            return _missing(f"version {number} predicts another target or other classes: no comparison")
        unseen = unseen_rows(test, record, context)
        learned = int((~unseen).sum())
        fitted = "may have been fitted" if adopted(record) else "was fitted"
        if learned == len(unseen):
            return _missing(f"version {number} {fitted} on every row of the test part: no fair comparison")
        note = f"compared with version {number}"
        if learned:
            note += f", without the {learned} of {len(unseen)} test rows that it {fitted} on"
        return Champion(number, champion.predict(test), note, unseen)
    except (ArtifactError, StageError) as error:
        # Its columns are gone, or its files are: whether that keeps a new model out is for the gate to say.
        return _missing(
            f"version {number} cannot predict these rows, so there is no comparison: {error.detail}"
        )


def champion_version(context: StageContext) -> int | None:
    """The number of the champion: the largest share of the endpoint, else the last version that passed its gates."""
    endpoint = context.view.value("deployment/endpoint")
    if endpoint is not None and endpoint.get("routes"):
        return int(max(endpoint["routes"], key=lambda route: route["share"])["version"])
    passed = [number for number, record in context.view.versions.items() if record.value.get("passed")]
    return max(passed, default=None)


def _missing(note: str) -> Champion:
    return Champion(None, None, note, missing=True)
