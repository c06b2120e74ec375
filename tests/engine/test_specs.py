"""Specs pass through: what is made of them is kept, and they are not."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import pytest
from tests.engine.projects import make_project, write_spec

from tenure.engine import planning, specs
from tenure.engine.planning import plan_afresh
from tenure.engine.project import Project
from tenure.engine.specs import Specs
from tenure.plan.change import to_json


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    root = make_project(tmp_path)
    for number in range(7):
        write_spec(
            root, {"metadata": {"name": f"roses-{number}", "owner": f"team-{number % 2}"}}, f"roses-{number}"
        )
    return root


def test_no_more_than_one_spec_is_held(fleet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[weakref.ref[Any]] = []
    load = specs.load

    def loading(*given: Any, **more: Any) -> Any:
        loaded = load(*given, **more)
        held.append(weakref.ref(loaded))
        return loaded

    monkeypatch.setattr(specs, "load", loading)
    found = Specs(fleet)
    assert found.diagnostics() == ()
    compiled = found.compiled()
    plan = Project(fleet).plan()
    gc.collect()
    assert (len(held), len(compiled), len(plan.models)) == (24, 8, 8)
    assert sum(one() is not None for one in held) <= 2


@pytest.mark.parametrize("at_once", [1, 2, 3, 8, 100])
def test_a_plan_is_made_a_few_models_at_a_time(
    fleet: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(planning, "_AT_ONCE", at_once)
    project = Project(fleet, now=Project(fleet).now)
    assert to_json(project.plan()) == to_json(plan_afresh(project, (), (), True))
    selected = ("roses-3", "roses-1", "flowers")
    assert [one.model for one in project.plan(selected).models] == ["flowers", "roses-1", "roses-3"]


def test_specs_that_are_named_come_in_the_order_of_all(fleet: Path) -> None:
    found = Specs(fleet)
    assert found.selected(("specs/roses-2.yaml", "./specs/flowers.yaml")) == (
        "specs/flowers.yaml",
        "specs/roses-2.yaml",
    )
    assert found.selected(("specs/roses-2.yaml", "owner:team-1", "roses-2")) == tuple(
        f"specs/roses-{number}.yaml" for number in (1, 2, 3, 5)
    )
    assert found.selected(("specs/roses-2.yaml",), exclude=("roses-2",)) == ()


@pytest.mark.parametrize(
    "name", ["specs/../specs/roses-1.yaml", "specs/.hidden.yaml", "specs/x.txt", "specs"]
)
def test_only_a_spec_can_be_named(fleet: Path, name: str) -> None:
    (fleet / "specs" / ".hidden.yaml").write_text("")
    (fleet / "specs" / "x.txt").write_text("")
    with pytest.raises(Exception, match="No model matches"):
        Specs(fleet).selected((name,))


def test_the_second_of_two_equal_names_is_pointed_at(fleet: Path) -> None:
    write_spec(fleet, {"metadata": {"name": "roses-1"}}, "tulips")
    (found,) = Specs(fleet).diagnostics()
    assert found.span is not None
    assert found.span.file == "specs/tulips.yaml"
    assert "specs/roses-1.yaml is called 'roses-1' too" in found.detail
