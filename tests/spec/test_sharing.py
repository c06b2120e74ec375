"""Equal blocks are one value, and nobody can tell but by the time it takes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenure.core.digest import digest
from tenure.core.effect import Effect
from tenure.engine.compiling import compile_model
from tenure.graph import declare
from tenure.lifecycle import Model
from tenure.spec import sharing
from tenure.spec.base import SpecModel, config_of, field
from tenure.spec.fragments import Fragments
from tenure.spec.sharing import Sharing
from tenure.spec.validate import load

ROOT = Path(__file__).parents[2]
CORPUS = sorted([*(ROOT / "specs").glob("*.yaml"), *(ROOT / "tests/scenarios/broken").glob("*.yaml")])


class Inner(SpecModel):
    """A block."""

    rate: int | float | bool | str | None = field(Effect.RETRAIN, "Anything.", None)
    names: tuple[str, ...] = field(Effect.METADATA, "Names.", ())
    free: dict[str, Any] = field(Effect.RELEASE, "Anything.", dict)


class Document(SpecModel):
    """A document of two blocks."""

    one: Inner = field(Effect.RETRAIN, "A block.")
    two: Inner | None = field(Effect.RETRAIN, "Another one.", None)
    state: str = field(Effect.METADATA, "No block.", "on")


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_a_document_is_the_same_with_and_without(path: Path) -> None:
    """Alone, and after all the others have been seen, in this order and in the opposite one."""
    fragments = Fragments(ROOT / "conf")
    alone = load(path, Model, fragments=fragments)
    for others in (CORPUS, CORPUS[::-1]):
        shared = Sharing(Model)
        for other in others:
            load(other, Model, fragments=fragments, sharing=shared)
        found = load(path, Model, fragments=fragments, sharing=shared)
        assert found.diagnostics == alone.diagnostics
        assert found.value == alone.value
        if found.value is not None and alone.value is not None:
            assert repr(found.value) == repr(alone.value)
            assert declare.document_digest(found.value) == digest(config_of(alone.value))
            assert compile_model(found.value, "x.yaml") == _compiled_afresh(alone.value)


def _compiled_afresh(value: Model) -> Any:
    declare._contents.clear()
    return compile_model(value, "x.yaml")


scalars = st.sampled_from([1, 1.0, True, "1", 0.0, -0.0, None, 2**64])
blocks = st.one_of(
    st.fixed_dictionaries({"rate": scalars}),
    st.fixed_dictionaries({"free": st.dictionaries(st.just("a"), scalars | st.lists(scalars, max_size=1))}),
    st.fixed_dictionaries({}, optional={"names": st.lists(st.sampled_from(["a", 1])), "wrong": scalars}),
)
documents = st.fixed_dictionaries({"one": blocks}, optional={"two": blocks | scalars, "state": scalars})


@settings(deadline=None)
@given(st.lists(documents, min_size=4, max_size=12))
def test_any_documents_one_after_the_other(several: list[dict[str, Any]]) -> None:
    """Numbers of other types, keys in another order and wrong values never get the block of another document."""
    shared = Sharing(Document)
    for data in several:
        before = copy.deepcopy(data)
        assert _outcome(shared.validated, data) == _outcome(Document.model_validate, data)
        assert repr(data) == repr(before)


def _outcome(validate: Callable[[dict[str, Any]], Document], data: dict[str, Any]) -> str:
    """The document or the errors, as text: 1 and 1.0 and true are equal, but not the same."""
    try:
        return repr(validate(data))
    except ValueError as error:
        return str(error)


def test_equal_blocks_are_one_value() -> None:
    shared = Sharing(Document)
    first = shared.validated({"one": {"rate": 1, "names": ["a"]}})
    assert shared.validated({"one": {"rate": 1, "names": ["a"]}, "state": "off"}).one is first.one
    assert shared.validated({"one": {"rate": 1.0, "names": ["a"]}}).one is not first.one
    assert shared.validated({"one": {"rate": 1}, "two": {"rate": 1, "names": ["a"]}}).two is not first.one


def test_a_fleet_whose_blocks_all_differ_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "MOST", 10)
    shared = Sharing(Document)
    for number in range(100):
        assert shared.validated({"one": {"rate": number}}).one.rate == number
        assert len(shared._blocks) <= 12


def test_what_is_declared_from_equal_blocks_is_shared_and_from_others_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(declare, "_MOST_CONTENTS", 30)
    shared = Sharing(Model)
    text = (ROOT / "specs" / "weather.yaml").read_text()
    made = []
    for number in range(20):
        changed = text.replace("name: weather", f"name: weather-{number}")
        changed = changed.replace("owner: forecasting", f"owner: team-{number % 2}")
        made.append(compile_model(shared.validated(_parsed(changed)), "x.yaml"))
    for number, item in enumerate(made):
        assert item.model == f"weather-{number}"
        assert all(resource.address.startswith(f"weather-{number}/") for resource in item.resources)
        version = next(one for one in item.resources if one.local == "governance/version")
        assert version.config["metadata"]["name"] == f"weather-{number}"
        assert version.config["metadata"]["owner"] == f"team-{number % 2}"
    first, second = (next(one for one in item.resources if one.local == "data/snapshot") for item in made[:2])
    assert first.config is second.config
    assert first.content == second.content


def _parsed(text: str) -> dict[str, Any]:
    from tenure.spec.compose import compose
    from tenure.spec.read import parse

    document, problems = parse(text, "x.yaml")
    assert document is not None, problems
    return compose(document, Fragments(ROOT / "conf")).data
