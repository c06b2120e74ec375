"""requirements.lock is what pyproject.toml asks for, and nothing gets in without a hash."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
LOCK = (ROOT / "requirements.lock").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pinned_for(python: str) -> dict[str, str]:
    """Name -> version of the pins that a Linux machine with this Python installs."""
    environment = default_environment() | {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
    }
    pins = {}
    for entry in re.findall(r"^([a-zA-Z0-9].*?)\s*\\?$", LOCK, flags=re.MULTILINE):
        requirement = Requirement(entry)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            (pin,) = requirement.specifier
            assert pin.operator == "=="
            pins[canonicalize_name(requirement.name)] = pin.version
    return pins


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_everything_the_scripts_need_is_pinned_to_a_version_that_fits(python: str) -> None:
    extras = PROJECT["optional-dependencies"]
    asked = [
        Requirement(text)
        for group in (
            PROJECT["dependencies"],
            *(extras[name] for name in ("serve", "xgboost", "demo", "dev")),
        )
        for text in group
    ]
    pins = pinned_for(python)
    wrong = [
        str(requirement)
        for requirement in asked
        if requirement.name != "tenure"
        and not requirement.specifier.contains(pins.get(canonicalize_name(requirement.name), "0"))
    ]
    assert wrong == [], "pyproject.toml changed: lock again, CONTRIBUTING.md says how"


def test_one_build_of_xgboost() -> None:
    for python in ("3.11", "3.13"):
        assert "xgboost-cpu" in pinned_for(python)
        assert "xgboost" not in pinned_for(python)


def test_every_pin_has_a_hash_and_no_place() -> None:
    entries = re.split(r"^(?=[a-zA-Z0-9])", LOCK, flags=re.MULTILINE)[1:]
    assert len(entries) > 50
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert re.findall(r"://|^-.*|\bfile:", LOCK, flags=re.MULTILINE) == []
