"""GridSearchCV over 27 candidates: what it finds is known when it has ended."""

from common import CORES, Run


def main() -> None:
    from sklearn.model_selection import GridSearchCV

    run = Run()
    grid = {
        "model__n_estimators": [100, 300, 500],
        "model__max_depth": [3, 6, 9],
        "model__learning_rate": [0.03, 0.1, 0.3],
    }
    search = GridSearchCV(run.pipeline(n_jobs=1), grid, scoring=run.scoring, cv=5, n_jobs=CORES, refit=False)
    search.fit(run.X, run.y)
    best = {name.removeprefix("model__"): value for name, value in search.best_params_.items()}
    run.found(best)
    run.finish(lambda params: run.pipeline(n_jobs=CORES, **params).fit(run.X, run.y))


main()
