"""Everything a proposed spec says, decided: what each column is, what to check, how to split, what to train.

`propose` reads the file once; `writing.spec_text` puts the proposal into YAML, with the reasons as comments.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from tenure.core.errors import TenureError
from tenure.engine.proposal import meaning
from tenure.engine.proposal.facts import Facts, facts_of
from tenure.engine.proposal.leaks import given_away, named_after, predicting, share_later
from tenure.engine.proposal.reading import Read, read
from tenure.engine.proposal.target import Chosen, choose, listed
from tenure.ml.quoting import quoted

if TYPE_CHECKING:
    import duckdb

FEWEST_ROWS = 20
GIVES_AWAY = 0.9
STRONG = 0.5
SMALL = 20_000
_VIEW, _SOME = "proposal", "proposal_some"
_MOST_SCORED = 100_000
"""Rows, evenly spaced, that associations are computed from."""
_HINTED = 0.05
_TIME_WORDS = ("timestamp", "datetime", "time", "date", "day", "at", "event", "created", "month", "week")
_FEWEST_INSTANTS = 30
_BY_CHANCE = 0.01
"""Share of rows that may agree with another one by chance before copies are taken for honest rows."""

Left = Literal["personal", "leak", "identifier", "entity", "text", "constant", "empty"]


class Column(msgspec.Struct, frozen=True):
    """One column, and what was decided. `left` says why the model does not see it, with `why` as a sentence; `score` is
    the share of the target it alone explains; `personal` and `sensitive` say how they were seen."""

    facts: Facts
    left: Left | None = None
    why: str = ""
    score: float | None = None
    personal: str | None = None
    sensitive: str | None = None


class Split(msgspec.Struct, frozen=True):
    """How the rows are divided, and why."""

    type: Literal["datetime", "group", "stratified", "random"]
    column: str | None
    why: str


class Algorithm(msgspec.Struct, frozen=True):
    """One algorithm to search, and why."""

    name: str
    why: str


class Proposal(msgspec.Struct, frozen=True):
    """What a proposed spec says. `timestamp` is the column of event times, `key` the one that identifies a row,
    and `duplicates` the rows that repeat another one where that is no coincidence."""

    file: str
    read: Read
    rows: int
    target: Chosen
    columns: tuple[Column, ...]
    split: Split
    algorithms: tuple[Algorithm, ...]
    timestamp: str | None
    timestamp_why: str
    key: str | None
    duplicates: int

    @property
    def taught(self) -> int:
        """Rows that are left to learn from and to judge by: those with a target, each once."""
        target = next(column.facts for column in self.columns if column.facts.name == self.target.name)
        return max(1, target.known - self.duplicates)

    @property
    def left_out(self) -> tuple[Column, ...]:
        """Columns the model does not see, in the order of the file."""
        return tuple(column for column in self.columns if column.left)

    @property
    def seen(self) -> tuple[Column, ...]:
        """Columns the model sees."""
        return tuple(
            column for column in self.columns if not column.left and column.facts.name != self.target.name
        )


def propose(file: Path, target: str | None = None) -> Proposal:
    """Read a file of data and decide what a spec should say of it.

    Raises TenureError for a file that cannot be read, and when the target is neither given nor to be guessed.
    """
    import duckdb

    found = read(file)
    table = found.table
    if table.num_rows < FEWEST_ROWS or table.num_columns < 2:
        raise _too_little(file, table.num_rows, f"{table.num_columns} usable column(s)")
    _refuse_twins(table.column_names)
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        # Hundreds of small queries over one table: stored once they are several times faster than over Arrow.
        connection.register("given", table)
        connection.execute(f"CREATE TABLE {_VIEW} AS SELECT * FROM given")
        every = max(1, table.num_rows // _MOST_SCORED)
        # A table: every question about one column would bind all columns of a view.
        connection.execute(f"CREATE TABLE {_SOME} AS SELECT * FROM {_VIEW} WHERE rowid % {every} = 0")
        facts = facts_of(connection, _VIEW, table)
        chosen = choose(facts, table, target)
        if (known := facts[chosen.name].known) < FEWEST_ROWS:
            raise _too_little(file, table.num_rows, f"{chosen.name!r} is known in {known} of them")
        timestamp, timestamp_why = _event_time(facts, chosen.name)
        columns = _columns(connection, facts, chosen, timestamp, found.times_as_text)
        split = _split(connection, columns, chosen, timestamp, facts)
        duplicates = _duplicates(connection, table.num_rows, list(facts))
    if not any(not column.left for column in columns if column.facts.name != chosen.name):
        raise TenureError(
            "No column is left to learn from.",
            "; ".join(f"{column.facts.name}: {column.why}" for column in columns if column.left)[:600],
            f"Bring data that describe the rows, or name another target: --target COLUMN\n{listed(facts)}",
        )
    return Proposal(
        file=file.name,
        read=found,
        rows=table.num_rows,
        target=chosen,
        columns=columns,
        split=split,
        algorithms=_algorithms(chosen, table.num_rows),
        timestamp=timestamp,
        timestamp_why=timestamp_why,
        key=_key(columns),
        duplicates=duplicates,
    )


def _refuse_twins(names: list[str]) -> None:
    """SQL, which the columns are looked at with, does not tell `Age` from `age`."""
    first: dict[str, str] = {}
    for name in names:
        twin = first.setdefault(name.casefold(), name)
        if twin != name:
            raise TenureError(
                "Two columns differ in upper and lower case only.",
                f"They are called {twin!r} and {name!r}.",
                "Rename one of them in the file.",
            )


def _event_time(facts: Mapping[str, Facts], target: str) -> tuple[str | None, str]:
    """The column that says when a row happened: without a gap, and no date of birth."""
    found = []
    for position, fact in enumerate(facts.values()):
        said = meaning.words(fact.name)
        born = {"birth", "born", "dob", "birthdate", "birthday"} & set(said)
        if fact.type == "timestamp" and not fact.nulls and not born and fact.name != target:
            named = next((rank for rank, word in enumerate(_TIME_WORDS) if word in said), len(_TIME_WORDS))
            found.append((named, position, fact))
    if not found:
        return None, ""
    fact = min(found, key=lambda item: item[:2])[2]
    return (
        fact.name,
        f"{fact.distinct:,} different times from {fact.minimum:%Y-%m-%d} to {fact.maximum:%Y-%m-%d}",
    )


def _columns(
    connection: duckdb.DuckDBPyConnection,
    facts: Mapping[str, Facts],
    target: Chosen,
    timestamp: str | None,
    texts: tuple[str, ...],
) -> tuple[Column, ...]:
    scores = _scores(connection, facts, target)
    tells = (
        given_away(connection, _SOME, facts.values(), target.name) if target.task == "classification" else {}
    )
    predict = predicting(connection, _SOME, facts.values(), target)
    columns = []
    for name, fact in facts.items():
        column = Column(
            fact,
            score=scores.get(name),
            personal=meaning.personal(fact),
            sensitive=meaning.sensitive(fact),
        )
        if name != target.name:
            left = _left_out(connection, column, target, timestamp, tells.get(name), name in predict)
            if left is None and name in texts and name != timestamp:
                left = "text", "times written as text; make it a column of times where the file is written"
            if left is not None:
                column = msgspec.structs.replace(column, left=left[0], why=left[1])
        columns.append(column)
    return tuple(columns)


def _left_out(
    connection: duckdb.DuckDBPyConnection,
    column: Column,
    target: Chosen,
    timestamp: str | None,
    tells: str | None,
    predicts: bool,
) -> tuple[Left, str] | None:
    """Why the model should not see a column; None when it should. `tells` is a class that it alone tells, `predicts`
    that it alone predicts the target."""
    fact, score = column.facts, column.score or 0.0
    if fact.known == 0:
        return "empty", "no value in any row"
    if fact.constant:
        return "constant", "the same in every row"
    if column.personal:
        return "personal", f"personal data, {column.personal}"
    if score >= GIVES_AWAY:
        return "leak", f"alone explains {_percent(score)} of the target: known only afterwards?"
    if tells is not None:
        return "leak", f"alone gives {target.name} = {tells} away: known only afterwards?"
    if score >= _HINTED and named_after(fact.name, target.name):
        return "leak", f"named like something known only afterwards; explains {_percent(score)} of the target"
    if timestamp is not None and fact.type == "timestamp" and fact.name != timestamp:
        later = share_later(connection, _VIEW, fact.name, timestamp)
        if later > 0.9:
            return (
                "leak",
                f"lies after {timestamp} in {_percent(later)} of the rows: not known yet when it happens",
            )
    if meaning.entity(fact):
        return (
            "entity",
            f"{fact.distinct:,} different ones, {fact.rows / fact.distinct:.3g} rows each: to group by, not to learn",
        )
    if why := meaning.identifier(fact):
        return "identifier", f"an identifier: {why}"
    if why := meaning.free_text(fact):
        return "text", why
    # After those that are no features anyhow: of a customer all rows may have the same target.
    if predicts:
        return "leak", f"alone predicts {target.name} almost without error: known only afterwards?"
    return None


def _scores(
    connection: duckdb.DuckDBPyConnection, facts: Mapping[str, Facts], target: Chosen
) -> dict[str, float]:
    from tenure.ml.association import Kind, associations

    kinds: dict[str, Kind] = {}
    for name, fact in facts.items():
        if name != target.name and fact.known and not fact.constant:
            plain = fact.type in ("string", "boolean")
            kinds[name] = "category" if plain else "time" if fact.type == "timestamp" else "number"
    found = associations(connection, _SOME, kinds, target.name, classes=target.task == "classification")
    return {item.column: item.score for item in found}


def _split(
    connection: duckdb.DuckDBPyConnection,
    columns: tuple[Column, ...],
    target: Chosen,
    timestamp: str | None,
    facts: Mapping[str, Facts],
) -> Split:
    entity = next((column for column in columns if column.left == "entity"), None)
    reason = "the rows have no time"
    if timestamp is not None:
        if facts[timestamp].distinct < _FEWEST_INSTANTS:
            reason = f"{facts[timestamp].distinct} different times are too few to split by"
        elif not _classes_at_all_times(connection, target, timestamp):
            reason = "not by time, since some classes occur only early or only late"
        else:
            return Split("datetime", None, "the latest rows judge the model, as the future will")
    if entity is not None:
        name = entity.facts.name
        return Split(
            "group", name, f"all rows of one {name} stay together, or the model would know them from training"
        )
    if target.task == "classification":
        return Split("stratified", None, f"by chance within each class: {reason}")
    return Split("random", None, f"by chance: {reason}")


def _classes_at_all_times(connection: duckdb.DuckDBPyConnection, target: Chosen, timestamp: str) -> bool:
    """Whether every class occurs in the first folds and in the test part of a split by time."""
    if target.task == "regression":
        return True
    time = f"epoch_us({quoted(timestamp)})"
    query = f"""
        WITH cuts AS (SELECT quantile_disc({time}, 0.12) AS early, quantile_disc({time}, 0.82) AS late FROM {_VIEW})
        SELECT bool_and(first <= early AND last >= late) FROM cuts, (
            SELECT min({time}) AS first, max({time}) AS last FROM {_VIEW}
            WHERE {quoted(target.name)} IS NOT NULL GROUP BY {quoted(target.name)})"""
    return bool(connection.sql(query).fetchall()[0][0])


def _too_little(file: Path, rows: int, why: str) -> TenureError:
    return TenureError(
        "There is not enough data to propose a model.",
        f"{file.name} has {rows} row{'' if rows == 1 else 's'}, and {why}; at least {FEWEST_ROWS} rows with a target, "
        f"and a column besides it, are needed.",
        "Bring more rows, or begin with an empty spec: tenure init DIR",
    )


def _duplicates(connection: duckdb.DuckDBPyConnection, rows: int, names: list[str]) -> int:
    """Rows that repeat an earlier one in every column, unless the columns have so few values that rows must agree."""
    listed = ", ".join(map(quoted, names))
    (distinct,) = connection.sql(f"SELECT count(*) FROM (SELECT DISTINCT {listed} FROM {_VIEW})").fetchall()[
        0
    ]
    if distinct == rows:
        return 0
    agree = 1.0
    for name in names:
        query = f"SELECT sum(n::DOUBLE * n) FROM (SELECT count(*) AS n FROM {_VIEW} GROUP BY {quoted(name)})"
        agree *= float(connection.sql(query).fetchall()[0][0]) / rows**2
    by_chance = 1.0 - math.exp(-rows * agree)
    return int(rows - distinct) if by_chance < _BY_CHANCE else 0


def _algorithms(target: Chosen, rows: int) -> tuple[Algorithm, ...]:
    boosting = "xgboost" if importlib.util.find_spec("xgboost") else "hist_gradient_boosting"
    linear = "logistic_regression" if target.task == "classification" else "ridge"
    found = [
        Algorithm(boosting, "usually the best on tables"),
        Algorithm(linear, "fast, and hard to beat where effects add up"),
    ]
    if rows <= SMALL:
        found.insert(1, Algorithm("random_forest", f"robust on small tables ({rows:,} rows)"))
    return tuple(found)


def _key(columns: tuple[Column, ...]) -> str | None:
    """The column to tell predictions by, when labels arrive later."""
    for column in columns:
        fact = column.facts
        if (
            column.left == "identifier"
            and fact.unique
            and not fact.nulls
            and "id" in "".join(meaning.words(fact.name))
        ):
            return fact.name
    return None


def _percent(share: float) -> str:
    return f"{100 * share:.3g}%"
