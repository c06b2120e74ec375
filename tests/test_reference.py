"""The reference page lists everything a spec may contain. `TENURE_ACCEPT=1` writes it anew."""

from __future__ import annotations

import os
from pathlib import Path

from tenure.lifecycle import Model
from tenure.spec.reference import reference
from tenure.spec.shape import blocks

PAGE = Path(__file__).parent.parent / "docs" / "reference.md"


def test_the_page_is_up_to_date() -> None:
    text = reference(Model, "Reference: what a spec may contain")
    if os.environ.get("TENURE_ACCEPT"):
        PAGE.write_text(text, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == text, (
        "write it anew: TENURE_ACCEPT=1 scripts/test tests/test_reference.py"
    )


def test_every_block_and_every_kind_is_on_it() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for model in blocks(Model):
        assert " ".join((model.__doc__ or "").split()).replace("|", "\\|") in text, model
