"""The contract of the data: what each column holds and may hold, whom it is about, and what allows its use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import model_validator

from tenure.core.effect import Effect
from tenure.core.errors import StageBlocked
from tenure.spec.base import SpecModel, field
from tenure.stages.data.lookup import Where
from tenure.stages.data.values import Scalar, listed, literals

if TYPE_CHECKING:
    from tenure.ml.signature import ColumnType
    from tenure.stages.data.engine import Table

_SHOWN = 3
_WHERE: Where = ("data", "contract", "columns")


class ContractColumn(SpecModel):
    """What a column holds. Everything that is left out is free."""

    type: Literal["number", "integer", "string", "boolean", "timestamp"] | None = field(
        Effect.RETRAIN, "Type of the values; whole numbers are fine where numbers are asked for.", None
    )
    nullable: bool = field(Effect.RETRAIN, "Whether values may be missing.", True)
    min: float | None = field(Effect.RETRAIN, "Smallest value allowed.", None)
    max: float | None = field(Effect.RETRAIN, "Largest value allowed.", None)
    values: tuple[Scalar, ...] = field(
        Effect.RETRAIN, "The values allowed, any when left out.", (), examples=[["yes", "no"]]
    )
    sensitive: bool = field(
        Effect.RETRAIN,
        "Whether it tells something by which people must not be treated differently, such as gender or age.",
        False,
    )
    pii: bool = field(
        Effect.RETRAIN,
        "Whether it is personal: its values are shown in no error, note or report.",
        False,
    )
    description: str | None = field(Effect.METADATA, "What it means.", None)

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min ({self.min:g}) is above max ({self.max:g})")
        return self


class Contract(SpecModel):
    """What the data must be like in every snapshot. A snapshot that breaks it is not made, and nothing is retrained."""

    columns: dict[str, ContractColumn] = field(
        Effect.RETRAIN,
        "Each column by its name, after cleaning. One that is listed must be there.",
        dict,
        examples=[{"age": {"type": "integer", "nullable": False, "min": 0, "sensitive": True}}],
    )
    others: Literal["allow", "refuse"] = field(
        Effect.RETRAIN, "Whether there may be columns that are not listed.", "allow"
    )
    license: str | None = field(
        Effect.METADATA, "Licence under which the data may be used.", None, examples=["CC-BY-4.0"]
    )
    legal_basis: (
        Literal[
            "consent",
            "contract",
            "legal_obligation",
            "vital_interests",
            "public_task",
            "legitimate_interests",
            "not_personal",
        ]
        | None
    ) = field(
        Effect.METADATA,
        "What allows personal data to be used, in the words of article 6 of the GDPR; `not_personal` where there are "
        "none.",
        None,
    )
    purpose: str | None = field(Effect.METADATA, "What the data were collected for.", None)

    @property
    def hidden(self) -> frozenset[str]:
        """Columns whose values are never shown: those of people, and those people must not be judged by."""
        return frozenset(name for name, column in self.columns.items() if column.pii or column.sensitive)


def marks(contract: Contract, name: str) -> dict[str, bool]:
    """What other stages should know of a column: `sensitive` and `pii`, as far as they are true."""
    column = contract.columns.get(name)
    if column is None:
        return {}
    return {mark: True for mark in ("sensitive", "pii") if getattr(column, mark)}


def enforce(table: Table, contract: Contract) -> None:
    """Raises StageBlocked with every breach of the contract, each naming its column and how many rows break it."""
    breaches: list[tuple[Where, str]] = []
    types = {column.name: column.type for column in table.columns}
    for name, asked in contract.columns.items():
        where = (*_WHERE, name)
        if name not in types:
            near = [known for known in types if known.casefold() == name.casefold()]
            breaches.append((where, f"{name} is gone" + (f"; there is {near[0]}" if near else "")))
        elif asked.type is not None and not _is_a(types[name], asked.type):
            breaches.append(((*where, "type"), f"{name} is {types[name]}, not {asked.type}"))
        else:
            breaches += _breaches_of_values(table, name, asked, where)
    if contract.others == "refuse":
        breaches += [
            (("data", "contract", "others"), f"{name} is not listed")
            for name in types
            if name not in contract.columns
        ]
    if breaches:
        raise StageBlocked(
            "the data break their contract",
            "\n".join(sentence for _, sentence in breaches),
            "correct the source, clean the values with data.cleaning, or change data.contract when the data are right",
            path=breaches[0][0],
        )


def _is_a(found: ColumnType, asked: ColumnType) -> bool:
    return found == asked or (found, asked) == ("integer", "number")


def _breaches_of_values(
    table: Table, name: str, asked: ContractColumn, where: Where
) -> Sequence[tuple[Where, str]]:
    column = table.column(name)
    rules: list[tuple[str, str, str]] = []
    if not asked.nullable:
        rules.append(("nullable", "a missing value", f"{column.sql} IS NULL"))
    numeric = column.type in ("number", "integer")
    for end, sign, word in (("min", "<", "below"), ("max", ">", "above")):
        limit = getattr(asked, end)
        if limit is not None and not numeric:
            return [((*where, end), f"{name} is {column.type}, and {end} is for numbers")]
        if limit is not None:
            rules.append(
                (end, f"a value {word} {limit:g}", f"{column.sql} {sign} CAST('{limit!r}' AS DOUBLE)")
            )
    if asked.values:
        allowed = ", ".join(literals(asked.values, column, (*where, "values")))
        rules.append(
            ("values", f"a value other than {listed(asked.values)}", f"{column.sql} NOT IN ({allowed})")
        )
    if not rules:
        return []
    (counts,) = table.query(", ".join(f"count(*) FILTER ({condition})" for _, _, condition in rules))
    hidden = asked.pii or asked.sensitive
    return [
        (
            (*where, rule),
            f"{name}: {count} of {table.rows} rows have {word}{_shown(table, name, condition, hidden)}",
        )
        for (rule, word, condition), count in zip(rules, counts, strict=True)
        if count
    ]


def _shown(table: Table, name: str, condition: str, hidden: bool) -> str:
    column = table.column(name).sql
    if hidden:
        return ""
    rows = table.query(
        f"any_value({column}::VARCHAR)",
        f"WHERE ({condition}) AND {column} IS NOT NULL GROUP BY {column} ORDER BY min(n) LIMIT {_SHOWN}",
    )
    return f", such as {', '.join(value for (value,) in rows)}" if rows else ""


def refuse_other_columns(
    before: Sequence[dict[str, Any]], now: Sequence[dict[str, Any]], address: str
) -> None:
    """Raises StageBlocked when columns of the last snapshot are gone or have another type, though the spec is the same.

    Both list `{name, type}`. A column without any value has no type of its own, and whole numbers may become fractions.
    """
    types = {column["name"]: column for column in now}
    changes = []
    for column in before:
        found = types.get(column["name"])
        if found is None:
            changes.append(f"{column['name']} is gone")
        elif not (_is_a(column["type"], found["type"]) or column.get("empty") or found.get("empty")):
            changes.append(f"{column['name']} was {column['type']} and is {found['type']}")
    if changes:
        raise StageBlocked(
            "the columns of the data have changed",
            f"since the last snapshot of {address}: " + "; ".join(changes),
            "correct the source, or set data.changed_columns: accept when the model shall be made without them",
            path=("data", "sources"),
        )
