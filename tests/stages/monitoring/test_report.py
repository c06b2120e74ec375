from __future__ import annotations

import re
import subprocess
from datetime import timedelta
from html.parser import HTMLParser
from xml.etree import ElementTree

import msgspec
import pytest
from tests.stages.monitoring.conftest import START, people
from tests.stages.monitoring.test_alerts import observed

from tenure.stages.monitoring.plots import Limit, Point, histogram, number, timeline
from tenure.stages.monitoring.report import report_html, report_of, window_text
from tenure.stages.monitoring.section import alerts_of
from tenure.state.record import ModelState

VOID = {"meta", "br", "hr", "img", "link"}


class Page(HTMLParser):
    """Which elements were opened and never closed, what the page would load, and its words."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.loads += [
            value for name, value in attrs if name in ("src", "href") and not value.startswith("#")
        ]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data


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
    plots = re.findall(r"<svg.*?</svg>", page_of(troubled), re.DOTALL)
    assert len(plots) >= 8
    for plot in plots:
        ElementTree.fromstring(plot)


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


def test_numbers_are_short():
    assert [number(value) for value in (None, 0.123456, 12345.6, 0.0)] == ["–", "0.123", "12346", "0"]
    assert number(0.0512, percent=True) == "5.12 %"


@pytest.mark.browser
def test_a_browser_draws_it(troubled, chromium, tmp_path):
    path, picture = tmp_path / "report.html", tmp_path / "report.png"
    path.write_text(page_of(troubled), encoding="utf-8")
    flags = (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--window-size=1000,1400",
    )
    subprocess.run(
        [chromium, *flags, f"--screenshot={picture}", path.as_uri()],
        check=True,
        capture_output=True,
        timeout=60,
    )
    assert picture.stat().st_size > 40_000
