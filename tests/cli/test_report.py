from __future__ import annotations

import pytest

from tenure.cli.main import run
from tenure.engine.project import Project
from tenure.engine.reporting import REPORTS, About


@pytest.fixture
def project(tmp_path):
    (tmp_path / "t.csv").write_text("a,b,y\n" + "".join(f"{i % 7},{i % 3},{i % 2}\n" for i in range(60)))
    assert run(["init", str(tmp_path), "--from", str(tmp_path / "t.csv"), "--ci", "none"]) == 0
    return tmp_path


def test_there_is_a_report_for_every_word():
    from typing import get_args

    assert set(get_args(About)) == set(REPORTS)


def test_an_unknown_word_is_refused_with_those_there_are(project, capsys):
    assert run(["-C", str(project), "report", "t", "everything"]) == 1
    assert "data, search, evaluation, monitoring" in capsys.readouterr().err


@pytest.mark.parametrize("about", [(), *((word,) for word in REPORTS)])
def test_what_was_never_applied_has_no_report(about, project, capsys):
    assert run(["-C", str(project), "report", "t", *about, "env=prod"]) == 1
    out, err = capsys.readouterr()
    assert "Unexpected argument" not in err
    assert "Traceback" not in out + err


@pytest.mark.slow
def test_an_applied_model_has_them_and_a_place_that_cannot_be_written_is_named(project, capsys):
    spec = project / "specs/t.yaml"
    spec.write_text(spec.read_text().replace("max_trials: 30", "max_trials: 1"))
    run(["-C", str(project), "apply", "--auto-approve"])
    path = Project(project).report("t", "data")
    assert path.name == "t.data.html"
    assert "Data report" in path.read_text()
    assert run(["-C", str(project), "show", "t/training/search"]) == 0
    assert "Best trials" in capsys.readouterr().out
    assert run(["-C", str(project), "report", "t", "search", "--out", str(project / "none/x.html")]) == 1
    assert "--out" in capsys.readouterr().err
