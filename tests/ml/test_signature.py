from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from tenure.ml.signature import InputColumn, Signature, check_rows, rows_to_table

SIGNATURE = Signature(
    inputs=(
        InputColumn("age", "integer", minimum=18, maximum=90),
        InputColumn("income", "number", nullable=True, minimum=0.0, maximum=1e6),
        InputColumn("city", "string", categories=("Bern", "Rome")),
        InputColumn("member", "boolean"),
        InputColumn("since", "timestamp"),
    ),
    task="binary",
    target="churned",
    classes=("no", "yes"),
    accepted=("customer_id",),
)
GOOD = {"age": 40, "income": 5.5, "city": "Rome", "member": True, "since": "2024-03-01"}


def _codes(row):
    return [(error.field, error.code) for error in check_rows(SIGNATURE, [row]).errors]


def test_a_good_row_and_known_extra_fields_pass():
    found = check_rows(SIGNATURE, [GOOD, GOOD | {"customer_id": "c1", "income": None, "age": 40.0}])
    assert found.ok
    assert found.flags == ()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"age": "40"}, ("age", "type")),
        ({"age": 40.5}, ("age", "type")),
        ({"age": True}, ("age", "type")),
        ({"age": 2**63}, ("age", "type")),
        ({"age": None}, ("age", "null")),
        ({"income": float("nan")}, ("income", "not_finite")),
        ({"income": float("-inf")}, ("income", "not_finite")),
        ({"income": 10**400}, ("income", "type")),
        ({"city": 3}, ("city", "type")),
        ({"city": ["Rome"]}, ("city", "type")),
        ({"member": 1}, ("member", "type")),
        ({"since": "yesterday"}, ("since", "type")),
        ({"since": 1700000000}, ("since", "type")),
        ({"zip": 1}, ("zip", "unknown_field")),
    ],
)
def test_what_is_wrong_with_a_field(change, expected):
    assert _codes(GOOD | change) == [expected]


def test_a_misspelt_field_is_missing_and_unknown_with_the_nearest_name():
    row = {("incme" if name == "income" else name): value for name, value in GOOD.items()}
    errors = check_rows(SIGNATURE, [row]).errors
    assert [(error.field, error.code) for error in errors] == [
        ("income", "missing"),
        ("incme", "unknown_field"),
    ]
    assert "send null" in errors[0].message
    assert "did you mean 'income'?" in errors[1].message


def test_all_problems_of_all_rows_come_together():
    found = check_rows(SIGNATURE, [GOOD, {}, 3, GOOD | {"age": "x", "member": None}])
    assert [error.row for error in found.errors] == [1, 1, 1, 1, 1, 2, 3, 3]
    assert found.errors[5].message == "a row is an object, not a number"


def test_unusual_values_are_flags_not_errors():
    found = check_rows(SIGNATURE, [GOOD | {"age": 17, "city": "Oslo", "income": 2e6}])
    assert found.ok
    assert [(flag.field, flag.code) for flag in found.flags] == [
        ("age", "out_of_range"),
        ("income", "out_of_range"),
        ("city", "unseen"),
    ]


def test_rows_become_a_table_in_utc():
    rows = [
        GOOD | {"since": "2024-03-01T02:00:00+02:00"},
        GOOD | {"income": None, "age": 40.0, "since": "2024-03-01T00:00:00Z"},
    ]
    table = rows_to_table(SIGNATURE, rows)
    assert table.to_pylist() == [
        {"age": 40, "income": 5.5, "city": "Rome", "member": True, "since": datetime(2024, 3, 1)},  # noqa: DTZ001
        {"age": 40, "income": None, "city": "Rome", "member": True, "since": datetime(2024, 3, 1)},  # noqa: DTZ001
    ]
    aware = rows_to_table(SIGNATURE, [GOOD | {"since": datetime(2024, 3, 1, tzinfo=UTC)}])
    assert aware.column("since") == table.column("since").slice(0, 1)


def test_json_round_trip():
    assert msgspec.json.decode(msgspec.json.encode(SIGNATURE), type=Signature) == SIGNATURE
