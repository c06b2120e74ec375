"""`tenure predict` on a file as the model was trained on."""

from __future__ import annotations

import random
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tenure.cli.main import run

SPEC = """\
apiVersion: tenure/v1
kind: Model
metadata: {name: rent, owner: anna}
data:
  sources:
    flats:
      type: csv
      path: data/flats.csv
      decimal: ","
      thousands: "."
      null_values: ["k.A."]
      timestamp_format: "%d.%m.%Y"
  target_column: miete
training:
  algorithms:
    ridge: {}
  limits: {max_trials: 1}
deployment:
  target: {type: batch}
"""


HEADER = "flaeche;etage;frei;miete\n"


def flats(count: int, seed: int) -> tuple[str, dict[str, list[object]]]:
    """Rows as a German program writes them, and their values."""
    chance = random.Random(seed)
    lines, rows = [], []
    for i in range(count):
        area, floor = round(chance.uniform(20, 3000), 1), None if i % 5 == 0 else i % 4
        day, rent = date(2024, 3, chance.randint(1, 28)), round(area * 12 + chance.gauss(0, 4000), 2)
        german = [f"{number:,}".translate(str.maketrans(",.", ".,")) for number in (area, rent)]
        lines.append(f"{german[0]};{'k.A.' if floor is None else floor};{day:%d.%m.%Y};{german[1]}\n")
        rows.append((area, floor, day))
    return HEADER + "".join(lines), dict(
        zip(HEADER.split(";"), map(list, zip(*rows, strict=True)), strict=False)
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rent")
    assert run(["init", str(folder)]) == 0
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data/flats.csv").write_text(flats(80, 1)[0])
    (folder / "specs/rent.yaml").write_text(SPEC)
    assert run(["-C", str(folder), "apply", "rent", "--auto-approve"]) == 0
    return folder


def predict(folder: Path, source: Path) -> int:
    return run(
        [
            "-C",
            str(folder),
            "predict",
            "rent",
            "--input",
            str(source),
            "--output",
            str(folder / "out.parquet"),
        ]
    )


def test_a_file_as_it_was_trained_on_is_scored_like_the_values_in_it(project):
    text, values = flats(20, 2)
    (project / "new.csv").write_text(text)
    pq.write_table(pa.table(values), project / "new.parquet")
    assert predict(project, project / "new.csv") == 0
    written = pq.read_table(project / "out.parquet")
    assert predict(project, project / "new.parquet") == 0
    assert written.column("prediction") == pq.read_table(project / "out.parquet").column("prediction")
    assert written.column("flaeche").to_pylist() == values["flaeche"]
    assert predict(project, project / "data/flats.csv") == 0
    assert pq.read_metadata(project / "out.parquet").num_rows == 80


def test_a_file_of_another_form_is_refused_with_its_row(project, capsys):
    (project / "plain.csv").write_text("flaeche;etage;frei\n1.234,5;1;03.03.2024\n77.5;1;03.03.2024\n")
    capsys.readouterr()
    assert predict(project, project / "plain.csv") == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "column 'flaeche' is a number in the model" in said
    assert "row 2 has '77.5'" in said
