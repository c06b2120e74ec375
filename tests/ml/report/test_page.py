from __future__ import annotations

import jinja2
import pytest
from tests.pages import Page, screenshot

from tenure.ml.report import page
from tenure.ml.report.chart import Axis, Mark, Series, Trace, chart, legend, parallel
from tenure.ml.report.plots import Bar, bars, columns, heat, histogram


@pytest.fixture
def template(tmp_path, monkeypatch):
    """Write a template into a package of its own and render it."""

    def render(content, **values):
        package = tmp_path / "pages_of_a_test"
        package.mkdir(exist_ok=True)
        (package / "__init__.py").touch()
        (package / "t.jinja").write_text('{% extends "page.html.jinja" %}\n' + content, encoding="utf-8")
        monkeypatch.syspath_prepend(str(tmp_path))
        return page.render("pages_of_a_test", "t.jinja", **values)

    return render


CONTENT = (
    "{% block title %}T{% endblock %}{% block content %}<h1>{{ name }}</h1>"
    "{% for p in plots %}{{ p }}{% endfor %}{% endblock %}"
)


def test_a_page_loads_nothing_escapes_values_and_keeps_plots(template):
    drawn = page.markup(bars([Bar("a", 1.0)], name="n"))
    html = template(CONTENT, name="<b>&", plots=[drawn])
    found = Page(html)
    assert found.open == []
    assert found.loads == []
    assert "<h1>&lt;b&gt;&amp;</h1>" in html
    assert html.count("<svg") == 1
    assert "aggregates only" in found.words


def test_a_value_nobody_gave_is_not_left_blank(template):
    with pytest.raises(jinja2.UndefinedError):
        template(CONTENT, plots=[])


@pytest.mark.browser
def test_a_browser_draws_every_plot_in_light_and_dark(template, chromium, tmp_path):
    curve = [Mark(i / 10, (i / 10) ** 0.5) for i in range(11)]
    drawn = [
        chart(
            [Series("a", curve, "both"), Series("b", curve[:6], "steps")], name="c", unit=True, diagonal=True
        ),
        bars([Bar("a", 1.0, low=0.8, high=1.1), Bar("b", 0.4, kind="warn")], name="n", limit=0.7),
        columns([Bar(str(i), i) for i in range(8)], name="n"),
        heat(["a", "b"], ["a", "b"], [[9, 1], [2, 7]], name="m"),
        histogram(["x", "y"], [0.4, 0.6], [0.5, 0.5], "h"),
        parallel([Axis("p", [(0, "1")]), Axis("q", [])], [Trace([0, 1], 1), Trace([1, 0.3], 0.1)], name="p"),
    ]
    html = template(CONTENT, name="plots", plots=[legend(["a", "b"]), *map(page.markup, drawn)])
    light = screenshot(chromium, html, tmp_path / "light.png")
    dark = screenshot(chromium, html, tmp_path / "dark.png", dark=True)
    assert len(light) > 30_000
    assert len(dark) > 30_000
    assert light != dark
