from __future__ import annotations

import io
import json

from tenure.core.events import (
    Note,
    StepBlocked,
    StepFailed,
    StepFinished,
    StepProgress,
    StepSkipped,
    StepStarted,
)
from tenure.render.progress import JsonProgress, LiveProgress, PlainProgress, progress_on
from tenure.render.text import Screen

EVENTS = (
    StepStarted("m/training/search", "replace", "training.seed changed."),
    StepProgress("m/training/search", 3, 20, "best 0.71"),
    StepFinished("m/training/search", "replace", 12.34, "20 trials"),
    StepSkipped("m/training/model", "Came out the same."),
    StepBlocked("m/governance/approval", "needs risk", "tenure approve m@2"),
    StepFailed("m/deployment/endpoint", "The port is in use."),
    Note("", "One run was interrupted."),
)


class Closed(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_log_gets_a_line_per_event():
    stream = io.StringIO()
    with PlainProgress(stream, Screen()) as progress:
        for event in EVENTS:
            progress(event)
    assert stream.getvalue().splitlines() == [
        "  m/training/search  replace: training.seed changed.",
        "✓ m/training/search  replaced: 20 trials  12 s",
        "= m/training/model  Came out the same.",
        "? m/governance/approval  blocked: needs risk",
        "✗ m/deployment/endpoint  failed: The port is in use.",
        "  One run was interrupted.",
    ]


def test_a_long_step_speaks_every_ten_seconds():
    stream, now = io.StringIO(), [0.0]
    progress = PlainProgress(stream, Screen(), clock=lambda: now[0])
    progress(EVENTS[0])
    for second in range(1, 31):
        now[0] = float(second)
        progress(StepProgress("m/training/search", second, 30))
    assert [row.split()[1:] for row in stream.getvalue().splitlines()[1:]] == [
        ["10", "of", "30"],
        ["20", "of", "30"],
        ["30", "of", "30"],
    ]


def test_only_remarks_when_the_answer_says_the_rest():
    stream = io.StringIO()
    progress = progress_on(stream, Screen(), notes_only=True)
    for event in EVENTS:
        progress(event)
    assert stream.getvalue() == "  One run was interrupted.\n"


def test_a_program_gets_every_event_as_a_line_of_json():
    stream = io.StringIO()
    progress = JsonProgress(stream)
    for event in EVENTS:
        progress(event)
    found = [json.loads(row) for row in stream.getvalue().splitlines()]
    assert [item["event"] for item in found] == [type(event).__name__.lower() for event in EVENTS]
    assert found[1]["done"] == 3


def test_a_reader_that_leaves_does_not_stop_the_apply():
    for progress in (PlainProgress(Closed(), Screen()), JsonProgress(Closed())):
        for event in EVENTS:
            progress(event)


def test_a_terminal_keeps_finished_steps_below_the_name_of_their_model():
    stream = io.StringIO()
    with LiveProgress(stream, Screen(width=100, terminal=True)) as progress:
        for event in EVENTS:
            progress(event)
        progress(StepStarted("m/x/[bold]y", "create", ""))
        progress(StepProgress("m/x/[bold]y", 1, 2, "[red]\x1b[31m"))
    shown = stream.getvalue()
    assert shown.count("\nm\n") + shown.startswith("m\n") == 1
    assert "✓ m/training/search  replaced: 20 trials  12 s" in shown
    assert "✗ m/deployment/endpoint  failed: The port is in use." in shown
