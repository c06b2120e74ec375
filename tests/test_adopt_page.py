"""`docs/adopt.md` is true: its Python runs, its specs are valid, and what they adopt is adopted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tenure.cli.init import DEMO_YEAR, demo_table
from tenure.cli.main import VERBS
from tenure.core.diagnostics import has_errors
from tenure.engine.project import Project
from tenure.lifecycle import Model
from tenure.rules import check
from tenure.spec.validate import load_text
from tenure.stages.training.adoption import taking, trial

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "adopt.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
SPEC, *BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def spec_with(block: str) -> str:
    """The spec of the page with another `training` block of it."""
    return yaml.safe_dump(yaml.safe_load(SPEC) | yaml.safe_load(block), sort_keys=False)


@pytest.mark.parametrize("text", [SPEC, *map(spec_with, BLOCKS)], ids=["skops", "xgboost", "preprocessor"])
def test_the_specs_shown_are_valid(text: str) -> None:
    loaded = load_text(text, Model, "adopt.md")
    assert not has_errors(loaded.diagnostics), loaded.diagnostics
    assert loaded.value is not None
    assert check(loaded.value) == ()


@pytest.mark.parametrize(
    ("text", "model", "converted"),
    [(SPEC, "models/weather.skops", True), (spec_with(BLOCKS[0]), "models/weather.ubj", False)],
    ids=["skops", "xgboost"],
)
def test_what_is_saved_as_shown_is_adopted_as_shown(
    text: str, model: str, converted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(taking, "tried_apart", lambda request, stopping: trial.tried(request))
    for folder in ("data", "models", "specs"):
        (tmp_path / folder).mkdir()
    (tmp_path / "data" / "observations.csv").write_bytes(demo_table(DEMO_YEAR))
    (tmp_path / "specs" / "weather.yaml").write_text(text)
    (script,) = [script for script in PYTHON if model in script]
    exec(script, {})
    if converted:
        import joblib
        import skops.io

        untrusted = skops.io.get_untrusted_types(file=model)
        joblib.dump(skops.io.load(model, trusted=untrusted), "weather.joblib")
        (conversion,) = [script for script in PYTHON if "joblib.load" in script]
        exec(conversion, {})
        Path("weather.skops").replace(model)
    project = Project(tmp_path)
    result = project.apply(project.plan())
    assert result.exit_code == 0, result
    version = project.state("weather").versions[1].value
    assert version["adopted"]["path"] == model
    assert not project.plan().changed


def test_every_command_and_link_shown_leads_somewhere() -> None:
    shown = re.findall(r"(?m)^tenure ([a-z]+)", PAGE) + re.findall(r"`tenure ([a-z]+)", PAGE)
    assert set(shown) <= set(VERBS)
    for link in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (ROOT / "docs" / link).exists()
