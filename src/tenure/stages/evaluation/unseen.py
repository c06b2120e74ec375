"""Which test rows a champion has not been trained on: only on those is a comparison with it fair.

When a random split is drawn anew over grown data, rows that the champion learned from land in the new test part. A
champion that was adopted may have learned from any row that was there when it was: nobody can tell from its file. Only
what came later has surely not been seen, and what its owner says is later than its training data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from tenure.stages.base import StageContext
    from tenure.state.record import Record


def unseen_rows(test: pa.Table, champion: Record, context: StageContext) -> npt.NDArray[np.bool_]:
    """For each test row (rows,) whether it is not among the rows the champion was fitted on, or may have been.

    Rows are compared by the values of the columns both snapshots have.
    """
    import numpy as np

    from tenure.ml.pieces import Pieces
    from tenure.ml.snapshot import PART

    blob = champion.artifacts.get("snapshot")
    if blob is None:
        return np.full(test.num_rows, not adopted(champion))
    parts = ["train", "validation", *(["test"] if adopted(champion) else [])]
    learned = Pieces(context.artifacts.local(blob), parts)
    columns = [name for name in test.column_names if name != PART and name in learned.columns]
    keys = _keys(test, columns)
    unseen = np.full(test.num_rows, True)
    for table in learned.tables(columns):  # the champion may have learned from more rows than fit into memory
        unseen &= ~np.isin(keys, _keys(table, columns))
    return unseen | later_rows(test, champion, context) if adopted(champion) else unseen


def later_rows(test: pa.Table, record: Record, context: StageContext) -> npt.NDArray[np.bool_]:
    """For each test row (rows,) whether it is later than the data that an adopted model is said to be fitted on.

    False for every row where nobody says, or where rows have no time.
    """
    import numpy as np

    until = said_until(record)
    clock = context.records["data/snapshot"].value.get("timestamp") if until else None
    if until is None or clock not in test.column_names:
        return np.zeros(test.num_rows, dtype=bool)
    times = test.column(clock).to_numpy().astype("datetime64[us]")
    return np.asarray(times >= np.datetime64(until, "D") + np.timedelta64(1, "D"))


def said_until(record: Record) -> str | None:
    """The last day of the data that an adopted model was fitted on, as its owner says; None where nobody does."""
    given: dict[str, Any] = (record.value.get("adopted") or {}).get("given", {})
    return given.get("trained_until")


def adopted(record: Record) -> bool:
    """Whether a model or a version was fitted elsewhere and adopted."""
    return bool(record.value.get("adopted"))


def _keys(table: pa.Table, columns: list[str]) -> npt.NDArray[np.uint64]:
    """A hash of each row's values, as text: a column read as integers once and as floats once compares equal."""
    import numpy as np
    import pyarrow as pa
    from pandas.util import hash_pandas_object

    texts = {}
    for name in columns:
        column = table.column(name)
        if pa.types.is_integer(column.type):
            column = column.cast(pa.float64(), safe=False)
        texts[name] = column.cast(pa.string()).fill_null("")
    return np.asarray(hash_pandas_object(pa.table(texts).to_pandas(), index=False), dtype=np.uint64)
