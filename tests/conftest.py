"""What every test may use: the browser and the database server there are, or a reason why there is none; how
properties are tested."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from hypothesis import settings
from tests.artifacts.servers import s3_keys, s3_url  # noqa: F401 - fixtures
from tests.executors.clusters import cluster, joined  # noqa: F401 - fixtures
from tests.stages.data.engines import engine  # noqa: F401 - a fixture
from tests.state.servers import ABSENT, VARIABLE, Server, postgres_server, programs

# A machine that is busy makes no property false; and where a merge waits, the same examples are tried each time.
settings.register_profile("tenure", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("tenure")

# Output is as wide as in a pipe, whatever terminal the tests are started from.
os.environ.pop("COLUMNS", None)

_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    absent = {}
    if _CHROMIUM is None:
        absent["browser"] = "no Chromium on this machine (Debian: apt-get install chromium)"
    if programs() is None:
        absent["postgres"] = ABSENT
    for name, reason in absent.items():
        for item in items:
            if item.get_closest_marker(name):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server, for tests marked `postgres`; each takes a schema of its own."""
    with postgres_server() as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, server.url)
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def state_backend(request: pytest.FixtureRequest) -> str:
    """Each kind of state there is, ready to be used; `tests.state.places.place_for` says where."""
    if request.param == "postgres":
        request.getfixturevalue("postgres")
    return str(request.param)


@pytest.fixture
def chromium() -> str:
    """Path of Chromium, for tests marked `browser`."""
    assert _CHROMIUM is not None, (
        "mark the test with `browser`: it is then skipped where there is no Chromium"
    )
    return _CHROMIUM
