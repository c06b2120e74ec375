"""Algorithm `svm`: support vector machines with a linear or a radial kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.spec.base import SpecModel, field
from tenure.stages.training.algorithm import Algorithm, Fit, Rows, Setting, limited_threads, quietly
from tenure.stages.training.scaled_target import on_scaled_target
from tenure.stages.training.space import Choice, Dimension, Fixed, LogUniform, Takes, Value

_CALIBRATION_FOLDS = 3


class SvmSpace(SpecModel):
    """Parameters of the support vector machine that are searched."""

    kernel: Annotated[Dimension, Takes("word", words=("rbf", "linear"))] = field(
        Effect.RETRAIN,
        "`rbf` for curved boundaries, `linear` for straight ones, which takes far less time on many rows.",
        Choice(type="choice", choices=("rbf", "linear")),
    )
    C: Annotated[Dimension, Takes("number", 0, above=True)] = field(
        Effect.RETRAIN,
        "Price of an error; smaller is more cautious.",
        LogUniform(type="loguniform", low=0.01, high=100),
    )
    gamma: Annotated[Dimension, Takes("number", 0, above=True)] = field(
        Effect.RETRAIN,
        "Reach of a row with the kernel rbf, times the number of features; larger is nearer.",
        LogUniform(type="loguniform", low=0.05, high=20),
    )
    epsilon: Annotated[Dimension, Takes("number", 0)] = field(
        Effect.RETRAIN,
        "Error of a number that costs nothing, in standard deviations of the target.",
        Fixed(type="fixed", value=0.05),
    )


class Svm(Algorithm):
    """A support vector machine: good on few rows with many features. Its probabilities come from a sigmoid fitted in
    cross-validation. It needs scaled numbers."""

    search_space: SvmSpace = field(
        Effect.RETRAIN, "Values of the parameters to search; each has a default.", SvmSpace
    )
    max_rows: int = field(
        Effect.RETRAIN,
        "More rows to learn from are refused with the kernel rbf: its time grows with their square.",
        10_000,
        ge=1,
    )

    TASKS: ClassVar[tuple[str, ...]] = ("binary", "multiclass", "regression")
    MODULES: ClassVar[tuple[str, ...]] = ("sklearn.svm", "sklearn.calibration", "sklearn.frozen")
    PORTFOLIO: ClassVar[tuple[Mapping[str, Value], ...]] = (
        {"kernel": "rbf", "C": 1.0, "gamma": 1.0, "epsilon": 0.05},
        {"kernel": "linear", "C": 0.1, "epsilon": 0.05},
        {"kernel": "rbf", "C": 10.0, "gamma": 0.5, "epsilon": 0.05},
        {"kernel": "rbf", "C": 10.0, "gamma": 4.0, "epsilon": 0.05},
    )
    CONDITIONS: ClassVar[Mapping[str, tuple[str, tuple[Value, ...]]]] = {"gamma": ("kernel", ("rbf",))}
    COST: ClassVar[float] = 30.0
    MISSING_VALUES: ClassVar[bool] = False

    def check_rows(self, count: int) -> None:
        """No more than `max_rows`, where the kernel rbf may be drawn."""
        kernel = self.search_space.kernel
        if count > self.max_rows and kernel.nearest("rbf") == "rbf":
            raise StageError(
                "too many rows for the algorithm",
                f"svm with the kernel rbf takes time that grows with the square of the rows; these are {count:,}, and "
                f"max_rows is {self.max_rows:,}",
                "write search_space: {kernel: linear}, raise max_rows, or remove the algorithm",
                path=("training", "algorithms", "svm", "max_rows"),
            )

    def fit(self, params: Mapping[str, Any], rows: Rows, setting: Setting, validation: Rows | None) -> Fit:
        """Fit the machine, and the sigmoid on decisions about rows it had not seen."""

        with limited_threads(setting.threads), quietly():
            if setting.task == "regression":
                estimator = on_scaled_target(_regressor(params, rows, setting.seed))
                return Fit(estimator.fit(rows.matrix, rows.target, sample_weight=rows.weights))
            estimator = _calibrated(_classifier(params, rows, setting.seed), rows, setting.seed)
            estimator.fit(rows.matrix, rows.target, sample_weight=rows.weights)
        estimator.cv = None  # how it was fitted, which predicting does not ask for
        return Fit(estimator)


def _gamma(params: Mapping[str, Any], rows: Rows) -> float:
    return float(params["gamma"]) / max(int(rows.matrix.shape[1]), 1)


def _classifier(params: Mapping[str, Any], rows: Rows, seed: int) -> Any:
    from sklearn.svm import SVC, LinearSVC

    if params["kernel"] == "linear":
        return LinearSVC(C=float(params["C"]), random_state=seed, max_iter=2000)
    return SVC(C=float(params["C"]), gamma=_gamma(params, rows), cache_size=500, random_state=seed)


def _regressor(params: Mapping[str, Any], rows: Rows, seed: int) -> Any:
    from sklearn.svm import SVR, LinearSVR

    tube = float(params["epsilon"])
    if params["kernel"] == "linear":
        return LinearSVR(C=float(params["C"]), epsilon=tube, random_state=seed, max_iter=2000)
    return SVR(C=float(params["C"]), gamma=_gamma(params, rows), epsilon=tube, cache_size=500)


def _calibrated(classifier: Any, rows: Rows, seed: int) -> Any:
    """The classifier with probabilities (J. Platt 1999). A class of one row leaves nothing to cross-validate on: then
    the sigmoid is fitted to the rows the classifier has learned from."""
    import numpy as np
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator
    from sklearn.model_selection import KFold, StratifiedKFold

    fewest = int(np.unique(rows.target, return_counts=True)[1].min())
    if fewest < 2:
        fitted = classifier.fit(rows.matrix, rows.target, sample_weight=rows.weights)
        return CalibratedClassifierCV(
            FrozenEstimator(fitted), cv=list(KFold(2).split(rows.matrix)), ensemble=False
        )
    folds = StratifiedKFold(min(_CALIBRATION_FOLDS, fewest), shuffle=True, random_state=seed)
    return CalibratedClassifierCV(classifier, cv=folds, ensemble=False)
