"""Search spaces: what may be written, what is refused with a way out, and what a sampler draws from them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tenure.spec.base import FieldProblem
from tenure.stages.training.algorithms import Algorithms
from tenure.stages.training.sampling import Sampler
from tenure.stages.training.space import Choice, Fixed, Int, LogUniform, Uniform, counts


def _blocks(blocks: dict[str, Any]) -> Any:
    return Algorithms.model_validate(blocks).listed()


def _space(**parameters: Any) -> Any:
    return _blocks({"xgboost": {"search_space": parameters}})["xgboost"].search_space


def _problem(blocks: dict[str, Any]) -> tuple[str, str, tuple[Any, ...]]:
    """What is said of a block that is refused, the way out, and where it points."""
    with pytest.raises(ValidationError) as caught:
        Algorithms.model_validate(blocks)
    (error,) = caught.value.errors()
    cause = error["ctx"]["error"]
    assert isinstance(cause, FieldProblem)
    return str(cause), cause.hint, (*error["loc"], *cause.at)


def test_a_value_alone_is_fixed_and_a_list_is_a_choice():
    space = _space(max_depth=6, subsample=[0.5, 0.8], gamma=0)
    assert space.max_depth == Fixed(type="fixed", value=6)
    assert space.subsample == Choice(type="choice", choices=(0.5, 0.8))
    assert space.gamma.value == 0


def test_short_and_long_forms_are_the_same_block():
    assert _space(max_depth=6) == _space(max_depth={"type": "fixed", "value": 6})
    assert _space(max_depth=[4, 6]) == _space(max_depth={"type": "choice", "choices": [4, 6]})


def test_numbers_keep_their_type():
    assert type(_space(max_depth=6).max_depth.value) is int
    assert type(_space(subsample=1.0).subsample.value) is float
    block = _blocks({"linear_regression": {"search_space": {"positive": [False, True]}}})["linear_regression"]
    assert [type(choice) for choice in block.search_space.positive.choices] == [bool, bool]


@pytest.mark.parametrize(
    ("parameters", "said", "hint", "at"),
    [
        ({"subsample": 1.5}, "1.5 is not possible", "within that range", ("value",)),
        ({"max_depth": "deep"}, "'deep' is not possible", "type: int", ("value",)),
        ({"max_depth": [3, 4.5]}, "4.5 is not possible", "type: int", ("choices", 1)),
        ({"max_depth": [3, 3]}, "3 is listed twice", "remove", ("choices", 1)),
        ({"max_depth": True}, "True is not possible", "type: int", ("value",)),
        ({"max_depth": {"type": "uniform", "low": 2, "high": 5}}, "a whole number", "type: int", ("type",)),
        (
            {"learning_rate": {"type": "loguniform", "low": 0.1, "high": 3}},
            "3.0 is not",
            "within that range",
            ("high",),
        ),
        (
            {"subsample": {"type": "uniform", "low": 0, "high": 1}},
            "0.0 is not",
            "within that range",
            ("low",),
        ),
        ({"max_depth": {"type": "int", "low": 8, "high": 3}}, "greater than high", "swap", ("low",)),
        ({"max_depth": {"type": "int", "low": 0, "high": 3, "log": True}}, "starts at 1", "1", ("low",)),
        ({"max_depth": {"type": "int", "low": 1, "high": 6, "step": 2}}, "do not reach 6", "5", ("high",)),
        (
            {"max_depth": {"type": "int", "low": 1, "high": 7, "step": 2, "log": True}},
            "has no steps",
            "remove",
            ("step",),
        ),
        (
            {"subsample": {"type": "uniform", "low": 0.5, "high": 1, "step": 0.15}},
            "do not reach 1",
            "0.95",
            ("high",),
        ),
        (
            {"subsample": {"type": "fixed", "value": 1, "when": {"gamma": 0}}},
            "knows itself",
            "remove",
            ("when",),
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_place_and_a_way_out(parameters, said, hint, at):
    message, way_out, place = _problem({"xgboost": {"search_space": parameters}})
    assert said in message
    assert hint in way_out
    assert place[0] == "xgboost"
    assert place[-len(at) :] == at


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ({"logistic_regression": {"search_space": {"penalty": ["l2", "l3"]}}}, "l2, l1 or elasticnet"),
        ({"logistic_regression": {"search_space": {"C": 0}}}, "a number above 0"),
        ({"lightgbm": {"search_space": {"num_leaves": 1}}}, "a whole number from 2"),
        ({"lightgbm": {"search_space": {"extra_trees": "yes"}}}, "true or false"),
        ({"catboost": {"search_space": {"depth": 17}}}, "a whole number from 1 to 16"),
        ({"svm": {"search_space": {"kernel": "poly"}}}, "rbf or linear"),
        ({"k_nearest_neighbors": {"search_space": {"n_neighbors": 0}}}, "a whole number from 1"),
        ({"mlp": {"search_space": {"layers": 0}}}, "a whole number from 1 to 5"),
        ({"ridge": {"search_space": {"alpha": -1}}}, "a number from 0"),
        ({"random_forest": {"search_space": {"max_features": 1.2}}}, "above 0 to 1"),
        ({"extra_trees": {"search_space": {"min_samples_leaf": 0}}}, "from 1"),
        ({"elastic_net": {"search_space": {"l1_ratio": 2}}}, "from 0 to 1"),
        ({"lasso": {"search_space": {"alpha": 0}}}, "above 0"),
        ({"naive_bayes": {"search_space": {"var_smoothing": -1}}}, "from 0"),
        ({"linear_regression": {"search_space": {"positive": 1}}}, "true or false"),
        ({"hist_gradient_boosting": {"search_space": {"max_leaf_nodes": 1}}}, "from 2"),
    ],
)
def test_every_algorithm_says_what_its_parameters_take(block, said):
    assert said in _problem(block)[0]


def test_nothing_between_the_steps_is_drawn():
    low = Uniform(type="uniform", low=0.1, high=0.5, step=0.1)
    assert low.nearest(0.34) == pytest.approx(0.3)
    assert low.nearest(9) == 0.5
    leaves = Int(type="int", low=10, high=40, step=15)
    assert [leaves.nearest(value) for value in (0, 17, 18, 39, 99)] == [10, 10, 25, 40, 40]
    space = {"subsample": low.model_dump(), "max_depth": {"type": "int", "low": 2, "high": 8, "step": 3}}
    block = _blocks({"xgboost": {"search_space": space}})["xgboost"]
    for kind in ("tpe", "random", "grid", "qmc"):
        sampler = Sampler(block, kind, 1, "maximize")
        drawn = []
        for number in range(12):
            drawn.append(sampler.ask(number))
            sampler.tell(number, float(number))
        assert {params["max_depth"] for params in drawn} <= {2, 5, 8}
        assert all(round(params["subsample"] * 10, 9) in {1, 2, 3, 4, 5} for params in drawn)


def test_a_word_among_the_defaults_gives_way_to_a_range():
    assert LogUniform(type="loguniform", low=0.1, high=1).nearest("auto") == 0.1


def test_a_parameter_that_does_not_count_is_not_given():
    block = _blocks({"logistic_regression": {}})["logistic_regression"]
    sampler = Sampler(block, "random", 3, "maximize")
    drawn = [sampler.ask(number) for number in range(30)]
    assert {"l1_ratio" in params for params in drawn} == {True, False}
    assert all(("l1_ratio" in params) == (params["penalty"] == "elasticnet") for params in drawn)


def test_conditions_name_a_value_or_several():
    assert counts({"a": 1}, {"a": 1})
    assert counts({"a": (1, 2), "b": "x"}, {"a": 2, "b": "x"})
    assert not counts({"a": (1, 2)}, {"a": 3})
    assert not counts({"a": 1}, {})
