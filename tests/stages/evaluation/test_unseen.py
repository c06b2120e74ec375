"""A champion is compared only on rows it has not learned from."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tenure.artifacts.folder import FolderArtifactStore
from tenure.stages.evaluation.unseen import unseen_rows


class _Context:
    def __init__(self, root: Path, timestamp: str | None = None) -> None:
        self.artifacts = FolderArtifactStore(root)
        self.records = {"data/snapshot": _Version({}, timestamp=timestamp)}


class _Version:
    def __init__(self, artifacts: dict[str, str], **value: object) -> None:
        self.artifacts, self.value = artifacts, value


def table(rows: list[tuple[float | None, str, str]]) -> pa.Table:
    return pa.table(
        {
            "x": pa.array([row[0] for row in rows]),
            "kind": [row[1] for row in rows],
            "__split__": [row[2] for row in rows],
        }
    )


def test_rows_in_the_champions_training_part_are_not_comparable(tmp_path: Path) -> None:
    context = _Context(tmp_path / "blobs")
    old = table([(1.0, "a", "train"), (2.0, "b", "validation"), (3.0, "a", "test"), (None, "b", "train")])
    pq.write_table(old, tmp_path / "old.parquet", row_group_size=3)
    champion = _Version({"snapshot": context.artifacts.put_file(tmp_path / "old.parquet")})
    test = table(
        [(1.0, "a", "test"), (2.0, "b", "test"), (3.0, "a", "test"), (None, "b", "test"), (9.0, "a", "test")]
    )
    assert unseen_rows(test, champion, context).tolist() == [False, False, True, False, True]  # type: ignore[arg-type]


def test_the_same_numbers_read_as_integers_compare_equal(tmp_path: Path) -> None:
    context = _Context(tmp_path / "blobs")
    old = pa.table({"x": [1, 2], "__split__": ["train", "test"]})
    pq.write_table(old, tmp_path / "old.parquet")
    champion = _Version({"snapshot": context.artifacts.put_file(tmp_path / "old.parquet")})
    new = pa.table({"x": [1.0, 2.5], "__split__": ["test", "test"]})
    assert unseen_rows(new, champion, context).tolist() == [False, True]  # type: ignore[arg-type]


def test_without_a_recorded_snapshot_every_row_counts(tmp_path: Path) -> None:
    test = table([(1.0, "a", "test")])
    assert unseen_rows(test, _Version({}), _Context(tmp_path)).all()  # type: ignore[arg-type]


def test_an_adopted_champion_may_have_seen_every_row_that_was_there(tmp_path: Path) -> None:
    context = _Context(tmp_path / "blobs")
    old = table([(1.0, "a", "train"), (2.0, "b", "validation"), (3.0, "a", "test")])
    pq.write_table(old, tmp_path / "old.parquet")
    champion = _Version(
        {"snapshot": context.artifacts.put_file(tmp_path / "old.parquet")}, adopted={"by": "ann"}
    )
    test = table([(1.0, "a", "test"), (3.0, "a", "test"), (9.0, "a", "test")])
    assert unseen_rows(test, champion, context).tolist() == [False, False, True]  # type: ignore[arg-type]


def test_rows_after_the_data_that_it_was_fitted_on_are_unseen(tmp_path: Path) -> None:
    context = _Context(tmp_path / "blobs", "day")
    days = pa.array(["2025-12-30", "2025-12-31T23:59:59", "2026-01-01", None]).cast(pa.timestamp("us"))
    test = pa.table({"day": days, "__split__": ["test"] * 4})
    pq.write_table(test, tmp_path / "old.parquet")
    blobs = {"snapshot": context.artifacts.put_file(tmp_path / "old.parquet")}
    champion = _Version(blobs, adopted={"given": {"trained_until": "2025-12-31"}})
    assert unseen_rows(test, champion, context).tolist() == [False, False, True, False]  # type: ignore[arg-type]
    assert not unseen_rows(test, champion, _Context(tmp_path / "blobs")).any()  # type: ignore[arg-type]
