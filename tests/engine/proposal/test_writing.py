from __future__ import annotations

import csv
import subprocess
import sys

import pytest
import yaml

from tenure.cli.main import run
from tenure.core.errors import TenureError
from tenure.engine.proposal.proposing import propose
from tenure.engine.proposal.writing import spec_text
from tenure.engine.specs import Specs

ODD_NAMES = [
    "yes", "null", "1st", "a: b", "a #b", "-", "{x}", "[y]", '"q"', "it's", "${var.x}", "\\${y}", "\\n", "*a", "&b",
    "!c", "ünïcödé", "a,b", "%", "@", "`", "name with spaces", "trailing:", "? key", "x\ty", "‮rtl", "~", "1e5", "0x1f",
    "2024-01-01", "<script>",
]  # fmt: skip


def table(path, names, rows):
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([names, *rows])
    return path


def test_any_name_of_a_column_and_any_category_ends_up_in_a_valid_spec(tmp_path, capsys):
    rows = [[*(ODD_NAMES[2 + (i + j) % 9] for j in range(len(ODD_NAMES))), "ab"[i % 2]] for i in range(60)]
    file = table(tmp_path / "odd names.csv", [*ODD_NAMES, "target"], rows)
    assert run(["init", str(tmp_path), "--from", str(file), "--ci", "none"]) == 0
    assert run(["-C", str(tmp_path), "validate"]) == 0, capsys.readouterr()
    spec = yaml.safe_load((tmp_path / "specs/odd-names.yaml").read_text())
    present = next(check for check in spec["data"]["checks"] if check["type"] == "not_null")
    assert len(present["columns"]) == len(ODD_NAMES)
    (compiled,) = Specs(tmp_path).compiled()
    config = next(item for item in compiled.resources if item.local == "data/snapshot").config["data"]
    present = next(check for check in config["checks"] if check["type"] == "not_null")
    assert list(present["columns"]) == ODD_NAMES


@pytest.mark.parametrize("seen", [(0, 1e-12), (-1e18, 1e18), (5e-324, 1.0), (0.1, 0.3), (3, 2**62)])
def test_ranges_of_any_size_hold_what_was_seen(tmp_path, seen):
    rows = [[seen[i % 2] if i % 3 else seen[0], i % 2] for i in range(60)]
    proposal = propose(table(tmp_path / "t.csv", ["x", "y"], rows), "y")
    spec = yaml.safe_load(spec_text(proposal, name="t", path="t.csv"))
    check = next(check for check in spec["data"]["checks"] if check["type"] == "between")
    assert isinstance(check["min"], int | float)
    assert check["min"] <= seen[0]
    assert seen[1] <= check["max"]


def test_rows_without_a_target_are_not_counted_on(tmp_path):
    rows = [[i, i % 7, i % 2 if i % 5 == 0 else ""] for i in range(300)]
    spec = yaml.safe_load(
        spec_text(propose(table(tmp_path / "t.csv", ["x", "z", "y"], rows), "y"), name="t", path="t.csv")
    )
    assert {"type": "drop_null_target"} in spec["data"]["cleaning"]
    assert {"type": "row_count", "min": 30} in spec["data"]["checks"]
    few = table(tmp_path / "few.csv", ["x", "y"], [[i, i % 2 if i < 19 else ""] for i in range(300)])
    with pytest.raises(TenureError, match="not enough data") as caught:
        propose(few, "y")
    assert "'y' is known in 19 of them" in caught.value.detail


def test_one_value_is_no_range(tmp_path):
    """A number that is the same wherever it is known may be another one tomorrow."""
    rows = [[0 if i % 3 else "", i % 5, i % 2] for i in range(60)]
    spec = yaml.safe_load(
        spec_text(propose(table(tmp_path / "t.csv", ["x", "z", "y"], rows), "y"), name="t", path="t.csv")
    )
    assert [item["column"] for item in spec["data"]["checks"] if item["type"] == "between"] == ["z"]


def test_personal_values_are_not_written(tmp_path):
    rows = [[f"p{i % 3}@secret.org", f"0612345{i % 4:03}x", i % 5, i % 2] for i in range(60)]
    text = spec_text(
        propose(table(tmp_path / "t.csv", ["contact", "iban", "x", "y"], rows)), name="t", path="t.csv"
    )
    assert "secret" not in text
    assert "0612345" not in text
    assert "personal data" in text


def test_every_line_of_a_long_proposal_can_be_read(tmp_path):
    names = [f"a_rather_long_name_of_a_column_{i}" for i in range(40)]
    rows = [[*((i * j) % 17 for j in range(1, 41)), i % 2] for i in range(80)]
    text = spec_text(propose(table(tmp_path / "t.csv", [*names, "y"], rows)), name="t", path="t.csv")
    assert max(map(len, text.splitlines())) <= 120


def test_planning_with_a_proposed_spec_loads_nothing_heavy(tmp_path):
    rows = [[i % 13, i % 2] for i in range(60)]
    file = table(tmp_path / "t.csv", ["x", "y"], rows)
    code = (
        "import sys\n"
        "from tenure.cli.main import run\n"
        f"assert run(['-C', {str(tmp_path)!r}, 'plan']) == 0\n"
        "assert not {'duckdb', 'pandas', 'sklearn'} & set(sys.modules)\n"
    )
    assert run(["init", str(tmp_path), "--from", str(file), "--ci", "none"]) == 0
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)


def spec_of(tmp_path, names, rows, target=None):
    return yaml.safe_load(
        spec_text(propose(table(tmp_path / "t.csv", names, rows), target), name="t", path="t.csv")
    )


def test_the_contract_has_types_and_marks(tmp_path):
    rows = [[18 + i % 50, "mf"[i % 2], f"p{i}@b.org", "" if i % 9 else 1.5, i % 3 == 0] for i in range(90)]
    spec = spec_of(tmp_path, ["age", "gender", "contact", "ratio", "churned"], rows)
    assert spec["data"]["contract"]["columns"] == {
        "age": {"type": "integer", "nullable": False, "sensitive": True},
        "gender": {"type": "string", "nullable": False, "sensitive": True},
        "contact": {"type": "string", "nullable": False, "pii": True},
        "ratio": {"type": "number"},
        "churned": {"type": "boolean", "nullable": False},
    }
    assert [item["sensitive_column"] for item in spec["evaluation"]["fairness"]] == ["age", "gender"]
    assert spec["data"]["positive_class"] is True
    assert spec["features"]["exclude"] == ["contact"]


def test_groups_are_the_entities(tmp_path):
    spec = spec_of(
        tmp_path, ["patient_id", "x", "label"], [[f"p{i % 40}", i % 23, i % 2] for i in range(200)]
    )
    assert spec["data"]["entities"] == ["patient_id"]
    assert spec["data"]["split"] == {"type": "group", "column": "patient_id", "test": 0.2}


def test_of_a_part_of_the_rows_nothing_is_promised(tmp_path, monkeypatch):
    monkeypatch.setattr("tenure.engine.proposal.reading.MOST_BYTES", 1500)
    rows = [[18 + i % 50, i % 7, i % 2] for i in range(900)]
    spec = spec_of(tmp_path, ["age", "x", "y"], rows)
    assert spec["data"]["contract"]["columns"] == {"age": {"sensitive": True}}
    assert {check["severity"] for check in spec["data"]["checks"]} == {"warn"}
