"""`scripts/fuzz`: random sequences over the real engine, for as long as one likes."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from tests.fuzz.campaign import campaign, figures_in_words, replayed, told
from tests.fuzz.machine import Life


def main() -> int:
    """Exit code 1 when a promise was broken."""
    chosen = _arguments()
    if chosen.replay:
        return _replay(chosen.replay)
    seed = int(time.time()) % 1_000_000 * 1_000 if chosen.seed is None else chosen.seed
    print(
        f"{chosen.mode} sequences for {chosen.minutes:g} min from seed {seed}, {chosen.jobs} at a time",
        flush=True,
    )
    began = time.monotonic()
    others = [
        subprocess.Popen(_command(chosen, seed + number * 1_000_000), stdout=subprocess.PIPE, text=True)
        for number in range(1, chosen.jobs)
    ]
    violations = campaign(chosen.mode, seed, chosen.minutes, chosen.out, lambda line: print(line, flush=True))
    figures = dict(Life.figures)
    for other in others:
        said = other.communicate()[0]
        *lines, last = said.splitlines()
        theirs = json.loads(last)
        violations += theirs.pop("violations")
        figures = {name: count + theirs[name] for name, count in figures.items()}
        print("\n".join(line for line in lines if not line.startswith("  ")), flush=True)
    if chosen.worker:
        print(json.dumps({**figures, "violations": violations}))
        return 0
    seconds = time.monotonic() - began
    print(
        f"{figures_in_words(figures)}, {violations} violations in {seconds:.0f} s: "
        f"{figures['steps'] / max(seconds, 0.001):.1f} steps per second"
    )
    return 1 if violations else 0


def _replay(path: Path) -> int:
    written = json.loads(path.read_text())
    try:
        replayed(written["mode"], written["steps"])
    except Exception as error:
        print(told(error))
        return 1
    print(f"{len(written['steps'])} steps, and every promise holds.")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (default 10)")
    parser.add_argument("--seed", type=int, help="where to begin; the same seed gives the same sequences")
    parser.add_argument(
        "--mode", choices=("fast", "real"), default="fast", help="stand-ins for training, or the real one"
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side (default 1)")
    parser.add_argument("--out", type=Path, default=Path(), help="folder for sequences that fail")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="run one written sequence again")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def _command(chosen: argparse.Namespace, seed: int) -> list[str]:
    return [
        sys.executable, "-m", "tests.fuzz", "--worker", f"--minutes={chosen.minutes}", f"--seed={seed}",
        f"--mode={chosen.mode}", f"--out={chosen.out}",
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
