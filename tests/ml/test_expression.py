from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest

from tenure.core.errors import StageError
from tenure.ml.expression import Derived, evaluate, references, result_type

TABLE = pa.table({"income": [10.0, 20.0, None], "household": [2, 0, 1], "Full Name": ["Ann B", "Cy D", None]})


def test_references_are_the_columns_in_order_of_appearance():
    assert references("x", 'coalesce(b, 0) / nullif(a, 0) + b + length("Full Name") -- why') == (
        "b",
        "a",
        "Full Name",
    )


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("(SELECT 1)", "a subquery"),
        ("a) FROM (SELECT 1 AS a", "more than one expression"),
        ("a), (b", "more than one expression"),
        ("sum(a)", "not a function of one row alone"),
        ("sum(a) OVER ()", "a window function"),
        ("random()", "not a function of one row alone"),
        ("now()", "not a function of one row alone"),
        ("current_setting('threads')", "not a function of one row alone"),
        ("read_text('/etc/hostname')", "not a function of one row alone"),
        ("getenv('HOME')", "not a function of one row alone"),
        ("pg_sleep(10)", "not a function of one row alone"),
        ("*", "a star"),
        ("list_transform([1], x -> x)", "a lambda"),
        ("a; DROP TABLE x", "syntax error"),
        ("a +", "syntax error"),
        ("lowr(a)", "did you mean lower()?"),
    ],
)
def test_only_scalar_expressions_of_one_row_are_taken(expression, reason):
    with pytest.raises(StageError) as caught:
        references("ratio", expression, ("features", "derived", 0, "expression"))
    assert reason in caught.value.detail
    assert "'ratio'" in caught.value.detail
    assert caught.value.path == ("features", "derived", 0, "expression")


@pytest.mark.parametrize("expression", ["a, b", "", "[a, b]", "{'x': a}"])
def test_a_result_that_is_no_single_value_is_refused(expression):
    with pytest.raises(StageError, match="cannot be computed"):
        result_type("x", expression, {"a": "number", "b": "number"})


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("income / household", "number"),
        ("household + 1", "integer"),
        ("income > 3", "boolean"),
        ("upper(name)", "string"),
        ("since + INTERVAL 1 DAY", "timestamp"),
        ("CAST(since AS DATE)", "timestamp"),
        ("date_part('month', since)", "integer"),
        ("CAST(income AS DECIMAL(9, 2))", "number"),
    ],
)
def test_result_type(expression, expected):
    columns = {"income": "number", "household": "integer", "name": "string", "since": "timestamp"}
    assert result_type("x", expression, columns) == expected


def test_an_unknown_column_is_named():
    with pytest.raises(StageError) as caught:
        result_type("ratio", "incme / 2", {"income": "number"})
    assert "incme" in caught.value.detail


def test_evaluate_appends_columns_that_may_use_earlier_ones():
    result = evaluate(
        TABLE,
        [
            Derived("each", "income / nullif(household, 0)", "number"),
            Derived("rich", "each >= 5", "boolean"),
            Derived("initial", 'left("Full Name", 1)', "string"),
        ],
    )
    assert result.column_names == ["income", "household", "Full Name", "each", "rich", "initial"]
    assert result.column("each").to_pylist() == [5.0, None, None]
    assert result.column("rich").to_pylist() == [True, None, None]
    assert result.column("initial").to_pylist() == ["A", "C", None]


def test_a_value_that_cannot_be_computed_names_the_column():
    with pytest.raises(StageError) as caught:
        evaluate(
            TABLE,
            [
                Derived("fine", "household", "integer"),
                Derived("age", 'CAST("Full Name" AS INTEGER)', "integer"),
            ],
        )
    assert "'age'" in caught.value.detail
    assert "Could not convert" in caught.value.detail


def test_threads_do_not_see_one_another():
    def one(number: int) -> list[float]:
        table = pa.table({"a": [float(number)] * 50})
        return evaluate(table, [Derived("b", "a * 2", "number")]).column("b").to_pylist()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, range(40))) == [[2.0 * number] * 50 for number in range(40)]
