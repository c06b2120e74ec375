"""Algorithm `estimator`: any estimator of scikit-learn, by its import path."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import model_validator

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.spec.base import FieldProblem, field
from tenure.stages.training.algorithm import Algorithm, Fit, Rows, Setting, limited_threads, quietly
from tenure.stages.training.estimator_class import parameters_of
from tenure.stages.training.space import Choice, Dimension, Fixed, Value, counts

_AT = ("training", "algorithms", "estimator")
_OURS = {"random_state": "training.seed", "n_jobs": "the machine"}
"""Parameters that are given wherever the class has them, and what they follow from."""
_PROBE_ROWS = 60


class Estimator(Algorithm):
    """Any classifier or regressor of scikit-learn, for what the other algorithms do not cover. It is given scaled
    numbers and indicators of categories. What cannot be kept in a safe format is refused before the search."""

    class_: str = field(
        Effect.RETRAIN,
        "The import path of the class. Only classes of scikit-learn can be kept without pickle.",
        alias="class",
        pattern=r"^sklearn(\.[A-Za-z_]\w*)+$",
        examples=["sklearn.ensemble.AdaBoostClassifier"],
    )
    search_space: dict[str, Dimension] = field(
        Effect.RETRAIN,
        "Parameters of the class and their values; what is not named keeps its default. The first trial takes the "
        "first value of a list and the middle of a range.",
        dict,
        examples=[
            {"n_estimators": [50, 200], "learning_rate": {"type": "loguniform", "low": 0.01, "high": 1}}
        ],
    )

    TASKS: ClassVar[tuple[str, ...]] = ("binary", "multiclass", "regression")
    PORTFOLIO: ClassVar[tuple[Mapping[str, Value], ...]] = ()
    COST: ClassVar[float] = 6.0
    MISSING_VALUES: ClassVar[bool] = False

    @model_validator(mode="after")
    def _known(self) -> Self:
        try:
            known = parameters_of(self.class_)
        except LookupError as error:
            raise FieldProblem(
                str(error), at=("class",), hint="write the path as in `from sklearn.ensemble import ...`"
            ) from None
        for name in self.search_space:
            if name in _OURS:
                raise FieldProblem(
                    f"{name} follows from {_OURS[name]}", at=("search_space", name), hint="remove it"
                )
            if known is not None and name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                raise FieldProblem(
                    f"{self.class_.rpartition('.')[2]} has no parameter {name}",
                    at=("search_space", name),
                    hint=f"did you mean {near[0]}?" if near else f"it has {', '.join(known)}",
                )
            for other in self.search_space[name].when or ():
                if other not in self.search_space or other == name:
                    raise FieldProblem(
                        f"{name} cannot depend on {other}",
                        at=("search_space", name, "when"),
                        hint=f"name another parameter of search_space than {name}",
                    )
        if len(_ordered(self.search_space)) < len(self.search_space):
            raise FieldProblem(
                "parameters depend on one another in a circle", at=("search_space",), hint="remove one when"
            )
        return self

    def dimensions(self) -> dict[str, Dimension]:
        """The dimensions, those that others depend on first; the order in which they are written means nothing."""
        return _ordered(self.search_space)

    def counts(self, name: str, params: Mapping[str, Value]) -> bool:
        """Whether the conditions of a parameter hold."""
        when = self.search_space[name].when
        return when is None or counts(when, params)

    def moved(self, wanted: Mapping[str, Value]) -> dict[str, Value]:
        """Parameters moved into the search space, completed by the middle of each dimension."""
        params: dict[str, Value] = {}
        for name, dimension in self.dimensions().items():
            if self.counts(name, params):
                params[name] = dimension.nearest(wanted[name]) if name in wanted else _middle(dimension)
        return params

    def starts(self, rows: int = 0) -> tuple[dict[str, Value], ...]:
        """The middle of the search space."""
        return (self.moved({}),)

    def fit(self, params: Mapping[str, Any], rows: Rows, setting: Setting, validation: Rows | None) -> Fit:
        """Construct it and fit it, once it is known that it can be kept."""
        made = _made(self.class_, params, setting)
        _check_kept(self.class_, params, rows, setting)
        return Fit(_fitted(made, rows, setting))


def _ordered(space: Mapping[str, Dimension]) -> dict[str, Dimension]:
    """By name, but after what they depend on; what depends on itself is left out."""
    done: dict[str, Dimension] = {}
    while ready := [
        name
        for name in sorted(space)
        if name not in done and all(other in done for other in space[name].when or ())
    ]:
        done[ready[0]] = space[ready[0]]
    return done


def _middle(dimension: Dimension) -> Value:
    if isinstance(dimension, Fixed):
        return dimension.value
    if isinstance(dimension, Choice):
        return dimension.choices[0]
    even = dimension.type != "loguniform" and not getattr(dimension, "log", False)
    low, high = dimension.low, dimension.high
    return dimension.nearest((low + high) / 2 if even else (low * high) ** 0.5)


def _made(path: str, params: Mapping[str, Any], setting: Setting) -> Any:
    """The estimator, not fitted. Raises StageError for what is none, or does not fit the task."""
    import importlib

    from sklearn.base import BaseEstimator, is_classifier, is_regressor

    module, _, name = path.rpartition(".")
    try:
        kind = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise StageError(
            "the estimator cannot be imported", f"{path}: {error}", "check the path", path=(*_AT, "class")
        ) from error
    if not (inspect.isclass(kind) and issubclass(kind, BaseEstimator)):
        raise StageError(
            "the path names no estimator",
            f"{path} is not a class of an estimator of scikit-learn",
            "name a classifier or a regressor, such as sklearn.ensemble.AdaBoostClassifier",
            path=(*_AT, "class"),
        )
    accepted = inspect.signature(kind).parameters
    ours = {"random_state": setting.seed, "n_jobs": setting.threads}
    try:
        made = kind(**params, **{key: value for key, value in ours.items() if key in accepted})
    except TypeError as error:
        raise StageError(
            "the estimator cannot be made",
            f"{path}: {error}",
            "name estimators that need no other estimator to be made",
            path=(*_AT, "search_space"),
        ) from error
    numbers = setting.task == "regression"
    if not (is_regressor(made) if numbers else is_classifier(made)):
        raise StageError(
            "the estimator does not fit the task",
            f"{name} is no {'regressor' if numbers else 'classifier'}, which {setting.task} asks for",
            "name another class",
            path=(*_AT, "class"),
        )
    if not numbers and not hasattr(made, "predict_proba"):
        raise StageError(
            "the estimator gives no probabilities",
            f"{name} has no predict_proba with these parameters",
            "choose parameters with which it has, or another class",
            path=(*_AT, "class"),
        )
    return made


def _fitted(made: Any, rows: Rows, setting: Setting) -> Any:
    weights = {}
    if rows.weights is not None:
        if "sample_weight" not in inspect.signature(made.fit).parameters:
            raise StageError(
                "the estimator does not know weights of rows",
                f"{type(made).__name__}.fit takes no sample_weight, and training.class_weights asks for them",
                "remove training.class_weights, or name another class",
                path=(*_AT, "class"),
            )
        weights = {"sample_weight": rows.weights}
    with limited_threads(setting.threads), quietly():
        fitted = made.fit(rows.matrix, rows.target, **weights)
    if "n_jobs" in fitted.get_params(deep=False):
        # Several threads may add up in the order they finish, which changes the last digits.
        fitted.set_params(n_jobs=1)
    return fitted


_kept: set[tuple[object, ...]] = set()
"""Classes with parameters that are known to have a safe format."""


def _check_kept(path: str, params: Mapping[str, Any], rows: Rows, setting: Setting) -> None:
    """Fit it to a few rows, and raise StageError unless it can be written and read back without pickle."""
    from tenure.ml import skops_file

    key = (path, setting.task, *sorted(params.items()))
    if key in _kept:
        return
    try:
        fitted = _fitted(_made(path, params, setting), _few(rows, setting.task), setting)
    except ValueError:
        return  # too few rows for it, or parameters that do not go together: then its trial says so
    try:
        skops_file.load(skops_file.dump(fitted), path)
    except StageError as error:
        raise StageError(
            "the estimator cannot be kept in a safe format",
            f"{path}: {error.detail}",
            "name another class, or choose parameters with which it holds plain arrays, such as algorithm: brute",
            path=(*_AT, "class"),
        ) from error
    _kept.add(key)


def _few(rows: Rows, task: str) -> Rows:
    """Some rows of every class."""
    import numpy as np

    if task == "regression":
        chosen = np.arange(min(_PROBE_ROWS, len(rows.target)))
    else:
        of_class = [np.flatnonzero(rows.target == code) for code in np.unique(rows.target)]
        each = max(5, _PROBE_ROWS // len(of_class))
        chosen = np.concatenate([places[:each] for places in of_class])
    return Rows(rows.matrix[chosen], rows.target[chosen])
