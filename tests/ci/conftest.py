from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tenure.cli.init import project_files

SPEC = """\
# yaml-language-server: $schema=../schemas/model.schema.json
apiVersion: tenure/v1
kind: Model
metadata: {name: iris, owner: botany}
data:
  sources:
    flowers: {type: sklearn, name: iris}
  target_column: target
training:
  algorithms:
    logistic_regression: {}
  limits: {max_trials: 2}
"""

# What the real `gh` does with these few commands: comments are kept in a file, artifacts in a folder.
GH = """\
import json, pathlib, shutil, subprocess, sys
store = pathlib.Path({store!r})
comments = json.loads((store / "comments.json").read_text())
words = sys.argv[1:]
(store / "asked.txt").open("a").write(" ".join(words) + "\\n")
if words[:2] == ["run", "download"]:
    shutil.copy(store / "uploaded" / "plan.json", "plan.json")
    sys.exit()
assert words[0] == "api"
value = {{word: words[place + 1] for place, word in enumerate(words[:-1]) if word.startswith("--")}}
address = next(word for word in words if word.startswith("repos/"))
if "--method" not in value:
    answer = subprocess.run(["jq", "-r", value["--jq"]], input=json.dumps(comments), text=True, capture_output=True)
    sys.stdout.write(answer.stdout)
    sys.exit(answer.returncode)
name, _, file = value["--field"].partition("=@")
assert name == "body"
body = pathlib.Path(file).read_text()
if value["--method"] == "POST":
    assert address == "repos/acme/models/issues/7/comments", address
    comments.append({{"id": len(comments) + 100, "body": body, "user": {{"type": "Bot"}}}})
else:
    assert value["--method"] == "PATCH"
    prefix, _, number = address.rpartition("/")
    assert prefix == "repos/acme/models/issues/comments", address
    next(one for one in comments if one["id"] == int(number))["body"] = body
(store / "comments.json").write_text(json.dumps(comments))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project as `tenure init` makes it, with a model that takes a second."""
    folder = tmp_path / "project"
    for name, content in project_files("blank", "github").items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (folder / "specs/model.yaml").unlink()
    (folder / "specs/iris.yaml").write_text(SPEC)
    return folder


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """The environment of a CI machine: `tenure`, `python`, `pip` and `gh` are found, nothing is downloaded."""
    tools, store = tmp_path / "bin", tmp_path / "store"
    for folder in (tools, store, store / "uploaded"):
        folder.mkdir()
    (store / "comments.json").write_text(
        json.dumps(
            [
                {"id": 1, "body": "<!-- tenure plan: prod -->\nquoted by a person", "user": {"type": "User"}},
                {"id": 2, "body": "another bot", "user": {"type": "Bot"}},
            ]
        )
    )
    (tools / "gh.py").write_text(GH.format(store=str(store)))
    programs = {
        "tenure": f'exec "{sys.executable}" -m tenure "$@"',
        "python": f'exec "{sys.executable}" "$@"',
        "gh": f'exec "{sys.executable}" "{tools / "gh.py"}" "$@"',
        "pip": f'echo "$@" >> "{store / "pip.txt"}"',
    }
    for name, text in programs.items():
        (tools / name).write_text(f"#!/bin/sh\n{text}\n")
        (tools / name).chmod(0o755)
    return {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "STORE": str(store),
        "GITHUB_OUTPUT": str(store / "output.txt"),
        "GITHUB_STEP_SUMMARY": str(store / "summary.md"),
        "GITHUB_RUN_ID": "11",
        "GH_TOKEN": "t",
    }
