"""The README and the first steps are true: their specs are valid, their commands exist, their links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tenure.cli.main import VERBS
from tenure.core.diagnostics import has_errors
from tenure.lifecycle import Model
from tenure.rules import check
from tenure.spec.validate import load_text

ROOT = Path(__file__).parent.parent
PAGES = ("README.md", "docs/first-model.md")
TEXTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in PAGES}
LINKS = [
    (name, link) for name, text in TEXTS.items() for link in sorted(set(re.findall(r"\]\(([^)#]+)\)", text)))
]


@pytest.mark.parametrize("page", PAGES)
def test_the_spec_shown_is_valid(page: str) -> None:
    (spec,) = re.findall(r"```yaml\n(.*?)```", TEXTS[page], re.DOTALL)
    loaded = load_text(spec, Model, page)
    assert not has_errors(loaded.diagnostics), loaded.diagnostics
    assert loaded.value is not None
    assert check(loaded.value) == ()


@pytest.mark.parametrize("page", PAGES)
def test_every_command_shown_exists(page: str) -> None:
    shown = re.findall(r"(?m)^(?:\$ )?tenure ([a-z]+)", TEXTS[page]) + re.findall(
        r"`tenure ([a-z]+)", TEXTS[page]
    )
    assert shown
    assert set(shown) <= set(VERBS)


@pytest.mark.parametrize(("page", "link"), LINKS)
def test_every_link_leads_somewhere(page: str, link: str) -> None:
    assert ((ROOT / page).parent / link).exists()
