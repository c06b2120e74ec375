from __future__ import annotations

import importlib.util
import json
import sys

import pytest

from tenure.cli.init import demo_table, model_name
from tenure.cli.main import run

EXPECTED = {
    ".github/workflows/tenure.yml",
    ".gitignore",
    "README.md",
    "conf/artifacts/s3.yaml",
    "conf/config.yaml",
    "conf/env/dev.yaml",
    "conf/env/prod.yaml",
    "conf/monitoring/standard.yaml",
    "conf/state/postgres.yaml",
    "schemas/answers.schema.json",
    "schemas/model.schema.json",
    "schemas/plan.schema.json",
}


def files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("template", "own"),
    [
        ("blank", {"specs/model.yaml", "data/README.md"}),
        ("demo", {"specs/weather.yaml", "data/observations.csv"}),
    ],
)
def test_a_new_project_is_complete_and_valid_in_every_environment(template, own, tmp_path, capsys):
    folder = tmp_path / "project"
    assert run(["init", str(folder), "--template", template]) == 0
    assert files(folder) == EXPECTED | own
    for environment in ("dev", "prod"):
        assert run(["-C", str(folder), "validate", "--env", environment]) == 0
        assert "1 spec is valid." in capsys.readouterr().out
    assert run(["-C", str(folder), "schema", "--check"]) == 0


@pytest.mark.parametrize(
    ("ci", "written"),
    [
        ("github", {".github/workflows/tenure.yml"}),
        ("gitlab", {".gitlab-ci.yml"}),
        ("none", set()),
    ],
)
def test_the_workflow_is_that_of_the_place_where_changes_are_reviewed(ci, written, tmp_path):
    assert run(["init", str(tmp_path), "--ci", ci]) == 0
    assert {name for name in files(tmp_path) if name.startswith((".github", ".gitlab"))} == written
    assert not {name for name in files(tmp_path) if "dot-" in name or name.startswith("ci/")}


def test_every_spec_names_the_schema_that_is_written(tmp_path):
    run(["init", str(tmp_path), "--template", "demo"])
    first = (tmp_path / "specs/weather.yaml").read_text().splitlines()[0]
    path = first.removeprefix("# yaml-language-server: $schema=")
    assert (tmp_path / "specs" / path).is_file()


def test_nothing_is_overwritten(tmp_path, capsys):
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/config.yaml").write_text("mine")
    assert run(["init", str(tmp_path)]) == 1
    assert "conf/config.yaml" in capsys.readouterr().err
    assert files(tmp_path) == {"conf/config.yaml"}


def test_the_folder_of_the_global_option_is_where_the_project_begins(tmp_path, capsys):
    assert run(["init", "sub", "-C", str(tmp_path), "--json"]) == 0
    assert (tmp_path / "sub/specs/model.yaml").is_file()
    assert "specs/model.yaml" in json.loads(capsys.readouterr().out)["files"]


def test_the_demo_has_the_days_of_2012_and_imports_no_package_for_them():
    sys.modules.pop("vega_datasets", None)
    rows = demo_table("2012").decode().splitlines()
    assert "vega_datasets" not in sys.modules
    assert rows[0] == "date,precipitation,temp_max,temp_min,wind,weather"
    assert len(rows) == 1 + 366
    assert {row[:4] for row in rows[1:]} == {"2012"}
    assert len(demo_table("2012", "2013").decode().splitlines()) == 1 + 366 + 365


def test_without_the_data_package_the_way_to_it_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert run(["init", str(tmp_path / "p"), "--template", "demo"]) == 1
    assert 'pip install "tenure[demo]"' in capsys.readouterr().err
    assert not (tmp_path / "p").exists()


# ---- --from ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def orders(tmp_path):
    lines = [f"{i},{'gold' if i % 3 else 'basic'},{i % 7},{'yes' if i % 5 == 0 else 'no'}" for i in range(60)]
    path = tmp_path / "orders.csv"
    path.write_text("\n".join(["order_id,plan,items,returned", *lines, ""]))
    return path


def test_a_project_is_made_around_a_file_of_data(orders, tmp_path, capsys):
    folder = tmp_path / "project"
    folder.mkdir()
    inside = orders.rename(folder / "orders.csv")
    assert run(["init", str(folder), "--from", str(inside)]) == 0
    out = capsys.readouterr().out
    assert "predicts returned" in out
    assert "order_id: an identifier" in out
    assert "outside" not in out
    assert files(folder) == EXPECTED | {"specs/orders.yaml", "orders.csv"}
    assert "specs/orders.yaml" in (folder / "README.md").read_text()
    for environment in ("dev", "prod"):
        assert run(["-C", str(folder), "validate", "--env", environment]) == 0
    assert "path: orders.csv" in (folder / "specs/orders.yaml").read_text()


def test_a_file_outside_of_the_project_works_and_the_way_in_is_said(orders, tmp_path, capsys):
    folder = tmp_path / "project"
    assert run(["init", str(folder), "--from", str(orders), "--name", "returns", "--ci", "none"]) == 0
    assert "path: ../orders.csv" in (folder / "specs/returns.yaml").read_text()
    assert f"mv {orders} {folder}/data/" in capsys.readouterr().out.replace("\n", " ")


def test_a_second_spec_joins_a_project_that_is_there(orders, tmp_path, capsys):
    folder = tmp_path / "project"
    run(["init", str(folder), "--ci", "none"])
    before = files(folder)
    assert run(["init", str(folder), "--from", str(orders), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out.partition("\n{")[2].join(["{", ""]))
    assert answer["files"] == ["specs/orders.yaml"]
    assert answer["proposed"]["target"] == "returned"
    assert answer["proposed"]["left_out"][0]["column"] == "order_id"
    assert files(folder) == before | {"specs/orders.yaml"}
    assert run(["init", str(folder), "--from", str(orders)]) == 1
    assert "orders-2" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["--target", "x"], ["--name", "x"], ["--from", "t.csv", "--template", "demo"]]
)
def test_options_that_do_not_go_together(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["init", ".", *arguments]) == 1
    assert files(tmp_path) == set()


def test_nothing_is_written_when_nothing_can_be_proposed(orders, tmp_path, capsys):
    folder = tmp_path / "project"
    assert run(["init", str(folder), "--from", str(orders), "--target", "retruned"]) == 1
    assert "Did you mean 'returned'?" in capsys.readouterr().err
    assert not folder.exists()


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("Customer Churn (2024).csv", "customer-churn-2024"),
        ("a.b.parquet", "a-b"),
        ("x.csv.gz", "x"),
        ("ü.csv", "model"),
    ],
)
def test_a_model_is_named_after_its_file(file, name, tmp_path):
    assert model_name(tmp_path / file) == name
