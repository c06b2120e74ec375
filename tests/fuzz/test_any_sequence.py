"""A few of the sequences that `scripts/fuzz` tries for hours: the same ones each time, so that a merge waits for none."""

from __future__ import annotations

import pytest
from tests.fuzz.campaign import tried


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_in_whatever_order(seed: int) -> None:
    tried("fast", seed, sequences=4, steps=18, shrink=False)
