"""A disk with no room left, for real: the process may not write files beyond a size. The failures of single writes are
in tests/engine/test_failures, those under the prediction log in tests/server/test_prediction_log.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.bad_input.conftest import apply
from tests.bad_input.test_data import GOOD

from tenure.engine.project import Project


@pytest.mark.parametrize("room", [8_000, 200_000])
def test_an_apply_without_room_says_so_and_the_next_one_finishes_it(
    project: Callable[..., Path], room: int
) -> None:
    root = project(GOOD)
    limited = subprocess.run(
        [sys.executable, "-m", "tenure", "-C", str(root), "apply", "--auto-approve"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)),
    )
    said = " ".join((limited.stdout + limited.stderr).split())
    assert limited.returncode == 1
    assert "Check the free space" in said
    assert "tenure apply m -C" in said
    assert "Traceback" not in said

    assert apply(root) == 0
    after = Project(root)
    assert set(after.state("m").versions) == {1}
    assert not after.plan().changed
