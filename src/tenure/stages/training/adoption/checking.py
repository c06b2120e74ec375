"""What an adopted model must show before it is recorded: it predicts rows of the snapshot, validly, and alike however
it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tenure.core.errors import StageError
from tenure.stages.training.adoption.kind import AT, at_path

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from tenure.ml.predictions import Predictions
    from tenure.ml.predictor import Predictor
    from tenure.stages.training.adoption.kind import Opened

_SAMPLE = 1000
"""Rows of the snapshot on which the model is tried; rows with missing values come on top."""
_WITH_MISSING = 100
_ALONE = 16
"""Rows that are also predicted one by one."""


def sample_of(table: pa.Table, columns: list[str]) -> pa.Table:
    """Rows to try a model on, evenly spread over the snapshot, and rows where something it takes is missing."""
    import numpy as np

    spread = np.linspace(0, table.num_rows - 1, min(_SAMPLE, table.num_rows)).astype(np.int64)
    missing = np.zeros(table.num_rows, dtype=bool)
    for name in columns:
        missing |= np.asarray(table.column(name).is_null())
    return table.take(np.union1d(spread, np.flatnonzero(missing)[:_WITH_MISSING]))


def checked(opened: Opened, sample: pa.Table) -> tuple[Mapping[str, bytes], tuple[str, ...]]:
    """The files of the predictor, and what its owner should know. Raises StageError for one that must not serve."""
    from tenure.ml.predictor import load, save

    predictor = opened.predictor
    first = _predicted(predictor, sample)
    _check_values(first, sample.num_rows)
    try:
        files = save(predictor)
        again = load(files)
    except StageError as error:
        raise at_path(error) from error
    second = _predicted(again, sample)
    if not _same(first, second, exact=True):
        raise StageError(
            "the stored model predicts something else",
            "written in Tenure's format and read back, the model gives other predictions for the same rows",
            "please report this with the versions of the libraries",
            path=(*AT, "path"),
        )
    _check_alone(again, sample, second)
    return files, tuple(_remarks(opened, sample, first))


def _predicted(predictor: Predictor, rows: pa.Table) -> Predictions:
    try:
        return predictor.predict(rows)
    except Exception as error:  # a model from elsewhere may raise anything
        detail = error.detail if isinstance(error, StageError) and error.detail else str(error)
        first = detail.strip().splitlines()[0] if detail.strip() else type(error).__name__
        raise StageError(
            "the model cannot predict the rows of the snapshot",
            first,
            "it is given the columns as they are in the snapshot: text as text, missing values as NaN; what prepares "
            "them has to be part of the model",
            path=(*AT, "path"),
        ) from error


def _check_values(found: Predictions, rows: int) -> None:
    import numpy as np

    wrong = ""
    values: npt.NDArray[Any] = found.labels if found.probabilities is None else found.probabilities
    if len(found) != rows or (found.probabilities is None and found.labels.shape != (rows,)):
        wrong = f"it gives {np.shape(found.labels)} values for {rows} rows"
    elif not np.isfinite(values.astype(np.float64)).all():
        wrong = "some of its predictions are not finite numbers"
    elif found.probabilities is not None:
        least, most = float(values.min()), float(values.max())
        sums = values.sum(axis=1)
        if least < -1e-6 or most > 1 + 1e-6:
            wrong = f"its probabilities go from {least:.4g} to {most:.4g}"
        elif not np.allclose(sums, 1.0, atol=1e-4):
            wrong = f"its probabilities of a row add up to {float(sums[np.argmax(np.abs(sums - 1))]):.4g}"
    if wrong:
        raise StageError(
            "the model gives no valid predictions",
            wrong,
            "check the model where it was made",
            path=(*AT, "path"),
        )


def _check_alone(predictor: Predictor, sample: pa.Table, together: Predictions) -> None:
    """The answer for a row must not depend on how it arrives: as a request of its own, or in a batch."""
    from tenure.ml.predictions import taken
    from tenure.ml.signature import check_rows, rows_to_table

    names = [column.name for column in predictor.signature.inputs]
    for position, row in enumerate(sample.select(names).slice(0, _ALONE).to_pylist()):
        if not check_rows(predictor.signature, [row]).ok:
            continue
        alone = _predicted(predictor, rows_to_table(predictor.signature, [row]))
        if not _same(alone, taken(together, _only(position, len(together))), exact=False):
            raise StageError(
                "the model contradicts itself",
                f"row {position + 1} of the sample gets another prediction on its own than together with others",
                "look for a step that learns from the rows it is asked about",
                path=(*AT, "path"),
            )


def _only(position: int, rows: int) -> npt.NDArray[np.bool_]:
    import numpy as np

    mask = np.zeros(rows, dtype=bool)
    mask[position] = True
    return mask


def _same(one: Predictions, other: Predictions, *, exact: bool) -> bool:
    import numpy as np

    a, b = (
        np.asarray(item.labels if item.probabilities is None else item.probabilities, dtype=np.float64)
        for item in (one, other)
    )
    return bool(np.array_equal(a, b) if exact else np.allclose(a, b, rtol=1e-6, atol=1e-6))


def _remarks(opened: Opened, sample: pa.Table, found: Predictions) -> list[str]:
    import numpy as np

    remarks = [*opened.notes]
    if opened.made_with:
        remarks.append(
            f"It was made with {opened.made_with}. It loads with the version here and gives valid predictions; "
            "whether they are the same as there is not known."
        )
    if opened.says is not None and found.probabilities is not None:
        own = opened.says(opened.predictor.matrix(sample))
        other = sum(mine != given for mine, given in zip(own, found.labels, strict=True))
        if other:
            remarks.append(
                f"For {other} of {len(own)} rows its own predict() says another class than the most probable one, as "
                "with a tuned threshold. Here the most probable class counts."
            )
    values = found.labels if found.probabilities is None else found.probabilities
    if len(values) > 1 and np.all(values == values[0]):
        remarks.append(
            "It says the same for every row that was tried: are these the columns it was fitted on?"
        )
    return remarks
