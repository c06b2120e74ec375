"""The fitted preprocessor as plain array arithmetic.

scikit-learn's ColumnTransformer spends milliseconds on a single row: it selects columns of a frame, validates and
copies at each step. Here its fitted numbers are read out once and applied in the same order, so that the matrix is the
same to the last bit. Training uses scikit-learn itself; a model whose two paths differ is never recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tenure.ml.encoding import CategoryEncoder

Floats = npt.NDArray[np.float64]


class CompiledPreprocessor:
    """The transformer of `recipe.preprocessor`, once fitted, without its frame."""

    def __init__(self, fitted: Any) -> None:
        self._blocks = [
            _block(transformer, list(names)) for _, transformer, names in fitted.transformers_ if len(names)
        ]

    def transform(self, columns: Mapping[str, npt.NDArray[Any]]) -> Floats:
        """The matrix (rows, features) of the columns of `recipe.design_columns`."""
        blocks = [block(columns) for block in self._blocks]
        return blocks[0] if len(blocks) == 1 else np.hstack(blocks)


def _block(transformer: Any, names: list[str]) -> Any:
    if isinstance(transformer, CategoryEncoder):
        return lambda columns: transformer.encode([columns[name].tolist() for name in names])
    # ColumnTransformer replaces "passthrough" by a FunctionTransformer without a function.
    steps = [step for _, step in transformer.steps] if hasattr(transformer, "steps") else [transformer]
    actions = [action for step in steps if (action := _action(step)) is not None]

    def numeric(columns: Mapping[str, npt.NDArray[Any]]) -> Floats:
        matrix = np.column_stack([columns[name] for name in names])
        for action in actions:
            matrix = action(matrix)
        return matrix

    return numeric


def _action(step: Any) -> Any:
    """One fitted step as a function of a matrix that it may change."""
    kind = type(step).__name__
    if kind == "SimpleImputer":
        return _imputing(step)
    if kind == "StandardScaler":
        return lambda matrix: np.divide(np.subtract(matrix, step.mean_, out=matrix), step.scale_, out=matrix)
    if kind == "MinMaxScaler":
        return lambda matrix: np.add(np.multiply(matrix, step.scale_, out=matrix), step.min_, out=matrix)
    if kind == "FunctionTransformer" and step.func is None:
        return None
    raise TypeError(f"{kind} is no step of a preprocessor")


def _imputing(step: Any) -> Any:
    values = np.asarray(step.statistics_, dtype=np.float64)
    flagged = step.indicator_.features_ if step.indicator_ is not None else None

    def impute(matrix: Floats) -> Floats:
        missing = np.isnan(matrix)
        flags = None if flagged is None or not len(flagged) else missing[:, flagged].astype(np.float64)
        if missing.any():
            matrix = np.where(missing, values, matrix)
        return matrix if flags is None else np.hstack([matrix, flags])

    return impute
