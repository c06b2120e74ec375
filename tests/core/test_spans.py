from __future__ import annotations

from tenure.core.spans import Span, SpanMap


def test_a_span_reads_as_a_place_editors_understand() -> None:
    assert str(Span("specs/churn.yaml", 12, 5)) == "specs/churn.yaml:12:5"
    assert str(Span("override a=1")) == "override a=1"


def test_lookup_falls_back_to_the_nearest_ancestor() -> None:
    spans = SpanMap()
    spans.add((), Span("f", 1, 1))
    spans.add(("a",), Span("f", 2, 4), Span("f", 2, 1))
    assert spans.value(("a", "b", 0)) == Span("f", 2, 4)
    assert spans.key(("a",)) == Span("f", 2, 1)
    assert spans.key(("z",)) == Span("f", 1, 1)
    assert SpanMap().value(("a",)) is None


def test_a_later_layer_wins_and_keeps_what_it_does_not_mention() -> None:
    below, above = SpanMap(), SpanMap()
    below.add((), Span("fragment", 1, 1))
    below.add(("size",), Span("fragment", 1, 7), Span("fragment", 1, 1))
    below.add(("rows",), Span("fragment", 2, 7), Span("fragment", 2, 1))
    above.add((), Span("spec", 1, 1))
    above.add(("data",), Span("spec", 2, 3), Span("spec", 1, 1))
    above.add(("data", "size"), Span("spec", 2, 9), Span("spec", 2, 3))
    merged = SpanMap()
    merged.overlay(below, ("data",))
    merged.overlay(above)
    assert merged.value(("data", "size")) == Span("spec", 2, 9)
    assert merged.value(("data", "rows")) == Span("fragment", 2, 7)
