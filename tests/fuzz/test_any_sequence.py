"""A few of the sequences that `scripts/fuzz` tries for as long as one likes: here the same ones each time."""

from __future__ import annotations

import pytest
from tests.fuzz.campaign import tried


@pytest.mark.parametrize("seed", range(2))
def test_whatever_happens_in_whatever_order(seed: int) -> None:
    tried("fast", seed, sequences=3, steps=15, shrink=False)
