"""What a format of estimators is: bytes that hold data only, made the same each time, and how an estimator answers."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tenure.ml.signature import Signature

Raw = npt.NDArray[np.float64]
"""Numbers (rows,), or (rows, levels) of a model of several quantiles; probabilities (rows, classes) in the order of
the classes of the signature."""


class Format(Protocol):
    """One way to keep a kind of estimator. A format is stateless; an estimator answers several threads at once."""

    @property
    def name(self) -> str:
        """What predictor.json calls the format."""

    @property
    def suffix(self) -> str:
        """How the file's name ends, without a dot in front."""

    def owns(self, estimator: Any) -> bool:
        """Whether it keeps such an estimator; looks at its type only and imports nothing."""

    def libraries(self) -> dict[str, str]:
        """The libraries that write it and their versions."""

    def save(self, estimator: Any) -> bytes:
        """Bytes that depend on what the estimator predicts alone. Raises StageError when it has no safe form."""

    def load(self, data: bytes, file: str, threads: int) -> Any:
        """The estimator; `file` is for messages, `threads` what one call may use. Raises StageError."""

    def raw(self, estimator: Any, matrix: Any, signature: Signature) -> Raw:
        """What the estimator says of rows (rows, features)."""
