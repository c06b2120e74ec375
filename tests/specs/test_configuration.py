"""The project's own `conf/`: environments, groups and fragments, as the example specs use them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tenure.engine.project import Project

ROOT = Path(__file__).parent.parent.parent


def trials(*overrides: str) -> int:
    (compiled,) = Project(ROOT, overrides=overrides).specs.compiled(["penguins"])
    search = next(item for item in compiled.resources if item.local == "training/search")
    return int(search.config["training"]["limits"]["max_trials"])


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ((), 6),
        (("env=prod",), 40),
        (("training.limits.max_trials=3",), 3),
        (("env=prod", "env.variables.max_trials=9"), 9),
    ],
)
def test_environment_and_overrides_decide_in_this_order(overrides: tuple[str, ...], expected: int) -> None:
    assert trials(*overrides) == expected


def test_each_environment_has_its_own_state_and_artifacts() -> None:
    dev, prod = Project(ROOT).config, Project(ROOT, overrides=["env=prod"]).config
    assert dev.state.path == ".tenure/dev/state.db"
    assert prod.state.path == ".tenure/prod/state.db"
    assert prod.artifacts.path == ".tenure/prod/artifacts"


def test_a_fragment_gives_signals_and_the_spec_says_the_rest() -> None:
    (compiled,) = Project(ROOT).specs.compiled(["penguins"])
    monitor = next(item for item in compiled.resources if item.local == "monitoring/monitor")
    assert set(monitor.config["monitoring"]["signals"]) == {"drift", "quality", "predictions"}
