"""The jobs of the CI files, carried out by bash in a project: the comment, the saved plan, the apply, the round."""

from __future__ import annotations

import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from tests.ci.test_files import JOBS, OWN, PIPELINE, PULL, PUSH, WORKFLOW, job
from tests.ci.workflows import carried_out, evaluated, substituted

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("bash") is None, reason="no bash on this machine"),
]

EVENT = OWN | {
    "github.event.pull_request.number": "7",
    "github.token": "t",
    "github.ref": "refs/pull/7/merge",
}
# Nothing is shared in this test: the state lies in the project's own folder, as it does without overrides.
ALONE = {"SHARED": "", "TENURE": "tenure"}


def on_github(name: str, event: dict[str, str], project: Path, machine: dict[str, str]) -> list[str]:
    """Carry out a job step by step; returns what each script printed. A step that fails fails the test."""
    assert evaluated(JOBS[name]["if"], event)
    store = Path(machine["STORE"])
    printed = []
    for step in JOBS[name]["steps"]:
        if "if" in step and not evaluated(step["if"], event):
            continue
        if step.get("uses", "").startswith("actions/upload-artifact"):
            shutil.copy(project / step["with"]["path"], store / "uploaded")
        if "run" not in step:
            continue
        own = {key: substituted(text, event) for key, text in step.get("env", {}).items()}
        done = carried_out(step["run"], project, {**machine, **ALONE, **own}, "-e")
        assert done.returncode == 0, (step["run"], done.stdout, done.stderr)
        printed.append(done.stdout)
    return printed


def comments(machine: dict[str, str]) -> list[dict[str, Any]]:
    return json.loads((Path(machine["STORE"]) / "comments.json").read_text())


@pytest.mark.skipif(shutil.which("jq") is None, reason="no jq on this machine, which is built into gh")
def test_from_a_pull_request_to_a_release_on_github(project: Path, machine: dict[str, str]) -> None:
    assert set(ALONE) == set(WORKFLOW["env"])
    on_github("validate", PULL | EVENT, project, machine)
    for _ in range(2):
        on_github("plan", PULL | EVENT, project, machine)
    person, other, ours = comments(machine)
    assert (person["body"].splitlines()[1], other["body"]) == ("quoted by a person", "another bot")
    assert ours["body"].startswith(
        "<!-- tenure plan: prod -->\n### Tenure plan for prod: 1 of 1 model changes"
    )
    assert "tenure apply --env prod" in ours["body"]
    asked = (Path(machine["STORE"]) / "asked.txt").read_text()
    assert (asked.count("--method POST"), asked.count("--method PATCH")) == (1, 1)

    on_github("plan", PUSH | EVENT, project, machine)
    assert len(comments(machine)) == 3, "a push comments nothing"
    output = (Path(machine["STORE"]) / "output.txt").read_text().split()
    assert output[-1] == "code=2"
    assert "### Tenure plan for prod" in (Path(machine["STORE"]) / "summary.md").read_text()
    (project / "plan.json").unlink()
    on_github("apply", PUSH | EVENT | {"needs.plan.outputs.code": "2"}, project, machine)
    assert (project / ".tenure/prod/state.db").is_file()

    on_github("plan", PUSH | EVENT, project, machine)
    assert (Path(machine["STORE"]) / "output.txt").read_text().split()[-1] == "code=0"
    on_github("run", {"github.event_name": "schedule"}, project, machine)


def test_an_error_and_a_stale_plan_fail_the_job(project: Path, machine: dict[str, str]) -> None:
    plan = next(step["run"] for step in JOBS["plan"]["steps"] if step.get("id") == "plan")
    apply = next(step["run"] for step in JOBS["apply"]["steps"] if "tenure apply" in step.get("run", ""))
    environment = {**machine, **ALONE}
    assert carried_out(plan, project, environment, "-e").returncode == 0
    spec = project / "specs/iris.yaml"
    spec.write_text(spec.read_text().replace("max_trials: 2", "max_trials: 3"))
    stale = carried_out(apply, project, environment, "-e")
    assert stale.returncode == 4, stale.stdout + stale.stderr
    spec.write_text(spec.read_text().replace("max_trials", "max_trails"))
    broken = carried_out(plan, project, environment, "-e")
    assert broken.returncode == 1
    assert "max_trials" in broken.stderr


def test_what_waits_is_a_warning(project: Path, machine: dict[str, str]) -> None:
    spec = project / "specs/iris.yaml"
    spec.write_text(spec.read_text() + "evaluation:\n  gates:\n    - {metric: accuracy, min: 1.0}\n")
    for name, verb in (("plan", "tenure plan"), ("apply", "tenure apply")):
        script = next(step["run"] for step in JOBS[name]["steps"] if verb in step.get("run", ""))
        done = carried_out(script, project, {**machine, **ALONE}, "-e")
        assert done.returncode == 0, done.stdout + done.stderr
    assert "::warning title=Tenure::" in done.stdout
    text = PIPELINE["apply"]["script"][0]
    saved = carried_out("tenure plan --env prod --out plan.json", project, machine)
    assert saved.returncode == 0
    assert PIPELINE["apply"]["allow_failure"] == {"exit_codes": 3}
    assert carried_out(text, project, {**machine, **ALONE}, "-eo", "pipefail").returncode in (0, 3)


# ---- GitLab ----------------------------------------------------------------------------------------------------------


class Notes(ThreadingHTTPServer):
    """The notes of one merge request, as GitLab's API keeps them."""

    def __init__(self) -> None:
        self.notes: list[dict[str, Any]] = [{"id": 5, "body": "a person says something"}]
        self.tokens: set[str | None] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/api/v4"


class _Handler(BaseHTTPRequestHandler):
    server: Notes

    def _answer(self) -> None:
        self.server.tokens.add(self.headers["PRIVATE-TOKEN"])
        path = urlsplit(self.path).path
        assert path.startswith("/api/v4/projects/1/merge_requests/7/notes")
        length = int(self.headers.get("Content-Length", 0))
        if self.command != "GET":
            body = parse_qs(self.rfile.read(length).decode(), strict_parsing=True)["body"][0]
            if self.command == "POST":
                self.server.notes.append({"id": 90, "body": body})
            else:
                number = int(path.rpartition("/")[2])
                next(note for note in self.server.notes if note["id"] == number)["body"] = body
        text = json.dumps(self.server.notes).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = _answer

    def log_message(self, *words: Any) -> None:
        """Nothing on stderr."""


def on_gitlab(name: str, project: Path, environment: dict[str, str]) -> None:
    """Carry out a job: what comes before, its script, what comes after."""
    own = job(name)
    for part in (PIPELINE["default"]["before_script"], own["script"], own.get("after_script", ())):
        for text in part:
            done = carried_out(text, project, environment, "-eo", "pipefail")
            assert done.returncode == 0, (text, done.stdout, done.stderr)


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
def test_from_a_merge_request_to_a_release_on_gitlab(project: Path, machine: dict[str, str]) -> None:
    assert set(ALONE) == set(PIPELINE["variables"])
    with Notes() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        environment = {
            **machine,
            **ALONE,
            "CI_API_V4_URL": server.url,
            "CI_PROJECT_ID": "1",
            "CI_MERGE_REQUEST_IID": "7",
            "TENURE_COMMENT_TOKEN": "secret",
        }
        on_gitlab("validate", project, environment)
        for _ in range(2):
            on_gitlab("plan for review", project, environment)
        assert [note["id"] for note in server.notes] == [5, 90]
        assert server.notes[1]["body"].startswith("<!-- tenure plan: prod -->\n### Tenure plan for prod")
        assert server.notes[1]["body"] == (project / "plan.md").read_text()
        assert server.tokens == {"secret"}
        server.shutdown()
        thread.join()
    on_gitlab("plan for review", project, {**environment, "TENURE_COMMENT_TOKEN": ""})
    on_gitlab("plan", project, environment)
    on_gitlab("apply", project, environment)
    assert (project / ".tenure/prod/state.db").is_file()
    on_gitlab("run", project, environment)


# ---- pre-commit ------------------------------------------------------------------------------------------------------


def test_the_hooks_find_and_mend(project: Path, machine: dict[str, str]) -> None:
    root = Path(__file__).parents[2]
    validate, schema = (
        hook["entry"] for hook in yaml.safe_load((root / ".pre-commit-hooks.yaml").read_text())
    )
    assert carried_out(validate, project, machine).returncode == 0
    model = project / "schemas/model.schema.json"
    before = model.read_bytes()
    model.write_bytes(b"{}")
    assert carried_out(schema, project, machine).returncode == 0
    assert model.read_bytes() == before, "pre-commit fails the commit because a file was changed"
    spec = project / "specs/iris.yaml"
    spec.write_text(spec.read_text().replace("owner", "ownr"))
    assert carried_out(validate, project, machine).returncode == 1
