from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from tests.pages import Page, inside, plots, screenshot
from tests.stages.data.engines import tabled

from tenure.graph.resource import Sort
from tenure.ml.association import associations
from tenure.ml.drift import population_stability_index
from tenure.ml.profile import count
from tenure.ml.task import Target
from tenure.stages.data import profiling
from tenure.stages.data.report import report_html, report_of
from tenure.stages.data.splits import Random
from tenure.stages.data.splits.shares import Rows
from tenure.stages.data.statistics import decode, encode, statistics
from tenure.state.record import ModelState, Record

NOW = datetime(2026, 5, 3, tzinfo=UTC)
SPLIT = Random(type="random")


def people(rows=600, seed=0, shift=0.0):
    chance = np.random.default_rng(seed)
    age = chance.normal(40 + shift, 10, rows).round(1)
    plan = chance.choice(["free", "basic", "gold"], rows, p=[0.5, 0.3, 0.2])
    stays = np.where(chance.random(rows) < np.where(plan == "free", 0.4, 0.9), "yes", "no")
    start = datetime(2024, 1, 1)  # noqa: DTZ001  (timestamps of a snapshot have no zone)
    return pa.table(
        {
            "age": pa.array(age, mask=chance.random(rows) < 0.1),
            "plan": plan,
            "contact": [f"p{i}@secret.org" for i in range(rows)],
            "note": [f"wrote text {i} of their own" for i in range(rows)],
            "gender": chance.choice(["m", "f"], rows),
            "since": [start + timedelta(hours=int(i)) for i in range(rows)],
            "one": [1] * rows,
            "none": pa.nulls(rows, pa.float64()),
            "stays": stays,
        }
    )


def taken(engine, rows, target="stays", found=None, before=None, hidden=None, digest="sha256:own"):
    found = found or Target("binary", ("no", "yes"))
    table = SPLIT.assign(Rows(tabled(engine, rows), target, found, None))
    contents = table.select(rows.column_names)
    moments = {name: profiling.Moments() for name in rows.column_names}
    profile = profiling.profile(contents, moments, {})
    hidden = {"contact": "personal", "gender": "sensitive"} if hidden is None else hidden
    return table, statistics(table, profile, target, found, hidden, digest, before)


def record(found, **value):
    contents = {
        "rows": found.rows, "target": "stays", "task": "binary", "classes": ["no", "yes"], "checks": [], "cleaning": [],
        "notes": [], "time_range": None, "sources": {"people": {}}, "split_type": "random",
    }  # fmt: skip
    return Record(
        address="m/data/snapshot", sort=Sort.ARTIFACT, fingerprint="f", content="c", metadata="m", config={},
        effects={}, digest="sha256:" + "ab" * 32, value=contents | value, artifacts={}, inputs={}, at=NOW,
        by="me", apply_id="a", serial=1,
    )  # fmt: skip


def by_name(found):
    return {item.name: item for item in found.columns}


def test_counts_are_those_of_every_row_and_shares_those_of_the_parts(engine):
    rows = people()
    _, found = taken(engine, rows)
    columns = by_name(found)
    plan = columns["plan"]
    assert dict(zip(plan.shown.labels, plan.shown_counts.bins, strict=True))["free"] == sum(
        value == "free" for value in rows["plan"].to_pylist()
    )
    assert sum(columns["age"].shown_counts.bins) == 600
    assert columns["age"].nulls == rows["age"].null_count
    assert columns["age"].shown_counts.mean == pytest.approx(np.nanmean(rows["age"].to_numpy()))
    assert [part.part for part in found.parts] == ["train", "test"]
    assert sum(part.rows for part in found.parts) == 600
    yes = sum(value == "yes" for value in rows["stays"].to_pylist())
    assert sum(part.classes[1] for part in found.parts) == yes


def test_bins_from_a_sample_count_every_row(engine, monkeypatch):
    monkeypatch.setattr("tenure.stages.data.statistics.SAMPLE", 50)
    rows = people()
    columns = by_name(taken(engine, rows)[1])
    for name in ("age", "plan", "since"):
        assert sum(columns[name].drift_counts.bins) == 600
        assert sum(columns[name].shown_counts.bins) == 600
    known = rows["age"].drop_null().to_numpy()
    assert columns["age"].shown_counts.maximum == known.max()


def test_of_very_many_rows_an_even_choice_is_counted(engine, monkeypatch):
    monkeypatch.setattr("tenure.stages.data.statistics.MOST_COUNTED", 200)
    columns = by_name(taken(engine, people())[1])
    assert columns["age"].shown_counts.rows == 200
    assert columns["age"].nulls == people()["age"].null_count


def test_no_value_of_a_marked_column_or_of_texts_of_their_own_is_kept(engine):
    data = encode(taken(engine, people())[1])
    assert b"secret" not in data
    assert b"wrote text" not in data
    columns = by_name(decode(data))
    assert [columns[name].hidden for name in ("contact", "gender", "note", "plan")] == [
        "personal",
        "sensitive",
        "distinct",
        None,
    ]
    assert columns["gender"].shown is None
    assert columns["gender"].distinct == 2


def test_associations_are_of_the_training_part_only(engine):
    rows = people()
    table, found = taken(engine, rows)
    train = table.arrow(["plan", "stays"], f"WHERE {table.column('__split__').sql} = 'train'")
    import duckdb

    with duckdb.connect() as connection:
        connection.register("t", train)
        (expected,) = associations(connection, "t", {"plan": "category"}, "stays", classes=True)
    assert by_name(found)["plan"].association == expected.score > 0.05
    assert found.associated_rows == train.num_rows
    assert by_name(found)["stays"].association is None


def test_what_moved_since_the_snapshot_before_is_told_from_chance(engine):
    rows = people(seed=1, shift=15.0)
    first = taken(engine, people(seed=0))[1]
    columns = by_name(taken(engine, rows, before=("sha256:x", first))[1])
    old = by_name(first)["age"]
    expected = population_stability_index(old.drift_counts.bins, count(old.drift, rows["age"]).bins)
    assert columns["age"].moved.psi == pytest.approx(expected, abs=1e-6)
    assert columns["age"].moved.psi > 0.25
    assert columns["age"].moved.above_noise
    assert columns["plan"].moved.psi < 0.1
    assert not columns["plan"].moved.above_noise
    assert columns["contact"].moved is None


def test_the_same_rows_once_more_keep_what_is_known_of_their_drift(engine):
    first = taken(engine, people(seed=0))[1]
    rows = people(seed=1, shift=15.0)
    second = taken(engine, rows, before=("sha256:x", first))[1]
    third = taken(engine, rows, before=("sha256:own", second))[1]
    assert third == second
    assert third.before == "sha256:x"


def test_columns_that_come_and_go_are_no_drift(engine):
    first = taken(engine, people().drop_columns(["plan"]))[1]
    columns = by_name(taken(engine, people(seed=2).drop_columns(["age"]), before=("sha256:x", first))[1])
    assert "age" not in columns
    assert columns["plan"].moved is None


def test_a_number_to_predict_has_its_mean_in_each_part(engine):
    rows = people()
    known = rows.filter(rows["age"].is_valid())
    _, found = taken(engine, known, "age", Target("regression"), hidden={})
    total = sum(part.mean * part.rows for part in found.parts) / found.rows
    assert total == pytest.approx(known["age"].to_numpy().mean())
    assert (
        "Mean of age"
        in Page(
            report_html("m", record(found, target="age", task="regression", classes=[]), found, NOW)
        ).words
    )


def test_what_an_earlier_version_stored_is_not_misread():
    assert decode(b'{"rows": 3}') is None
    assert decode(b"torn") is None


CHECKS = [
    {"type": "not_null", "severity": "warn", "passed": False, "sentence": "age not null", "violations": 57,
     "examples": ["xyzzy"]},
    {"type": "row_count", "severity": "error", "passed": True, "sentence": "at least 100 rows", "violations": 0,
     "examples": []},
]  # fmt: skip


@pytest.fixture
def page(engine):
    first = taken(engine, people(seed=0))[1]
    found = taken(engine, people(seed=1, shift=15.0), before=("sha256:x", first))[1]
    value = {
        "checks": CHECKS,
        "cleaning": [{"type": "clip", "column": "age", "rows": 0, "cells": 12}],
        "joins": [{"right": "weather", "rows": 600, "matched": 590}],
        "notes": ["10 of 600 rows have no match in weather"],
        "time_range": ["2024-01-01T00:00:00Z", "2024-01-25T00:00:00Z"],
    }
    return report_html("m", record(found, **value), found, NOW)


def test_the_page_says_what_matters_and_shows_no_value_of_a_row(page):
    found = Page(page)
    assert found.open == []
    assert found.loads == []
    for text in (
        "1 check with violations",
        "age moved far",
        "57 violation(s)",
        "personal data: no value is shown",
        "98.3 %",
        "in its bins",
        "2024-01-01 to 2024-01-25",
    ):
        assert text in found.words, text
    for text in ("secret", "xyzzy", "wrote text"):
        assert text not in page


def test_every_plot_is_drawn_inside_its_frame(page):
    found = plots(page)
    assert len(found) >= 6
    assert all(map(inside, found))


def test_a_column_that_gives_the_target_away_is_the_headline(engine):
    rows = people().append_column(
        "left_on", [["gone" if v == "no" else "" for v in people()["stays"].to_pylist()]]
    )
    found = taken(engine, rows)[1]
    words = Page(report_html("m", record(found), found, NOW)).words
    assert "left_on nearly gives the target away" in words.replace("Left_on", "left_on")


def test_rows_that_are_in_training_and_test_are_the_headline(engine):
    found = taken(engine, people())[1]
    leak = {"kind": "duplicate_rows", "sentence": "30 of 120 rows are in both", "rows": 30, "blocks": True}
    words = Page(report_html("m", record(found, leakage=[leak]), found, NOW)).words
    assert "What is tested was seen in training" in words
    assert "30 of 120 rows are in both" in words


def test_fifty_columns_are_a_small_page(engine):
    chance = np.random.default_rng(0)
    numbers = {f"column_number_{i}": chance.normal(size=400) for i in range(35)}
    texts = {f"category_{i}": chance.choice([f"value {j}" for j in range(40)], 400) for i in range(15)}
    rows = pa.table(numbers | texts | {"stays": chance.choice(["yes", "no"], 400)})
    first = taken(engine, rows, hidden={})[1]
    found = taken(engine, rows, before=("x", first), hidden={})[1]
    assert len(report_html("m", record(found), found, NOW)) < 200_000
    assert len(encode(found)) < 200_000


def test_a_model_without_statistics_has_no_report(engine):
    empty = ModelState(model="m", lineage="l", serial=0)
    assert report_of(empty, None, NOW) is None
    found = taken(engine, people())[1]
    state = ModelState(model="m", lineage="l", serial=1, records={"data/snapshot": record(found)})
    assert report_of(state, None, NOW) is None


def test_names_from_data_stay_text(engine):
    evil = '<script>alert("x")</script>'
    rows = people().rename_columns([evil if name == "plan" else name for name in people().column_names])
    found = taken(engine, rows)[1]
    html = report_html(evil, record(found, notes=[evil], sources={evil: {}}), found, NOW)
    assert "<script" not in html


def test_the_same_rows_give_the_same_bytes(engine):
    assert encode(taken(engine, people())[1]) == encode(taken(engine, people())[1])


@pytest.mark.browser
def test_a_browser_draws_it(page, chromium, tmp_path):
    assert len(screenshot(chromium, page, tmp_path / "data.png", height=2400)) > 80_000
    assert len(screenshot(chromium, page, tmp_path / "dark.png", dark=True, height=2400)) > 80_000
