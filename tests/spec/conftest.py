"""A small document class with every shape a real one has."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import pytest
from pydantic import Field, model_validator

from tenure.core.effect import Effect
from tenure.spec.base import DefaultKind, DurationText, FieldProblem, SecretRef, Share, SpecModel, field


class Csv(SpecModel):
    """A file of comma-separated values."""

    type: Literal["csv"] = field(Effect.RETRAIN, "The kind of source.")
    path: str = field(Effect.RETRAIN, "Path of the file.", examples=["data/x.csv"])


class Sql(SpecModel):
    """A query."""

    type: Literal["sql"] = field(Effect.RETRAIN, "The kind of source.")
    connection: SecretRef = field(Effect.RETRAIN, "Where the database is.")
    rows: int = field(Effect.RETRAIN, "Most rows.", 5, ge=1)


class MetricGate(SpecModel):
    """A threshold. Its fields include one that is called like a kind."""

    type: Literal["metric"] = field(Effect.EVALUATE, "The kind of gate.")
    metric: str = field(Effect.EVALUATE, "The metric.")
    min: float = field(Effect.EVALUATE, "The least value.", 0.5, le=1)


class ChampionGate(SpecModel):
    """A comparison."""

    type: Literal["champion"] = field(Effect.EVALUATE, "The kind of gate.")
    metric: str = field(Effect.EVALUATE, "The metric.")


Gate = Annotated[MetricGate | ChampionGate, Field(discriminator="type"), DefaultKind("metric")]


class Limits(SpecModel):
    """When to stop."""

    max_trials: int = field(Effect.RETRAIN, "Most trials.", 10, ge=1)
    timeout: DurationText = field(Effect.RETRAIN, "Most time.", "5m")
    low: int = field(Effect.RETRAIN, "Low end.", 1)
    high: int = field(Effect.RETRAIN, "High end.", 5)
    seed: int = field(Effect.RETRAIN, "Seed.", 0)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.low > self.high:
            raise ValueError("low must not be above high")
        if self.seed == 13:
            raise FieldProblem("thirteen is taken", at=("seed",), hint="choose another")
        return self


class Document(SpecModel):
    """A document."""

    apiVersion: Literal["tenure/v1"] = field(Effect.METADATA, "The format.")
    kind: Literal["Model"] = field(Effect.METADATA, "The kind of document.")
    name: str = field(Effect.METADATA, "Name of the model.", examples=["churn"])
    sources: dict[str, Annotated[Csv | Sql, Field(discriminator="type")]] = field(
        Effect.RETRAIN, "Sources by name.", dict
    )
    gates: tuple[Gate, ...] = field(Effect.EVALUATE, "Gates.", ())
    limits: Limits = field(Effect.RETRAIN, "Limits.", Limits)
    share: Share = field(Effect.RELEASE, "A share.", 1.0)
    positive: int | str | None = field(Effect.RETRAIN, "The positive class.", None)
    strategy: Literal["slow", "fast"] = field(Effect.RELEASE, "How.", "slow")
    notes: str = field(Effect.METADATA, "Free text.", "")
    enabled: bool = field(Effect.OPERATE, "Whether.", True)


@pytest.fixture
def document_class() -> type[Document]:
    return Document
