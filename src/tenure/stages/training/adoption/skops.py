"""Adopting `skops`: a scikit-learn estimator or pipeline that takes the columns as they are."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.spec.base import field
from tenure.stages.training.adoption.columns import chosen, contract, outputs
from tenure.stages.training.adoption.kind import AT, Kind, Label, Offered, Opened, Where
from tenure.stages.training.adoption.reading import check_archive, require_format

if TYPE_CHECKING:
    from tenure.ml.signature import Signature
    from tenure.stages.training.adoption.reading import Given


class AdoptSkops(Kind):
    """A scikit-learn estimator or Pipeline saved with skops. It takes raw columns and does its own preprocessing."""

    type: Literal["skops"] = field(Effect.METADATA, "Adopt a scikit-learn model saved with `skops.io.dump`.")
    columns: tuple[str, ...] | None = field(
        Effect.METADATA,
        "The columns of the data in the order the model takes them; needed when it was fitted on an array, or when it "
        "knows them by other names. Columns of features.derived may be among them.",
        None,
        examples=[["age", "income"]],
    )
    classes: tuple[Label, ...] | None = field(
        Effect.METADATA,
        "Which class each of the model's outputs is, in their order; needed when it was fitted on codes instead of the "
        "values of the target.",
        None,
        examples=[["no", "yes"]],
    )

    def open(self, given: Given, offered: Offered) -> Opened:
        """Rebuild the estimator from trusted types only, and fit its columns and classes to the snapshot."""
        from tenure.ml.feed import Feed
        from tenure.ml.predictor import Predictor

        require_format(given, "skops", (*AT, "path"))
        estimator, made_with = rebuilt(given, (*AT, "path"))
        _check_fitted(estimator)
        _check_task(estimator, offered.signature)
        names = names_of(estimator)
        columns = chosen(names, getattr(estimator, "n_features_in_", None), self.columns, offered)
        order: tuple[int, ...] = ()
        if offered.signature.task != "regression":
            own = _labels(estimator)
            order = outputs(own, len(own), self.classes, offered)
        recipe, signature = contract(columns, offered.signature.classes, offered)
        feed = Feed(columns, tuple(names or ()), order)
        return Opened(
            Predictor(recipe, signature, None, estimator, feed),
            name=_name(estimator),
            made_with=made_with,
            says=_saying(estimator, self.classes),
        )


def rebuilt(given: Given, where: Where) -> tuple[Any, str]:
    """A scikit-learn object from a skops file, and the version of scikit-learn that wrote it if that is not ours.

    Raises StageError pointing to `where`. It predicts in one thread: a sum must not depend on how many there are.
    """
    from sklearn.exceptions import InconsistentVersionWarning

    from tenure.ml import skops_file

    check_archive(given.data, given.path, where)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            estimator = skops_file.load(given.data, given.path)
    except StageError as error:
        raise StageError(error.summary, error.detail, _way_out(error.detail), path=where) from error
    if not (hasattr(estimator, "get_params") and hasattr(estimator, "set_params")):
        raise StageError(
            "the file holds no model",
            f"{given.path} holds a {type(estimator).__name__}, not an estimator of scikit-learn",
            "save the fitted estimator or pipeline itself: skops.io.dump(model, path)",
            path=where,
        )
    threads = {name: None for name in estimator.get_params() if name.rpartition("__")[2] == "n_jobs"}
    if threads:
        estimator.set_params(**threads)
    versions = {
        item.message.original_sklearn_version
        for item in caught
        if isinstance(item.message, InconsistentVersionWarning)
    }
    return estimator, f"scikit-learn {', '.join(sorted(versions))}" if versions else ""


def names_of(estimator: Any) -> tuple[str, ...] | None:
    """The names of the columns it was fitted on; None after an array."""
    names = getattr(estimator, "feature_names_in_", None)
    return None if names is None else tuple(str(name) for name in names)


def _check_fitted(estimator: Any) -> None:
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(estimator)
    except NotFittedError as error:
        raise StageError(
            "the model was not fitted",
            str(error).splitlines()[0],
            "fit it where it is made, and save it again",
            path=(*AT, "path"),
        ) from error
    except TypeError:
        # Not an estimator in scikit-learn's sense; what it lacks is said by the next check.
        return


def _check_task(estimator: Any, signature: Signature) -> None:
    from sklearn.base import is_classifier, is_regressor

    name, task = _name(estimator), signature.task
    wanted = "regressor" if task == "regression" else "classifier"
    fits = is_regressor(estimator) if task == "regression" else is_classifier(estimator)
    if not fits:
        raise StageError(
            "the model does not fit the task",
            f"{name} is no {wanted}, and target {signature.target!r} asks for {task}",
            "adopt a model of this target; or, when the task was taken wrongly, set data.task",
            path=(*AT, "path"),
        )
    if task != "regression" and not hasattr(estimator, "predict_proba"):
        raise StageError(
            "the model gives no probabilities",
            f"{name} has no predict_proba",
            "calibrate it where it was made: CalibratedClassifierCV(FrozenEstimator(model)).fit(X, y), and save that",
            path=(*AT, "path"),
        )


def _labels(estimator: Any) -> list[Label]:
    from tenure.ml.task import class_of

    found = getattr(estimator, "classes_", None)
    if found is None or getattr(found, "ndim", 0) != 1:
        raise StageError(
            "the model predicts more than one target",
            f"{_name(estimator)} has no single list of classes",
            "adopt a model of one target",
            path=(*AT, "path"),
        )
    return [class_of(label) for label in found]


def _saying(estimator: Any, classes: Sequence[Label] | None) -> Any:
    """The estimator's own verdict as labels of the target, which may follow a threshold that was tuned."""
    if not hasattr(estimator, "predict_proba"):
        return None
    from tenure.ml.task import class_of

    named = None if classes is None else dict(zip(_labels(estimator), classes, strict=True))

    def say(rows: Any) -> list[Label]:
        labels = [class_of(label) for label in estimator.predict(rows)]
        return labels if named is None else [named[label] for label in labels]

    return say


def _name(estimator: Any) -> str:
    steps = getattr(estimator, "steps", None)
    return _name(steps[-1][1]) if steps else type(estimator).__name__


def _way_out(detail: str) -> str:
    """What helps against a type that is not trusted."""
    if "xgboost." in detail:
        return (
            "save the two parts of the pipeline apart, and adopt them with type: xgboost and its preprocessor:\n"
            'skops.io.dump(pipeline[:-1], "preprocessor.skops")\n'
            'pipeline[-1].save_model("model.ubj")'
        )
    if "sklearn.neighbors." in detail:
        return 'fit it with algorithm="brute", which keeps the rows as plain arrays, and save it again'
    if re.search(r"sklearn\.(model_selection|metrics)\.", detail):
        return "save what the search found, without the search: skops.io.dump(search.best_estimator_, path)"
    if "asks to rebuild" in detail:
        return "use estimators and functions of scikit-learn and numpy; compute columns of your own in features.derived"
    return "save it again from where it was made: skops.io.dump(model, path)"
