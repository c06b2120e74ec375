"""Where the keys of an object store come from, and that they are not kept."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.artifacts.servers import settings

from tenure.artifacts.credentials import Credentials, credentials_of
from tenure.core.errors import ArtifactError


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


def given(**changes: Any) -> Credentials | None:
    return credentials_of(settings("http://127.0.0.1:9", "x", **changes))


def usual() -> Credentials | None:
    return given(access_key_id=None, secret_access_key=None)


def profiles(folder: Path, text: str) -> Path:
    path = folder / ".aws" / "credentials"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_references_are_read_when_they_are_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("one\n")
    monkeypatch.setenv("KEY_ID", "AKIA1")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of somebody else")
    found = given(access_key_id="${env:KEY_ID}", secret_access_key=f"${{file:{tmp_path}/secret}}")
    assert found is not None
    first = found()
    assert (first["access_key_id"], first["secret_access_key"], first["token"]) == ("AKIA1", "one", None)
    until = first["expires_at"]
    assert until is not None
    # The library asks again five minutes before the end.
    assert timedelta(minutes=5) < until - datetime.now(UTC) < timedelta(hours=1)
    (tmp_path / "secret").write_text("two\n")
    assert found()["secret_access_key"] == "two"
    assert "two" not in repr(vars(found))


def test_a_token_goes_with_its_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("A", "B", "C"):
        monkeypatch.setenv(name, name.lower())
    found = given(access_key_id="${env:A}", secret_access_key="${env:B}", session_token="${env:C}")
    assert found is not None
    assert found()["token"] == "c"


@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_secret_without_a_value(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.setenv("A", "AKIA-c4n4ry")
    if value is not None:
        monkeypatch.setenv("B", value)
    found = given(access_key_id="${env:A}", secret_access_key="${env:B}")
    assert found is not None
    with pytest.raises(ArtifactError) as caught:
        found()
    assert found.problem is caught.value
    assert "c4n4ry" not in str(caught.value)


def test_the_environment_is_left_to_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profiles(tmp_path, "[default]\naws_access_key_id = x\naws_secret_access_key = y\n")
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    ):
        with monkeypatch.context() as patch:
            patch.setenv(name, "given")
            assert usual() is None
    assert usual() is not None


def test_the_profile_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert usual() is None
    path = profiles(
        tmp_path,
        "[default]\naws_access_key_id = A\naws_secret_access_key = B%b\n"
        "[team]\naws_access_key_id=C\naws_secret_access_key=D\naws_session_token=E\n[sso]\nsso_session=x\n",
    )
    found = usual()
    assert found is not None
    assert (found()["access_key_id"], found()["secret_access_key"]) == ("A", "B%b")
    monkeypatch.setenv("AWS_PROFILE", "team")
    found = usual()
    assert found is not None
    assert (found()["access_key_id"], found()["token"]) == ("C", "E")
    for name in ("sso", "nobody"):
        monkeypatch.setenv("AWS_PROFILE", name)
        found = usual()
        assert found is not None
        with pytest.raises(ArtifactError, match="holds no keys") as caught:
            found()
        assert str(path) in caught.value.detail
        assert f"--profile {name}" in caught.value.hint


@pytest.mark.parametrize(
    "text", ["garbage", "[team]\naws_access_key_id=C\n", "[default]\nregion=x\n", "[default]\n[default]\n"]
)
def test_a_file_without_default_keys_is_passed_over(tmp_path: Path, text: str) -> None:
    profiles(tmp_path, text)
    assert usual() is None
