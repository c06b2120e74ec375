from __future__ import annotations

import pytest
from tests.pages import inside, plots

from tenure.ml.report.axes import Scale, number, spread, ticks
from tenure.ml.report.chart import Axis, Mark, Series, Trace, chart, legend, parallel
from tenure.ml.report.plots import Bar, bars, columns, heat, histogram

EVIL = '<script>alert("x")</script>'


def test_numbers_are_short():
    assert [number(value) for value in (None, 0.123456, 12345.6, 0.0)] == ["–", "0.123", "12346", "0"]
    assert number(0.0512, percent=True) == "5.12 %"


@pytest.mark.parametrize("ends", [(0, 1), (0.3, 0.4), (-5, 17), (1e-9, 3e-9), (99_990, 100_010), (0, 1e12)])
def test_ticks_are_few_and_round_and_inside(ends):
    found = ticks(*ends)
    assert 2 <= len(found) <= 7
    assert found == sorted(set(found))
    assert all(ends[0] <= tick <= ends[1] * 1.0001 for tick in found)


def test_a_scale_maps_its_ends_and_holds_what_is_outside():
    scale = Scale(10.0, 20.0, 100.0, 0.0)
    assert [scale(10.0), scale(15.0), scale(20.0), scale(99.0)] == [100.0, 50.0, 0.0, 0.0]
    ratio = Scale(0.01, 100.0, 0.0, 4.0, log=True)
    assert [round(ratio(10.0**power), 9) for power in range(-2, 3)] == [0, 1, 2, 3, 4]
    assert ratio.ticks == [0.01, 0.1, 1, 10, 100]
    assert Scale(3.0, 3.0, 0.0, 10.0)(3.0) == 5.0
    assert spread([], zero=True)[0] == 0.0


@pytest.mark.parametrize("ys", [[], [1.0], [0.0, 0.0], [-3.0, 5000.0, 2.0], [1e-12, 2e-12]])
@pytest.mark.parametrize("draw", ["dots", "line", "steps", "both"])
def test_a_chart_of_any_values_stays_inside_its_frame(ys, draw):
    marks = [Mark(float(i), y, low=y - 1, high=y + 1) for i, y in enumerate(ys)]
    drawn = chart(
        [Series("one", marks, draw), Series("two", marks[:1], draw)],
        name="values",
        x_label="trial",
        y_label="score",
        limit=(2.0, "limit"),
    )
    (plot,) = plots(drawn)
    assert inside(plot)
    assert len(list(plot.iter("circle"))) == (len(ys) + len(ys[:1]) if draw in ("dots", "both") else 0)


def test_a_curve_against_the_diagonal_has_both_scales_from_0_to_1():
    (plot,) = plots(
        chart(
            [Series("a", [Mark(0, 0), Mark(0.5, 0.5), Mark(1, 1)], "both")],
            name="c",
            unit=True,
            diagonal=True,
        )
    )
    diagonal = next(line for line in plot.iter("line") if line.get("class") == "diagonal")
    circles = list(plot.iter("circle"))
    assert (circles[0].get("cx"), circles[0].get("cy")) == (diagonal.get("x1"), diagonal.get("y1"))
    assert (circles[2].get("cx"), circles[2].get("cy")) == (diagonal.get("x2"), diagonal.get("y2"))


def test_zero_and_negative_values_cannot_be_spaced_by_ratio():
    (plot,) = plots(chart([Series("a", [Mark(0, 1), Mark(10, 2)], "dots")], name="c", x_log=True))
    assert inside(plot)


def test_bars_are_as_long_as_their_values():
    (plot,) = plots(
        bars([Bar("a", 1.0), Bar("b", 0.5, low=0.4, high=0.6), Bar("c", 0.0)], name="n", most=1.0, limit=0.7)
    )
    a, b, _ = (float(rect.get("width")) for rect in plot.iter("rect"))
    assert a == pytest.approx(2 * b, abs=0.2)
    assert inside(plot)
    assert plots(bars([], name="none"))
    assert inside(plots(bars([Bar("down", -2.0), Bar("up", 1.0)], name="signs"))[0])


@pytest.mark.parametrize("values", [[], [0.0], [3.0, -1.0, 2.0], [1.0] * 50])
def test_columns_stay_inside_their_frame(values):
    (plot,) = plots(columns([Bar(str(i), v) for i, v in enumerate(values)], name="n", y_label="rows"))
    assert inside(plot)


def test_a_histogram_says_its_shares():
    (plot,) = plots(histogram(["1", "__null__"], None, [0.9, 0.1], "age"))
    assert [title.text for title in plot.iter("title")] == ["1: 90.0%", "missing: 10.0%"]
    (plot,) = plots(histogram(["1"], [1.0], [0.5], "age", ("one before", "snapshot")))
    assert [title.text for title in plot.iter("title")] == [
        "1: 100.0% in the one before, 50.0% in the snapshot"
    ]


def test_a_heat_map_is_darker_where_there_is_more():
    (plot,) = plots(
        heat(["yes", "no"], ["yes", "no"], [[10, 0], [5, None]], name="confusion", x_label="predicted")
    )
    shades = [float(rect.get("fill-opacity")) for rect in plot.iter("rect")]
    assert shades[0] > shades[2] > shades[1] == shades[3]
    assert inside(plot)
    wide = heat([str(i) for i in range(30)], [str(i) for i in range(30)], [[1.0] * 30] * 30, name="classes")
    assert inside(plots(wide)[0])


def test_parallel_coordinates_draw_strong_traces_last_and_break_where_there_is_no_value():
    axes = [Axis("rate", [(0, "0.01"), (1, "0.3")]), Axis("depth", []), Axis("score", [])]
    (plot,) = plots(
        parallel(axes, [Trace([0, None, 1], 1.0, "best"), Trace([0.2, 0.4, 0.1], 0.0, "worst")], name="p")
    )
    titles = [group.find("title").text for group in plot.iter("g")]
    assert titles == ["worst", "best"]
    groups = list(plot.iter("g"))
    assert len(list(groups[0].iter("polyline"))) == 1
    assert len(list(groups[1].iter("polyline"))) == 0
    assert len(list(groups[1].iter("circle"))) == 2


def test_names_from_data_stay_text():
    mark = Mark(1, 1, EVIL)
    drawn = [
        histogram([EVIL], [0.1], [0.2], EVIL),
        bars([Bar(EVIL, 1, EVIL)], name=EVIL),
        columns([Bar(EVIL, 1, EVIL)], name=EVIL, y_label=EVIL),
        heat([EVIL], [EVIL], [[1.0]], name=EVIL, texts=[[EVIL]], x_label=EVIL, y_label=EVIL),
        chart([Series(EVIL, [mark], "both")], name=EVIL, x_label=EVIL, y_label=EVIL, limit=(1, EVIL)),
        parallel([Axis(EVIL, [(0, EVIL)])], [Trace([0.5], 1, EVIL)], name=EVIL),
        str(legend([EVIL])),
    ]
    assert not any("<script" in text for text in drawn)
