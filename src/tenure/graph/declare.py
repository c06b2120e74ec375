"""Declaring a resource from blocks of the spec. Apart from `graph.resource`, whose values load without pydantic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from tenure.core.address import Address
from tenure.core.digest import digest
from tenure.core.effect import Effect
from tenure.core.leaves import flatten
from tenure.graph.resource import Adoption, Resource, Sort
from tenure.spec.base import SpecModel, config_of, effects_of


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
    adoption: Adoption | None = None,
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
        adoption=adoption,
    )


def _put(config: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for parent in parents:
        config = config.setdefault(parent, {})
    config[last] = value
