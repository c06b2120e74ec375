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


@pytest.mark.parametrize(
    "value", [None, "", "  ", "c4n4ry\nc4n4ry", "c4n4ry c4n4ry", "c4n4ry\u00e9", "c4n4ry\x7f"]
)
@pytest.mark.parametrize("which", ["A", "B", "C"])
def test_values_that_no_key_has(monkeypatch: pytest.MonkeyPatch, which: str, value: str | None) -> None:
    for name in ("A", "B", "C"):
        monkeypatch.setenv(name, "c4n4ry")
    monkeypatch.delenv(which)
    if value is not None:
        monkeypatch.setenv(which, value)
    found = given(access_key_id="${env:A}", secret_access_key="${env:B}", session_token="${env:C}")
    assert found is not None
    if which == "C" and value == "":
        assert found()["token"] is None
        return
    with pytest.raises(ArtifactError) as caught:
        found()
    assert found.problem is caught.value
    assert "c4n4ry" not in str(caught.value)


def test_the_environment_comes_before_profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profiles(tmp_path, "[default]\naws_access_key_id = x\naws_secret_access_key = y\n")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    found = usual()
    assert found is not None
    with pytest.raises(ArtifactError, match="not complete"):
        found()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    assert (found()["access_key_id"], found()["secret_access_key"], found()["token"]) == ("a", "b", None)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "c")
    assert found()["token"] == "c"


@pytest.mark.parametrize(
    "name", ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_SKIP_SIGNATURE"]
)
def test_roles_are_left_to_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    profiles(tmp_path, "[default]\naws_access_key_id = x\naws_secret_access_key = y\n")
    assert usual() is not None
    monkeypatch.setenv(name, "given")
    assert usual() is None


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
