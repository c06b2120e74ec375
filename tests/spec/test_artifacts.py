from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tenure.core.diagnostics import Diagnostic
from tenure.spec.artifacts import LocalArtifacts, S3Artifacts
from tenure.spec.project import load_project

PLAIN = "pl41n-s3cr3t"


def loaded(root: Path, text: str, *overrides: str) -> tuple[Any, tuple[Diagnostic, ...]]:
    path = root / "conf" / "artifacts" / "s3.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    project, found = load_project(root, ["artifacts=s3", *overrides])
    return project.config.artifacts if project else None, found


def test_a_bucket_and_its_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_BUCKET", "acme-models")
    config, _ = loaded(tmp_path, "type: s3\nbucket: ${env:TEAM_BUCKET}\n", "env=prod")
    assert isinstance(config, S3Artifacts)
    assert (config.bucket, config.prefix, config.cache_size) == ("acme-models", "prod", "10GB")
    assert (config.region, config.endpoint_url, config.access_key_id) == (None, None, None)


def test_without_conf_the_command_line_is_enough(tmp_path: Path) -> None:
    project, _ = load_project(
        tmp_path, ["env=ci", "artifacts=s3", "artifacts.bucket=acme", "artifacts.prefix=''"]
    )
    assert project is not None
    assert project.config.artifacts == S3Artifacts(type="s3", bucket="acme", prefix="")


def test_a_folder_stays_the_default(tmp_path: Path) -> None:
    _, _ = loaded(tmp_path, "type: s3\nbucket: acme\n")
    project, _ = load_project(tmp_path)
    assert project is not None
    assert project.config.artifacts == LocalArtifacts(type="local", path=".tenure/dev/artifacts")


def test_references_stay_references(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_ID", PLAIN)
    text = "type: s3\nbucket: acme\naccess_key_id: ${env:KEY_ID}\nsecret_access_key: '${file:/run/secrets/key}'\n"
    config, _ = loaded(tmp_path, text + "session_token: ${env:NOT_SET}\n")
    assert config.access_key_id == "${env:KEY_ID}"
    assert config.secret_access_key == "${file:/run/secrets/key}"
    assert config.session_token == "${env:NOT_SET}"
    assert PLAIN not in repr(config)


@pytest.mark.parametrize(
    "value",
    [PLAIN, f"{PLAIN}${{env:X}}", f"${{env:X,{PLAIN}}}", "12345678", f"\\${{env:{PLAIN}}}", "${var.key}"],
)
def test_a_plain_secret_is_refused_and_not_repeated(tmp_path: Path, value: str) -> None:
    text = f"type: s3\nbucket: acme\naccess_key_id: ${{env:KEY_ID}}\nsecret_access_key: {value}\n"
    config, (problem, *_) = loaded(tmp_path, text)
    assert config is None
    assert problem.place.startswith("conf/artifacts/s3.yaml:4:")
    shown = repr(problem)
    assert PLAIN not in shown
    assert "12345678" not in shown


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("access_key_id: ${env:K}", "`secret_access_key` is missing"),
        ("secret_access_key: ${env:K}", "`access_key_id` is missing"),
        ("session_token: ${env:K}", "belongs to an access key"),
        ("prefix: ../other", "joined by"),
        ("prefix: /top", "joined by"),
        ("region: Frankfurt am Main", "region"),
        ("cache_size: lots", "is not a size"),
        ("endpoint_url: s3.example.com", "URL of a server"),
        ("endpoint_url: 'ftp://s3.example.com'", "URL of a server"),
        ("endpoint_url: 'https://s3.example.com:99999'", "not a URL"),
        ("endpoint_url: 'https://s3.example.com/?key=1'", "URL of a server"),
        ("endpoint_url: 'http://s3.example.com'", "in the clear"),
        ("endpoint_url: 'http://8.8.8.8:9000'", "in the clear"),
        ("endpoint_url: 'https://ann@s3.example.com'", "would be shown"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_done(tmp_path: Path, lines: str, words: str) -> None:
    config, found = loaded(tmp_path, f"type: s3\nbucket: acme\n{lines}\n")
    assert config is None
    assert any(words in f"{problem.detail} {problem.hint}" for problem in found)


@pytest.mark.parametrize(
    "url",
    [
        "https://s3.example.com",
        "http://127.0.0.1:9000",
        "http://localhost:9000",
        "http://[::1]:9000",
        "http://192.168.7.1",
        "http://minio:9000",
        "http://minio.storage.svc.cluster.local:9000",
    ],
)
def test_servers_that_may_be_used(tmp_path: Path, url: str) -> None:
    config, _ = loaded(tmp_path, f"type: s3\nbucket: acme\nendpoint_url: '{url}/'\n")
    assert config.endpoint_url == url


@pytest.mark.parametrize("bucket", ["ab", "Acme", "acme_models", "-acme", "a" * 64, "acme/models"])
def test_names_that_no_bucket_has(tmp_path: Path, bucket: str) -> None:
    config, (problem,) = loaded(tmp_path, f"type: s3\nbucket: {bucket}\n")
    assert config is None
    assert "lower-case" in problem.detail
