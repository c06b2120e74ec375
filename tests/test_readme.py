"""The README is true: its spec is valid, its commands exist, its links lead somewhere."""

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
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_spec_shown_is_valid() -> None:
    (spec,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    loaded = load_text(spec, Model, "README.md")
    assert not has_errors(loaded.diagnostics), loaded.diagnostics
    assert loaded.value is not None
    assert check(loaded.value) == ()


def test_every_command_shown_exists() -> None:
    shown = set(re.findall(r"(?m)^(?:\$ )?tenure ([a-z]+)", README)) | set(
        re.findall(r"`tenure ([a-z]+)", README)
    )
    assert shown
    assert shown <= set(VERBS)


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)\)", README))))
def test_every_link_leads_somewhere(link: str) -> None:
    assert (ROOT / link).exists()
