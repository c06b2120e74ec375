"""The settings of docs/editors.md: each is read as its editor reads it, and handed to the real server."""

from __future__ import annotations

import itertools
import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.editors.language_server import LanguageServer

PAGE = (Path(__file__).parents[2] / "docs/editors.md").read_text(encoding="utf-8")
SPEC = "apiVersion: tenure/v1\nkind: Model\nmetadata: {name: churn}\ndata:\n  target_colum: churned\n\n"


def snippet(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


def vs_code() -> dict[str, Any]:
    """Dotted keys become sections, which is what the extension hands on."""
    nested: dict[str, Any] = {}
    for key, value in json.loads(snippet("json")).items():
        *sections, last = key.split(".")
        block = nested
        for section in sections:
            block = block.setdefault(section, {})
        block[last] = value
    return nested


def helix() -> dict[str, Any]:
    return tomllib.loads(snippet("toml"))["language-server"]["yaml-language-server"]["config"]


def neovim() -> dict[str, Any]:
    """The table `settings`, from Lua's notation to JSON's; none of its strings holds a sign of the notation."""
    table = snippet("lua").split("settings = ")[1]
    depths = itertools.accumulate({"{": 1, "}": -1}.get(sign, 0) for sign in table)
    table = table[: list(depths).index(0) + 1]
    text = re.sub(r"\['(.*?)'\] =", r'"\1":', table)
    text = re.sub(r"(\w+) =", r'"\1":', text.replace("'", '"'))
    return dict(json.loads(re.sub(r",(\s*})", r"\1", text)))


@pytest.mark.parametrize("settings", [vs_code, helix, neovim])
def test_a_spec_without_a_first_line_is_known_by_its_place(
    settings: Callable[[], dict[str, Any]], start: Callable[..., LanguageServer], project: Path
) -> None:
    server = start(project, settings())
    assert settings()["yaml"]["schemaStore"] == {"enable": False}
    for name in ("churn.yaml", "team/churn.yaml"):
        path = project / "specs" / name
        found = [one["message"] for one in server.open(path, SPEC)]
        assert "Property target_colum is not allowed." in found
        line = SPEC.count("\n") - 1
        assert "training" in {item["label"] for item in server.complete(path, line, 0)}
    elsewhere = server.open(project / "conf/other.yaml", SPEC)
    assert elsewhere == [], "only specs are specs"


def test_the_first_line_on_the_page_is_the_one_of_every_spec(project: Path) -> None:
    (line,) = re.findall(r"```yaml\n(.*?)\n```", PAGE)
    assert (project / "specs/weather.yaml").read_text().startswith(line + "\n")
