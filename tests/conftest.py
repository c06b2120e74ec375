"""What every test may use: the one browser there is, or a reason why there is none; how properties are tested."""

from __future__ import annotations

import os
import shutil

import pytest
from hypothesis import settings

# A machine that is busy makes no property false; and where a merge waits, the same examples are tried each time.
settings.register_profile("tenure", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("tenure")

_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if _CHROMIUM is None:
        absent = pytest.mark.skip(reason="no Chromium on this machine (Debian: apt-get install chromium)")
        for item in items:
            if item.get_closest_marker("browser"):
                item.add_marker(absent)


@pytest.fixture
def chromium() -> str:
    """Path of Chromium, for tests marked `browser`."""
    assert _CHROMIUM is not None, (
        "mark the test with `browser`: it is then skipped where there is no Chromium"
    )
    return _CHROMIUM
