"""The section `data`: which rows a model is made from, and the snapshot of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, Self

import msgspec
from pydantic import model_validator

from tenure.core.effect import Effect
from tenure.core.files import Look, look
from tenure.graph.declare import resource
from tenure.graph.resource import Resource, Sort
from tenure.plan.view import Inputs, Target
from tenure.spec.base import FieldProblem, SpecModel, field
from tenure.stages.base import (
    Identity,
    Output,
    StageContext,
    no_conditions,
    no_target,
    nothing_observed,
    nothing_to_verify,
)
from tenure.stages.data.arrival import compare
from tenure.stages.data.checks import Check, References
from tenure.stages.data.cleaning import Step
from tenure.stages.data.contract import Contract
from tenure.stages.data.joins import Join, problems
from tenure.stages.data.maturity import Label
from tenure.stages.data.sources import Source
from tenure.stages.data.splits import Datetime, Split
from tenure.state.record import Record

NAME = "data"
SNAPSHOT = "data/snapshot"
VERSION = 2
_TRIGGERS = {"on_retrain": ("retrain",), "on_change": ("retrain", "new_data"), "pinned": ()}


class Data(SpecModel):
    """The rows a model is made from. In this order they are read, joined, filtered, cleaned, held against the contract,
    checked and split."""

    sources: dict[str, Source] = field(
        Effect.RETRAIN, "Where the rows come from, by a name of your choice.", min_length=1
    )
    join: tuple[Join, ...] = field(
        Effect.RETRAIN,
        "How several sources belong together, one join after the other; not needed for one source.",
        (),
    )
    filter: str | None = field(
        Effect.RETRAIN,
        "SQL condition over the columns of a row; rows for which it is true are kept.",
        None,
        min_length=1,
        examples=["age >= 18 AND country = 'NL'"],
    )
    columns: tuple[str, ...] = field(
        Effect.RETRAIN,
        "Columns to keep, all of them when left out. The target and the timestamp are always kept.",
        (),
        examples=[["temp_max", "wind"]],
    )
    target_column: str = field(Effect.BREAKING, "The column to predict.", min_length=1, examples=["weather"])
    positive_class: str | bool | int | float | None = field(
        Effect.BREAKING,
        "Of two classes the one whose probability is given; the last in alphabetical order when left out.",
        None,
        examples=["yes", 1],
    )
    task: Literal["classification", "regression"] | None = field(
        Effect.BREAKING,
        "What kind of prediction it is. Found from the target when left out: text, booleans and few whole numbers "
        "are classes, other numbers a regression.",
        None,
    )
    timestamp_column: str | None = field(
        Effect.RETRAIN,
        "The column with the time of the event, for splits by time and for monitoring. Times without a zone are UTC.",
        None,
        min_length=1,
        examples=["booked_at"],
    )
    entities: tuple[str, ...] = field(
        Effect.RETRAIN,
        "The columns that say what a row is about. Rows in errors are named by them, splits by group and hash use "
        "them, and what is in the training part and in the test part is reported.",
        (),
        examples=[["customer_id"]],
    )
    label: Label | None = field(
        Effect.RETRAIN, "When the truth about a row is known; needs `timestamp_column`.", None
    )
    # When new data are read says nothing about what they are, so it stays out of the digest of the content.
    refresh: Literal["on_retrain", "on_change", "pinned"] = field(
        Effect.METADATA,
        "When new data are read: `on_retrain` with the next retraining, whatever its cause; `on_change` makes new "
        "data a cause to retrain; `pinned` keeps the snapshot until its configuration is edited. New rows behind a "
        "query are not seen before it runs.",
        "on_retrain",
    )
    changed_columns: Literal["block", "accept"] = field(
        Effect.RETRAIN,
        "What happens when a column of the last snapshot is gone or has another type although this section is the "
        "same: `block` makes no snapshot, `accept` makes the model from the columns that are there.",
        "block",
    )
    cleaning: tuple[Step, ...] = field(
        Effect.RETRAIN,
        "Steps that change or drop rows, in this order; the rows and cells they touch are counted.",
        (),
    )
    checks: tuple[Check, ...] = field(
        Effect.RETRAIN,
        "Rules for the cleaned rows. Editing one reads and checks the data again; when they come out the same as "
        "before, nothing is retrained.",
        (),
    )
    contract: Contract = field(
        Effect.RETRAIN, "What the columns hold and may hold, and what allows their use.", Contract
    )
    split: Split | None = field(
        Effect.RETRAIN,
        "How the rows are divided into training, validation and test part. When left out 20 % are the test part: the "
        "latest where there is a timestamp column, else stratified for classes and random for numbers.",
        None,
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if found := problems(self.join, self.sources):
            raise FieldProblem("; ".join(found), at=("join",))
        if self.label is not None and self.timestamp_column is None:
            raise FieldProblem(
                "the age of a row is told by a column with times",
                at=("label",),
                hint="set data.timestamp_column",
            )
        for position, check in enumerate(self.checks):
            if isinstance(check, References) and check.source not in self.sources:
                raise FieldProblem(
                    f"{check.source!r} is no source; there are {', '.join(self.sources)}",
                    at=("checks", position, "source"),
                )
        if isinstance(self.split, Datetime) and not (self.split.column or self.timestamp_column):
            raise FieldProblem(
                "a datetime split needs a column with times",
                at=("split", "type"),
                hint="set data.timestamp_column, or choose another type",
            )
        if self.refresh == "on_change" and all(source.type == "sql" for source in self.sources.values()):
            raise FieldProblem(
                "new rows behind a query are not seen before it runs, so they can be no cause",
                at=("refresh",),
                hint="use on_retrain, which reads the newest rows with every retraining",
            )
        if self.task == "regression" and self.positive_class is not None:
            raise FieldProblem("a regression has no classes", at=("positive_class",), hint="remove it")
        return self


def describe(resource: Resource) -> str:
    """What is read, and how it is divided."""
    data = Data.model_validate(resource.config["data"])
    read = ", ".join(f"{name} ({source.type})" for name, source in data.sources.items())
    steps = [
        word
        for word, given in (("join", data.join), ("filter", data.filter), ("clean", data.cleaning))
        if given
    ]
    checks = f"{len(data.checks)} check{'s' if len(data.checks) > 1 else ''}" if data.checks else ""
    split = "split off 20% for the test"
    if data.split:
        split = f"{data.split.type} split, {data.split.sentence}"
    return "; ".join(part for part in (f"read {read}", ", ".join(steps), checks, split) if part)


def declare(identity: Identity, section: Data) -> Iterable[Resource]:
    """One artifact. A retraining reads the newest data, unless they are pinned."""
    triggers = _TRIGGERS[section.refresh]
    yield resource(
        identity.model, SNAPSHOT, Sort.ARTIFACT, {"data": section}, version=VERSION, triggers=triggers
    )


def realise(resource: Resource, target: Target | None, context: StageContext) -> Output:
    """Read the sources and store the snapshot."""
    from tenure.stages.data.snapshot import take

    return take(Data.model_validate(resource.config["data"]), resource.address, context)


def observe_inputs(resource: Resource, project: Path, previous: Record | None) -> Inputs:
    """What the sources are now, compared with those of the recorded snapshot.

    Files of unchanged size and time are not opened; no numerical library is loaded.
    """
    data = Data.model_validate(resource.config["data"])
    recorded = {} if previous is None else previous.value["sources"]
    looked = _looked(data, project)
    observed = {
        name: source.fingerprint(project, recorded.get(name)) for name, source in data.sources.items()
    }
    found = compare(recorded, observed, previous.at) if previous else compare(None, observed, None)
    return msgspec.structs.replace(found, looked=looked)


def _looked(data: Data, project: Path) -> tuple[Look, ...] | None:
    """What is looked at; None when it is not all on this machine, or cannot be looked at."""
    found: list[Look] = []
    try:
        for source in data.sources.values():
            if source.looks_at is None:
                return None
            found += (look(str(project), pattern) for pattern in source.looks_at)
    except OSError:
        return None
    return tuple(found)


target = no_target
verify = nothing_to_verify
conditions = no_conditions
observe = nothing_observed
