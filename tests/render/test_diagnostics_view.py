from __future__ import annotations

from tenure.core.diagnostics import Diagnostic, Severity, excerpt
from tenure.core.errors import StageError, StalePlan
from tenure.core.spans import Span
from tenure.render.diagnostics import diagnostics_lines, error_lines
from tenure.render.text import paint

SPAN = Span("specs/weather.yaml", 3, 5, 9)
FOUND = Diagnostic(
    Severity.ERROR,
    "Unknown key.",
    "'min_rowz' is no key of this block.",
    "Did you mean 'min_rows'?",
    SPAN,
    ("monitoring", "window"),
    excerpt(["monitoring:", "  window:", "    min_rowz: 5"], SPAN),
)


def test_a_diagnostic_has_place_summary_breadcrumb_excerpt_detail_and_way_out():
    assert paint(diagnostics_lines([FOUND])) == (
        "specs/weather.yaml:3:5: error: Unknown key.\n"
        "  in monitoring > window\n"
        "    2 |   window:\n"
        "    3 |     min_rowz: 5\n"
        "      |     ^^^^^^^^^\n"
        "  'min_rowz' is no key of this block.\n"
        "  Did you mean 'min_rows'?\n"
        "\n"
        "1 error.\n"
    )


def test_errors_and_warnings_are_counted_apart():
    warning = Diagnostic(Severity.WARNING, "Unused variable.")
    assert paint(diagnostics_lines([FOUND, FOUND, warning])).endswith("\n2 errors, 1 warning.\n")


def test_an_error_says_what_is_wrong_and_the_command_that_helps_on_its_own_line():
    error = StalePlan("The plan is stale.", "The state moved.", "Make it again:\ntenure plan --out plan.json")
    assert paint(error_lines(error)) == (
        "Error: The plan is stale.\n  The state moved.\n  Make it again:\n  tenure plan --out plan.json\n"
    )


def test_an_error_of_a_stage_names_its_address():
    error = StageError("The file is empty.", path=("data", "sources", "a", "path"))
    error.address = "m/data/snapshot"
    assert paint(error_lines(error)) == (
        "Error: m/data/snapshot: The file is empty.\n  in data > sources > a > path\n"
    )
