from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tenure.spec.project import Project, load_project


def project(root: Path, *overrides: str) -> Project:
    found, diagnostics = load_project(root, overrides)
    assert found is not None, diagnostics
    return found


def conf(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / "conf" / f"{name.replace('__', '/')}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_without_conf_everything_has_its_default(tmp_path: Path) -> None:
    config = project(tmp_path).config
    assert config.env.name == "dev"
    assert config.state.path == ".tenure/dev/state.db"
    assert config.artifacts.path == ".tenure/dev/artifacts"
    assert config.server.url is None


def test_without_conf_an_environment_may_have_any_name(tmp_path: Path) -> None:
    assert project(tmp_path, "env=prod").config.state.path == ".tenure/prod/state.db"
    assert project(tmp_path, "env=prod", "server.url='http://h:1'").config.server.url == "http://h:1"


def test_groups_and_overrides(tmp_path: Path) -> None:
    conf(
        tmp_path,
        config="defaults: [env: dev]\nserver: {url: 'http://dev'}\nactor: ci\n",
        env__dev="variables: {trials: 3}\n",
        env__prod="name: production\nvariables: {trials: 300, db: '${env:DB}'}\n",
    )
    assert project(tmp_path).config.env.variables == {"trials": 3}
    prod = project(tmp_path, "env=prod").config
    assert prod.env.name == "production"
    assert prod.env.variables == {"trials": 300, "db": "${env:DB}"}
    assert prod.state.path == ".tenure/production/state.db"
    assert (prod.server.url, prod.actor) == ("http://dev", "ci")


def test_overrides_are_dealt_out_to_project_and_specs(tmp_path: Path) -> None:
    found = project(
        tmp_path, "env=x", "training.limits.max_trials=10", "state.path=s.db", "~monitoring", "state=retired"
    )
    assert found.config.state.path == "s.db"
    assert [one.text for one in found.overrides] == [
        "training.limits.max_trials=10",
        "~monitoring",
        "state=retired",
    ]


@pytest.mark.parametrize(
    ("override", "place", "hint"),
    [
        ("env=stagin", "override env=stagin", "'staging'"),
        ("state=oracle", "override state=oracle", "sqlite"),
        ("server.pol=2s", "override server.pol=2s, server > pol", "'poll'"),
        ("nonsense", "override nonsense", "env=prod"),
    ],
)
def test_a_wrong_override_is_a_diagnostic(tmp_path: Path, override: str, place: str, hint: str) -> None:
    conf(tmp_path, config="defaults: [env: staging]\n", env__staging="{variables: {}}\n")
    found, (diagnostic,) = load_project(tmp_path, [override])
    assert found is None
    assert diagnostic.place == place
    assert hint in diagnostic.hint


def test_a_state_in_postgres_has_a_schema_for_each_environment(tmp_path: Path) -> None:
    config = project(tmp_path, "env=prod", "state=postgres").config
    assert config.state_settings == {
        "type": "postgres",
        "url": "${env:TENURE_STATE_URL}",
        "schema": "tenure_prod",
        "timeout": "60s",
    }
    chosen = project(
        tmp_path, "state=postgres", "state.schema=ours", "state.url='postgresql://ann@db/models'"
    )
    assert chosen.config.state_settings["schema"] == "ours"
    assert chosen.config.state_settings["url"] == "postgresql://ann@db/models"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql://ann:hunter2@db/models", "a password is not written here"),
        ("postgresql://db/models?user=ann&password=hunter2", "a password is not written here"),
        ("${env:STATE_URL,postgresql://ann:hunter2@db/models}", "fallback"),
        ("postgresql://ann:${env:HUNTER2}@db/models", "stands for the whole"),
        ("mysql://db/models", "postgresql://"),
        ("host=db password=hunter2", "postgresql://"),
    ],
)
def test_no_password_is_written_in_clear_and_none_is_shown(tmp_path: Path, url: str, reason: str) -> None:
    conf(tmp_path, config="defaults: [state: postgres]\n", state__postgres=f"type: postgres\nurl: '{url}'\n")
    found, (diagnostic,) = load_project(tmp_path)
    assert found is None
    assert diagnostic.place == "conf/state/postgres.yaml:2:6, state > url"
    assert reason in diagnostic.detail.lower()
    assert "${env:TENURE_STATE_URL}" in diagnostic.hint
    assert "hunter2" not in repr(diagnostic)
    _, (diagnostic, *_) = load_project(tmp_path, [f"state.url='{url}'"])
    assert "hunter2" not in repr(diagnostic)


def test_a_wrong_file_is_pointed_at(tmp_path: Path) -> None:
    conf(tmp_path, config="defaults: [env: prod]\n", env__prod="variabels: {}\n")
    found, (diagnostic,) = load_project(tmp_path)
    assert found is None
    assert diagnostic.place == "conf/env/prod.yaml:1:1, env > variabels"
    conf(tmp_path, config="defaults: [\n")
    assert str(load_project(tmp_path)[1][0].span) == "conf/config.yaml:1:12"


def test_hydra_is_loaded_only_where_it_is_needed(tmp_path: Path) -> None:
    conf(
        tmp_path,
        config="defaults: [env: dev, state: sqlite, artifacts: local]\n",
        env__dev="variables: {a: 1}\n",
    )
    code = (
        "import sys; from pathlib import Path; from tenure.spec.project import load_project\n"
        f"assert load_project(Path({str(tmp_path)!r}), ['env=dev'])[0] is not None\n"
        "print(sorted({'hydra', 'omegaconf', 'antlr4'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
