from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.editors.language_server import LanguageServer

ROOT = Path(__file__).parents[2]
SERVER = Path(__file__).parent / "node_modules/yaml-language-server/bin/yaml-language-server"

# A server that is told nothing but to stay on this machine: the schema comes from the first line of each spec.
SETTINGS: dict[str, Any] = {"yaml": {"schemaStore": {"enable": False}}}


@pytest.fixture(scope="session")
def server_command() -> list[str]:
    """The command that starts yaml-language-server, or a skip that says what is missing."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node on this machine (Debian: apt-get install nodejs npm)")
    if not SERVER.is_file():
        pytest.skip("no yaml-language-server; install it with: scripts/test, or `npm ci` in tests/editors")
    return [node, str(SERVER), "--stdio"]


@pytest.fixture(scope="session")
def start(server_command: list[str]) -> Iterator[Callable[..., LanguageServer]]:
    """Start a server for a folder, with an editor's settings; all are ended with the session."""
    with ExitStack() as running:

        def started(folder: Path, settings: dict[str, Any] = SETTINGS) -> LanguageServer:
            return running.enter_context(LanguageServer(server_command, folder, settings))

        yield started


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project as `tenure init --template demo` makes it, with the schema it writes."""
    from tenure.cli.init import project_files

    folder = tmp_path_factory.mktemp("editors") / "project"
    for name, content in project_files("demo").items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


@pytest.fixture(scope="session")
def server(start: Callable[..., LanguageServer], project: Path) -> LanguageServer:
    """A server in that project, told nothing: the first line of a spec names its schema."""
    return start(project)
