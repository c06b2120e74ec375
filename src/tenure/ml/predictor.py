"""A fitted model as files, and back: only formats that hold data and cannot run code.

    predictor.json         recipe, signature, kind of the estimator, versions of the libraries that wrote it
    preprocessor.skops     the fitted preprocessor
    estimator.skops        a scikit-learn estimator, or
    estimator.ubj          an xgboost booster as universal binary JSON

pickle and joblib are never opened, not even to find out what they are. The bytes written depend on the model alone,
so the same model has the same digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tenure.core.errors import StageError
from tenure.ml import skops_file
from tenure.ml.compiled import CompiledPreprocessor
from tenure.ml.predictions import Predictions, from_probabilities
from tenure.ml.predictor_files import BOOSTER, FILES, PREDICTOR, PREPROCESSOR, SKOPS_ESTIMATOR
from tenure.ml.recipe import Recipe, design_columns
from tenure.ml.signature import Signature

if TYPE_CHECKING:
    from tenure.artifacts.store import ArtifactStore

FORMAT = 1


class Contents(msgspec.Struct, frozen=True):
    """What predictor.json holds."""

    format: int
    estimator: Literal["skops", "xgboost"]
    recipe: Recipe
    signature: Signature
    libraries: dict[str, str]


class Predictor:
    """A fitted model that answers: preprocessor and estimator with the recipe and signature they were made for.

    The estimator gives class positions (0, 1, ...) or numbers; labels come from the signature. Safe to call from
    several threads.
    """

    def __init__(self, recipe: Recipe, signature: Signature, preprocessor: Any, estimator: Any) -> None:
        self.recipe = recipe
        self.signature = signature
        self.preprocessor = preprocessor
        self.estimator = estimator
        self._compiled = CompiledPreprocessor(preprocessor)

    def predict(self, table: pa.Table) -> Predictions:
        """Predictions for rows with the raw input columns; other columns are ignored. Raises StageError."""
        if table.num_rows == 0:
            return _none(self.signature)
        return self.predict_matrix(self.matrix(table))

    def matrix(self, table: pa.Table) -> npt.NDArray[np.float64]:
        """The rows as the estimator sees them: float64 (rows, features)."""
        return self._compiled.transform(design_columns(self.recipe, table))

    def verify(self, frame: Any) -> None:
        """Compare the compiled preprocessor with the one it was made from, on rows of `design_frame`.

        Raises StageError when a single bit differs.
        """
        expected = np.asarray(self.preprocessor.transform(frame), dtype=np.float64)
        given = self._compiled.transform({name: frame[name].to_numpy() for name in frame.columns})
        if not np.array_equal(given, expected, equal_nan=True):
            raise StageError(
                "the compiled preprocessor gives another result",
                "serving would not see the same features as training did",
                "please report this with the versions of the libraries",
            )

    def predict_matrix(self, matrix: npt.NDArray[np.float64]) -> Predictions:
        """Predictions for preprocessed rows (rows, features)."""
        return predict_matrix(self.estimator, matrix, self.signature)


def predict_matrix(estimator: Any, matrix: npt.NDArray[np.float64], signature: Signature) -> Predictions:
    """Predictions of a scikit-learn estimator or an xgboost booster for preprocessed rows (rows, features)."""
    raw = _raw(estimator, matrix, signature)
    if signature.task == "regression":
        return Predictions(np.asarray(raw, dtype=np.float64), None, ())
    return from_probabilities(raw, signature.classes)


def _raw(estimator: Any, matrix: npt.NDArray[np.float64], signature: Signature) -> npt.NDArray[np.float64]:
    if type(estimator).__module__.startswith("xgboost"):
        # inplace_predict takes no lock and may be called from several threads; Booster.predict may not.
        values = np.asarray(estimator.inplace_predict(matrix, validate_features=False), dtype=np.float64)
        return np.column_stack([1.0 - values, values]) if signature.task == "binary" else values
    if signature.task == "regression":
        return np.asarray(estimator.predict(matrix), dtype=np.float64)
    given = np.asarray(estimator.predict_proba(matrix), dtype=np.float64)
    if given.shape[1] == len(signature.classes):
        return given
    # A fold may have lacked a class, which then has probability 0.
    result = np.zeros((len(matrix), len(signature.classes)))
    result[:, estimator.classes_] = given
    return result


def _none(signature: Signature) -> Predictions:
    if signature.task == "regression":
        return Predictions(np.empty(0), None, ())
    return Predictions(np.empty(0, dtype=object), np.empty((0, len(signature.classes))), signature.classes)


# --- files ------------------------------------------------------------------------------------------------------


def save(predictor: Predictor) -> dict[str, bytes]:
    """The predictor as named files. Raises StageError for an estimator that has no safe format."""
    import sklearn
    import skops

    libraries = {"numpy": np.__version__, "scikit-learn": sklearn.__version__, "skops": skops.__version__}
    files = {PREPROCESSOR: skops_file.dump(predictor.preprocessor)}
    kind: Literal["skops", "xgboost"] = "skops"
    if type(predictor.estimator).__module__.startswith("xgboost"):
        import xgboost

        kind = "xgboost"
        libraries["xgboost"] = xgboost.__version__
        files[BOOSTER] = bytes(predictor.estimator.save_raw(raw_format="ubj"))
    else:
        files[SKOPS_ESTIMATOR] = skops_file.dump(predictor.estimator)
    contents = Contents(FORMAT, kind, predictor.recipe, predictor.signature, libraries)
    files[PREDICTOR] = msgspec.json.encode(contents)
    return files


def load(files: Mapping[str, bytes], *, threads: int = 1) -> Predictor:
    """The predictor from its files; others in `files` are ignored.

    `threads` is what an xgboost booster uses for one call: 1 is best for few rows, where starting threads costs more
    than predicting. Raises StageError when a file is missing, is not in its format, or holds a type that is not
    trusted.
    """
    try:
        contents = msgspec.json.decode(_file(files, PREDICTOR), type=Contents)
    except msgspec.DecodeError as error:
        raise StageError("not a predictor", f"{PREDICTOR}: {error}") from error
    if contents.format != FORMAT:
        raise StageError(
            "the predictor has another format",
            f"{PREDICTOR} has format {contents.format}, this version reads format {FORMAT}",
            "train the model again with this version",
        )
    preprocessor = skops_file.load(_file(files, PREPROCESSOR), PREPROCESSOR)
    if contents.estimator == "xgboost":
        estimator = _load_booster(_file(files, BOOSTER), threads)
    else:
        estimator = skops_file.load(_file(files, SKOPS_ESTIMATOR), SKOPS_ESTIMATOR)
    return Predictor(contents.recipe, contents.signature, preprocessor, estimator)


def load_recorded(recorded: Mapping[str, str], artifacts: ArtifactStore, *, threads: int = 1) -> Predictor:
    """The predictor among recorded artifacts (name -> digest), its blobs verified; others are not read.

    Raises ArtifactError for a lost or damaged blob, and StageError as `load`.
    """
    return load({name: artifacts.get(recorded[name]) for name in FILES if name in recorded}, threads=threads)


def _file(files: Mapping[str, bytes], name: str) -> bytes:
    if name not in files:
        raise StageError("the predictor is incomplete", f"the file {name} is missing")
    return files[name]


def _load_booster(data: bytes, threads: int) -> Any:
    import xgboost

    if not data.startswith(b"{"):
        raise StageError(
            "the model file is not in a safe format",
            f"{BOOSTER} is not universal binary JSON; nothing else is opened",
        )
    booster = xgboost.Booster()
    try:
        booster.load_model(bytearray(data))
    except xgboost.core.XGBoostError as error:
        raise StageError(
            "the model file cannot be read", f"{BOOSTER}: {str(error).splitlines()[0]}"
        ) from error
    booster.set_param({"nthread": threads})
    return booster
