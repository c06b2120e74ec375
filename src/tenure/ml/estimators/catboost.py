"""Format `catboost`: models as CatBoost's flat buffers, which CatBoost verifies before it reads them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tenure.core.errors import StageError
from tenure.ml.estimators.format import Raw
from tenure.ml.signature import Signature


class CatBoost:
    """A `catboost.CatBoost`, whose raw values become probabilities here.

    So the notes that CatBoost keeps beside the trees (a random identifier, the time of the training, parameters) are
    not needed, and the bytes depend on the trees alone.
    """

    name = "catboost"
    suffix = "cbm"

    def owns(self, estimator: Any) -> bool:
        """Whatever the package catboost made."""
        return type(estimator).__module__.partition(".")[0] == "catboost"

    def libraries(self) -> dict[str, str]:
        """The version of CatBoost."""
        import catboost

        return {"catboost": catboost.__version__}

    def save(self, estimator: Any) -> bytes:
        """The trees without notes."""
        bare = estimator.copy()
        notes = bare.get_metadata()
        for name in list(notes.keys()):
            del notes[name]
        notes["model_guid"] = ""  # one would be drawn otherwise
        return bytes(bare._serialize_model())  # the public way goes through a file

    def load(self, data: bytes, file: str, threads: int) -> Any:
        """The model. One thread answers, whatever is offered: for the few rows of a request more would cost more."""
        try:
            import catboost
        except ImportError as error:
            raise StageError(
                "catboost is not installed",
                f"{file} is a CatBoost model, whose package is an extra",
                "pip install 'tenure[catboost]'",
            ) from error
        if not data.startswith(b"CBM1"):
            raise StageError(
                "the model file is not in a safe format",
                f"{file} is not CatBoost's binary format; nothing else is opened",
            )
        # Reading what was cut off, CatBoost takes whatever its memory holds for the rest.
        if int.from_bytes(data[4:8], "little") != len(data) - 8:
            raise StageError("the model file cannot be read", f"{file}: it is not as long as it says")
        try:
            return catboost.CatBoost().load_model(blob=data)
        except catboost.CatBoostError as error:
            reason = str(error).splitlines()[0].rpartition(": ")[2]
            raise StageError("the model file cannot be read", f"{file}: {reason}") from error

    def raw(self, estimator: Any, matrix: Any, signature: Signature) -> Raw:
        """Probabilities or numbers."""
        values = estimator.predict(matrix, prediction_type="RawFormulaVal", thread_count=1)
        values = np.asarray(values, dtype=np.float64)
        if signature.task == "regression":
            return values
        from scipy.special import expit, softmax

        if signature.task == "binary":
            return np.column_stack([expit(-values), expit(values)])
        return np.asarray(softmax(values, axis=1), dtype=np.float64)
