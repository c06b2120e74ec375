"""What was live when, who approved it, and why it changed: a model's real life, told to the word."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.engine.projects import NOW, make_project, write_flowers

from tenure.cli.main import run
from tenure.engine.life import Approved, chronicle, served
from tenure.engine.project import Project
from tenure.state.record import Fact

DAY = timedelta(days=1)
BREACH = "Accuracy fell below 0.6 in 2 of 3 windows."


def at(days: float) -> datetime:
    return NOW + days * DAY


def applied(root: Path, days: float, code: int = 0, who: str = "ann") -> Project:
    project = Project(root, now=at(days), actor=who)
    assert project.apply(project.plan()).exit_code == code
    return project


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two versions: the second retrained by a cause, approved, released as a canary, and rolled back."""
    root = make_project(
        tmp_path_factory.mktemp("life"),
        {
            "governance": {"approvals": [{"role": "owner"}]},
            "deployment": {"rollout": {"strategy": "canary", "steps": [50, 100], "bake_time": "1d"}},
            "training": {"limits": {"max_trials": 1}},
        },
    )
    applied(root, 0, code=3)
    Project(root, now=at(0.25), actor="bob").approve("flowers@1", role="owner", reason="looked at the report")
    applied(root, 0.5)
    write_flowers(root / "data" / "flowers.csv", rows=160, seed=4)
    Project(root, now=at(3)).store.add_fact(
        Fact(id="f", model="flowers", kind="breach", key="k", do="retrain", mode="propose", sentence=BREACH,
             evidence={"windows": 3}, at=at(3), by="flowers/monitoring/monitor")
    )  # fmt: skip
    applied(root, 3, code=3)
    Project(root, now=at(3.5), actor="cora").approve("flowers@2", role="owner", reason="repairs the breach")
    applied(root, 4, code=3)
    applied(root, 5.5, who="cron")
    back = Project(root, now=at(6), actor="bob")
    assert back.apply(back.rollback("flowers", to=1, reason="incident 7")).exit_code == 0
    return root


def told(root: Path, days: float) -> list[tuple[int, float, datetime, datetime, str, str]]:
    project = Project(root, now=at(10))
    state = project.reader.at("flowers", at(days))
    assert state is not None
    return [
        (one.version, one.share, one.share_since, one.since, one.by, one.because)
        for one in served(chronicle(project, "flowers"), state, at(days))
    ]


ASKED = "bob asked for version 1: incident 7"
NEW = "it was new, and nothing stood against it"


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (0.1, []),
        (0.5, [(1, 100, at(0.5), at(0.5), "ann", NEW)]),
        (3.9, [(1, 100, at(0.5), at(0.5), "ann", NEW)]),
        (4, [(2, 50, at(4), at(4), "ann", NEW), (1, 50, at(4), at(0.5), "ann", NEW)]),
        (5.4, [(2, 50, at(4), at(4), "ann", NEW), (1, 50, at(4), at(0.5), "ann", NEW)]),
        (5.5, [(2, 100, at(5.5), at(4), "ann", NEW)]),
        (6, [(1, 100, at(6), at(6), "bob", ASKED)]),
        (9, [(1, 100, at(6), at(6), "bob", ASKED)]),
    ],
)
def test_what_was_live_since_when_by_whom_and_why(
    root: Path, days: float, expected: list[tuple[object, ...]]
) -> None:
    assert told(root, days) == expected


def test_who_approved_what_and_why_it_was_made(root: Path) -> None:
    project = Project(root, now=at(10))
    life = chronicle(project, "flowers")
    state = project.reader.at("flowers", at(4))
    assert state is not None
    second, first = served(life, state, at(4))
    assert second.approvals == (Approved("owner", "cora", at(3.5), "repairs the breach"),)
    assert first.approvals == (Approved("owner", "bob", at(0.25), "looked at the report"),)
    assert (second.made_at, second.made_because) == (at(3), BREACH)
    assert (first.made_at, first.made_because) == (NOW, "it was the first")


def shown(root: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert run([*words, "-C", str(root), "--now", at(10).isoformat()]) == 0
    return capsys.readouterr().out


def test_show_begins_with_the_answer(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(root, capsys, "show", "flowers", "--at", "2026-05-08T00:00:00Z").splitlines()
    assert lines[:10] == [
        "flowers  active, serial 22, serves version 2 (50 %), version 1 (50 %)  as it was on 2026-05-08 00:00 UTC",
        "  version 2 served 50 % since 2026-05-07 10:00 UTC, released by ann because it was new, and nothing stood",
        "    against it.",
        "    approved by cora as owner on 2026-05-06 22:00 UTC: repairs the breach",
        f"    made on 2026-05-06 10:00 UTC because {BREACH}",
        "  version 1 served 50 % since 2026-05-07 10:00 UTC, released on 2026-05-03 22:00 UTC by ann because it was",
        "    new, and nothing stood against it.",
        "    approved by bob as owner on 2026-05-03 16:00 UTC: looked at the report",
        "    made on 2026-05-03 10:00 UTC because it was the first.",
        "",
    ]
    now = shown(root, capsys, "show", "flowers").splitlines()
    assert now[1].startswith(
        "  version 1 serves 100 % since 2026-05-09 10:00 UTC, released by bob because bob asked"
    )


def test_show_tells_programs_the_same(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = json.loads(shown(root, capsys, "show", "flowers", "--at", "2026-05-08", "--json"))
    assert answer["serial"] == 22
    assert [(one["version"], one["share"], one["since"]) for one in answer["served"]] == [
        (2, 50, "2026-05-07T10:00:00Z"),
        (1, 50, "2026-05-03T22:00:00Z"),
    ]
    assert answer["served"][0]["approvals"][0]["reason"] == "repairs the breach"


def entries(root: Path, capsys: pytest.CaptureFixture[str], *words: str) -> list[tuple[str, str, str, str]]:
    answer = json.loads(shown(root, capsys, "history", "flowers", "--json", *words))
    return [(one["at"], one["kind"], one["by"], one["sentence"]) for one in answer["entries"]]


MADE = "data/snapshot, features/recipe, training/search, training/model, evaluation/report, governance/version, governance/approval"  # fmt: skip  # noqa: E501


def test_history_tells_the_whole_life(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert entries(root, capsys) == [
        ("2026-05-03T10:00:00Z", "applied", "ann",
         f"version 1: {MADE}, retirement/policy, deployment/endpoint, monitoring/monitor"),
        ("2026-05-03T16:00:00Z", "approved", "bob", "version 1 as owner: looked at the report"),
        ("2026-05-03T22:00:00Z", "applied", "ann",
         "version 1 serves (governance/approval rule): governance/approval, deployment/endpoint, monitoring/monitor"),
        ("2026-05-06T10:00:00Z", "cause", "flowers/monitoring/monitor", f"{BREACH} [asks for retrain]"),
        ("2026-05-06T10:00:00Z", "applied", "ann", f"version 2 ({BREACH}): {MADE}"),
        ("2026-05-06T22:00:00Z", "approved", "cora", "version 2 as owner: repairs the breach"),
        ("2026-05-07T10:00:00Z", "applied", "ann",
         "version 2 serves 50 %, version 1 50 % (governance/approval rule): governance/approval, deployment/endpoint"),
        ("2026-05-08T22:00:00Z", "applied", "cron",
         "version 2 serves (deployment/endpoint rollout): deployment/endpoint, monitoring/monitor"),
        ("2026-05-09T10:00:00Z", "cause", "bob", f"{ASKED} [asks for serve]"),
        ("2026-05-09T10:00:00Z", "applied", "bob",
         f"version 1 serves ({ASKED}; deployment/endpoint request): deployment/endpoint, monitoring/monitor"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "kinds"),
    [
        (["--since", "2026-05-08"], ["applied", "cause", "applied"]),
        (["--until", "2026-05-04"], ["applied", "approved", "applied"]),
        (["--since", "2026-05-06", "--until", "2026-05-06T12:00:00Z"], ["cause", "applied"]),
        (["--since", "2026-05-06T10:00:00Z", "--until", "2026-05-06T10:00:00Z"], []),
        (["--address", "deployment/endpoint"], ["applied", "applied", "applied", "applied", "applied"]),
        (["--address", "flowers/training/model"], ["applied", "applied"]),
        (["--address", "governance/approval", "--since", "2026-05-06"], ["applied", "approved", "applied"]),
        (["--address", "no/thing"], []),
        (["--limit", "2"], ["cause", "applied"]),
    ],
)  # fmt: skip
def test_history_is_cut_by_time_and_address(
    root: Path, capsys: pytest.CaptureFixture[str], words: list[str], kinds: list[str]
) -> None:
    assert [kind for _, kind, _, _ in entries(root, capsys, *words)] == kinds


def test_history_tells_programs_what_served_from_then_on(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = json.loads(
        shown(root, capsys, "history", "flowers", "--json", "--address", "deployment/endpoint")
    )
    assert [one["serves"] for one in answer["entries"]] == [
        None, {"1": 100}, {"2": 50, "1": 50}, {"2": 100}, {"1": 100},
    ]  # fmt: skip


def test_a_life_of_many_steps_is_not_cut_off(root: Path, tmp_path: Path) -> None:
    """More steps and causes than a plan ever looks at."""
    import shutil

    shutil.copytree(root, tmp_path / "copy")
    project = Project(tmp_path / "copy", now=at(10), actor="ann")
    with project.store.lease("flowers", "ann@here:1:x") as lease:
        for number in range(230):
            entry = project.store.begin(
                lease, apply_id=f"x{number}", address="flowers/training/model", action="replace", reason="cause",
                fingerprint="f", at=at(10), by="ann",
            )  # fmt: skip
            project.store.finish(lease, entry, outcome="failed", at=at(10), detail="no memory")
    life = chronicle(project, "flowers")
    assert sum(1 for entry in life.journal if entry.outcome == "failed") == 230
    state = project.state("flowers")
    assert served(life, state)[0].because == ASKED, "the reason of the release is older than all of them"


def test_work_on_the_state_is_part_of_the_history(root: Path, tmp_path: Path) -> None:
    import shutil

    from tenure.engine import surgery
    from tenure.render.history import happenings

    shutil.copytree(root, tmp_path / "copy")
    project = Project(tmp_path / "copy", now=at(10), actor="ann")
    with project.store.lease("flowers", "eve@elsewhere:1:x") as lease:
        surgery.unlock(project, "flowers", lease.id, reason="it hangs")
    last = happenings(chronicle(project, "flowers"))[-1]
    assert (last.kind, last.by) == ("lease ended", "ann")
    assert "reason it hangs" in last.sentence
