"""Format `skops`: estimators of scikit-learn, rebuilt from a reviewed list of types."""

from __future__ import annotations

from typing import Any

import numpy as np

from tenure.ml import skops_file
from tenure.ml.estimators.flat_trees import MOST_ROWS, answer_of
from tenure.ml.estimators.format import Raw
from tenure.ml.signature import Signature


class Skops:
    """A scikit-learn estimator. It is the format of everything that no other one keeps."""

    name = "skops"
    suffix = "skops"

    def owns(self, estimator: Any) -> bool:
        """Anything; saving says what cannot be kept."""
        return True

    def libraries(self) -> dict[str, str]:
        """scikit-learn and skops are named for every predictor, whose preprocessor they wrote."""
        return {}

    def save(self, estimator: Any) -> bytes:
        """A skops archive without times or addresses."""
        return skops_file.dump(estimator)

    def load(self, data: bytes, file: str, threads: int) -> Any:
        """The estimator, its types and its trees checked; it uses one thread, however many are offered."""
        return skops_file.load(data, file)

    def raw(self, estimator: Any, matrix: Any, signature: Signature) -> Raw:
        """`predict`, or `predict_proba` with a column for each class of the signature."""
        if type(matrix) is np.ndarray and len(matrix) <= MOST_ROWS and (answer := answer_of(estimator)):
            raw = answer(matrix)
            if raw is not None:
                return raw if raw.ndim == 1 else _every_class(estimator, raw, signature)
        if signature.task == "regression":
            return np.asarray(estimator.predict(matrix), dtype=np.float64)
        given = np.asarray(estimator.predict_proba(matrix), dtype=np.float64)
        return _every_class(estimator, given, signature)


def _every_class(estimator: Any, given: Raw, signature: Signature) -> Raw:
    """A column for each class: a fold may have lacked one, which then has probability 0."""
    if given.shape[1] == len(signature.classes):
        return given
    result = np.zeros((len(given), len(signature.classes)))
    result[:, estimator.classes_] = given
    return result
