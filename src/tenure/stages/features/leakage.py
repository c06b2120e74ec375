"""Features that alone give the target away: usually a column that is filled in only once the outcome is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from tenure.ml.recipe import Recipe

_FEWEST_ROWS = 30
_PERFECT = 1 - 1e-9
_ROWS_PER_VALUE = 5


def suspicious(table: pa.Table, recipe: Recipe, target: pa.ChunkedArray, task: str) -> list[str]:
    """A sentence for every feature that predicts the target without error on the training part.

    Classes: each value of a column that repeats its values goes with one class only, or a number splits two classes
    at one point. Regression: the rank correlation is perfect. Too few rows prove nothing.
    """
    if table.num_rows < _FEWEST_ROWS:
        return []
    found = []
    for name in recipe.features:
        if name not in table.column_names or recipe.reads[name] == "timestamp":
            continue
        column = table.column(name)
        if column.null_count == table.num_rows:
            continue
        perfect = _ranks_agree(column, target) if task == "regression" else _tells_classes(column, target)
        if perfect:
            found.append(
                f"column {name} alone predicts the target without error: check that it is known in advance"
            )
    return found


def _tells_classes(column: pa.ChunkedArray, target: pa.ChunkedArray) -> bool:
    import pyarrow as pa

    pairs = pa.table({"value": column, "target": target})
    values = pairs.group_by("value").aggregate([("target", "count_distinct")])
    if values.num_rows * _ROWS_PER_VALUE <= pairs.num_rows:
        return bool(max(values.column("target_count_distinct").to_pylist()) == 1)
    if pa.types.is_string(column.type) or column.null_count:
        return False
    ends = pairs.group_by("target").aggregate([("value", "min"), ("value", "max")]).sort_by("value_min")
    low, high = ends.column("value_min").to_pylist(), ends.column("value_max").to_pylist()
    return all(before < after for before, after in zip(high, low[1:], strict=False))


def _ranks_agree(column: pa.ChunkedArray, target: pa.ChunkedArray) -> bool:
    import numpy as np
    import pyarrow as pa

    if pa.types.is_string(column.type) or column.null_count:
        return False
    values: Any = np.asarray(column.cast(pa.float64()).to_numpy())
    truth: Any = np.asarray(target.cast(pa.float64()).to_numpy())
    if values.std() == 0 or truth.std() == 0:
        return False
    order, wanted = (np.unique(item, return_inverse=True)[1] for item in (values, truth))
    return bool(abs(np.corrcoef(order, wanted)[0, 1]) > _PERFECT)
