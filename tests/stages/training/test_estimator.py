"""Any estimator of scikit-learn by its path: read without importing, refused early when it cannot be kept."""

from __future__ import annotations

import importlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from tenure.core.errors import StageError
from tenure.ml.estimators.registry import format_of, raw_predictions
from tenure.ml.signature import Signature
from tenure.stages.training.algorithm import Rows, Setting
from tenure.stages.training.algorithms import Algorithms
from tenure.stages.training.estimator_class import parameters_of
from tenure.stages.training.sampling import Sampler

GENERATOR = np.random.default_rng(5)
MATRIX = GENERATOR.normal(size=(120, 4))
ROWS = Rows(MATRIX, (MATRIX[:, 0] > 0).astype(int))
NUMBERS = Rows(MATRIX, MATRIX[:, 0] * 2)
BINARY, REGRESSION = Setting("binary", 2, 3, 1), Setting("regression", 0, 3, 1)


def _estimator(path: str, **space: Any) -> Any:
    return Algorithms.model_validate({"estimator": {"class": path, "search_space": space}}).listed()[
        "estimator"
    ]


def _refused(path: str, **space: Any) -> tuple[str, str]:
    with pytest.raises(ValidationError) as caught:
        _estimator(path, **space)
    cause = caught.value.errors()[0]["ctx"]["error"]
    return str(cause), cause.hint


MODULES = (
    "ensemble",
    "linear_model",
    "svm",
    "tree",
    "naive_bayes",
    "neural_network",
    "discriminant_analysis",
)


def test_parameters_are_read_as_scikit_learn_knows_them():
    """An oracle: scikit-learn's own list, for every estimator of these modules."""
    told = 0
    for name in MODULES:
        module = importlib.import_module(f"sklearn.{name}")
        kinds = [getattr(module, item) for item in module.__all__ if item[0].isupper()]
        for kind in [kind for kind in kinds if hasattr(kind, "predict")]:
            found = parameters_of(f"sklearn.{name}.{kind.__name__}")
            if found is not None:
                told += 1
                assert set(found) == set(kind._get_param_names()), kind
    assert told > 50


def test_nothing_is_imported_to_validate():
    code = (
        "import sys\n"
        "from tenure.stages.training.algorithms import Algorithms\n"
        "Algorithms.model_validate({'estimator': {'class': 'sklearn.svm.NuSVC', 'search_space': {'nu': 0.3}}})\n"
        "assert not {'sklearn', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_misspelled_parameter_or_class_is_found_in_the_plan():
    said, hint = _refused("sklearn.ensemble.AdaBoostClassifier", n_estimatrs=[50])
    assert "AdaBoostClassifier has no parameter n_estimatrs" in said
    assert hint == "did you mean n_estimators?"
    assert (
        "sklearn.ensemble has no class AdaBostClassifier" in _refused("sklearn.ensemble.AdaBostClassifier")[0]
    )
    assert "sklearn.base has no class clone" in _refused("sklearn.base.clone")[0]
    assert "there is no module sklearn.ensembles" in _refused("sklearn.ensembles.AdaBoostClassifier")[0]


def test_what_follows_from_elsewhere_is_not_for_the_spec():
    assert _refused("sklearn.ensemble.AdaBoostClassifier", random_state=1)[1] == "remove it"


@pytest.mark.parametrize(
    "path", ["os.system", "subprocess.Popen", "AdaBoostClassifier", "sklearn", "sklearn."]
)
def test_only_classes_of_scikit_learn_can_be_named(path):
    with pytest.raises(ValidationError, match="pattern"):
        _estimator(path)


def test_a_parameter_is_drawn_where_its_condition_holds_in_whatever_order_they_are_written():
    """A plan that was saved has its keys in another order."""
    ratio = {"type": "uniform", "low": 0.2, "high": 0.8, "when": {"penalty": "elasticnet"}}
    penalty = ["l2", "elasticnet"]
    seen = []
    for space in ({"l1_ratio": ratio, "penalty": penalty}, {"penalty": penalty, "l1_ratio": ratio}):
        block = _estimator("sklearn.linear_model.SGDClassifier", **space)
        sampler = Sampler(block, "tpe", 1, "maximize", block.starts())
        drawn = []
        for number in range(20):
            drawn.append(sampler.ask(number))
            sampler.tell(number, float(number % 3))
        seen.append(drawn)
    assert seen[0] == seen[1]
    assert seen[0][0] == {"penalty": "l2"}
    assert {"l1_ratio" in params for params in drawn} == {True, False}
    assert all(("l1_ratio" in params) == (params["penalty"] == "elasticnet") for params in drawn)


def test_conditions_that_cannot_hold_are_refused():
    path = "sklearn.linear_model.SGDClassifier"
    assert (
        "l1_ratio cannot depend on penalty"
        in _refused(path, l1_ratio={"type": "fixed", "value": 0.5, "when": {"penalty": "elasticnet"}})[0]
    )
    circle = {"type": "choice", "choices": ["l1", "l2"], "when": {"loss": "hinge"}}
    back = {"type": "choice", "choices": ["hinge"], "when": {"penalty": "l1"}}
    assert "in a circle" in _refused(path, penalty=circle, loss=back)[0]


def test_it_starts_in_the_middle_of_its_space():
    depth = {"type": "int", "low": 2, "high": 8}
    rate = {"type": "loguniform", "low": 0.01, "high": 1}
    block = _estimator(
        "sklearn.ensemble.GradientBoostingClassifier", max_depth=depth, learning_rate=rate, subsample=0.9
    )
    assert block.start() == {"max_depth": 5, "learning_rate": pytest.approx(0.1), "subsample": 0.9}


@pytest.mark.parametrize(
    ("path", "task"),
    [
        ("sklearn.ensemble.AdaBoostClassifier", "binary"),
        ("sklearn.ensemble.GradientBoostingClassifier", "binary"),
        ("sklearn.discriminant_analysis.LinearDiscriminantAnalysis", "binary"),
        ("sklearn.linear_model.BayesianRidge", "regression"),
        ("sklearn.linear_model.HuberRegressor", "regression"),
        ("sklearn.tree.DecisionTreeRegressor", "regression"),
        ("sklearn.ensemble.BaggingRegressor", "regression"),
    ],
)
def test_estimators_are_fitted_kept_and_answer_the_same(path, task):
    rows, setting = (ROWS, BINARY) if task == "binary" else (NUMBERS, REGRESSION)
    signature = Signature((), task, "y", ("no", "yes") if task == "binary" else ())
    made = [_estimator(path).fit({}, rows, setting, None).estimator for _ in range(2)]
    kind = format_of(made[0])
    data = kind.save(made[0])
    assert kind.save(made[1]) == data
    again = kind.load(data, "file", 1)
    before, after = (raw_predictions(one, MATRIX, signature) for one in (made[0], again))
    assert np.array_equal(before, after)
    truth = rows.target
    assert np.corrcoef(before if task == "regression" else before[:, 1], truth)[0, 1] > 0.7


@pytest.mark.parametrize(
    ("path", "task", "said"),
    [
        ("sklearn.ensemble.AdaBoostRegressor", "binary", "is no classifier"),
        ("sklearn.ensemble.AdaBoostClassifier", "regression", "is no regressor"),
        ("sklearn.preprocessing.StandardScaler", "binary", "is no classifier"),
        ("sklearn.svm.LinearSVC", "binary", "has no predict_proba"),
        ("sklearn.ensemble.VotingClassifier", "binary", "estimators"),
    ],
)
def test_what_does_not_fit_the_task_is_said_before_anything_is_fitted(path, task, said):
    setting = BINARY if task == "binary" else REGRESSION
    with pytest.raises(StageError) as caught:
        _estimator(path).fit({}, ROWS, setting, None)
    assert said in caught.value.detail
    assert caught.value.path[:3] == ("training", "algorithms", "estimator")


def test_what_cannot_be_kept_is_refused_on_a_few_rows_and_not_after_the_fit(monkeypatch):
    from sklearn.neighbors import RadiusNeighborsClassifier

    fitted: list[int] = []
    original = RadiusNeighborsClassifier.fit

    def counting(self: Any, X: Any, y: Any) -> Any:
        fitted.append(len(X))
        return original(self, X, y)

    monkeypatch.setattr(RadiusNeighborsClassifier, "fit", counting)
    with pytest.raises(StageError, match="cannot be kept in a safe format") as caught:
        _estimator("sklearn.neighbors.RadiusNeighborsClassifier").fit(
            {"algorithm": "kd_tree", "radius": 9.0}, ROWS, BINARY, None
        )
    assert "KDTree" in caught.value.detail
    assert fitted == [60]


def test_weights_that_it_does_not_know_are_refused():
    weighted = Rows(MATRIX, ROWS.target, np.ones(len(MATRIX)))
    with pytest.raises(StageError, match="does not know weights"):
        _estimator("sklearn.discriminant_analysis.LinearDiscriminantAnalysis").fit({}, weighted, BINARY, None)


def test_the_class_is_part_of_what_a_model_is_made_from():
    """Two classes with equal parameters are not one model."""
    one, other = (_estimator(f"sklearn.tree.{name}TreeClassifier") for name in ("Decision", "Extra"))
    assert one.settled() == {"class": "sklearn.tree.DecisionTreeClassifier"}
    assert one.settled() != other.settled()
