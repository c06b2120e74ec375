"""The files of docs/ci and of `tenure init`: what they may do, to whom they listen, and what they never see."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from click import Context
from tests.ci.workflows import EXPRESSION, evaluated, holds

from tenure.cli.main import VERBS, Verbs, tenure

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "src/tenure/templates/ci"
GITHUB = ROOT / "docs/ci/github-actions.yml"
GITLAB = ROOT / "docs/ci/gitlab-ci.yml"
WORKFLOW = yaml.safe_load(GITHUB.read_text())
PIPELINE = yaml.safe_load(GITLAB.read_text())
HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
JOBS: dict[str, Any] = WORKFLOW["jobs"]
SECRETS = {"TENURE_STATE_URL", "TENURE_BUCKET", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}

OWN = {"github.event.pull_request.head.repo.full_name": "acme/models", "github.repository": "acme/models"}
FORK = {"github.event.pull_request.head.repo.full_name": "fork/models", "github.repository": "acme/models"}
PULL = {"github.event_name": "pull_request"}
PUSH = {"github.event_name": "push", "github.repository": "acme/models"}
CHANGES = {"needs.plan.outputs.code": "2"}


def test_the_documented_files_are_those_a_new_project_gets() -> None:
    assert GITHUB.read_bytes() == (TEMPLATES / "github/dot-github/workflows/tenure.yml").read_bytes()
    assert GITLAB.read_bytes() == (TEMPLATES / "gitlab/dot-gitlab-ci.yml").read_bytes()


# ---- GitHub ----------------------------------------------------------------------------------------------------------


def test_only_actions_of_github_itself_are_used() -> None:
    used = {step["uses"] for job in JOBS.values() for step in job["steps"] if "uses" in step}
    assert {name.partition("@")[0] for name in used} <= {
        "actions/checkout", "actions/setup-python", "actions/upload-artifact"
    }  # fmt: skip
    assert all(re.search(r"@v\d+$", name) for name in used)


def test_permissions_are_the_least_that_work() -> None:
    assert WORKFLOW["permissions"] == {}
    assert {name: job["permissions"] for name, job in JOBS.items()} == {
        "validate": {"contents": "read"},
        "plan": {"contents": "read", "pull-requests": "write"},
        "apply": {"contents": "read", "actions": "read"},
        "run": {"contents": "read"},
    }


@pytest.mark.parametrize(
    ("event", "jobs"),
    [
        (PULL | OWN, {"validate", "plan"}),
        (PULL | FORK, {"validate"}),
        (PULL | OWN | {"github.actor": "dependabot[bot]"}, {"validate"}),
        (PUSH | CHANGES, {"plan", "apply"}),
        (PUSH | {"needs.plan.outputs.code": "0"}, {"plan"}),
        (PUSH | {"needs.plan.outputs.code": "3"}, {"plan"}),
        ({"github.event_name": "schedule", "github.repository": "acme/models"}, {"run"}),
        ({"github.event_name": "workflow_dispatch", "github.repository": "acme/models"}, {"run"}),
    ],
)
def test_who_starts_what(event: dict[str, str], jobs: set[str]) -> None:
    assert {name for name, job in JOBS.items() if evaluated(job["if"], event)} == jobs


def test_a_fork_sees_no_secret() -> None:
    triggers = WORKFLOW[True]  # `on` is a boolean in YAML 1.1
    assert set(triggers) == {"pull_request", "push", "schedule", "workflow_dispatch"}
    for name, job in JOBS.items():
        if evaluated(job["if"], PULL | FORK):
            assert "secrets." not in str(job), name
            assert job["permissions"] == {"contents": "read"}


def test_nothing_from_outside_is_part_of_a_script() -> None:
    """A branch or a title that holds shell commands reaches a script as the value of a variable, never as its text."""
    for job in JOBS.values():
        for step in job["steps"]:
            assert not EXPRESSION.search(step.get("run", "")), step


def test_every_job_that_reads_the_state_is_told_where_it_is() -> None:
    for name in ("plan", "apply", "run"):
        assert set(JOBS[name]["env"]) == SECRETS
    assert JOBS["apply"]["environment"] == "prod"
    for job in JOBS.values():
        assert set(job) <= {"if", "needs", "runs-on", "permissions", "outputs", "env", "environment", "steps"}
        assert all(("uses" in step) != ("run" in step) for step in job["steps"])


def test_only_plans_of_a_pull_request_overtake_each_other() -> None:
    group = EXPRESSION.search(WORKFLOW["concurrency"]["group"])
    assert group is not None
    assert evaluated(group[1], PULL | {"github.ref": "refs/pull/7/merge"}) == "refs/pull/7/merge"
    for event in ("push", "schedule", "workflow_dispatch"):
        main = {"github.event_name": event, "github.ref": "refs/heads/main", "github.run_id": "11"}
        assert evaluated(group[1], main) == "11", "a release that waits for a reviewer holds up no round"
    cancels = EXPRESSION.search(WORKFLOW["concurrency"]["cancel-in-progress"])
    assert cancels is not None
    assert not evaluated(cancels[1], PUSH), "an apply is never cut off"


# ---- GitLab ----------------------------------------------------------------------------------------------------------

MERGE = {"CI_PIPELINE_SOURCE": "merge_request_event", "CI_PROJECT_ID": "1", "CI_DEFAULT_BRANCH": "main"}
MAIN = {"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": "main", "CI_DEFAULT_BRANCH": "main"}
STAGED = {name: job for name, job in PIPELINE.items() if isinstance(job, dict) and "stage" in job}


def job(name: str) -> dict[str, Any]:
    """A job with what it extends."""
    own = PIPELINE[name]
    return {**(PIPELINE[own["extends"]] if "extends" in own else {}), **own}


@pytest.mark.parametrize(
    ("variables", "jobs"),
    [
        (MERGE | {"CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "1"}, {"validate", "plan for review"}),
        (MERGE | {"CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "2"}, {"validate"}),
        (MAIN, {"plan", "apply"}),
        (MAIN | {"CI_PIPELINE_SOURCE": "schedule"}, {"run"}),
        (MAIN | {"CI_COMMIT_BRANCH": "feature"}, set()),
    ],
)
def test_who_starts_what_on_gitlab(variables: dict[str, str], jobs: set[str]) -> None:
    names = [name for name in PIPELINE if name not in ("stages", "default", "variables") and name[0] != "."]
    started = {name for name in names if any(holds(rule["if"], variables) for rule in job(name)["rules"])}
    assert started == jobs


def test_gitlab_applies_what_was_planned_when_somebody_says_so() -> None:
    assert PIPELINE["apply"]["needs"] == ["plan"]
    assert "plan.json" in PIPELINE[".plan"]["artifacts"]["paths"]
    assert all(rule["when"] == "manual" for rule in PIPELINE["apply"]["rules"])
    assert PIPELINE["apply"]["resource_group"] == PIPELINE["run"]["resource_group"] == "prod"
    assert {job(name)["stage"] for name in ("validate", "plan", "apply", "run")} == set(PIPELINE["stages"])


# ---- every command line ----------------------------------------------------------------------------------------------


def scripts() -> list[str]:
    found = [step["run"] for job in JOBS.values() for step in job["steps"] if "run" in step]
    for one in PIPELINE.values():
        if isinstance(one, dict):
            found += [*one.get("script", ()), *one.get("after_script", ())]
    found += [hook["entry"] for hook in HOOKS]
    documents = sorted((ROOT / "docs/ci").glob("*.md"))
    blocks = [
        re.findall(r"```(?:console|sh|bash)\n(.*?)```", path.read_text(), re.DOTALL) for path in documents
    ]
    return [*found, *(text for several in blocks for text in several)]


def command_lines() -> list[str]:
    lines = [line.strip().removeprefix("$ ") for text in scripts() for line in text.splitlines()]
    return sorted(
        {re.split(r" > | \|\| |\s+#", line)[0].strip() for line in lines if line.startswith("tenure ")}
    )


@pytest.mark.parametrize("line", command_lines())
def test_every_command_line_is_one_that_tenure_reads(line: str) -> None:
    words = shlex.split(line.replace("$SHARED", "state=postgres artifacts=s3"))[1:]
    assert words[0] in VERBS
    verbs = tenure
    assert isinstance(verbs, Verbs)
    context = Context(verbs, info_name="tenure")
    command = verbs.get_command(context, words[0])
    assert command is not None
    command.make_context(words[0], words[1:], parent=context)


def test_there_are_command_lines_to_read() -> None:
    verbs = {line.split()[1] for line in command_lines()}
    assert {"validate", "schema", "plan", "apply", "run"} <= verbs


# ---- pre-commit ------------------------------------------------------------------------------------------------------


def test_hooks_are_what_pre_commit_reads() -> None:
    assert [hook["id"] for hook in HOOKS] == ["tenure-validate", "tenure-schema"]
    for hook in HOOKS:
        assert {"id", "name", "entry", "language"} <= hook.keys()
        assert hook.keys() <= {"id", "name", "description", "entry", "language", "files", "pass_filenames"}
        assert hook["language"] == "python"
        assert hook["pass_filenames"] is False
    validate, schema = (re.compile(hook["files"]) for hook in HOOKS)
    assert validate.search("specs/team/churn.yaml")
    assert validate.search("conf/monitoring/standard.yml")
    assert not validate.search("docs/specs/churn.yaml")
    assert schema.search("schemas/model.schema.json")
