"""A fitted model as files, and back: only formats that hold data and cannot run code.

    predictor.json         recipe, signature, kind of the estimator, versions of the libraries that wrote it, and what
                           is done to its numbers before they are an answer (`ml/postprocessing.py`)
    preprocessor.msgpack   the fitted preprocessor (`ml/preprocessor.py`), or
    preprocessor.skops     one that was adopted with an estimator
    estimator.*            the fitted estimator, in the format of its kind: see `ml/estimators/`; an ensemble holds
                           its preprocessors as well
    low.*, high.*          estimators of two quantiles, in the same format, where the model gives intervals from them

An estimator that was fitted elsewhere takes the features as they are (`ml/feed.py`); it has a preprocessor only where
one was adopted with it.

pickle and joblib are never opened, not even to find out what they are. The bytes written depend on the model alone,
so the same model has the same digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tenure.core.decoding import json_decoder
from tenure.core.errors import StageError
from tenure.ml import preprocessor as own
from tenure.ml import skops_file
from tenure.ml.design import Design, design
from tenure.ml.ensemble import Ensemble
from tenure.ml.estimators.registry import format_named, format_of, raw_predictions
from tenure.ml.feed import Feed
from tenure.ml.intervals import Floats
from tenure.ml.postprocessing import NONE, Postprocessing
from tenure.ml.predictions import Predictions, from_probabilities
from tenure.ml.predictor_files import ADOPTED_PREPROCESSOR, FILES, HIGH, LOW, PREDICTOR, PREPROCESSOR
from tenure.ml.recipe import Recipe
from tenure.ml.signature import Signature

if TYPE_CHECKING:
    from tenure.artifacts.store import ArtifactStore

FORMAT = 4
"""What is written where there is postprocessing, which a version that reads format 3 alone would pass over."""
PLAIN = 3
"""What is written where there is none."""
WITH_QUANTILES = 5
"""What is written where there are quantiles."""

_ALONE = 20
"""Rows that are also looked at one by one."""


class Contents(msgspec.Struct, frozen=True, omit_defaults=True):
    """What predictor.json holds. `estimator` names a format; `feed` is there for an estimator that was fitted
    elsewhere. `preprocessed` says whether there is a file of a preprocessor."""

    format: int
    estimator: str
    recipe: Recipe
    signature: Signature
    libraries: dict[str, str]
    feed: Feed | None = None
    preprocessed: bool = True
    postprocessing: Postprocessing = NONE
    quantiles: bool = False


class Quantiles(NamedTuple):
    """Fitted estimators of a low and a high quantile, of the same kind and for the same features as the one beside."""

    low: Any
    high: Any


class Predictor:
    """A fitted model that answers: preprocessor and estimator with the recipe and signature they were made for, and
    estimators of two quantiles where its intervals come from them.

    The estimator gives class positions (0, 1, ...) or numbers; labels come from the signature, and follow from what
    `postprocessing` makes of the numbers. One that was fitted elsewhere comes with its `feed`, and with a preprocessor
    or None. Safe to call from several threads.
    """

    def __init__(
        self,
        recipe: Recipe,
        signature: Signature,
        preprocessor: Any,
        estimator: Any,
        feed: Feed | None = None,
        postprocessing: Postprocessing = NONE,
        quantiles: Quantiles | None = None,
    ) -> None:
        self.recipe = recipe
        self.signature = signature
        self.preprocessor = preprocessor
        self.estimator = estimator
        self.feed = feed
        self.postprocessing = postprocessing
        self.quantiles = quantiles

    def predict(self, table: pa.Table) -> Predictions:
        """Predictions for rows with the raw input columns; other columns are ignored. Raises StageError."""
        if table.num_rows == 0:
            nothing = np.empty(0)
            return self.postprocessing.apply(_none(self.signature), (nothing, nothing))
        if self.feed is None:
            return self.predict_matrix(self.matrix(table))
        try:
            return self.predict_matrix(self.matrix(table))
        except StageError:
            raise
        except Exception as error:  # whatever an estimator says about a value it cannot take
            reason = str(error).strip() or type(error).__name__
            raise StageError("the adopted model cannot predict these rows", reason.splitlines()[0]) from error

    def matrix(self, table: pa.Table) -> Any:
        """The rows as the estimator sees them: (rows, features) as `ml/preprocessor.py` says, a `Design` for an
        ensemble, or what an adopted one takes."""
        rows = design(self.recipe, table) if self.feed is None else self.feed.rows(self.recipe, table)
        return rows if self.preprocessor is None else self.preprocessor.transform(rows)

    def verify(self, rows: Design, expected: npt.NDArray[Any]) -> None:
        """Compare the features of rows with those the fitted preprocessor gave (rows, features), and some rows alone
        with the same rows among all.

        Raises StageError when a single bit differs.
        """
        given = self.preprocessor.transform(rows)
        same = np.array_equal(given, expected, equal_nan=True)
        for row in range(0, rows.rows, max(1, rows.rows // _ALONE)):
            alone = self.preprocessor.transform(rows.take(np.array([row])))
            same = same and np.array_equal(alone, expected[row : row + 1], equal_nan=True)
        if not same:
            raise StageError(
                "the stored preprocessor gives another result",
                "serving would not see the same features as training did",
                "please report this with the versions of the libraries",
            )

    def predict_matrix(self, matrix: Any) -> Predictions:
        """Predictions for rows as `matrix` gives them."""
        outputs = () if self.feed is None else self.feed.outputs
        said = predict_matrix(self.estimator, matrix, self.signature, outputs)
        return self.postprocessing.apply(said, quantiles_of(self.quantiles, matrix, self.signature))


def predict_matrix(
    estimator: Any, matrix: Any, signature: Signature, outputs: tuple[int, ...] = ()
) -> Predictions:
    """Predictions of an estimator of any format for preprocessed rows (rows, features), without postprocessing.

    `outputs` says which of its probabilities each class of the signature is, where they come in another order.
    """
    raw = raw_predictions(estimator, matrix, signature)
    if outputs:
        raw = raw[:, list(outputs)]
    if signature.task == "regression":
        return Predictions(np.asarray(raw, dtype=np.float64), None, ())
    return from_probabilities(raw, signature.classes)


def quantiles_of(
    quantiles: Quantiles | None, matrix: Any, signature: Signature
) -> tuple[Floats, Floats] | None:
    """The low and the high quantile (rows,) of preprocessed rows (rows, features), without margins."""
    if quantiles is None:
        return None
    low, high = (np.asarray(raw_predictions(one, matrix, signature), dtype=np.float64) for one in quantiles)
    return low, high


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
    files = {}
    if predictor.preprocessor is not None:
        if predictor.feed is None:
            files[PREPROCESSOR] = own.encode(predictor.preprocessor)
        else:
            files[ADOPTED_PREPROCESSOR] = skops_file.dump(predictor.preprocessor)
    kind = format_of(predictor.estimator)
    used = [kind]
    if isinstance(predictor.estimator, Ensemble):
        used += [format_of(member.estimator) for member in predictor.estimator.members]
    for item in used:
        libraries |= item.libraries()
    files[f"estimator.{kind.suffix}"] = kind.save(predictor.estimator)
    if predictor.quantiles is not None:
        for end, estimator in zip((LOW, HIGH), predictor.quantiles, strict=True):
            files[f"{end}.{kind.suffix}"] = kind.save(estimator)
    # The very default is left out of the file; an equal value would not be.
    postprocessing = NONE if predictor.postprocessing == NONE else predictor.postprocessing
    number = PLAIN if postprocessing is NONE else FORMAT
    contents = Contents(
        number if predictor.quantiles is None else WITH_QUANTILES,
        kind.name,
        predictor.recipe,
        predictor.signature,
        libraries,
        predictor.feed,
        predictor.preprocessor is not None,
        postprocessing,
        predictor.quantiles is not None,
    )
    files[PREDICTOR] = msgspec.json.encode(contents)
    return files


def load(files: Mapping[str, bytes], *, threads: int = 1) -> Predictor:
    """The predictor from its files; others in `files` are ignored.

    `threads` is what the estimator uses for one call: 1 is best for few rows, where starting threads costs more than
    predicting. Raises StageError when a file is missing, is not in its format, or holds a type that is not
    trusted.
    """
    try:
        contents = json_decoder(Contents).decode(_file(files, PREDICTOR))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StageError("not a predictor", f"{PREDICTOR}: {error}") from error
    if contents.format not in (PLAIN, FORMAT, WITH_QUANTILES):
        raise StageError(
            "the predictor has another format",
            f"{PREDICTOR} has format {contents.format}, this version reads formats {PLAIN} to {WITH_QUANTILES}",
            "use the version that wrote it, or train the model again with this one",
        )
    preprocessor: Any = None
    if contents.preprocessed and contents.feed is None:
        preprocessor = own.decode(_file(files, PREPROCESSOR))
    elif contents.preprocessed:
        preprocessor = skops_file.load(_file(files, ADOPTED_PREPROCESSOR), ADOPTED_PREPROCESSOR)
    kind = format_named(contents.estimator)
    if kind is None:
        raise StageError(
            "the predictor has another format",
            f"{PREDICTOR} asks for an estimator of the format {contents.estimator}, which this version does not know",
            "use the version that wrote it, or train the model again with this one",
        )
    name = f"estimator.{kind.suffix}"
    estimator = kind.load(_file(files, name), name, threads)
    quantiles = None
    if contents.quantiles:
        names = [f"{end}.{kind.suffix}" for end in (LOW, HIGH)]
        quantiles = Quantiles(*(kind.load(_file(files, name), name, threads) for name in names))
    elif contents.postprocessing.margins is not None:
        raise StageError(
            "not a predictor", f"{PREDICTOR}: it has margins for quantiles that it does not have"
        )
    return Predictor(
        contents.recipe,
        contents.signature,
        preprocessor,
        estimator,
        contents.feed,
        contents.postprocessing,
        quantiles,
    )


def load_recorded(recorded: Mapping[str, str], artifacts: ArtifactStore, *, threads: int = 1) -> Predictor:
    """The predictor among recorded artifacts (name -> digest), its blobs verified; others are not read.

    Raises ArtifactError for a lost or damaged blob, and StageError as `load`.
    """
    return load({name: artifacts.get(recorded[name]) for name in FILES if name in recorded}, threads=threads)


def _file(files: Mapping[str, bytes], name: str) -> bytes:
    if name not in files:
        raise StageError("the predictor is incomplete", f"the file {name} is missing")
    return files[name]
