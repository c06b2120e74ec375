"""The HTML reports of a model: which there are, and who writes them. A new one is a line in `REPORTS`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Literal

import msgspec

from tenure.artifacts.store import ArtifactStore
from tenure.core.errors import TenureError
from tenure.state.record import ModelState

About = Literal["data", "search", "evaluation", "monitoring"]
Page = Callable[[ModelState, ArtifactStore, datetime], str | None]


class Report(msgspec.Struct, frozen=True):
    """One kind of report: `write` gives its page, or None when there is nothing to report on; then `missing` says what
    is not there and `way_out` what to do."""

    write: Page
    missing: str
    way_out: str


def _data(state: ModelState, artifacts: ArtifactStore, now: datetime) -> str | None:
    from tenure.stages.data.report import report_of

    return report_of(state, artifacts, now)


def _search(state: ModelState, artifacts: ArtifactStore, now: datetime) -> str | None:
    from tenure.stages.training.report import report_of

    return report_of(state, artifacts, now)


def _evaluation(state: ModelState, artifacts: ArtifactStore, now: datetime) -> str | None:
    from tenure.stages.evaluation.page import report_of

    return report_of(state, artifacts, now)


def _monitoring(state: ModelState, artifacts: ArtifactStore, now: datetime) -> str | None:
    from tenure.stages.monitoring.report import report_of

    return report_of(state, now)


REPORTS: dict[About, Report] = {
    "data": Report(
        _data,
        "has no snapshot with statistics in this environment",
        "Apply it; a snapshot made by an earlier version has none until it is made again.",
    ),
    "search": Report(
        _search,
        "has no search with trials in this environment",
        "Apply it; an adopted model was not searched for, and has none before it is retrained.",
    ),
    "evaluation": Report(
        _evaluation,
        "has not been evaluated by this version in this environment",
        "Apply it: a model is evaluated once it is trained.",
    ),
    "monitoring": Report(
        _monitoring,
        "has no monitor in this environment",
        "Add a monitoring section to its spec and apply it.",
    ),
}


def page_of(about: About, state: ModelState, artifacts: ArtifactStore, now: datetime) -> str:
    """The page of a report. Raises TenureError when there is nothing to report on."""
    report = REPORTS[about]
    page = report.write(state, artifacts, now)
    if page is None:
        raise TenureError(
            "There is nothing to report on.", f"{state.model} {report.missing}.", report.way_out
        )
    return page
