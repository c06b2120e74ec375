from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tenure.ml import inference_log as log_format
from tenure.ml.inference_log import (
    event_times,
    feature_column,
    index_log,
    join_labels,
    read_labels,
    read_log,
    score_column,
    write_labels,
    write_segment,
)

START = datetime(2013, 1, 1, tzinfo=UTC)


def rows(first: int, count: int, **extra):
    times = [START + timedelta(days=first + i) for i in range(count)]
    return pa.table(
        {
            "prediction_id": [f"p{first + i}" for i in range(count)],
            "received_at": pa.array(times, log_format.TIME),
            "event_time": pa.array(times, log_format.TIME),
            "model_version": [1] * count,
            "arm": ["stable"] * count,
            "prediction": ["rain"] * count,
        }
        | extra
    )


def test_rows_come_back_by_half_open_event_time_in_order(tmp_path):
    write_segment(tmp_path, rows(10, 10))
    write_segment(tmp_path, rows(0, 10))
    read = read_log(tmp_path, START + timedelta(days=5), START + timedelta(days=12))
    assert read.table.column("prediction_id").to_pylist() == [f"p{i}" for i in range(5, 12)]
    assert (read.segments, read.unreadable) == (2, ())
    assert min(path.name for path in tmp_path.iterdir()).startswith("20130101T000000")


def test_segments_outside_the_range_are_never_opened(tmp_path):
    write_segment(tmp_path, rows(0, 3))
    far = write_segment(tmp_path, rows(100, 3))
    index = index_log(tmp_path)
    far.write_bytes(b"gone")
    assert read_log(index, START, START + timedelta(days=3)).unreadable == ()
    assert read_log(index, START).unreadable == (far.name,)
    assert (index.first, index.last) == (START, START + timedelta(days=102))


def test_a_half_written_segment_is_left_out_and_named(tmp_path):
    whole = write_segment(tmp_path, rows(0, 50))
    half = tmp_path / "20130102T000000000000Z-half.parquet"
    half.write_bytes(whole.read_bytes()[:200])
    (tmp_path / ".x.parquet.tmp").write_bytes(b"in flight")
    read = read_log(tmp_path)
    assert read.table.num_rows == 50
    assert read.unreadable == (half.name,)


def test_a_failed_write_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(table, where, **options):
        where.write_bytes(b"PAR1")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(OSError, match="No space"):
        write_segment(tmp_path, rows(0, 1))
    assert list(tmp_path.iterdir()) == []


def test_a_segment_without_rows_or_fixed_columns_is_refused(tmp_path):
    with pytest.raises(ValueError, match="rows"):
        write_segment(tmp_path, rows(0, 0))
    with pytest.raises(ValueError, match="event_time"):
        write_segment(tmp_path, rows(0, 1).drop_columns("event_time"))


def test_versions_with_other_columns_and_types_share_one_log(tmp_path):
    write_segment(tmp_path, rows(0, 2, size=[1, 2]))
    write_segment(tmp_path, rows(2, 2, size=[1.5, None], colour=["red", "blue"]))
    table = read_log(tmp_path).table
    assert table.column("size").to_pylist() == [1.0, 2.0, 1.5, None]
    assert table.column("colour").to_pylist() == [None, None, "red", "blue"]
    write_segment(tmp_path, rows(4, 1, size=["large"]))
    assert read_log(tmp_path).table.column("size").to_pylist() == ["1", "2", "1.5", None, "large"]
    assert set(read_log(tmp_path, columns=["colour"]).table.column_names) == {"colour", "event_time"}


def test_an_absent_folder_is_an_empty_log(tmp_path):
    read = read_log(tmp_path / "none", START)
    assert read.table.num_rows == 0
    assert "event_time" in read.table.column_names
    assert index_log(tmp_path / "none").first is None


def test_features_named_like_a_column_of_the_log_are_kept_apart():
    names = [feature_column(name) for name in ("arm", "prediction", "score_a", "input_arm", "wind")]
    assert names == ["input_arm", "input_prediction", "input_score_a", "input_input_arm", "wind"]
    assert [score_column(name) for name in ("rain", True, 1)] == ["score_rain", "score_true", "score_1"]


def test_event_time_is_the_rows_own_and_falls_back_to_arrival():
    arrival = pa.array([datetime(2020, 1, 1, tzinfo=UTC)] * 5, log_format.TIME)
    text = pa.array(["2013-01-02", "2013/01/03", "2013-01-04T05:00:00+02:00", "soon", None])
    assert [moment.isoformat() for moment in event_times(text, arrival).to_pylist()] == [
        "2013-01-02T00:00:00+00:00",
        "2013-01-03T00:00:00+00:00",
        "2013-01-04T03:00:00+00:00",
        "2020-01-01T00:00:00+00:00",
        "2020-01-01T00:00:00+00:00",
    ]
    dates = pa.array([date(2013, 1, 2)])
    assert event_times(dates, arrival.slice(0, 1)).to_pylist() == [datetime(2013, 1, 2, tzinfo=UTC)]
    assert event_times(None, arrival).equals(arrival)


def test_labels_are_counted_and_the_latest_wins(tmp_path):
    first = pa.table({"id": ["a", "b", "c", None], "y": ["sun", "rain", None, "sun"]})
    counts = write_labels(tmp_path, first, "id", "y")
    assert (counts.new, counts.updated, counts.duplicates, counts.skipped) == (2, 0, 0, 2)
    assert write_labels(tmp_path, first, "id", "y").new == 0
    assert len(list(tmp_path.iterdir())) == 1
    second = pa.table({"id": ["b", "b", "d"], "y": ["fog", "snow", "sun"]})
    counts = write_labels(tmp_path, second, "id", "y")
    assert (counts.new, counts.updated, counts.duplicates, counts.conflicting) == (1, 1, 1, 1)
    labels = read_labels(tmp_path).table
    assert dict(zip(labels["id"].to_pylist(), labels["label"].to_pylist(), strict=True)) == {
        "a": "sun",
        "b": "snow",
        "d": "sun",
    }
    with pytest.raises(KeyError, match="truth"):
        write_labels(tmp_path, second, "id", "truth")


def test_an_unreadable_label_file_is_named(tmp_path):
    write_labels(tmp_path, pa.table({"id": ["a"], "y": [1]}), "id", "y")
    (tmp_path / "0000000002-bad.parquet").write_bytes(b"half")
    labels = read_labels(tmp_path)
    assert (labels.table.num_rows, labels.unreadable) == (1, ("0000000002-bad.parquet",))
    assert write_labels(tmp_path, pa.table({"id": ["a"], "y": [2]}), "id", "y").updated == 1
    assert read_labels(tmp_path).table["label"].to_pylist() == [2]


@pytest.mark.parametrize(
    ("logged", "delivered"),
    [
        (["p0", "p1", "p2"], ["p2", "p0"]),
        ([1, 2, 3], [3.0, 1.0]),
        ([1, 2, 3], ["3", "1"]),
        ([date(2013, 1, 1), date(2013, 1, 2), date(2013, 1, 3)], [date(2013, 1, 3), date(2013, 1, 1)]),
        (
            ["2013-01-01", "2013-01-02", "2013-01-03"],
            [datetime(2013, 1, 3, tzinfo=UTC), datetime(2013, 1, 1, tzinfo=UTC)],
        ),
        ([date(2013, 1, 1), date(2013, 1, 2), date(2013, 1, 3)], ["2013/01/03", "2013-01-01 00:00"]),
    ],
)
def test_labels_join_by_value_whatever_the_types(tmp_path, logged, delivered):
    write_labels(tmp_path, pa.table({"key": delivered, "y": [30, 10]}), "key", "y")
    joined = join_labels(rows(0, 3, key=logged), read_labels(tmp_path).table, "key")
    assert joined.column("label").to_pylist() == [10, 30]
    assert joined.column("prediction_id").to_pylist() == ["p0", "p2"]


def test_labels_join_on_the_prediction_id_when_no_column_is_named(tmp_path):
    write_labels(tmp_path, pa.table({"prediction_id": ["p1"], "y": ["fog"]}), "prediction_id", "y")
    labels = read_labels(tmp_path).table
    for name in (None, "prediction_id"):
        assert join_labels(rows(0, 3), labels, name).column("label").to_pylist() == ["fog"]
    assert join_labels(rows(0, 3), read_labels(tmp_path / "none").table).num_rows == 0
    with pytest.raises(KeyError, match="order"):
        join_labels(rows(0, 3), labels, "order")


def test_a_repeated_request_counts_once_by_its_latest_prediction(tmp_path):
    write_labels(tmp_path, pa.table({"key": ["a", "b"], "y": [1, 2]}), "key", "y")
    joined = join_labels(rows(0, 4, key=["a", "b", "a", "c"]), read_labels(tmp_path).table, "key")
    assert joined.column("prediction_id").to_pylist() == ["p1", "p2"]
    assert joined.column("label").to_pylist() == [2, 1]
