"""Sequences for as long as one likes: fresh seeds, figures, and a file that replays what failed."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.fuzz.machine import Life

SEQUENCES, STEPS = 10, 25
"""How many sequences are tried with one seed, and how long each is at most."""


class RealLife(Life):
    """The same with real training."""

    real = True


def machine(mode: str) -> type[Life]:
    """The state machine of a mode: `fast` with stand-ins for slow stages, `real` without."""
    return RealLife if mode == "real" else Life


def tried(
    mode: str, seed: int, *, sequences: int = SEQUENCES, steps: int = STEPS, shrink: bool = True
) -> None:
    """The sequences of one seed; the same ones each time. Raises what the smallest failing one raised."""
    chosen = settings(
        max_examples=sequences,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        derandomize=False,
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, *([Phase.shrink] if shrink else [])],
    )
    run_state_machine_as_test(hypothesis.seed(seed)(machine(mode)), settings=chosen)


def replayed(mode: str, steps: list[Any]) -> Life:
    """Run a sequence that was written down, with every check after every step."""
    life = machine(mode)()
    try:
        for name, values in steps:
            getattr(life, name)(**values)
            life._always()
    finally:
        life.teardown()
    return life


def campaign(mode: str, seed: int, minutes: float, folder: Path, say: Callable[[str], None]) -> int:
    """Seeds one after the other until the time is over or something fails; the number of failures (0 or 1)."""
    began, figures = time.monotonic(), Life.figures
    while time.monotonic() - began < minutes * 60:
        try:
            tried(mode, seed)
        except Exception as error:
            say(told(error))
            path = folder / f"fuzz-failure-{seed}.json"
            path.write_text(json.dumps({"mode": mode, "seed": seed, "steps": Life.last}, indent=1) + "\n")
            say(f"The sequence is in {path}; run it again with: scripts/fuzz --replay {path}")
            return 1
        seed += 1
        say(f"  {time.monotonic() - began:5.0f} s  next seed {seed}  {figures_in_words(figures)}")
    return 0


def told(error: BaseException) -> str:
    """An error with the steps that lead to it, as hypothesis prints them: a test that can be copied."""
    return "".join(traceback.format_exception(error)[-3:]) + "\n".join(getattr(error, "__notes__", ()))


def figures_in_words(figures: dict[str, int]) -> str:
    """`3 sequences, 60 steps, ...`"""
    return ", ".join(f"{count} {name}" for name, count in figures.items())
