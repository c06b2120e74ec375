"""The pages beside the CI files say what is so."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import yaml
from tests.ci.test_files import HOOKS
from tests.ci.workflows import carried_out

from tenure.cli.main import VERBS
from tenure.render.answers import answers_schema

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ["editors.md", "json.md", "ci/README.md", "ci/pre-commit.md"]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere_and_verbs_exist(page: str) -> None:
    path = DOCS / page
    text = path.read_text(encoding="utf-8")
    for link, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(#[^)]*)?\)", text):
        target = (path.parent / link) if link else path
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {"#" + heading.lower().replace(" ", "-") for heading in headings}
    assert set(re.findall(r"`tenure ([a-z]+)", text)) <= set(VERBS)


def test_the_snippet_for_pre_commit_has_the_hooks_of_the_repository() -> None:
    (snippet,) = re.findall(r"```yaml\n(.*?)```", (DOCS / "ci/pre-commit.md").read_text(), re.DOTALL)
    (repository,) = yaml.safe_load(snippet)["repos"]
    local = [
        {key: hook[key] for key in ("id", "entry", "files", "pass_filenames")} for hook in repository["hooks"]
    ]
    own = [{key: hook[key] for key in ("id", "entry", "files", "pass_filenames")} for hook in HOOKS]
    assert local == own


@pytest.mark.slow
@pytest.mark.parametrize("broken", [False, True])
def test_the_example_for_programs_runs(project: Path, machine: dict[str, str], broken: bool) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (DOCS / "json.md").read_text(), re.DOTALL)
    (project / "example.py").write_text(code + "print(verb, answer['format_version'])\n")
    if broken:
        (project / "conf/config.yaml").write_text("defaults: [{env: nowhere}]\n")
    done = carried_out(f'"{sys.executable}" -W error example.py', project, machine)
    assert done.stdout.split() == ["error" if broken else "validate", "1.0"], done.stderr


def test_the_page_names_every_event() -> None:
    page = (DOCS / "json.md").read_text()
    definitions = answers_schema()["$defs"]
    events = {
        one["properties"]["event"]["enum"][0]
        for one in definitions.values()
        if "event" in one.get("properties", {})
    }
    assert "stepstarted" in events
    assert all(re.search(rf'[`"]{event}[`"]', page) for event in events)
