"""Algorithm `catboost`: gradient boosting with symmetric trees; an extra."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.spec.base import SpecModel, field
from tenure.stages.training.algorithm import Algorithm, Fit, Form, Rows, Setting
from tenure.stages.training.space import Dimension, Fixed, Int, LogUniform, Takes, Uniform, Value

_LOSSES = {"binary": "Logloss", "multiclass": "MultiClass", "regression": "RMSE"}


class CatBoostSpace(SpecModel):
    """Parameters of CatBoost that are searched."""

    learning_rate: Annotated[Dimension, Takes("number", 0, 1, above=True)] = field(
        Effect.RETRAIN,
        "How much each tree corrects; smaller needs more trees.",
        LogUniform(type="loguniform", low=0.02, high=0.3),
    )
    depth: Annotated[Dimension, Takes("whole", 1, 16)] = field(
        Effect.RETRAIN, "Depth of a tree: how many features can act together.", Int(type="int", low=3, high=9)
    )
    l2_leaf_reg: Annotated[Dimension, Takes("number", 0)] = field(
        Effect.RETRAIN, "L2 penalty on leaf values.", LogUniform(type="loguniform", low=0.5, high=20)
    )
    random_strength: Annotated[Dimension, Takes("number", 0)] = field(
        Effect.RETRAIN,
        "How much chance there is in the choice of splits; more is more cautious.",
        LogUniform(type="loguniform", low=0.1, high=5),
    )
    subsample: Annotated[Dimension, Takes("number", 0, 1, above=True)] = field(
        Effect.RETRAIN, "Share of the rows each tree sees.", Uniform(type="uniform", low=0.5, high=1.0)
    )
    rsm: Annotated[Dimension, Takes("number", 0, 1, above=True)] = field(
        Effect.RETRAIN, "Share of the features each split sees.", Uniform(type="uniform", low=0.4, high=1.0)
    )
    n_estimators: Annotated[Dimension, Takes("whole", 1)] = field(
        Effect.RETRAIN,
        "Most trees; early stopping uses fewer. Without early stopping, the number of trees.",
        Fixed(type="fixed", value=500),
    )


class CatBoost(Algorithm):
    """Gradient boosting with symmetric trees: good without tuning and quick to answer, slower to fit. Categories are
    encoded as for every other algorithm. It needs the extra `tenure[catboost]`."""

    search_space: CatBoostSpace = field(
        Effect.RETRAIN, "Values of the parameters to search; each has a default.", CatBoostSpace
    )
    early_stopping_rounds: int = field(
        Effect.RETRAIN,
        "Stop adding trees after so many without improvement on the validation fold; the final model gets the mean "
        "number of trees of the folds. 0 turns it off.",
        30,
        ge=0,
    )

    TASKS: ClassVar[tuple[str, ...]] = ("binary", "multiclass", "regression")
    MODULES: ClassVar[tuple[str, ...]] = ("catboost",)
    PORTFOLIO: ClassVar[tuple[Mapping[str, Value], ...]] = (
        {
            "learning_rate": 0.15,
            "depth": 6,
            "l2_leaf_reg": 3.0,
            "random_strength": 1.0,
            "subsample": 0.8,
            "rsm": 1.0,
            "n_estimators": 500,
        },
        {
            "learning_rate": 0.08,
            "depth": 8,
            "l2_leaf_reg": 3.0,
            "random_strength": 1.0,
            "subsample": 0.8,
            "rsm": 0.7,
            "n_estimators": 500,
        },
        {
            "learning_rate": 0.08,
            "depth": 4,
            "l2_leaf_reg": 6.0,
            "random_strength": 0.5,
            "subsample": 0.8,
            "rsm": 0.9,
            "n_estimators": 500,
        },
    )
    FORM: ClassVar[Form] = "tree"
    COST: ClassVar[float] = 5.0
    ROUNDS: ClassVar[str | None] = "n_estimators"
    PACKAGES: ClassVar[tuple[str, ...]] = ("catboost",)
    QUANTILES: ClassVar[bool] = True

    def fit(self, params: Mapping[str, Any], rows: Rows, setting: Setting, validation: Rows | None) -> Fit:
        """Boost. With validation rows and early stopping, `learned` has the best number of rounds."""
        try:
            import catboost
        except ImportError as error:
            raise StageError(
                "catboost is not installed",
                "the algorithm catboost needs a package that is an extra",
                "pip install 'tenure[catboost]'",
                path=("training", "algorithms", "catboost"),
            ) from error

        rounds = int(params.get("rounds", params["n_estimators"]))
        loss = _LOSSES[setting.task] if setting.quantile is None else f"Quantile:alpha={setting.quantile}"
        settings = {
            name: value for name, value in params.items() if name not in ("n_estimators", "rounds")
        } | {
            "loss_function": loss,
            "iterations": rounds,
            "bootstrap_type": "MVS",
            "random_seed": setting.seed,
            "thread_count": setting.threads,
            "logging_level": "Silent",
            # Nothing is written beside the model: no folder catboost_info.
            "allow_writing_files": False,
        }
        if setting.task == "multiclass":
            settings["classes_count"] = setting.classes
        if setting.task == "regression" and (rows.target == rows.target[0]).all():
            settings |= {"allow_const_label": True, "bootstrap_type": "No"}
            del settings["subsample"]
        train = _pool(rows, setting.threads)
        if validation is None:
            return Fit(catboost.CatBoost(settings).fit(train), {"rounds": rounds})

        class Watching:
            def after_iteration(self, info: Any) -> bool:
                return not setting.watch(info.iteration, info.metrics["validation"][loss][-1])

        if self.early_stopping_rounds:
            settings |= {"od_type": "Iter", "od_wait": self.early_stopping_rounds}
        model = catboost.CatBoost(settings).fit(
            train,
            eval_set=_pool(validation, setting.threads),
            use_best_model=bool(self.early_stopping_rounds),
            callbacks=[Watching()],
        )
        return Fit(model, {"rounds": model.tree_count_})


def _pool(rows: Rows, threads: int) -> Any:
    """The rows in CatBoost's own form, built once and used for every trial on them."""
    import catboost

    if "catboost" not in rows.cache:
        rows.cache["catboost"] = catboost.Pool(
            rows.matrix, rows.target, weight=rows.weights, thread_count=threads
        )
    return rows.cache["catboost"]
