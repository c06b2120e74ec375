from __future__ import annotations

import pytest

from tenure.core.diagnostics import (
    Diagnostic,
    Severity,
    breadcrumb,
    closest,
    excerpt,
    has_errors,
    in_order,
    way_out,
)
from tenure.core.spans import Span


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("max_trails", "max_trials"),
        ("maxTrials", "max_trials"),
        ("max-trials", "max_trials"),
        ("timeout", "timeout"),
        ("time", "timeout"),
        ("pis", "psi"),
        ("elephant", None),
        ("", None),
    ],
)
def test_closest_finds_what_was_meant(typed: str, meant: str | None) -> None:
    assert closest(typed, ["max_trials", "timeout", "psi"]) == meant


def test_the_way_out_lists_the_options_when_none_is_near() -> None:
    assert way_out("elephant", ["b", "a"]) == "Valid here: a, b."
    assert way_out("elephant", []) == ""


def test_diagnostics_are_in_the_order_of_the_file_and_each_stands_once() -> None:
    def at(line: int) -> Diagnostic:
        return Diagnostic(Severity.ERROR, "x", span=Span("f", line, 1))

    assert in_order([at(9), at(2), Diagnostic(Severity.WARNING, "y"), at(9)]) == (
        Diagnostic(Severity.WARNING, "y"),
        at(2),
        at(9),
    )


def test_warnings_do_not_make_a_document_unusable() -> None:
    assert not has_errors([Diagnostic(Severity.WARNING, "y")])
    assert has_errors([Diagnostic(Severity.WARNING, "y"), Diagnostic(Severity.ERROR, "x")])


def test_place_names_file_and_blocks() -> None:
    found = Diagnostic(Severity.ERROR, "x", span=Span("f", 3, 4), breadcrumb=breadcrumb(("gates", 0, "min")))
    assert found.place == "f:3:4, gates[0] > min"


def test_excerpt_marks_the_place_below_two_lines() -> None:
    assert excerpt(["signals:", "  drift: {type: x}"], Span("f", 2, 17, 1)) == (
        "1 | signals:",
        "2 |   drift: {type: x}",
        "  |                 ^",
    )


def test_excerpt_of_a_long_line_shows_the_place() -> None:
    line = "a" * 300 + "HERE" + "b" * 300
    *_, shown, marker = excerpt([line], Span("f", 1, 301, 4))
    assert len(shown) < 120
    assert shown[marker.index("^") : marker.index("^") + 4] == "HERE"


def test_excerpt_neither_leaves_the_file_nor_prints_control_characters() -> None:
    assert excerpt(["a"], Span("f", 7, 1)) == ()
    assert "\x1b" not in "".join(excerpt(["a: \x1b[31m"], Span("f", 1, 4, 99)))
