"""Optuna as most people use it: TPE over cross_val_score of a pipeline, xgboost with all cores."""

from common import CORES, Run


def main() -> None:
    import optuna
    import sklearn.model_selection
    import xgboost  # noqa: F401 - part of starting

    run = Run()
    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def objective(trial: optuna.Trial) -> float:
        params = {
            "n_estimators": trial.suggest_int("n_estimators", 50, 1000),
            "max_depth": trial.suggest_int("max_depth", 2, 10),
            "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
            "min_child_weight": trial.suggest_float("min_child_weight", 0.5, 20, log=True),
            "subsample": trial.suggest_float("subsample", 0.5, 1.0),
            "colsample_bytree": trial.suggest_float("colsample_bytree", 0.4, 1.0),
            "reg_lambda": trial.suggest_float("reg_lambda", 0.01, 20, log=True),
        }
        pipeline = run.pipeline(n_jobs=CORES, **params)
        return sklearn.model_selection.cross_val_score(
            pipeline, run.X, run.y, cv=5, scoring=run.scoring
        ).mean()

    def told(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        if study.best_trial.number == trial.number:
            run.found(trial.params)

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=SEED))
    study.optimize(objective, timeout=run.seconds, callbacks=[told])
    run.better = [item for item in run.better if item[0] <= run.ready + run.seconds]
    run.finish(lambda params: run.pipeline(n_jobs=CORES, **params).fit(run.X, run.y))


SEED = 7
main()
