"""Declaring a resource from blocks of the spec. Apart from `graph.resource`, whose values load without pydantic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from tenure.core.address import Address
from tenure.core.digest import canonical, digest, digest_of_parts
from tenure.core.effect import Effect
from tenure.core.leaves import flatten
from tenure.graph.resource import Adoption, Resource, Sort
from tenure.spec.base import SpecModel, config_of, effects_of
from tenure.spec.sharing import Derived

_config = Derived(config_of)
_canonical = Derived(lambda block: canonical(_config.of(block)))


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
    made = _content(local, version, blocks)
    return Resource(
        address=str(Address.of(model, local)),
        sort=sort,
        config=made.config,
        effects=made.effects,
        needs=tuple(needs),
        version=version,
        content=made.content,
        metadata=made.metadata,
        triggers=tuple(triggers),
        identity=None if identity is None else tuple(identity),
        adoption=adoption,
    )


def document_digest(document: SpecModel) -> str:
    """`digest(config_of(document))`, of a document of blocks and words; blocks that were seen before cost nothing."""
    parts = {}
    for name, info in type(document).model_fields.items():
        value = getattr(document, name)
        if value is not None:
            key = info.serialization_alias or info.alias or name
            parts[key] = _canonical.of(value) if isinstance(value, SpecModel) else canonical(value)
    return digest_of_parts(parts)


class _Content(NamedTuple):
    """What a resource is, apart from whose it is. `blocks` are those it was made from."""

    config: dict[str, Any]
    effects: dict[str, Effect]
    content: str
    metadata: str
    blocks: tuple[SpecModel, ...]


_MOST_CONTENTS = 2_000
_contents: dict[tuple[Any, ...], _Content] = {}
"""Models that share a block (see `spec.sharing`) share what is declared from it.

The key names blocks by identity, which is theirs alone as long as the value holds on to them.
"""


def _content(local: str, version: int, blocks: Mapping[str, SpecModel | Part | None]) -> _Content:
    parts = [
        (path, *(block if isinstance(block, Part) else (block, None)))
        for path, block in blocks.items()
        if block is not None
    ]
    key = (local, version, *((path, id(block), fields) for path, block, fields in parts))
    made = _contents.get(key)
    if made is None:
        if len(_contents) >= _MOST_CONTENTS:
            _contents.clear()
        made = _contents[key] = _made(local, version, parts)
    return made


def _made(
    local: str, version: int, parts: Iterable[tuple[str, SpecModel, tuple[str, ...] | None]]
) -> _Content:
    config: dict[str, Any] = {}
    effects: dict[str, Effect] = {}
    for path, block, fields in parts:
        written = _config.of(block)
        chosen = {key: value for key, value in written.items() if fields is None or key in fields}
        _put(config, path, chosen)
        for leaf, effect in effects_of(block).items():
            if leaf.split(".")[0].split("[")[0] in chosen:
                effects[f"{path}.{leaf}"] = effect
    # A section without any field set is no content: an empty mapping must not differ from an absent one.
    leaves = {leaf: value for leaf, value in flatten(config) if leaf in effects or value not in ({}, [])}
    content = {leaf: value for leaf, value in leaves.items() if effects.get(leaf) is not Effect.METADATA}
    return _Content(
        config=config,
        effects=effects,
        content=digest([local, version, content]),
        metadata=digest({leaf: value for leaf, value in leaves.items() if leaf not in content}),
        blocks=tuple(block for _, block, _ in parts),
    )


def _put(config: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for parent in parents:
        config = config.setdefault(parent, {})
    config[last] = value
