"""SQL expressions as DuckDB parses them: which parts and functions one may be made of that looks at nothing else."""

from __future__ import annotations

import functools
import json
from typing import Any

NODES = frozenset(
    {
        "COLUMN_REF",
        "CONSTANT",
        "FUNCTION",
        "OPERATOR",
        "COMPARISON",
        "CONJUNCTION",
        "CASE",
        "CAST",
        "BETWEEN",
        "TYPE",
    }
)
"""The parts that an expression over the columns of a row may have."""
_REFUSED = {
    "SUBQUERY": "a subquery",
    "WINDOW": "a window function",
    "STAR": "a star",
    "LAMBDA": "a lambda",
    "PARAMETER": "a parameter",
}
# Macros expand to scalar expressions; the rest of DuckDB's macros look at the session or at lists of rows.
_MACROS = frozenset({"nullif", "split_part", "date_add", "days_in_month", "fdiv", "fmod", "if"})
_MORE = ("where_clause", "group_expressions", "having", "sample", "qualify")


def select_list(serialized: str) -> Any:
    """The parsed expression of `SELECT (expression)`, from what `json_serialize_sql` says of it.

    Raises ValueError with the reason where the text is not one expression.
    """
    parsed = json.loads(serialized)
    if parsed["error"]:
        raise ValueError(str(parsed.get("error_message", "syntax error")))
    statements = parsed["statements"]
    node = statements[0]["node"] if len(statements) == 1 else {}
    if (
        node.get("type") != "SELECT_NODE"
        or len(node["select_list"]) != 1
        or node["from_table"]["type"] != "EMPTY"
        or node["modifiers"]
        or any(node.get(part) for part in _MORE)
    ):
        raise ValueError("it is more than one expression")
    return node["select_list"]


def called(node: str) -> str:
    """What people call a part that is not among `NODES`."""
    return _REFUSED.get(node, node.lower())


@functools.cache
def scalar_functions() -> frozenset[str]:
    """Functions of one row that always give the same for the same row."""
    import duckdb

    with duckdb.connect(":memory:") as connection:
        rows = connection.execute(
            "SELECT function_name FROM duckdb_functions() WHERE function_type = 'scalar' "
            "GROUP BY function_name HAVING bool_and(stability = 'CONSISTENT')"
        ).fetchall()
    return frozenset(row[0] for row in rows) | _MACROS
