"""Format `xgboost`: boosters as universal binary JSON."""

from __future__ import annotations

from typing import Any

import numpy as np

from tenure.core.errors import StageError
from tenure.ml.estimators.format import Raw
from tenure.ml.estimators.ubj import check_booster
from tenure.ml.signature import Signature


class Xgboost:
    """An `xgboost.Booster`."""

    name = "xgboost"
    suffix = "ubj"

    def owns(self, estimator: Any) -> bool:
        """Whatever the package xgboost made."""
        return type(estimator).__module__.partition(".")[0] == "xgboost"

    def libraries(self) -> dict[str, str]:
        """The version of xgboost."""
        import xgboost

        return {"xgboost": xgboost.__version__}

    def save(self, estimator: Any) -> bytes:
        """Universal binary JSON; it has neither the number of threads nor a time."""
        return bytes(estimator.save_raw(raw_format="ubj"))

    def load(self, data: bytes, file: str, threads: int) -> Any:
        """The booster. Other formats that xgboost would read are refused."""
        import xgboost

        if not data.startswith(b"{"):
            raise StageError(
                "the model file is not in a safe format",
                f"{file} is not universal binary JSON; nothing else is opened",
            )
        booster = xgboost.Booster()
        try:
            check_booster(data)
            booster.load_model(bytearray(data))
        except (ValueError, xgboost.core.XGBoostError) as error:
            raise StageError(
                "the model file cannot be read", f"{file}: {str(error).splitlines()[0]}"
            ) from error
        booster.set_param({"nthread": threads})
        return booster

    def raw(self, estimator: Any, matrix: Any, signature: Signature) -> Raw:
        """Probabilities or numbers. Takes no lock, where `Booster.predict` may not be called by several threads."""
        values = np.asarray(estimator.inplace_predict(matrix, validate_features=False), dtype=np.float64)
        return np.column_stack([1.0 - values, values]) if signature.task == "binary" else values
