"""Several sources as one table."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pyarrow as pa
import pyarrow.compute
import pytest
from pydantic import ValidationError
from tests.stages.data.engines import tabled

from tenure.core.errors import StageBlocked, StageError
from tenure.stages.data import joining
from tenure.stages.data.engine import Engine
from tenure.stages.data.joins import Join
from tenure.stages.data.section import Data
from tenure.stages.data.sources import Csv, Source
from tenure.stages.data.sources.timed import Timed

FLIGHTS = pa.table({"flight": [3, 1, 2, 4], "tail": ["b", "a", None, "z"], "year": [2013] * 4})
PLANES = pa.table({"tail": ["a", "b", "c"], "year": [1999, 2004, 2010]})


def join_all(
    engine: Engine, tables: dict[str, pa.Table], listed: list[Join], **sources: Any
) -> tuple[pa.Table, list[Any]]:
    given = {name: Csv(type="csv", path="x.csv", **sources.get(name, {})) for name in tables}
    table, facts = joining.join_all(
        {name: tabled(engine, rows) for name, rows in tables.items()}, listed, given
    )
    return table.arrow(), facts


def test_left_join_keeps_every_row_in_order(engine: Engine) -> None:
    table, facts = join_all(
        engine, {"flights": FLIGHTS, "planes": PLANES}, [Join(left="flights", right="planes", on="tail")]
    )
    assert table.to_pydict() == {
        "flight": [3, 1, 2, 4],
        "tail": ["b", "a", None, "z"],
        "year": [2013] * 4,
        "planes_year": [2004, 1999, None, None],
    }
    assert facts == [{"right": "planes", "rows": 4, "matched": 2}]


def test_inner_join_drops_rows_without_a_match(engine: Engine) -> None:
    joined = Join(left="flights", right="planes", on=("tail",), how="inner")
    table, _ = join_all(engine, {"flights": FLIGHTS, "planes": PLANES}, [joined])
    assert table["flight"].to_pylist() == [3, 1]


def test_keys_of_other_names_and_a_second_join_on_a_joined_column(engine: Engine) -> None:
    makers = pa.table({"built": [1999, 2004], "maker": ["x", "y"]})
    table, _ = join_all(
        engine,
        {"flights": FLIGHTS, "planes": PLANES, "makers": makers},
        [
            Join(left="flights", right="planes", on="tail"),
            Join(left="planes", right="makers", on={"year": "built"}),
        ],
    )
    assert table["maker"].to_pylist() == ["y", "x", None, None]
    assert "built" not in table.column_names


def test_repeated_keys_are_refused(engine: Engine) -> None:
    planes = pa.table({"tail": ["a", "a", "b", None, None], "seats": [1, 2, 3, 4, 5]})
    with pytest.raises(StageBlocked) as caught:
        join_all(
            engine, {"flights": FLIGHTS, "planes": planes}, [Join(left="flights", right="planes", on="tail")]
        )
    assert (caught.value.summary, caught.value.path) == (
        "a join would multiply rows",
        ("data", "join", 0, "on"),
    )
    assert "1 row(s) that repeat an earlier key in tail, such as a (2 times)" in caught.value.detail


@pytest.mark.parametrize(
    ("right", "on", "summary"),
    [
        (PLANES, {"tail": "tial"}, "unknown column"),
        (PLANES, "flight", "unknown column"),
        (PLANES, {"flight": "tail"}, "keys of different types"),
    ],
)
def test_keys_that_cannot_be_compared(right: pa.Table, on: Any, summary: str, engine: Engine) -> None:
    join = Join(left="flights", right="planes", on=on)
    with pytest.raises(StageError) as caught:
        join_all(engine, {"flights": FLIGHTS, "planes": right}, [join])
    assert (caught.value.summary, caught.value.path) == (summary, ("data", "join", 0, "on"))


def test_a_name_that_cannot_be_made_free_is_refused(engine: Engine) -> None:
    planes = pa.table({"tail": ["a"], "planes_year": [1], "year": [2]})
    with pytest.raises(StageError) as caught:
        join_all(
            engine, {"flights": FLIGHTS, "planes": planes}, [Join(left="flights", right="planes", on="tail")]
        )
    assert (caught.value.summary, caught.value.path) == (
        "a column name is taken",
        ("data", "join", 0, "right"),
    )


@pytest.mark.parametrize(
    ("joins", "problem"),
    [
        ([], "join says nothing about how a, b, c belong together"),
        ([{"left": "a", "right": "b", "on": "k"}], "no join uses c"),
        ([{"left": "a", "right": "d", "on": "k"}], "names 'd', which is no source"),
        ([{"left": "a", "right": "b", "on": "k"}, {"left": "a", "right": "b", "on": "k"}], "a second time"),
        (
            [{"left": "a", "right": "b", "on": "k"}, {"left": "c", "right": "b", "on": "k"}],
            "not joined before it",
        ),
        ([{"left": "a", "right": "b", "on": []}, {"left": "a", "right": "c", "on": "k"}], "no columns in on"),
    ],
)
def test_joins_must_use_every_source_once(joins: list[Any], problem: str) -> None:
    sources = {name: {"type": "csv", "path": f"{name}.csv"} for name in "abc"}
    with pytest.raises(ValidationError, match=problem):
        Data.model_validate({"sources": sources, "join": joins, "target_column": "y"})


def test_unmatched_rows_are_noted(project: Any) -> None:
    project.write("a.csv", "k,y\n" + "".join(f"{i},{i % 2}\n" for i in range(40)))
    project.write("b.csv", "k,v\n1,2\n2,4\n")
    output = project.take(
        {
            "sources": {name: {"type": "csv", "path": f"{name}.csv"} for name in "ab"},
            "join": [{"left": "a", "right": "b", "on": "k"}],
            "target_column": "y",
        }
    )
    assert output.value["notes"] == ["38 of 40 rows have no match in b"]
    assert output.value["rows"] == 40


# ---- joins by time -------------------------------------------------------------------------------------------------


def at(*days: float | None) -> pa.Array:
    """Moments, as days after the first of January."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    moments = [None if day is None else start + timedelta(days=day) for day in days]
    return pa.array(moments, pa.timestamp("us", "UTC"))


ORDERS = pa.table({"order": [1, 2, 3, 4], "who": ["a", "a", "b", None], "at": at(10, 20, 10, 10)})
BY_TIME = {"left": "orders", "right": "scores", "on": "who", "as_of": {"by": "at"}}
TIMED = {"timestamp_column": "of"}


def scores(who: list[Any], of: pa.Array, score: list[Any], known: pa.Array | None = None) -> pa.Table:
    columns = {"who": who, "of": of, "score": score}
    return pa.table(columns if known is None else columns | {"known": known})


def test_a_row_sees_the_latest_that_had_happened(engine: Engine) -> None:
    right = scores(["a", "a", "a", "b", "c"], at(1, 9, 15, 11, 1), [1, 2, 3, 4, 5])
    table, facts = join_all(
        engine, {"orders": ORDERS, "scores": right}, [Join.model_validate(BY_TIME)], scores=TIMED
    )
    assert table["score"].to_pylist() == [2, 3, None, None]
    assert table.column_names == ["order", "who", "at", "of", "score"]
    assert facts == [{"right": "scores", "rows": 4, "matched": 2, "too_old": 0, "not_yet_known": 0}]


def test_what_happens_at_the_same_moment_is_seen_and_a_tie_goes_to_the_last_row(engine: Engine) -> None:
    right = scores(["a", "a", "a"], at(10, 10, 10.001), [1, 2, 3])
    table, _ = join_all(
        engine, {"orders": ORDERS, "scores": right}, [Join.model_validate(BY_TIME)], scores=TIMED
    )
    assert table["score"].to_pylist()[0] == 2


def test_a_value_that_arrived_later_is_not_seen(engine: Engine) -> None:
    """The leak this is all about: on day 30 somebody fills in the score of day 9, and corrects that of day 1."""
    early = scores(["a", "a"], at(1, 9), [1, 2], at(1, 30))
    corrected = scores(["a"], at(1), [99], at(30))
    right = pa.concat_tables([early, corrected])
    source = TIMED | {"created_timestamp_column": "known"}
    table, facts = join_all(
        engine, {"orders": ORDERS, "scores": right}, [Join.model_validate(BY_TIME)], scores=source
    )
    assert table["score"].to_pylist() == [1, 1, None, None]
    assert "known" not in table.column_names
    assert (facts[0]["matched"], facts[0]["held_back"]) == (2, 2)
    after = ORDERS.set_column(2, "at", at(31, 31, 10, 10))
    table, facts = join_all(
        engine, {"orders": after, "scores": right}, [Join.model_validate(BY_TIME)], scores=source
    )
    assert table["score"].to_pylist() == [2, 2, None, None]
    assert facts[0]["held_back"] == 0


def test_a_value_that_arrived_later_changes_no_row_of_the_past(engine: Engine) -> None:
    """Whatever is added with a later arrival, rows that asked before it see what they saw."""
    draw = random.Random(7)
    orders = pa.table(
        {"who": [draw.choice("ab") for _ in range(60)], "at": at(*(draw.uniform(0, 50) for _ in range(60)))}
    )

    def some(count: int, first: float) -> pa.Table:
        known = [draw.uniform(first, 60) for _ in range(count)]
        happened = [draw.uniform(0, moment) for moment in known]
        return scores(
            [draw.choice("ab") for _ in known], at(*happened), [draw.random() for _ in known], at(*known)
        )

    source = TIMED | {"created_timestamp_column": "known"}
    plain = BY_TIME | {"as_of": {"by": "at", "lookback": "20d"}}
    summed = plain | {"aggregate": {"total": "sum(score)", "times": "count(*)"}}
    before = some(80, 0)
    more = pa.concat_tables([before, some(40, 25)])
    asked_early = pa.compute.less(orders["at"], at(25)[0])
    for block, columns in ((plain, ["score"]), (summed, ["total", "times"])):
        listed = [Join.model_validate(block)]
        tables = [
            join_all(engine, {"orders": orders, "scores": right}, listed, scores=source)[0]
            for right in (before, more)
        ]
        old, new = (table.select(columns).filter(asked_early) for table in tables)
        assert old.equals(new)
        assert not tables[0].equals(tables[1])


def test_a_delay_stands_in_where_no_arrival_is_recorded(engine: Engine) -> None:
    right = scores(["a", "a"], at(8, 9.5), [1, 2], at(None, 9.75))
    tables = {"orders": ORDERS, "scores": right.drop_columns(["known"])}
    seen, facts = join_all(
        engine, tables, [Join.model_validate(BY_TIME)], scores=TIMED | {"source_delay": "1d"}
    )
    assert seen["score"].to_pylist() == [1, 2, None, None]
    assert facts[0]["matched"] == 2
    both = TIMED | {"created_timestamp_column": "known", "source_delay": "30d"}
    seen, _ = join_all(engine, tables | {"scores": right}, [Join.model_validate(BY_TIME)], scores=both)
    assert seen["score"].to_pylist()[0] == 2
    never = TIMED | {"created_timestamp_column": "known"}
    right = scores(["a", "b"], at(8, 1), [1, 2], at(None, 2))
    seen, _ = join_all(engine, tables | {"scores": right}, [Join.model_validate(BY_TIME)], scores=never)
    assert seen["score"].to_pylist() == [None, None, 2, None]


def test_look_back_and_why_rows_see_nothing(engine: Engine) -> None:
    orders = pa.table({"who": ["a", "b", "c", "d", "a"], "at": at(10, 10, 10, 10, 13)})
    right = scores(["a", "b", "c"], at(8, 1, 9), [1, 2, 3], at(8, 1, 20))
    block = BY_TIME | {"as_of": {"by": "at", "lookback": "2d"}}
    table, facts = join_all(
        engine,
        {"orders": orders, "scores": right},
        [Join.model_validate(block)],
        scores=TIMED | {"created_timestamp_column": "known"},
    )
    assert table["score"].to_pylist() == [1, None, None, None, None]
    assert facts[0] == {
        "right": "scores",
        "rows": 5,
        "matched": 1,
        "held_back": 0,
        "too_old": 2,
        "not_yet_known": 1,
    }
    assert joining.sentences(facts) == [
        "4 of 5 rows have no match in scores (2 found only older ones, 1 found only some not yet known)"
    ]


def test_without_keys_every_row_is_about_the_same_thing(engine: Engine) -> None:
    rates = pa.table({"of": at(1, 12), "rate": [1.1, 1.2]})
    block = {"left": "orders", "right": "rates", "as_of": {"by": "at"}, "how": "inner"}
    table, _ = join_all(engine, {"orders": ORDERS, "rates": rates}, [Join.model_validate(block)], rates=TIMED)
    assert table["rate"].to_pylist() == [1.1, 1.2, 1.1, 1.1]


def test_aggregates_over_the_window_that_was_known(engine: Engine) -> None:
    right = scores(["a", "a", "a", "a", "b"], at(1, 7, 9, 9.5, 11), [100, 1, 2, 50, 7], at(1, 7, 9, 15, 11))
    block = BY_TIME | {
        "as_of": {"by": "at", "lookback": "5d"},
        "aggregate": {
            "mean_score": "avg(score)",
            "times": "count(*)",
            "newest": "last(score ORDER BY of)",
            "share": "count_if(score > 1) / count(*)",
        },
    }
    table, facts = join_all(
        engine,
        {"orders": ORDERS, "scores": right},
        [Join.model_validate(block)],
        scores=TIMED | {"created_timestamp_column": "known"},
    )
    assert table.to_pylist()[0] | {"at": None, "who": None} == {
        "order": 1,
        "who": None,
        "at": None,
        "mean_score": 1.5,
        "times": 2,
        "newest": 2,
        "share": 0.5,
    }
    assert table["times"].to_pylist() == [2, 0, 0, 0]
    assert table["mean_score"].to_pylist() == [1.5, None, None, None]
    assert facts == [{"right": "scores", "rows": 4, "matched": 1}]


def test_of_several_versions_of_one_event_the_last_known_counts(engine: Engine) -> None:
    right = scores(["a", "a", "a"], at(9, 9, 9), [1, 5, 100], at(9, 9.5, 15))
    block = BY_TIME | {"as_of": {"by": "at", "lookback": "30d"}, "aggregate": {"total": "sum(score)"}}
    table, _ = join_all(
        engine,
        {"orders": ORDERS, "scores": right},
        [Join.model_validate(block)],
        scores=TIMED | {"created_timestamp_column": "known"},
    )
    assert table["total"].to_pylist() == [5, 100, None, None]


def test_aggregates_without_time(engine: Engine) -> None:
    right = pa.table({"who": ["a", "a", "c", None], "paid": [1.5, 2.5, 7.0, 9.0]})
    block = {"left": "orders", "right": "sales", "on": "who", "aggregate": {"paid": "sum(paid)"}}
    table, facts = join_all(engine, {"orders": ORDERS, "sales": right}, [Join.model_validate(block)])
    assert table["paid"].to_pylist() == [4.0, 4.0, None, None]
    assert facts[0]["matched"] == 2


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("score", "score stands outside of an aggregate"),
        ("avg(sum(score))", "inside another aggregate"),
        ("avg(score) OVER ()", "a window function"),
        ("(SELECT 1)", "a subquery"),
        ("first(score)", "first() needs an order: write first(value ORDER BY time)"),
        ("medain(score)", "did you mean median()?"),
        ("sum(random())", "random() cannot be used"),
        ("count(*), 1", "STRUCT"),
        ("sum(who)", "No function matches"),
        ("avg(", "syntax error"),
        ("1 + 1", "no single value of several rows"),
    ],
)
def test_what_is_no_aggregate_is_refused(expression: str, reason: str, engine: Engine) -> None:
    right = scores(["a"], at(1), [1])
    block = {"left": "orders", "right": "scores", "on": "who", "aggregate": {"x": expression}}
    with pytest.raises(StageError) as caught:
        join_all(engine, {"orders": ORDERS, "scores": right}, [Join.model_validate(block)])
    assert caught.value.summary == "an aggregate cannot be computed"
    assert caught.value.path == ("data", "join", 0, "aggregate", "x")
    assert reason.casefold() in caught.value.detail.casefold()


@pytest.mark.parametrize(
    ("block", "path"),
    [
        ({"as_of": {"by": "when"}}, ("data", "join", 0, "as_of", "by")),
        ({"as_of": {"by": "order"}}, ("data", "join", 0, "as_of", "by")),
        ({"aggregate": {"x": "avg(scor)"}}, ("data", "join", 0, "aggregate", "x")),
        ({"aggregate": {"order": "avg(score)"}}, ("data", "join", 0, "aggregate", "order")),
    ],
)
def test_wrong_names_point_into_the_spec(
    block: dict[str, Any], path: tuple[Any, ...], engine: Engine
) -> None:
    right = scores(["a"], at(1), [1])
    base = {"left": "orders", "right": "scores", "on": "who"}
    with pytest.raises(StageError) as caught:
        join_all(
            engine, {"orders": ORDERS, "scores": right}, [Join.model_validate(base | block)], scores=TIMED
        )
    assert caught.value.path == path


def test_a_join_that_matches_nothing_is_an_error(engine: Engine) -> None:
    right = scores(["x"], at(1), [1])
    listed = [Join(left="orders", right="scores", on="who")]
    with pytest.raises(StageError) as caught:
        join_all(engine, {"orders": ORDERS, "scores": right}, listed)
    assert (caught.value.summary, caught.value.path) == ("a join matches nothing", ("data", "join", 0, "on"))
    late = scores(["a"], at(1), [1], at(50))
    with pytest.raises(StageError) as caught:
        join_all(
            engine,
            {"orders": ORDERS, "scores": late},
            [Join.model_validate(BY_TIME)],
            scores=TIMED | {"created_timestamp_column": "known"},
        )
    assert caught.value.detail.endswith("2 row(s) found only some not yet known")


@pytest.mark.parametrize(
    ("join", "source", "problem"),
    [
        ({"as_of": {"by": "at"}}, {}, "needs a timestamp_column"),
        (
            {"on": "k"},
            {"source_delay": "1d"},
            "is not as_of, so it would show rows of 'b' before they arrived",
        ),
        ({"on": "k"}, {"created_timestamp_column": "c"}, "is not as_of"),
        (
            {"aggregate": {"x": "count(*)"}, "as_of": {"by": "at"}},
            {"timestamp_column": "t"},
            "needs a window",
        ),
    ],
)
def test_times_that_would_not_be_respected_are_refused(
    join: dict[str, Any], source: dict[str, Any], problem: str
) -> None:
    sources = {"a": {"type": "csv", "path": "a.csv"}, "b": {"type": "csv", "path": "b.csv"} | source}
    block = {"sources": sources, "join": [{"left": "a", "right": "b"} | join], "target_column": "y"}
    with pytest.raises(ValidationError, match=problem):
        Data.model_validate(block)


def test_a_chain_of_joins_by_time(engine: Engine) -> None:
    """What a joined row says may be looked up in turn, at the time of the first source."""
    right = scores(["a", "b"], at(1, 2), ["x", "y"])
    grades = pa.table({"score": ["x", "x", "y"], "of": at(3, 15, 30), "grade": [1, 2, 3]})
    listed = [
        Join.model_validate(BY_TIME),
        Join.model_validate({"left": "scores", "right": "grades", "on": "score", "as_of": {"by": "of"}}),
    ]
    with pytest.raises(StageError, match="matches nothing"):
        join_all(
            engine, {"orders": ORDERS, "scores": right, "grades": grades}, listed, scores=TIMED, grades=TIMED
        )
    listed[1] = Join.model_validate(
        {"left": "scores", "right": "grades", "on": "score", "as_of": {"by": "of"}}
    )
    early = grades.set_column(1, "of", at(0, 15, 30))
    table, _ = join_all(
        engine, {"orders": ORDERS, "scores": right, "grades": early}, listed, scores=TIMED, grades=TIMED
    )
    assert table["grade"].to_pylist() == [1, 1, None, None]
    assert "grades_of" in table.column_names


def test_windows_are_computed_in_shares_with_the_same_result(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = random.Random(3)
    orders = pa.table(
        {"who": [draw.choice("abc") for _ in range(50)], "at": at(*(draw.uniform(0, 50) for _ in range(50)))}
    )
    right = scores(
        [draw.choice("abc") for _ in range(200)],
        at(*(draw.uniform(0, 50) for _ in range(200))),
        [draw.random() for _ in range(200)],
    )
    block = BY_TIME | {
        "as_of": {"by": "at", "lookback": "9d"},
        "aggregate": {"mean": "avg(score)", "mid": "median(score)"},
    }
    tables, listed = {"orders": orders, "scores": right}, [Join.model_validate(block)]
    whole, _ = join_all(engine, tables, listed, scores=TIMED)
    monkeypatch.setattr("tenure.stages.data.point_in_time._PAIRS_AT_ONCE", 100)
    shares, _ = join_all(engine, tables, listed, scores=TIMED)
    assert shares.equals(whole)
    known = list(
        zip(right["who"].to_pylist(), right["of"].to_pylist(), right["score"].to_pylist(), strict=True)
    )
    for row in whole.to_pylist():
        window = [
            score
            for who, of, score in known
            if who == row["who"] and row["at"] - timedelta(days=9) <= of.replace(tzinfo=None) <= row["at"]
        ]
        assert row["mean"] == (pytest.approx(sum(window) / len(window)) if window else None)


def test_a_filter_over_the_first_source_comes_before_the_joins(project: Any) -> None:
    project.write("a.csv", "k,v,y\n" + "".join(f"{i},{i},{i % 2}\n" for i in range(80)))
    project.write("b.csv", "k,w\n" + "".join(f"{i},{i * 2}\n" for i in range(80)))
    block = {
        "sources": {name: {"type": "csv", "path": f"{name}.csv"} for name in "ab"},
        "join": [{"left": "a", "right": "b", "on": "k"}],
        "target_column": "y",
    }
    early, late = project.take(block | {"filter": "V < 40"}), project.take(block | {"filter": "w < 80"})
    assert early.digest == late.digest
    assert (early.value["joins"][0]["rows"], late.value["joins"][0]["rows"]) == (40, 80)


def test_times_written_as_text_are_read(engine: Engine) -> None:
    orders = pa.table({"who": ["a", "a"], "at": ["2026-01-10T01:00:00+02:00", "2026-01-11"]})
    right = pa.table({"who": ["a"], "of": ["2026-01-09 23:30:00"], "score": [1]})
    tables = {"orders": orders, "scores": right}
    table, _ = join_all(engine, tables, [Join.model_validate(BY_TIME)], scores=TIMED)
    assert table["score"].to_pylist() == [None, 1]
    soon = right.set_column(1, "of", pa.array(["soon"]))
    with pytest.raises(StageError) as caught:
        join_all(engine, tables | {"scores": soon}, [Join.model_validate(BY_TIME)], scores=TIMED)
    assert caught.value.path == ("data", "sources", "scores", "timestamp_column")


def test_columns_may_be_called_like_anything(engine: Engine) -> None:
    names = ["event", "rank", "k0", "bucket", "visible", "asked", "n", "c0", "source"]
    right = pa.table({"who": ["a", "a"], "of": at(1, 2)} | {name: [1, 3] for name in names})
    block = BY_TIME | {
        "as_of": {"by": "at", "lookback": "30d"},
        "aggregate": {f"sum of {name}": f"sum({name})" for name in names},
    }
    tables = {"orders": ORDERS, "scores": right}
    table, _ = join_all(engine, tables, [Join.model_validate(block)], scores=TIMED)
    assert [table[f"sum of {name}"].to_pylist()[0] for name in names] == [4] * len(names)
    del block["as_of"]
    table, _ = join_all(engine, tables, [Join.model_validate(block)])
    assert [table[f"sum of {name}"].to_pylist()[0] for name in names] == [4] * len(names)
    table, _ = join_all(engine, tables, [Join.model_validate(BY_TIME)], scores=TIMED)
    assert [table[name].to_pylist()[0] for name in names] == [3] * len(names)


def test_every_source_can_say_when_its_rows_happened_and_arrived() -> None:
    kinds = get_args(get_args(Source)[0])
    assert len(kinds) >= 4
    assert all(issubclass(kind, Timed) for kind in kinds)
