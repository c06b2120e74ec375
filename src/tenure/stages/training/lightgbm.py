"""Algorithm `lightgbm`: gradient-boosted trees that grow leaf by leaf; an extra."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.spec.base import SpecModel, field
from tenure.stages.training.algorithm import Algorithm, Fit, Form, Rows, Setting
from tenure.stages.training.space import (
    Choice,
    Dimension,
    Fixed,
    Int,
    LogUniform,
    Takes,
    Uniform,
    Value,
    portfolio,
)

_LOSSES = {"binary": "binary_logloss", "multiclass": "multi_logloss", "regression": "l2"}
_ROWS = {"verbosity": -1, "feature_pre_filter": False}
"""Without the filter the same binned rows serve any `min_child_samples`."""


class LightGbmSpace(SpecModel):
    """Parameters of LightGBM that are searched."""

    learning_rate: Annotated[Dimension, Takes("number", 0, 1, above=True)] = field(
        Effect.RETRAIN,
        "How much each tree corrects; smaller needs more trees.",
        LogUniform(type="loguniform", low=0.02, high=0.3),
    )
    num_leaves: Annotated[Dimension, Takes("whole", 2, 131072)] = field(
        Effect.RETRAIN,
        "Most leaves of a tree: how many features can act together.",
        Int(type="int", low=4, high=192, log=True),
    )
    min_child_samples: Annotated[Dimension, Takes("whole", 1)] = field(
        Effect.RETRAIN, "Fewest rows in a leaf; more is smoother.", Int(type="int", low=2, high=100, log=True)
    )
    subsample: Annotated[Dimension, Takes("number", 0, 1, above=True)] = field(
        Effect.RETRAIN, "Share of the rows each tree sees.", Uniform(type="uniform", low=0.5, high=1.0)
    )
    colsample_bytree: Annotated[Dimension, Takes("number", 0, 1, above=True)] = field(
        Effect.RETRAIN, "Share of the features each tree sees.", Uniform(type="uniform", low=0.4, high=1.0)
    )
    reg_lambda: Annotated[Dimension, Takes("number", 0)] = field(
        Effect.RETRAIN, "L2 penalty on leaf values.", LogUniform(type="loguniform", low=0.001, high=20)
    )
    reg_alpha: Annotated[Dimension, Takes("number", 0)] = field(
        Effect.RETRAIN, "L1 penalty on leaf values.", Fixed(type="fixed", value=0.0)
    )
    extra_trees: Annotated[Dimension, Takes("flag")] = field(
        Effect.RETRAIN,
        "Whether thresholds are drawn at random, as in extremely randomised trees.",
        Choice(type="choice", choices=(False, True)),
    )
    n_estimators: Annotated[Dimension, Takes("whole", 1)] = field(
        Effect.RETRAIN,
        "Most trees; early stopping uses fewer. Without early stopping, the number of trees.",
        Fixed(type="fixed", value=500),
    )


class LightGbm(Algorithm):
    """Gradient-boosted trees that grow leaf by leaf: as good as xgboost, often sooner. It needs the extra
    `tenure[lightgbm]`."""

    search_space: LightGbmSpace = field(
        Effect.RETRAIN, "Values of the parameters to search; each has a default.", LightGbmSpace
    )
    early_stopping_rounds: int = field(
        Effect.RETRAIN,
        "Stop adding trees after so many without improvement on the validation fold; the final model gets the mean "
        "number of trees of the folds. 0 turns it off.",
        30,
        ge=0,
    )

    TASKS: ClassVar[tuple[str, ...]] = ("binary", "multiclass", "regression")
    MODULES: ClassVar[tuple[str, ...]] = ("lightgbm",)
    # Chosen greedily, as Salinas and Erickson do for TabRepo (arXiv 2311.02971), of some 25 candidates fitted to 20
    # public tables: what has the least validation loss for its time, then what adds most to the others.
    PORTFOLIO: ClassVar[tuple[Mapping[str, Value], ...]] = portfolio(
        (
            "learning_rate",
            "num_leaves",
            "min_child_samples",
            "subsample",
            "colsample_bytree",
            "reg_lambda",
            "extra_trees",
        ),
        (0.2, 6, 5, 0.7, 0.8, 1.0, False),
        (0.15, 31, 40, 0.9, 0.5, 0.01, False),
        (0.1, 63, 40, 0.8, 0.8, 0.1, False),
        (0.05, 31, 20, 1.0, 1.0, 0.001, True),
        (0.05, 31, 20, 1.0, 0.9, 0.001, False),
        (0.05, 6, 10, 0.7, 0.7, 0.01, True),
        (0.03, 128, 3, 1.0, 0.9, 0.001, False),
        reg_alpha=0.0,
        n_estimators=500,
    )
    # The same, from eight tables of up to 30,000 rows: small steps of large trees pay, random thresholds do not.
    PORTFOLIO_OF_LARGE: ClassVar[tuple[Mapping[str, Value], ...]] = (
        *(PORTFOLIO[1], PORTFOLIO[2], PORTFOLIO[6], PORTFOLIO[4]),
        *(PORTFOLIO[0], PORTFOLIO[3], PORTFOLIO[5]),
    )
    FORM: ClassVar[Form] = "tree"
    COST: ClassVar[float] = 2.0
    ROUNDS: ClassVar[str | None] = "n_estimators"
    PACKAGES: ClassVar[tuple[str, ...]] = ("lightgbm",)
    QUANTILES: ClassVar[bool] = True

    def fit(self, params: Mapping[str, Any], rows: Rows, setting: Setting, validation: Rows | None) -> Fit:
        """Boost. With validation rows and early stopping, `learned` has the best number of rounds."""
        try:
            import lightgbm
        except ImportError as error:
            raise StageError(
                "lightgbm is not installed",
                "the algorithm lightgbm needs a package that is an extra",
                "pip install 'tenure[lightgbm]'",
                path=("training", "algorithms", "lightgbm"),
            ) from error

        settings = {
            name: value for name, value in params.items() if name not in ("n_estimators", "rounds")
        } | {
            **_ROWS,
            "objective": setting.task,
            "metric": _LOSSES[setting.task],
            "subsample_freq": 1,
            "seed": setting.seed,
            "num_threads": setting.threads,
            # The same trees whatever the number of threads, and no trial run of two ways to count.
            "deterministic": True,
            "force_row_wise": True,
        }
        if setting.task == "multiclass":
            settings["num_class"] = setting.classes
        if setting.quantile is not None:
            settings |= {"objective": "quantile", "metric": "quantile", "alpha": setting.quantile}
        train = _binned(rows, setting.threads, None)
        rounds = int(params.get("rounds", params["n_estimators"]))
        if validation is None:
            return Fit(lightgbm.train(settings, train, rounds), {"rounds": rounds})

        best: list[tuple[float, int]] = [(float("inf"), 0)]

        def watching(state: Any) -> None:
            loss, done = float(state.evaluation_result_list[0][2]), state.iteration + 1
            if loss < best[0][0]:
                best[0] = (loss, done)
            waited = done - best[0][1]
            if setting.watch(done, loss) or 0 < self.early_stopping_rounds <= waited:
                raise lightgbm.callback.EarlyStopException(done - 1, state.evaluation_result_list)

        booster = lightgbm.train(
            settings,
            train,
            rounds,
            valid_sets=[_binned(validation, setting.threads, train)],
            callbacks=[watching],
        )
        if not self.early_stopping_rounds:
            booster.best_iteration = -1
            return Fit(booster, {"rounds": booster.current_iteration()})
        kept = max(best[0][1], 1)
        text = booster.model_to_string(num_iteration=kept)
        return Fit(lightgbm.Booster(model_str=text), {"rounds": kept})


def _binned(rows: Rows, threads: int, reference: Any) -> Any:
    """The rows in LightGBM's own form, built once and used for every trial on them."""
    import lightgbm

    if "lightgbm" not in rows.cache:
        made = lightgbm.Dataset(
            rows.matrix,
            rows.target,
            weight=rows.weights,
            reference=reference,
            params={**_ROWS, "num_threads": threads},
            free_raw_data=False,
        )
        rows.cache["lightgbm"] = made.construct()
    return rows.cache["lightgbm"]
