from __future__ import annotations

import csv
import random

import pytest

from tenure.core.errors import TenureError
from tenure.engine.proposal.checks import checks_of
from tenure.engine.proposal.proposing import propose


def write(path, names, rows, *, delimiter=",", encoding="utf-8"):
    with path.open("w", newline="", encoding=encoding) as stream:
        writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(rows)
    return path


def people(count=120, seed=1):
    """Rows of (id, e-mail, age, plan, spent, churned): those on the free plan churn more often."""
    chance = random.Random(seed)
    for i in range(count):
        plan = chance.choice(["free", "basic", "gold"])
        churned = "yes" if chance.random() < (0.6 if plan == "free" else 0.15) else "no"
        yield [
            i + 1000,
            f"p{i}@example.org",
            chance.randint(18, 80),
            plan,
            round(chance.random() * 90, 2),
            churned,
        ]


NAMES = ["customer_id", "contact", "age", "plan", "spent", "churned"]


@pytest.fixture
def churn(tmp_path):
    return write(tmp_path / "churn.csv", NAMES, people())


def left(proposal):
    return {column.facts.name: column.left for column in proposal.left_out}


def test_a_usual_table_is_understood(churn):
    found = propose(churn)
    assert found.target.name == "churned"
    assert (found.target.task, found.target.metric, found.target.positive) == (
        "classification",
        "roc_auc",
        "yes",
    )
    assert left(found) == {"customer_id": "identifier", "contact": "personal"}
    assert [column.facts.name for column in found.seen] == ["age", "plan", "spent"]
    assert [column.facts.name for column in found.columns if column.sensitive] == ["age"]
    assert found.split.type == "stratified"
    assert found.key == "customer_id"
    checks = checks_of(found)
    assert checks.keys == ("customer_id",)
    assert checks.rows == 60
    assert [fact.name for fact in checks.sets] == ["plan"]
    ages = next(item for item in checks.ranges if item.column == "age")
    assert ages.low <= ages.seen[0] <= ages.seen[1] <= ages.high


def test_another_target_may_be_asked_for_in_any_case(churn):
    found = propose(churn, "SPENT")
    assert (found.target.name, found.target.task, found.target.metric) == ("spent", "regression", "rmse")
    assert found.split.type == "random"


@pytest.mark.parametrize(
    ("names", "rows", "target", "summary", "detail"),
    [
        (["a", "b"], [[i, i % 7] for i in range(40)], "c", "There is no such column.", "'c'"),
        (["price", "rating", "z"], [[i % 9, i % 5, f"t{i}"] for i in range(60)], None, "Several", "price, rating"),
        (["a", "note"], [[i % 9, f"t{i}"] for i in range(60)], None, "cannot be guessed", "'note'"),
        (["a", "target"], [[i % 9, 1] for i in range(60)], "target", "cannot be the target", "at least two classes"),
        (["a", "name"], [[i % 9, f"t{i}"] for i in range(60)], "name", "cannot be the target", "60 different texts"),
    ],
)  # fmt: skip
def test_what_cannot_be_guessed_is_asked_for_with_the_columns(tmp_path, names, rows, target, summary, detail):
    file = write(tmp_path / "t.csv", names, rows)
    with pytest.raises(TenureError) as caught:
        propose(file, target)
    assert summary in caught.value.summary
    assert detail in caught.value.detail
    for name in names:
        assert f"  {name}: " in caught.value.hint


def test_columns_that_give_the_target_away_are_left_out(tmp_path):
    rows = [
        [
            *row[2:],
            "left" if row[5] == "yes" else "stays",
            0 if row[5] == "no" else random.Random(i).choice([0, 1]),
        ]
        for i, row in enumerate(people(400))
    ]
    file = write(tmp_path / "t.csv", ["age", "plan", "spent", "churned", "status", "churned_reason"], rows)
    found = propose(file, "churned")
    assert left(found) == {"status": "leak", "churned_reason": "leak"}
    assert "alone explains" in found.left_out[0].why
    assert "named like" in found.left_out[1].why


def test_a_column_that_tells_one_class_only_is_a_leak(tmp_path):
    chance = random.Random(2)
    rows = []
    for i in range(900):
        severity = chance.choices(["none", "injury", "death"], [60, 35, 5])[0]
        deaths = chance.randint(1, 3) if severity == "death" else 0
        closed = f"2024-03-{i % 28 + 1:02}" if severity == "none" else ""
        rows.append([round(chance.gauss(60, 20), 1), chance.choice(["dry", "wet"]), deaths, closed, severity])
    found = propose(
        write(tmp_path / "a.csv", ["speed", "road", "deaths", "closed", "severity"], rows), "severity"
    )
    assert left(found) == {"deaths": "leak", "closed": "leak"}
    why = {column.facts.name: column.why for column in found.left_out}
    assert why["deaths"] == "alone gives severity = death away: known only afterwards?"
    assert why["closed"] == "alone gives severity = none away: known only afterwards?"


def test_a_time_splits_by_time_and_later_times_are_leaks(tmp_path):
    rows = [
        [
            f"2024-{1 + i // 28 % 12:02}-{1 + i % 28:02}",
            f"2025-{1 + i // 28 % 12:02}-{1 + i % 28:02}",
            i % 17,
            i % 2,
        ]
        for i in range(300)
    ]
    found = propose(write(tmp_path / "t.csv", ["created_at", "closed_on", "x", "label"], rows))
    assert found.timestamp == "created_at"
    assert found.split.type == "datetime"
    assert left(found) == {"closed_on": "leak"}


def test_classes_that_come_late_are_not_split_by_time(tmp_path):
    rows = [[f"2024-{1 + i // 28:02}-{1 + i % 28:02}", i % 17, int(i > 200)] for i in range(300)]
    found = propose(write(tmp_path / "t.csv", ["day", "x", "label"], rows))
    assert (found.timestamp, found.split.type) == ("day", "stratified")
    assert "only late" in found.split.why


def test_several_rows_of_one_customer_stay_together(tmp_path):
    rows = [[f"c{i % 40}", i % 23, i % 2] for i in range(200)]
    found = propose(write(tmp_path / "t.csv", ["customer_id", "x", "label"], rows))
    assert (found.split.type, found.split.column) == ("group", "customer_id")
    assert left(found) == {"customer_id": "entity"}


def test_constant_and_empty_columns_are_left_out(tmp_path):
    rows = [[1, "", i % 5, i % 3] for i in range(90)]
    assert left(propose(write(tmp_path / "t.csv", ["one", "none", "x", "y"], rows))) == {
        "one": "constant",
        "none": "empty",
    }


def test_a_rare_class_is_the_positive_one_and_asks_for_another_metric(tmp_path):
    rows = [[i % 13, "odd" if i % 50 == 0 else "usual"] for i in range(1000)]
    target = propose(write(tmp_path / "t.csv", ["x", "class"], rows)).target
    assert (target.positive, target.metric) == ("odd", "average_precision")


def test_rows_without_a_target_are_counted(tmp_path):
    rows = [[i % 13, "" if i % 10 == 0 else i % 2] for i in range(200)]
    found = propose(write(tmp_path / "t.csv", ["x", "y"], rows))
    assert next(c.facts for c in found.columns if c.facts.name == "y").nulls == 20


def test_a_missing_extra_is_not_proposed(churn, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert [item.name for item in propose(churn).algorithms] == [
        "hist_gradient_boosting",
        "random_forest",
        "logistic_regression",
    ]


def test_a_part_of_a_large_file_is_enough_and_said(churn, monkeypatch):
    monkeypatch.setattr("tenure.engine.proposal.reading.MOST_BYTES", 2000)
    found = propose(churn)
    assert not found.read.whole
    assert 20 < found.rows < 120
    assert checks_of(found).only_warn


def test_exact_copies_are_dropped_unless_rows_must_agree(tmp_path):
    chance = random.Random(3)
    rows = [[round(chance.random(), 6), chance.randint(0, 999), i % 2] for i in range(200)]
    found = propose(write(tmp_path / "t.csv", ["a", "b", "y"], [*rows, *rows[:30]]))
    assert found.duplicates == 30
    few = [[i % 3, i % 5, chance.randint(0, 1)] for i in range(300)]
    assert propose(write(tmp_path / "few.csv", ["a", "b", "y"], few)).duplicates == 0


def test_names_that_differ_in_case_only_are_refused(tmp_path):
    with pytest.raises(TenureError, match="upper and lower case") as caught:
        propose(write(tmp_path / "t.csv", ["Age", "age", "y"], [[i, i % 3, i % 2] for i in range(60)]))
    assert "'Age' and 'age'" in caught.value.detail
