"""A resource: one noun of one model as a plain value; what the plan lists and the state records."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from tenure.core.address import Address
from tenure.core.digest import digest
from tenure.core.effect import Effect
from tenure.spec.base import SpecModel, config_of, effects_of, flatten


class Sort(enum.StrEnum):
    """Artifacts are immutable and addressed by digest; bindings are pointers updated in place."""

    ARTIFACT = "artifact"
    BINDING = "binding"


class Resource(msgspec.Struct, frozen=True):
    """What the spec asks for at one address.

    `config` is canonical data with defaults filled in; `effects` holds the effect of each of its leaves by dotted
    path. `needs` are the local addresses (`stage/noun`) whose outputs it is made from. `triggers` name the causes
    (`retrain`, `new_data`) that renew it although nothing in the spec changed. `version` is raised when the stage's
    code starts to give another result for the same input. `identity` names the needs that alone decide its output
    digest (None: all of them): a version is its model, whatever report was last written about it.
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

    @property
    def local(self) -> str:
        return Address(self.address).local

    def fingerprint(self, inputs: Mapping[str, str]) -> str:
        """Digest of everything that decides the result: content, and the output digest of each need."""
        return digest([self.content, {need: inputs[need] for need in self.needs}])


class Part(NamedTuple):
    """Some fields of a block, where two resources share one section of the spec."""

    block: SpecModel
    fields: tuple[str, ...]


def resource(
    model: str,
    local: str,
    sort: Sort,
    blocks: Mapping[str, SpecModel | Part | None],
    *,
    needs: Iterable[str] = (),
    version: int = 1,
    triggers: Iterable[str] = (),
    identity: Iterable[str] | None = None,
) -> Resource:
    """Declare a resource from blocks of the spec, each under the YAML path it has there.

    The paths of `config` and `effects` therefore read as the person wrote them: `data.sources.observations.path`.
    Leaves whose effect is `metadata` are kept out of the content digest, so that editing them never renews anything.
    """
    config: dict[str, Any] = {}
    effects: dict[str, Effect] = {}
    for path, block in blocks.items():
        if block is None:
            continue
        part = block if isinstance(block, Part) else Part(block, tuple(config_of(block)))
        _put(config, path, {key: value for key, value in config_of(part.block).items() if key in part.fields})
        for leaf, effect in effects_of(part.block).items():
            if leaf.split(".")[0].split("[")[0] in part.fields:
                effects[f"{path}.{leaf}"] = effect
    # A section without any field set is no content: an empty mapping must not differ from an absent one.
    leaves = {leaf: value for leaf, value in flatten(config) if leaf in effects or value not in ({}, [])}
    content = {leaf: value for leaf, value in leaves.items() if effects.get(leaf) is not Effect.METADATA}
    return Resource(
        address=str(Address.of(model, local)),
        sort=sort,
        config=config,
        effects=effects,
        needs=tuple(needs),
        version=version,
        content=digest([local, version, content]),
        metadata=digest({leaf: value for leaf, value in leaves.items() if leaf not in content}),
        triggers=tuple(triggers),
        identity=None if identity is None else tuple(identity),
    )


def _put(config: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for parent in parents:
        config = config.setdefault(parent, {})
    config[last] = value
