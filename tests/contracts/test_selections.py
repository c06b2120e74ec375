"""What every selection promises; a new kind is tested as soon as it is in the union and has an example here."""

from __future__ import annotations

import json
from typing import Any, get_args

import numpy as np
import pytest

from tenure.ml.selection import AnySelection, selection_of
from tenure.ml.transforms.base import Target
from tenure.spec.base import config_of, effects_of

KINDS = get_args(get_args(AnySelection)[0])
ROWS = 400

# Kind -> fields; which of the features below stay.
EXAMPLES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "variance": ({}, {"signal", "copy", "noise", "rare"}),
    "count": ({"min_rows": 10}, {"signal", "copy", "noise"}),
    "correlation": ({"limit": 0.9}, {"signal", "noise", "rare", "constant"}),
    "mutual_information": ({}, {"signal", "copy"}),
    "model": ({"threshold": 0.5}, {"signal", "copy"}),
}
NAMES = ("noise", "signal", "copy", "constant", "rare")


def _matrix(seed: int = 3) -> np.ndarray:
    generator = np.random.default_rng(seed)
    signal = generator.normal(size=ROWS)
    rare = np.zeros(ROWS)
    rare[:4] = 1.0
    matrix = np.column_stack(
        [
            generator.normal(size=ROWS),
            signal,
            signal + 0.1 * generator.normal(size=ROWS),
            np.full(ROWS, 2.0),
            rare,
        ]
    )
    matrix[5, 1] = np.nan  # trees are given missing values
    return matrix


def _targets() -> dict[str, Target]:
    signal = np.nan_to_num(_matrix()[:, 1]) + 0.3 * np.random.default_rng(9).normal(size=ROWS)
    return {
        "regression": Target(signal),
        "binary": Target((signal > 0).astype(int), ("no", "yes")),
        "multiclass": Target(np.digitize(signal, [-0.5, 0.5]), ("a", "b", "c")),
    }


def _selection(name: str, **fields: Any) -> Any:
    return selection_of({"type": name, **EXAMPLES[name][0], **fields})


def test_every_kind_has_an_example_and_is_called_like_its_file() -> None:
    assert {get_args(kind.model_fields["type"].annotation)[0] for kind in KINDS} == set(EXAMPLES)
    for kind in KINDS:
        assert kind.__module__.rsplit(".", 1)[1] == get_args(kind.model_fields["type"].annotation)[0]


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_field_has_a_cost_and_survives_the_state(name: str) -> None:
    selection = _selection(name, max_features=3)
    assert {"type", "max_features"} <= set(effects_of(selection))
    assert selection_of(json.loads(json.dumps(config_of(selection)))) == selection


@pytest.mark.parametrize("task", _targets())
@pytest.mark.parametrize("name", EXAMPLES)
def test_what_helps_stays(name: str, task: str) -> None:
    kept = [NAMES[position] for position in _selection(name).kept(_matrix(), _targets()[task])]
    if name == "correlation":  # one of the two that say the same
        assert len({"signal", "copy"} & set(kept)) == 1
        assert {"noise", "rare", "constant"} <= set(kept)
    else:
        assert set(kept) == EXAMPLES[name][1]
    assert kept == sorted(kept, key=NAMES.index)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_best_stay_when_the_number_is_limited(name: str) -> None:
    kept = _selection(name, max_features=1).kept(_matrix(), _targets()["regression"])
    assert len(kept) == 1
    if name not in ("variance", "count"):
        assert NAMES[kept[0]] in ("signal", "copy")


@pytest.mark.parametrize("name", EXAMPLES)
def test_equal_rows_keep_equal_features(name: str) -> None:
    one, two = (_selection(name).kept(_matrix(), _targets()["multiclass"]) for _ in range(2))
    assert one.tolist() == two.tolist()


@pytest.mark.parametrize("name", EXAMPLES)
def test_something_always_stays(name: str) -> None:
    matrix = np.full((50, 2), np.nan)
    kept = _selection(name).kept(matrix, Target(np.arange(50) % 2, ("a", "b")))
    assert len(kept) >= 1
