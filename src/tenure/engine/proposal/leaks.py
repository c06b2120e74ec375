"""Columns that would not be known when the model predicts: by what they give away, by name, and by their times."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tenure.engine.proposal import meaning
from tenure.ml.quoting import quoted

if TYPE_CHECKING:
    import duckdb

    from tenure.engine.proposal.facts import Facts
    from tenure.engine.proposal.target import Chosen

ONE_CLASS = 0.99
"""Precision and recall of a value that goes with one class, from which on its column is left out. A little less than
what an apply stops at, which sees other rows of the same table."""
_MOST_CELLS = 10_000_000
_FEWEST_LOOKED_AT = 5_000
"""Rows: of tables with very many columns still as many are looked at."""
_AFTERWARDS = {"after", "afterwards", "outcome", "resolution", "resolved"}


def given_away(
    connection: duckdb.DuckDBPyConnection, view: str, facts: Iterable[Facts], target: str
) -> dict[str, str]:
    """Columns of which one value tells the rows of one class, and which class; of times, only that one is missing."""
    from tenure.ml.giveaway import giveaway

    label = quoted(target)
    found = {}
    for fact in facts:
        if fact.name == target or fact.constant or not fact.known:
            continue
        value = f"{quoted(fact.name)} IS NULL" if fact.type == "timestamp" else quoted(fact.name)
        counted = connection.sql(
            "SELECT dense_rank() OVER (ORDER BY seen) - 1 AS seen, dense_rank() OVER (ORDER BY class) - 1 AS class, "
            f"times FROM (SELECT {value} AS seen, {label} AS class, count(*) AS times FROM {view} "
            f"WHERE {label} IS NOT NULL GROUP BY ALL)"
        ).fetchnumpy()
        item = giveaway(counted["seen"], counted["class"], counted["times"])
        if item is not None and item.score >= ONE_CLASS:
            ((named,),) = connection.sql(
                f"SELECT DISTINCT {label} FROM {view} WHERE {label} IS NOT NULL ORDER BY 1 LIMIT 1 OFFSET {item.klass}"
            ).fetchall()
            found[fact.name] = str(named)
    return found


def predicting(
    connection: duckdb.DuckDBPyConnection, view: str, facts: Iterable[Facts], target: Chosen
) -> set[str]:
    """Columns that alone predict the target almost without error, as an apply measures it. The limits are a little
    below those that it stops at, since it sees other rows of the same table."""
    import numpy as np

    from tenure.ml.design import Design, read_as
    from tenure.ml.recipe import Reads
    from tenure.stages.features.leakage import FEWEST_ROWS, scores, usual_limit

    looked = [
        fact for fact in facts
        if fact.name != target.name and fact.known and not fact.constant and fact.type != "timestamp"
    ]  # fmt: skip
    label = quoted(target.name)
    table = connection.sql(f"SELECT * FROM {view} WHERE {label} IS NOT NULL").to_arrow_table()
    if table.num_rows < FEWEST_ROWS or not looked:
        return set()
    most = max(_FEWEST_LOOKED_AT, _MOST_CELLS // len(looked))
    table = table.take(np.arange(0, table.num_rows, -(-table.num_rows // most)))
    reads: dict[str, Reads] = {
        fact.name: "text" if fact.type in ("string", "boolean") else "number" for fact in looked
    }
    design = Design({name: read_as(table.column(name), kind) for name, kind in reads.items()}, table.num_rows)
    given = table.column(target.name)
    if target.task == "regression":
        classes, truth = 0, read_as(given, "number")
    else:
        encoded = given.combine_chunks().dictionary_encode()
        classes, truth = len(encoded.dictionary), encoded.indices.to_numpy(zero_copy_only=False)
    limit = 2 * usual_limit(classes)[1] - 1
    return {name for name, score in scores(design, reads, truth, classes).items() if score >= limit}


def named_after(name: str, target: str) -> bool:
    """Whether a column is named like something that is known only afterwards."""
    said, wanted = set(meaning.words(name)), set(meaning.words(target))
    generic = wanted & {"target", "label", "y", "class", "outcome", "response"}
    return bool(said & _AFTERWARDS) or (not generic and wanted < said)


def share_later(connection: duckdb.DuckDBPyConnection, view: str, name: str, timestamp: str) -> float:
    """The share of a column's times that lie after the time of the row."""
    query = f"SELECT avg(({quoted(name)} > {quoted(timestamp)})::INTEGER) FROM {view} WHERE {quoted(name)} IS NOT NULL"
    return float(connection.sql(query).fetchall()[0][0] or 0.0)
