from __future__ import annotations

from datetime import timedelta
from xml.etree import ElementTree

import msgspec
import pytest
from tests.pages import Page, plots, screenshot
from tests.stages.monitoring.conftest import START, people
from tests.stages.monitoring.test_alerts import observed

from tenure.ml.report.plots import histogram
from tenure.stages.monitoring.plots import Limit, Point, timeline
from tenure.stages.monitoring.report import report_html, report_of, window_text
from tenure.stages.monitoring.section import alerts_of
from tenure.state.record import ModelState


def page_of(world, model="m"):
    value = world.view.value("monitoring/monitor")
    found = alerts_of(value, world.view.observations)
    return report_html(model, value, world.view.observations, world.view.facts, found, world.view.now)


@pytest.fixture
def troubled(world):
    world.apply(alerting={"fire": "2 of 3"})
    for day in range(4):
        if day != 1:
            world.log(day, people(400, 10 + day, older=12 if day > 1 else 0), wrong=0.5 if day > 1 else 0.0)
        world.observe(day + 1)
    return world


def test_the_page_is_well_formed_loads_nothing_and_says_what_is_the_matter(troubled):
    page = Page(page_of(troubled))
    assert page.open == []
    assert page.loads == []
    for text in (
        "Confirmed critical: drift since 3 January 2013",
        "performance since 3 January 2013",
        "accuracy 0.5 on 400 labelled rows is below the limit 0.7",
        "passes both gates",
        "retrain",
        "Not enough data",
    ):
        assert text in page.words, text


def test_every_plot_is_well_formed_svg(troubled):
    assert len(plots(page_of(troubled))) >= 8


def test_names_from_specs_and_data_stay_text(troubled):
    evil = '<script>alert("x")</script>'
    observations = [
        msgspec.structs.replace(item, evidence=item.evidence | {"sentence": evil})
        for item in troubled.view.observations
    ]
    value = troubled.view.value("monitoring/monitor")
    html = report_html(evil, value, observations, [], alerts_of(value, observations), START)
    assert "<script" not in html
    assert "<script" not in histogram([evil], [0.1], [0.2], evil)
    assert "<script" not in timeline([Point(evil, 1.0, "ok", evil)], name=evil)


def test_a_model_that_nothing_was_seen_of_has_a_report(world):
    world.apply()
    words = Page(page_of(world)).words
    assert "Not enough data to judge this version yet" in words
    assert "No window has been judged yet" in words


def test_a_quiet_model_has_nothing_to_report(world):
    world.apply()
    world.log(0, people(400, 10))
    world.observe(1)
    assert "Nothing to report" in Page(page_of(world)).words


def test_a_new_version_has_a_clean_verdict_next_to_what_was_seen_before(troubled):
    troubled.serve(2)
    troubled.apply()
    view = troubled.view
    recorded = {"records": dict(view.records), "observations": view.observations, "facts": view.facts}
    page = Page(report_of(ModelState(model="m", lineage="l", serial=1, **recorded), view.now))
    assert "Monitoring report, version 2" in page.words
    assert "Not enough data to judge this version yet" in page.words
    assert "accuracy 0.5 on 400 labelled rows" in page.words
    troubled.log(4, people(400, 20), version=2)
    troubled.observe(5)
    assert ">version 2</text>" in page_of(troubled)
    assert report_of(ModelState(model="m", lineage="l", serial=0), view.now) is None


@pytest.mark.parametrize(
    ("hours", "length", "text"),
    [
        (0, 24, "1 January 2013"),
        (0, 31 * 24, "January 2013"),
        (24, 48, "2 January 2013 to 3 January 2013"),
        (3, 1, "1 January 2013 03:00 to 04:00"),
    ],
)
def test_windows_are_named_as_people_do(hours, length, text):
    start = START + timedelta(hours=hours)
    item = msgspec.structs.replace(
        observed(["ok"])[0], window_start=start, window_end=start + timedelta(hours=length)
    )
    assert window_text(item) == text


@pytest.mark.parametrize(
    "values", [[], [None], [0.0], [None, 0.2, None], [5.0, 5.0], [-3.0, 4000.0], [1e-9, 2e-9], [0.5] * 60]
)
def test_a_timeline_of_any_values_is_drawn_inside_its_frame(values):
    points = [Point(str(i), value, "ok", "t", value, value) for i, value in enumerate(values)]
    for limits in ((), [Limit(0.1, "warn"), Limit(0.25, "critical")], [Limit(0.7, "critical", below=True)]):
        root = ElementTree.fromstring(timeline(points, limits))
        for circle in root.iter("circle"):
            assert 0 <= float(circle.get("cx")) <= 760
            assert 0 <= float(circle.get("cy")) <= 190
        assert len(list(root.iter("circle"))) == len(values)


@pytest.mark.browser
def test_a_browser_draws_it(troubled, chromium, tmp_path):
    assert len(screenshot(chromium, page_of(troubled), tmp_path / "report.png")) > 40_000
