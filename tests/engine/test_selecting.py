"""Selectors: by name, pattern, path, owner and tag."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from tenure.core.errors import TenureError
from tenure.engine.selecting import chosen


@dataclass
class Spec:
    model: str
    owner: str | None = None
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def file(self) -> str:
        return f"specs/{self.model}.yaml"


SPECS = (
    Spec("churn", "growth", {"tier": "1", "retention": ""}),
    Spec("churn-eu", "growth"),
    Spec("fraud", "risk", {"tier": "2"}),
)


@pytest.mark.parametrize(
    ("select", "exclude", "names"),
    [
        ([], [], ["churn", "churn-eu", "fraud"]),
        (["churn"], [], ["churn"]),
        (["churn*"], [], ["churn", "churn-eu"]),
        (["specs/fraud.yaml"], [], ["fraud"]),
        (["./specs/fraud.yaml"], [], ["fraud"]),
        (["owner:growth"], [], ["churn", "churn-eu"]),
        (["tag:tier"], [], ["churn", "fraud"]),
        (["tag:tier=2"], [], ["fraud"]),
        (["owner:growth"], ["churn-eu"], ["churn"]),
        ([], ["tag:tier"], ["churn-eu"]),
    ],
)
def test_what_is_chosen(select: list[str], exclude: list[str], names: list[str]) -> None:
    assert [item.model for item in chosen(SPECS, select, exclude)] == names


def test_a_selector_that_matches_nothing_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(TenureError) as error:
        chosen(SPECS, ["chrun"])
    assert "churn" in error.value.hint
