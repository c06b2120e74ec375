"""Selectors: by name, pattern, path, owner and tag."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.engine.projects import NOW, merged, write_spec

from tenure.core.errors import TenureError
from tenure.engine.project import Project
from tenure.engine.selecting import World, chosen


@dataclass
class Spec:
    model: str
    owner: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    downstream: tuple[str, ...] = ()
    fragments: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        return f"specs/{self.model}.yaml"


SPECS = (
    Spec("churn", "growth", {"tier": "1", "retention": ""}, downstream=("offers", "dashboard")),
    Spec("churn-eu", "growth", fragments=("monitoring/strict",)),
    Spec("fraud", "risk", {"tier": "2"}),
    Spec("offers", "sales", downstream=("mailing",)),
    Spec("mailing", "sales"),
)
NOWHERE = World(Path())


@pytest.mark.parametrize(
    ("select", "exclude", "names"),
    [
        ([], [], ["churn", "churn-eu", "fraud", "offers", "mailing"]),
        (["churn"], [], ["churn"]),
        (["churn*"], [], ["churn", "churn-eu"]),
        (["specs/fraud.yaml"], [], ["fraud"]),
        (["./specs/fraud.yaml"], [], ["fraud"]),
        (["owner:growth"], [], ["churn", "churn-eu"]),
        (["tag:tier"], [], ["churn", "fraud"]),
        (["tag:tier=2"], [], ["fraud"]),
        (["owner:growth"], ["churn-eu"], ["churn"]),
        ([], ["tag:tier"], ["churn-eu", "offers", "mailing"]),
        (["churn+"], [], ["churn", "offers", "mailing"]),
        (["+mailing"], [], ["churn", "offers", "mailing"]),
        (["+offers+"], [], ["churn", "offers", "mailing"]),
        (["fraud+"], [], ["fraud"]),
        (["churn+"], ["mailing"], ["churn", "offers"]),
        (["churn+,owner:sales"], [], ["offers", "mailing"]),
        (["owner:growth,tag:tier"], [], ["churn"]),
        (["owner:growth", "fraud"], [], ["churn", "churn-eu", "fraud"]),
    ],
)
def test_what_is_chosen(select: list[str], exclude: list[str], names: list[str]) -> None:
    assert [item.model for item in chosen(SPECS, select, exclude, NOWHERE)] == names


def test_a_selector_that_matches_nothing_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(TenureError) as error:
        chosen(SPECS, ["chrun"], [], NOWHERE)
    assert "churn" in error.value.hint


def test_models_that_use_one_another_in_a_circle() -> None:
    ring = [Spec("a", downstream=("b",)), Spec("b", downstream=("c",)), Spec("c", downstream=("a",))]
    assert [item.model for item in chosen(ring, ["b+"], [], NOWHERE)] == ["a", "b", "c"]


# --- what changed -----------------------------------------------------------------------------------------------------


def add(root: Path, name: str, changes: dict[str, Any] | None = None) -> None:
    write_spec(root, merged({"metadata": {"name": name}}, changes or {}), name)


def selected(root: Path, *select: str, exclude: tuple[str, ...] = ()) -> list[str]:
    return [model.model for model in Project(root, now=NOW).plan(select, exclude=exclude).models]


def test_what_differs_from_the_state(applied: Path) -> None:
    assert selected(applied, "state:modified") == []
    add(applied, "herbs", {"metadata": {"owner": "kitchen"}})
    add(applied, "trees")
    assert selected(applied, "state:modified") == ["herbs", "trees"]
    assert selected(applied, "state:modified,owner:kitchen") == ["herbs"]
    assert selected(applied, "state:modified", exclude=("trees",)) == ["herbs"]
    assert selected(applied, exclude=("state:modified",)) == ["flowers"]
    (applied / "specs" / "herbs.yaml").unlink()
    (applied / "specs" / "trees.yaml").unlink()
    write_spec(applied, {"training": {"seed": 2}})
    assert selected(applied, "state:modified") == ["flowers"]


def test_only_a_plan_knows_what_differs(applied: Path) -> None:
    with pytest.raises(TenureError, match="needs a plan"):
        Project(applied, now=NOW).validate(["state:modified"])


class Repository:
    """A real Git repository around a project."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self("init", "--quiet", "--initial-branch=main")
        (root / ".gitignore").write_text(".tenure/\n", encoding="utf-8")
        self.commit("first")

    def __call__(self, *words: str) -> None:
        who = ("-c", "user.name=ann", "-c", "user.email=ann@example.com", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *who, "-C", str(self.root), *words], check=True, capture_output=True)

    def commit(self, message: str) -> None:
        self("add", "--all")
        self("commit", "--quiet", "--message", message)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    root = tmp_path / "a repository" / "project"
    for name in ("churn", "fraud", "offers"):
        add(root, name)
    add(root, "watched", {"defaults": ["/monitoring/strict@monitoring"], "monitoring": None})
    (root / "conf" / "monitoring").mkdir(parents=True)
    (root / "conf" / "monitoring" / "strict.yaml").write_text("window: {size: 7d}\n", encoding="utf-8")
    return Repository(root)


def test_what_differs_from_a_commit(repository: Repository) -> None:
    root = repository.root
    assert selected(root, "git:main") == []
    repository("checkout", "--quiet", "-b", "edit")
    add(root, "churn", {"training": {"seed": 2}})
    repository.commit("an edit")
    add(root, "offers", {"training": {"seed": 3}})
    add(root, "new")
    assert selected(root, "git:main") == ["churn", "new", "offers"]
    assert selected(root, "git:HEAD") == ["new", "offers"]
    assert selected(root, "git:main,owner:botany", exclude=("new",)) == ["churn", "offers"]


def test_what_others_did_meanwhile_is_not_ours(repository: Repository) -> None:
    root = repository.root
    repository("checkout", "--quiet", "-b", "edit")
    add(root, "churn", {"training": {"seed": 2}})
    repository.commit("ours")
    repository("checkout", "--quiet", "main")
    add(root, "fraud", {"training": {"seed": 9}})
    repository.commit("theirs")
    repository("checkout", "--quiet", "edit")
    assert selected(root, "git:main") == ["churn"]


def test_a_fragment_counts_for_the_specs_that_use_it_and_an_environment_for_all(
    repository: Repository,
) -> None:
    root = repository.root
    (root / "conf" / "monitoring" / "strict.yaml").write_text("window: {size: 14d}\n", encoding="utf-8")
    assert selected(root, "git:main") == ["watched"]
    (root / "conf" / "env").mkdir()
    (root / "conf" / "env" / "dev.yaml").write_text("name: dev\n", encoding="utf-8")
    assert selected(root, "git:main") == ["churn", "fraud", "offers", "watched"]


@pytest.mark.parametrize("ref", ["nowhere", "--output=x", "-h", "main..other", "a b"])
def test_a_commit_that_is_not_there(repository: Repository, ref: str) -> None:
    with pytest.raises(TenureError, match="no commit"):
        selected(repository.root, f"git:{ref}")


def test_without_a_repository(applied: Path) -> None:
    with pytest.raises(TenureError, match="not in a Git repository"):
        selected(applied, "git:main")
