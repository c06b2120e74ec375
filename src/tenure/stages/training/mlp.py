"""Algorithm `mlp`: a small neural network whose epochs are validated one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from tenure.core.effect import Effect
from tenure.spec.base import SpecModel, field
from tenure.stages.training.algorithm import Algorithm, Fit, Rows, Setting, limited_threads, quietly
from tenure.stages.training.space import Choice, Dimension, Fixed, Int, LogUniform, Takes, Value

_LEFT_OVERS = ("_optimizer", "_random_state", "_no_improvement_count", "loss_curve_", "_best_coefs")


class MlpSpace(SpecModel):
    """Parameters of the network that are searched."""

    layers: Annotated[Dimension, Takes("whole", 1, 5)] = field(
        Effect.RETRAIN, "Number of hidden layers.", Choice(type="choice", choices=(1, 2))
    )
    units: Annotated[Dimension, Takes("whole", 1)] = field(
        Effect.RETRAIN, "Units of each hidden layer.", Int(type="int", low=16, high=256, log=True)
    )
    alpha: Annotated[Dimension, Takes("number", 0)] = field(
        Effect.RETRAIN,
        "L2 penalty on the weights; larger is more cautious.",
        LogUniform(type="loguniform", low=0.000001, high=0.1),
    )
    learning_rate_init: Annotated[Dimension, Takes("number", 0, above=True)] = field(
        Effect.RETRAIN,
        "Size of the first steps of Adam.",
        LogUniform(type="loguniform", low=0.0003, high=0.02),
    )
    batch_size: Annotated[Dimension, Takes("whole", 1)] = field(
        Effect.RETRAIN, "Rows of one step.", Choice(type="choice", choices=(64, 128, 256))
    )
    max_iter: Annotated[Dimension, Takes("whole", 1)] = field(
        Effect.RETRAIN,
        "Most passes over the rows; early stopping uses fewer. Without early stopping, the number of passes.",
        Fixed(type="fixed", value=60),
    )


class Mlp(Algorithm):
    """A neural network of one or two hidden layers: for smooth relations of many features. It needs scaled numbers."""

    search_space: MlpSpace = field(
        Effect.RETRAIN, "Values of the parameters to search; each has a default.", MlpSpace
    )
    early_stopping_rounds: int = field(
        Effect.RETRAIN,
        "Stop after so many passes without improvement on the validation fold, and keep the weights of the best one; "
        "the final model gets the mean number of passes of the folds. 0 turns it off.",
        8,
        ge=0,
    )

    TASKS: ClassVar[tuple[str, ...]] = ("binary", "multiclass", "regression")
    MODULES: ClassVar[tuple[str, ...]] = ("sklearn.neural_network",)
    PORTFOLIO: ClassVar[tuple[Mapping[str, Value], ...]] = (
        {"layers": 1, "units": 64, "alpha": 0.0001, "learning_rate_init": 0.005, "batch_size": 128, "max_iter": 60},
        {"layers": 2, "units": 128, "alpha": 0.001, "learning_rate_init": 0.002, "batch_size": 128, "max_iter": 60},
        {"layers": 2, "units": 32, "alpha": 0.00001, "learning_rate_init": 0.01, "batch_size": 256, "max_iter": 60},
    )  # fmt: skip
    COST: ClassVar[float] = 20.0
    ROUNDS: ClassVar[str | None] = "max_iter"
    MISSING_VALUES: ClassVar[bool] = False

    def fit(self, params: Mapping[str, Any], rows: Rows, setting: Setting, validation: Rows | None) -> Fit:
        """Pass over the rows again and again. With validation rows, `learned` has the best number of passes."""
        import numpy as np
        from sklearn.neural_network import MLPClassifier, MLPRegressor

        numbers = setting.task == "regression"
        kind = MLPRegressor if numbers else MLPClassifier
        network = kind(
            hidden_layer_sizes=(int(params["units"]),) * int(params["layers"]),
            alpha=float(params["alpha"]),
            learning_rate_init=float(params["learning_rate_init"]),
            batch_size=min(int(params["batch_size"]), len(rows.matrix)),
            random_state=setting.seed,
        )
        target, mean, spread = rows.target, 0.0, 1.0
        if numbers:
            mean = float(np.average(target, weights=rows.weights))
            spread = float(np.sqrt(np.average((target - mean) ** 2, weights=rows.weights)))
            target = (target - mean) / (spread or 1.0)
        rounds = int(params.get("rounds", params["max_iter"]))
        first = {} if numbers else {"classes": np.arange(setting.classes)}
        best, best_at, kept = np.inf, 0, None
        with limited_threads(setting.threads), quietly():
            for done in range(1, rounds + 1):
                network.partial_fit(rows.matrix, target, sample_weight=rows.weights, **first)
                first = {}
                if validation is None:
                    continue
                loss = _loss(network, validation, mean, spread or 1.0)
                if loss < best:
                    best, best_at = loss, done
                    kept = [part.copy() for part in (*network.coefs_, *network.intercepts_)]
                if setting.watch(done, loss):
                    break
                if self.early_stopping_rounds and done - best_at >= self.early_stopping_rounds:
                    break
        if kept is not None and self.early_stopping_rounds:
            layers = len(network.coefs_)
            network.coefs_, network.intercepts_, rounds = kept[:layers], kept[layers:], best_at
        for name in _LEFT_OVERS:  # how it was fitted, which predicting does not ask for
            network.__dict__.pop(name, None)
        if numbers:
            # The last layer is linear: the unit of the target is put back by its weights.
            network.coefs_[-1] = network.coefs_[-1] * spread
            network.intercepts_[-1] = network.intercepts_[-1] * spread + mean
        return Fit(network, {"rounds": rounds})


def _loss(network: Any, rows: Rows, mean: float, spread: float) -> float:
    """What is stopped early by: the log loss, or the mean squared error of the scaled target."""
    import numpy as np

    if hasattr(network, "classes_"):
        likely = network.predict_proba(rows.matrix)[np.arange(len(rows.target)), rows.target]
        losses = -np.log(np.clip(likely, 1e-7, 1.0))
    else:
        losses = (network.predict(rows.matrix) - (rows.target - mean) / spread) ** 2
    value = float(np.average(losses, weights=rows.weights))
    return value if np.isfinite(value) else float("inf")
