from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tenure.core.effect import Effect
from tenure.core.leaves import flatten
from tenure.spec.base import config_of, effect_of, effects_of
from tenure.spec.shape import blocks


@pytest.fixture
def value(document_class: type[Any]) -> Any:
    return document_class.model_validate(
        {
            "apiVersion": "tenure/v1",
            "kind": "Model",
            "name": "churn",
            "gates": [{"metric": "auc"}],
            "limits": {"low": 2},
        }
    )


def test_config_is_canonical_and_complete(value: Any, document_class: type[Any]) -> None:
    config = config_of(value)
    assert config["limits"] == {"max_trials": 10, "timeout": "5m", "low": 2, "high": 5, "seed": 0}
    assert "positive" not in config
    assert config_of(document_class.model_validate(config)) == config


def test_every_leaf_has_an_effect(value: Any) -> None:
    effects = effects_of(value)
    assert set(effects) == {path for path, _ in flatten(config_of(value))}
    assert effects["gates[0].min"] is Effect.EVALUATE
    assert effects["name"] is Effect.METADATA


def test_blocks_are_frozen_and_strict(value: Any, document_class: type[Any]) -> None:
    with pytest.raises(ValidationError):
        value.name = "other"
    with pytest.raises(ValidationError):
        document_class.model_validate(value.model_dump() | {"other": 1})


def test_all_blocks_are_reached_through_unions_lists_and_mappings(document_class: type[Any]) -> None:
    names = {block.__name__ for block in blocks(document_class)}
    assert names == {"Document", "Csv", "Sql", "MetricGate", "ChampionGate", "Limits"}


def test_a_field_without_an_effect_is_a_defect(document_class: type[Any]) -> None:
    from pydantic.fields import FieldInfo

    with pytest.raises(ValueError, match="without an effect"):
        effect_of(FieldInfo(annotation=str))
