"""Algorithm `xgboost`: gradient-boosted trees with the number of rounds found by early stopping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.spec.base import SpecModel, field
from tenure.stages.training.algorithm import Algorithm, Batch, Fit, Form, Rows, Setting
from tenure.stages.training.space import Dimension, Fixed, Int, LogUniform, Takes, Uniform, Value, portfolio

_OBJECTIVES = {
    "binary": ("binary:logistic", "logloss"),
    "multiclass": ("multi:softprob", "mlogloss"),
    "regression": ("reg:squarederror", "rmse"),
}
_IN_UNITS_OF_THE_LOSS = ("min_child_weight", "reg_lambda", "reg_alpha", "gamma")
_SMALL_VARIANCE = 0.01
"""Variance of a target below which its loss is scaled."""


class XgboostSpace(SpecModel):
    """Parameters of xgboost that are searched."""

    learning_rate: Annotated[Dimension, Takes("number", 0, 1, above=True)] = field(
        Effect.RETRAIN,
        "How much each tree corrects; smaller needs more trees.",
        LogUniform(type="loguniform", low=0.02, high=0.3),
    )
    max_depth: Annotated[Dimension, Takes("whole", 0)] = field(
        Effect.RETRAIN,
        "Depth of a tree: how many features can act together.",
        Int(type="int", low=2, high=11),
    )
    min_child_weight: Annotated[Dimension, Takes("number", 0)] = field(
        Effect.RETRAIN,
        "Least weight of rows in a leaf; more is more cautious.",
        LogUniform(type="loguniform", low=0.5, high=20),
    )
    subsample: Annotated[Dimension, Takes("number", 0, 1, above=True)] = field(
        Effect.RETRAIN, "Share of the rows each tree sees.", Uniform(type="uniform", low=0.5, high=1.0)
    )
    colsample_bytree: Annotated[Dimension, Takes("number", 0, 1, above=True)] = field(
        Effect.RETRAIN, "Share of the features each tree sees.", Uniform(type="uniform", low=0.4, high=1.0)
    )
    reg_lambda: Annotated[Dimension, Takes("number", 0)] = field(
        Effect.RETRAIN, "L2 penalty on leaf values.", LogUniform(type="loguniform", low=0.01, high=20)
    )
    reg_alpha: Annotated[Dimension, Takes("number", 0)] = field(
        Effect.RETRAIN, "L1 penalty on leaf values.", Fixed(type="fixed", value=0.0)
    )
    gamma: Annotated[Dimension, Takes("number", 0)] = field(
        Effect.RETRAIN, "Least improvement that justifies a split.", Fixed(type="fixed", value=0.0)
    )
    n_estimators: Annotated[Dimension, Takes("whole", 1)] = field(
        Effect.RETRAIN,
        "Most trees; early stopping uses fewer. Without early stopping, the number of trees.",
        Fixed(type="fixed", value=500),
    )


class Xgboost(Algorithm):
    """Gradient-boosted trees: strong on tables of any size, with missing values and mixed scales."""

    search_space: XgboostSpace = field(
        Effect.RETRAIN, "Values of the parameters to search; each has a default.", XgboostSpace
    )
    early_stopping_rounds: int = field(
        Effect.RETRAIN,
        "Stop adding trees after so many without improvement on the validation fold; the final model gets the mean "
        "number of trees of the folds. 0 turns it off.",
        30,
        ge=0,
    )

    TASKS: ClassVar[tuple[str, ...]] = ("binary", "multiclass", "regression")
    MODULES: ClassVar[tuple[str, ...]] = ("xgboost",)
    # Chosen greedily, as Salinas and Erickson do for TabRepo (arXiv 2311.02971), of some 25 candidates fitted to 20
    # public tables: what has the least validation loss for its time, then what adds most to the others.
    PORTFOLIO: ClassVar[tuple[Mapping[str, Value], ...]] = portfolio(
        ("learning_rate", "max_depth", "min_child_weight", "subsample", "colsample_bytree", "reg_lambda"),
        (0.15, 7, 0.5, 0.7, 0.6, 1.0),
        (0.3, 6, 1.0, 1.0, 1.0, 1.0),
        (0.05, 10, 1.0, 0.6, 0.4, 0.01),
        (0.1, 8, 1.0, 0.8, 0.7, 1.0),
        (0.1, 3, 1.0, 0.7, 0.8, 10.0),
        (0.1, 5, 1.0, 0.9, 0.9, 1.0),
        (0.08, 6, 15.0, 0.9, 0.4, 1.0),
        reg_alpha=0.0,
        gamma=0.0,
        n_estimators=500,
    )
    # The same, from eight tables of up to 30,000 rows: small steps of deep trees pay.
    PORTFOLIO_OF_LARGE: ClassVar[tuple[Mapping[str, Value], ...]] = (
        PORTFOLIO[0],
        PORTFOLIO[3],
        {**PORTFOLIO[3], "learning_rate": 0.05},
        *(PORTFOLIO[1], PORTFOLIO[5], PORTFOLIO[4], PORTFOLIO[2]),
    )
    FORM: ClassVar[Form] = "tree"
    COST: ClassVar[float] = 3.0
    ROUNDS: ClassVar[str | None] = "n_estimators"
    VERSION: ClassVar[int] = 2
    PACKAGES: ClassVar[tuple[str, ...]] = ("xgboost-cpu", "xgboost")
    IN_PARTS: ClassVar[bool] = True
    QUANTILES: ClassVar[bool] = True

    def fit(self, params: Mapping[str, Any], rows: Rows, setting: Setting, validation: Rows | None) -> Fit:
        """Boost. With validation rows and early stopping, `learned` has the best number of rounds."""
        try:
            import xgboost
        except ImportError as error:
            raise StageError(
                "xgboost is not installed",
                "the algorithm xgboost needs a package that is an extra",
                "pip install 'tenure[xgboost]'",
                path=("training", "algorithms", "xgboost"),
            ) from error

        scale = _scale(float(rows.target.var()) if setting.task == "regression" else None)
        settings, measure = _settings(params, setting, scale)
        train = _quantiles(rows, setting.threads, None, scale)
        rounds = int(params.get("rounds", params["n_estimators"]))
        if validation is None:
            return Fit(xgboost.train(settings, train, rounds), {"rounds": rounds})

        class Watching(xgboost.callback.TrainingCallback):
            def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
                return setting.watch(epoch + 1, evals_log["validation"][measure][-1])

        booster = xgboost.train(
            settings,
            train,
            rounds,
            evals=[(_quantiles(validation, setting.threads, train, scale), "validation")],
            early_stopping_rounds=self.early_stopping_rounds or None,
            callbacks=[Watching()],
            verbose_eval=False,
        )
        if not self.early_stopping_rounds:
            return Fit(booster, {"rounds": booster.num_boosted_rounds()})
        best = booster.best_iteration + 1
        return Fit(booster[:best], {"rounds": best})

    def fit_part(self, params: Mapping[str, Any], batches: Sequence[Batch], setting: Setting) -> Any:
        """Boost together with the others of xgboost's collective. Of the rows only quantiles stay in memory, a byte or
        two for a value."""
        import xgboost

        class Iterator(xgboost.DataIter):
            def __init__(self) -> None:
                super().__init__(release_data=True)
                self.reset()

            def next(self, input_data: Any) -> bool:
                batch = next(self._left, None)
                if batch is None:
                    return False
                rows = batch()
                input_data(data=rows.matrix, label=rows.target, weight=_scaled(rows, scale))
                return True

            def reset(self) -> None:
                self._left = iter(batches)

        scale = _scale(setting.target_variance)
        settings, _ = _settings(params, setting, scale)
        train = xgboost.QuantileDMatrix(Iterator(), nthread=setting.threads)
        return xgboost.train(settings, train, int(params.get("rounds", params["n_estimators"])))


def _settings(params: Mapping[str, Any], setting: Setting, scale: float) -> tuple[dict[str, Any], str]:
    """What xgboost is told when its loss is scaled, and the measure it stops early by."""
    objective, measure = _OBJECTIVES[setting.task]
    settings = {name: value for name, value in params.items() if name not in ("n_estimators", "rounds")} | {
        "objective": objective,
        "eval_metric": measure,
        "tree_method": "hist",
        "seed": setting.seed,
        "nthread": setting.threads,
        "verbosity": 0,
    }
    if setting.task == "multiclass":
        settings["num_class"] = setting.classes
    if setting.quantile is not None:
        settings |= {"objective": "reg:quantileerror", "quantile_alpha": setting.quantile}
        del settings["eval_metric"]
    for name in _IN_UNITS_OF_THE_LOSS:
        if name in settings:
            settings[name] = settings[name] * scale
    return settings, measure


def _scale(variance: float | None) -> float:
    """What the loss of a target of small numbers is multiplied by: xgboost makes no split that gains less than 1e-6."""
    return 1.0 / variance if variance is not None and 0.0 < variance < _SMALL_VARIANCE else 1.0


def _scaled(rows: Rows, scale: float) -> Any:
    """The weights of rows whose loss is scaled; None where all weigh one."""
    import numpy as np

    if scale == 1.0:
        return rows.weights
    return np.full(len(rows.target), scale) if rows.weights is None else rows.weights * scale


def _quantiles(rows: Rows, threads: int, reference: Any, scale: float) -> Any:
    """The rows in xgboost's own form, built once and used for every trial on them."""
    import xgboost

    if "xgboost" not in rows.cache:
        rows.cache["xgboost"] = xgboost.QuantileDMatrix(
            rows.matrix, rows.target, weight=_scaled(rows, scale), nthread=threads, ref=reference
        )
    return rows.cache["xgboost"]
