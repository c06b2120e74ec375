from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from sklearn import datasets
from tests.stages.lab import Lab

from tenure.core.errors import StageBlocked
from tenure.stages.features.leakage import FEWEST_ROWS, named_after

ROWS = 400


def _table(rows: int = ROWS, seed: int = 5) -> pa.Table:
    generator = np.random.default_rng(seed)
    signal = generator.normal(size=rows)
    return pa.table(
        {
            "helps": signal + 0.5 * generator.normal(size=rows),
            "city": generator.choice(["Bern", "Oslo", "Rome"], rows).tolist(),
            "y": np.where(signal > 0, "yes", "no").tolist(),
        }
    )


def _lab(tmp_path, table: pa.Table, **facts) -> Lab:
    return Lab(tmp_path, table, "y", **facts)


def _truth(table: pa.Table) -> np.ndarray:
    return np.array(table["y"].to_pylist()) == "yes"


def _with(table: pa.Table, name: str, values: object) -> pa.Table:
    return table.append_column(name, pa.array(values))


def _leaks(table: pa.Table) -> dict[str, object]:
    """Ways in which a column comes to hold the answer."""
    generator = np.random.default_rng(1)
    truth = _truth(table)
    wrong = generator.random(len(truth)) < 0.002
    return {
        "a reason that is filled in afterwards": np.where(truth, "cancelled", None).tolist(),
        "a number that is high afterwards": np.where(truth, 10.0, 0.0) + generator.random(len(truth)),
        "a code of several values": generator.integers(0, 4, len(truth)) + 5 * truth,
        "a flag with two errors in a thousand": (truth != wrong).tolist(),
        "missing for one class": [None if yes else 1.0 for yes in truth],
        "two ranges around another": truth * generator.choice([-3.0, 3.0], len(truth))
        + 0.1 * generator.random(len(truth)),
    }  # fmt: skip


@pytest.mark.parametrize("how", _leaks(_table()))
def test_a_column_that_gives_the_classes_away_stops_the_training(tmp_path, how):
    table = _table()
    lab = _lab(tmp_path, _with(table, "outcome", _leaks(table)[how]))
    with pytest.raises(StageBlocked) as caught:
        lab.make_features()
    assert caught.value.exit_code == 3
    assert "column outcome alone predicts the target almost without error" in caught.value.detail
    assert "helps" not in caught.value.detail
    assert "exclude: [outcome]" in caught.value.hint
    assert "allow: [outcome]" in caught.value.hint
    assert caught.value.path == ("features", "leakage")


def test_both_ways_out_that_are_offered_work(tmp_path):
    table = _table()
    lab = _lab(tmp_path, _with(table, "outcome", _truth(table)))
    assert "outcome" not in lab.make_features(exclude=["outcome"]).value["features"]
    value = lab.make_features(leakage={"allow": ["outcome"]}).value
    assert "outcome" in value["features"]
    assert value["notes"] == []


def test_a_warning_says_the_same_and_goes_on(tmp_path):
    table = _table()
    lab = _lab(tmp_path, _with(table, "outcome", _truth(table)))
    (note,) = lab.make_features(leakage={"severity": "warn"}).value["notes"]
    assert note.startswith("column outcome alone predicts")
    assert lab.make_features(leakage={"check": False}).value["notes"] == []


def test_few_rows_are_only_noted(tmp_path):
    table = _table(FEWEST_ROWS)  # of which three quarters are the training part
    lab = _lab(tmp_path, _with(table, "outcome", _truth(table)))
    assert [note.split()[1] for note in lab.make_features().value["notes"]] == ["outcome"]


def test_a_strong_honest_feature_is_none(tmp_path):
    generator = np.random.default_rng(0)
    table = _table()
    strong = _truth(table) + 0.35 * generator.normal(size=ROWS)  # AUC about 0.98
    assert _lab(tmp_path, _with(table, "strong", strong)).make_features().value["notes"] == []
    with pytest.raises(StageBlocked):
        _lab(tmp_path, _with(table, "strong", strong)).make_features(leakage={"limit": 0.95})


@pytest.mark.parametrize("name", ["ids", "rare classes"])
def test_nothing_is_said_where_nothing_can_be_known(tmp_path, name):
    table = _table()
    if name == "ids":  # looked up on the rows themselves, they would know everything
        table = _with(table, "ref", [f"r{i}" for i in range(ROWS)])
        value = _lab(tmp_path, table).make_features(include=["ref", "helps"]).value
    else:
        table = table.set_column(2, "y", pa.array(["yes" if i < 5 else "no" for i in range(ROWS)]))
        table = _with(table, "outcome", [i < 5 for i in range(ROWS)])
        value = _lab(tmp_path, table).make_features().value
    assert value["notes"] == []


@pytest.mark.parametrize("kind", ["another unit", "rounded", "a curve", "a name for every value"])
def test_a_column_that_gives_a_number_away_stops_the_training(tmp_path, kind):
    generator = np.random.default_rng(2)
    y = np.round(generator.gamma(2, 50, ROWS * 3), 2)
    column = {
        "another unit": (y * 1.8 + 32).tolist(),
        "rounded": np.round(y).tolist(),
        "a curve": (np.cos(y / 400) * 7).tolist(),
        "a name for every value": [f"level {value:.0f}" for value in np.round(y / 25) * 25],
    }[kind]
    if kind == "a name for every value":
        y = np.round(y / 25) * 25
    table = pa.table({"helps": y + 30 * generator.normal(size=len(y)), "outcome": column, "y": y})
    with pytest.raises(StageBlocked, match="almost without error \\(R2") as caught:
        _lab(tmp_path, table, task="regression", classes=[]).make_features()
    assert "helps" not in caught.value.detail


def test_several_classes(tmp_path):
    generator = np.random.default_rng(3)
    species = generator.integers(0, 3, 900)
    table = pa.table(
        {
            "separates_one": np.where(species == 0, 5.0, 0.0) + generator.normal(size=900),
            "code": (species * 10 + generator.integers(0, 3, 900)).tolist(),
            "y": [f"s{k}" for k in species],
        }
    )
    with pytest.raises(StageBlocked, match="balanced accuracy") as caught:
        _lab(tmp_path, table).make_features()
    assert "column code" in caught.value.detail
    assert "separates_one" not in caught.value.detail


def _accidents(rows: int = 1200) -> pa.Table:
    generator = np.random.default_rng(4)
    severity = generator.choice(["none", "injury", "death"], rows, p=[0.6, 0.35, 0.05])
    return pa.table({"speed": generator.normal(60, 20, rows), "y": severity.tolist()})


def _of_death(table: pa.Table) -> dict[str, object]:
    """Ways in which a column comes to tell the rows of the rarest class only."""
    generator = np.random.default_rng(6)
    died = np.array(table["y"].to_pylist()) == "death"
    times = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=i) for i in range(len(died))]
    return {
        "is 0 everywhere else": (died * generator.integers(1, 4, len(died))).tolist(),
        "is missing everywhere else": [f"r{i % 7}" if dead else None for i, dead in enumerate(died)],
        "is 'closed' there": np.where(died, "closed", generator.choice(["a", "b"], len(died))).tolist(),
        "is filled in there and not elsewhere (precision 1, recall 1)": [
            time if dead else None for dead, time in zip(died, times, strict=True)
        ],
    }


@pytest.mark.parametrize("how", _of_death(_accidents()))
def test_a_column_that_gives_one_rare_class_away_stops_the_training(tmp_path, how):
    table = _accidents()
    lab = _lab(tmp_path, _with(table, "outcome", _of_death(table)[how]))
    with pytest.raises(StageBlocked) as caught:
        lab.make_features()
    assert caught.value.detail.startswith(f"column outcome alone gives y = death away: it {how}")
    assert "speed" not in caught.value.detail
    assert "outcome" in lab.make_features(leakage={"allow": ["outcome"]}).value["features"]
    assert lab.make_features(leakage={"allow": ["outcome"]}).value["notes"] == []
    (note,) = lab.make_features(leakage={"severity": "warn"}).value["notes"]
    assert "gives y = death away" in note


def test_the_limit_is_for_one_class_too(tmp_path):
    table = _accidents()
    flag = (np.array(table["y"].to_pylist()) == "death").astype(float)
    flag[np.flatnonzero(flag)[::12]] = 0.0  # one death in twelve is not marked
    table = _with(table, "outcome", flag)
    assert _lab(tmp_path, table).make_features().value["notes"] == []
    with pytest.raises(StageBlocked, match="y = death"):
        _lab(tmp_path, table).make_features(leakage={"limit": 0.85})


@pytest.mark.parametrize(
    "load", [datasets.load_iris, datasets.load_wine, datasets.load_breast_cancer, datasets.load_digits]
)
def test_honest_measurements_give_no_class_away(tmp_path, load):
    frame = load(as_frame=True).frame
    frame["target"] = frame["target"].map("class {}".format)
    lab = Lab(tmp_path, pa.Table.from_pandas(frame, preserve_index=False), "target")
    assert [note for note in lab.make_features().value["notes"] if "alone" in note] == []


@pytest.mark.parametrize(
    ("column", "target", "expected"),
    [
        ("churn_date", "churn", True),
        ("is_churn", "churn", True),
        ("dateOfChurn", "churn", True),
        ("days late", "days_late", True),
        ("churned", "churn", False),
        ("target_temperature", "target", False),
        ("y2", "y", False),
        ("delay", "delays", False),
    ],
)
def test_names_like_the_target(column, target, expected):
    assert named_after(column, target) is expected


def test_a_column_named_after_the_target_is_noted(tmp_path):
    table = _table().rename_columns(["helps", "churn_reason", "churn"])
    lab = Lab(tmp_path, table, "churn")
    assert lab.make_features().value["notes"] == [
        "column churn_reason is named after the target churn: check that it is known in advance"
    ]
    assert lab.make_features(leakage={"allow": ["churn_reason"]}).value["notes"] == []


def test_findings_about_the_data_block_too(tmp_path):
    findings = [
        {"kind": "duplicate_rows", "sentence": "12 rows of the test part are copies", "rows": 12, "blocks": True},
        {"kind": "same_entity", "sentence": "3 customers are in both parts", "rows": 3, "blocks": False},
    ]  # fmt: skip
    lab = _lab(tmp_path, _table(), leakage=findings)
    with pytest.raises(StageBlocked, match="12 rows of the test part") as caught:
        lab.make_features()
    assert "allow: [duplicate_rows]" in caught.value.hint
    notes = lab.make_features(leakage={"allow": ["duplicate_rows"]}).value["notes"]
    assert notes == ["3 customers are in both parts"]
