"""A resource: one noun of one model as a plain value; what the plan lists and the state records."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

import msgspec

from tenure.core.digest import digest
from tenure.core.effect import Effect


class Sort(enum.StrEnum):
    """Artifacts are immutable and addressed by digest; bindings are pointers updated in place."""

    ARTIFACT = "artifact"
    BINDING = "binding"


class Adoption(msgspec.Struct, frozen=True):
    """How a resource may come to be without being made: what is there already is taken over as it is.

    It is part of neither digest of the resource, and matters only while nothing is recorded at the local address
    `until`. `given` is what the spec says about the existing thing. A resource that `follows` another is adopted when
    that one is. `sentence` and `notes` are for the plan.
    """

    sentence: str
    until: str
    given: dict[str, Any] = {}
    follows: str = ""
    notes: tuple[str, ...] = ()


class Resource(msgspec.Struct, frozen=True):
    """What the spec asks for at one address.

    `config` is canonical data with defaults filled in; `effects` holds the effect of each of its leaves by dotted
    path. `needs` are the local addresses (`stage/noun`) whose outputs it is made from. `triggers` name the causes
    (`retrain`, `new_data`) that renew it although nothing in the spec changed. `version` is raised when the stage's
    code starts to give another result for the same input. `identity` names the needs that alone decide its output
    digest (None: all of them): a version is its model, whatever report was last written about it. `adoption` is None
    for what is always made. `undeclared` marks what is recorded while its section is gone from the spec: it has the
    configuration of its record.
    """

    address: str
    sort: Sort
    config: dict[str, Any]
    effects: dict[str, Effect]
    needs: tuple[str, ...]
    version: int
    content: str
    metadata: str
    triggers: tuple[str, ...] = ()
    identity: tuple[str, ...] | None = None
    adoption: Adoption | None = None
    undeclared: bool = False

    @property
    def local(self) -> str:
        return self.address.split("/", 1)[1]

    def fingerprint(self, inputs: Mapping[str, str]) -> str:
        """Digest of everything that decides the result: content, and the output digest of each need."""
        return digest([self.content, {need: inputs[need] for need in self.needs}])
