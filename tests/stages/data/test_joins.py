"""Several sources as one table."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError
from tests.stages.data.engines import tabled

from tenure.core.errors import StageBlocked, StageError
from tenure.stages.data import joining
from tenure.stages.data.engine import Engine
from tenure.stages.data.joins import Join
from tenure.stages.data.section import Data
from tenure.stages.data.sources import Csv

FLIGHTS = pa.table({"flight": [3, 1, 2, 4], "tail": ["b", "a", None, "z"], "year": [2013] * 4})
PLANES = pa.table({"tail": ["a", "b", "c"], "year": [1999, 2004, 2010]})


def join_all(
    engine: Engine, tables: dict[str, pa.Table], listed: list[Join], **sources: Any
) -> tuple[pa.Table, list[Any]]:
    given = {name: Csv(type="csv", path="x.csv", **sources.get(name, {})) for name in tables}
    table, facts = joining.join_all({name: tabled(engine, rows) for name, rows in tables.items()}, listed, given)
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
