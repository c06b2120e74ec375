"""Every verb with `--json` in one small project: what is printed is what its schema says, and nothing else is."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from tests.engine.projects import make_project, write_flowers

from tenure.cli.main import run
from tenure.engine.project import Project
from tenure.render.answers import answers

ROOT = Path(__file__).parents[2]
CHANGES = {
    "governance": {"approvals": [{"role": "owner"}]},
    "deployment": {"inference_log": {"id_column": "id"}},
    "retirement": {"minimum_notice": "1d", "consumers": [{"name": "shop", "owner": "sales"}]},
}


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """The same schema, but nothing may be printed that it does not describe."""
    schema = copy.deepcopy(schema)
    for block in schema["$defs"].values():
        if "properties" in block and "anyOf" not in block:
            # These two are added around a value, where the schema describes them.
            block["properties"] |= {"format_version": {}, "at": block["properties"].get("at", {})}
            block["additionalProperties"] = False
    return schema


SCHEMA = json.loads((ROOT / "schemas/answers.schema.json").read_text(encoding="utf-8"))
FORMATS = FormatChecker()
FORMATS.checks("date-time", raises=ValueError)(
    lambda text: datetime.fromisoformat(text).utcoffset() is not None
)
VALIDATOR = Draft202012Validator(closed(SCHEMA), format_checker=FORMATS)

Ask = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def said() -> dict[str, int]:
    """How many values each verb printed."""
    return {}


@pytest.fixture
def ask(project: Path, said: dict[str, int], capsys: pytest.CaptureFixture[str]) -> Ask:
    """Run a verb with `--json`, check what it printed against its schema, and return it."""

    def asked(verb: str, *arguments: str, code: int = 0, schema: str | None = None) -> list[dict[str, Any]]:
        capsys.readouterr()
        ended = run([*verb.split(), "-C", str(project), "--json", *arguments])
        out, err = capsys.readouterr()
        assert ended == code, out + err
        printed = list(values(out))
        for value in printed:
            VALIDATOR.validate({schema or verb: value})
        said[schema or verb] = said.get(schema or verb, 0) + len(printed)
        return printed

    return asked


def values(text: str) -> Iterator[dict[str, Any]]:
    """The JSON values in a text, one after the other; anything between them fails."""
    decoder = json.JSONDecoder()
    text = text.strip()
    while text:
        value, end = decoder.raw_decode(text)
        yield value
        text = text[end:].lstrip()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TENURE_ACTOR", "ann")
    return make_project(tmp_path, CHANGES)


@pytest.mark.slow
def test_every_verb_prints_what_its_schema_says(ask: Ask, said: dict[str, int], project: Path) -> None:
    before_anything_is_recorded(ask, project)
    from_a_plan_to_a_release(ask, project)
    what_is_recorded(ask)
    predictions_and_their_labels(ask, project)
    what_people_ask_for(ask, project)
    errors(ask, project)
    serving(said, project)
    the_state_itself(ask, project)
    assert set(said) == set(answers()), "ask the new verb, too"
    assert all(said.values())


def before_anything_is_recorded(ask: Ask, project: Path) -> None:
    (made,) = ask("init", "new", "--ci", "gitlab")
    assert (made["ci"], ".gitlab-ci.yml" in made["files"]) == ("gitlab", True)
    (proposed,) = ask("init", "proposed", "--from", "data/flowers.csv", "--ci", "none")
    assert (proposed["proposed"]["target"], proposed["proposed"]["task"]) == ("kind", "classification")
    (found,) = ask("validate")
    assert found["valid"]
    (files,) = ask("schema")
    assert sorted(files["written"]) == files["files"]
    (plan,) = ask("plan", "--out", str(project / "plan.json"), "--detailed-exitcode", code=2)
    assert plan == json.loads((project / "plan.json").read_bytes())
    assert ask("show") == [{"format_version": "1.0", "environment": "dev", "models": {}}]
    assert ask("show", str(project / "plan.json")) == [plan]


def from_a_plan_to_a_release(ask: Ask, project: Path) -> None:
    lines = ask("apply", str(project / "plan.json"), code=3)
    assert (lines[-1]["event"], lines[-1]["exit_code"]) == ("result", 3)
    assert {"stepstarted", "stepfinished", "stepblocked"} <= {line["event"] for line in lines}
    kept = str(project / "state.ndjson")
    assert ask("state export", "--output", kept)[0]["lines"] > 10
    assert ask("state import", kept, "--env", "staging")[0]["models"] == 1
    ask("state forget", "flowers", "--env", "staging", "--reason", "a try")
    assert ask("reject", "flowers@1", "--role", "owner", "--reason", "too early")[0]["decisions"]
    assert (
        ask("approve", "flowers@1", "--role", "owner", "--reason", "seen")[0]["decisions"][0]["by"] == "ann"
    )
    assert ask("apply", "--auto-approve")[-1]["exit_code"] == 0
    assert ask("apply", "--auto-approve")[-1]["result"] is None


def what_is_recorded(ask: Ask) -> None:
    assert list(ask("show")[0]["models"]) == ["flowers"]
    for subject in ("flowers", "flowers@1", "flowers/deployment/endpoint"):
        assert len(ask("show", subject)) == 1
    (history,) = ask("history", "flowers")
    assert {"applied", "approved", "rejected"} <= {entry["kind"] for entry in history["entries"]}
    (card,) = ask("card", "flowers@1")
    assert "flowers" in card["card"]
    (audit,) = ask("audit verify")
    assert audit["intact"]
    assert len(ask("audit export")) == audit["events"]


def predictions_and_their_labels(ask: Ask, project: Path) -> None:
    rows = (project / "data/flowers.csv").read_text().splitlines()[1:21]
    asked = [
        "id,petal,sepal,colour",
        *(f"{number},{row.rpartition(',')[0]}" for number, row in enumerate(rows)),
    ]
    (project / "ask.csv").write_text("\n".join(asked))
    truth = ["id,kind", *(f"{number},{row.rpartition(',')[2]}" for number, row in enumerate(rows))]
    (project / "truth.csv").write_text("\n".join(truth))
    where = ("--input", str(project / "ask.csv"), "--output", str(project / "told.csv"))
    assert ask("predict", "flowers", *where)[0]["rows"] == 20
    assert ask("labels", "flowers", "--input", str(project / "truth.csv"))[0]["new"] == 20
    ask("observe", "--now", "2030-01-01")
    files = set()
    for about in ((), ("data",), ("search",), ("evaluation",)):
        (report,) = ask("report", "flowers", *about)
        assert report["about"] == (about[0] if about else "monitoring")
        assert Path(report["file"]).is_file()
        files.add(report["file"])
    assert len(files) == 4


def what_people_ask_for(ask: Ask, project: Path) -> None:
    assert ask("retire", "flowers")[0]["models"][0]["lifecycle"] == "retired"
    assert ask("acknowledge", "flowers", "--consumer", "shop", "--reason", "moves on")[0]["by"] == "ann"
    ask("promote", "flowers", "--to", "prod")
    ask("retrain", "flowers", "--reason", "new season")
    assert ask("run", "--once", code=3)[-1]["event"] == "result", "the same rows again would be in vain"
    write_flowers(project / "data/flowers.csv", seed=4)
    ask("apply", "--auto-approve", code=3)
    ask("approve", "flowers@2", "--role", "owner", "--reason", "seen")
    ask("apply", "--auto-approve")
    assert "models" in ask("rollback", "flowers", "--to", "1", "--reason", "worse")[0]
    assert (
        ask("rollback", "flowers", "--to", "1", "--reason", "worse", "--auto-approve")[-1]["event"]
        == "result"
    )
    assert ask("audit export", "--out", str(project / "log.ndjson"))[0]["file"].endswith("log.ndjson")


def the_state_itself(ask: Ask, project: Path) -> None:
    with Project(project).store.lease("flowers", "somebody else"):
        (lease,) = ask("state list", "--locks")[0]["leases"]
        ask("state unlock", "flowers", lease["id"], "--reason", "it hangs")
    ask("state list")
    assert ask("state doctor")[0]["healthy"]
    ask("state backup", "--output", str(project / "copy.db"))
    ask("state upgrade")
    assert ask("state move", "flowers", "roses")[0]["moved_from"] == "flowers"


def errors(ask: Ask, project: Path) -> None:
    (unknown,) = ask("show", "flwers", code=1, schema="error")
    assert "flowers" in unknown["error"]["hint"]
    (usage,) = ask("plan", "--nonsense", code=1, schema="error")
    assert usage["error"]["type"] == "UsageError"
    (words,) = ask("demo", code=1, schema="error")
    assert "words" in words["error"]["summary"]
    broken = project / "specs/broken.yaml"
    broken.write_text((project / "specs/flowers.yaml").read_text().replace("name: flowers", "nme: broken"))
    (plan,) = ask("plan", code=1, schema="error")
    assert plan["error"]["diagnostics"][0]["span"]["file"] == "specs/broken.yaml"
    (found,) = ask("validate", code=1)
    assert not found["valid"]
    broken.unlink()


def serving(said: dict[str, int], project: Path) -> None:
    command = [sys.executable, "-m", "tenure", "serve", "-C", str(project), "--json", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        value = json.loads(server.stdout.readline())
        server.terminate()
        rest = server.stdout.read()
    VALIDATOR.validate({"serve": value})
    assert value["url"].startswith("http://127.0.0.1:")
    assert rest == ""
    said["serve"] = 1
