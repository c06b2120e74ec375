from __future__ import annotations

import pytest

from tenure.cli.arguments import is_override, parted


@pytest.mark.parametrize(
    "text",
    [
        "env=prod",
        "training.limits.max_trials=10",
        "+training.seed=3",
        "++training.seed=3",
        "~training.seed",
        "~training.seed=3",
        "data/split=datetime",
        "evaluation.gates.0.min=0.7",
        "monitoring@_global_=quiet",
        "metadata.description=a sentence with = and: in it",
        "empty=",
    ],
)
def test_an_override_assigns_to_a_path(text):
    assert is_override(text)


@pytest.mark.parametrize(
    "text",
    [
        "churn",
        "+churn",
        "churn+",
        "churn-*",
        "specs/churn.yaml",
        "tag:team=growth",
        "owner:growth",
        "plan.json",
        "weather@2",
    ],
)
def test_a_selector_does_not(text):
    assert not is_override(text)


def test_selectors_and_overrides_may_be_mixed_and_keep_their_order():
    assert parted(["a", "env=prod", "tag:x=y", "+b=1", "c"]) == (("a", "tag:x=y", "c"), ("env=prod", "+b=1"))
