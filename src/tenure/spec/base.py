"""The base of every block a spec may contain: frozen, strict about unknown keys, each field with its effect."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    WithJsonSchema,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

from tenure.core.effect import Effect
from tenure.core.units import parse_duration, parse_size

Path = tuple[str | int, ...]
"""Keys and list positions from the top of a document to a field."""

_SCALARS = (str, int, float)


class SpecModel(BaseModel):
    """A block of the spec. The class docstring becomes the block's description in the editor."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        use_attribute_docstrings=False,
        allow_inf_nan=False,
    )


Model = TypeVar("Model", bound=SpecModel)


def field(effect: Effect, description: str, default: Any = ..., **extra: Any) -> Any:
    """A field with what it means and what changing it costs. `extra` goes to pydantic's `Field` (ge, examples, ...)."""
    make = {"default_factory": default} if callable(default) else {"default": default}
    return Field(
        **make,
        description=f"{description} {effect.sentence}",
        json_schema_extra={"x-effect": effect.value},
        **extra,
    )


def _duration(text: str) -> str:
    parse_duration(text)
    return text


def _size(text: str) -> str:
    parse_size(text)
    return text


DurationText = Annotated[
    str,
    AfterValidator(_duration),
    WithJsonSchema(
        {"type": "string", "pattern": r"^\d+\s*(ms|s|m|h|d|w|mo|y)$", "examples": ["30m", "7d", "3mo"]}
    ),
]
"""A duration such as `30m`, `12h`, `7d`, `3mo` or `1y`, kept as written; read it with `core.units.parse_duration`."""

SizeText = Annotated[
    str,
    AfterValidator(_size),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?\s*(B|KB|MB|GB|TB)$", "examples": ["50MB"]}),
]
"""A size such as `50MB`, kept as written; read it with `core.units.parse_size`."""

Share = Annotated[float, Field(ge=0.0, le=1.0)]
"""A share between 0 and 1."""

SecretRef = Annotated[str, WithJsonSchema({"type": "string", "x-secret": True})]
"""A value that may hold references such as `${env:NAME}`; they stay references until the moment of use."""


@dataclass(frozen=True)
class DefaultKind:
    """The kind of a block that names none: `Annotated[A | B, Field(discriminator="type"), DefaultKind("a")]`.

    The discriminator itself keeps no default, so that the JSON Schema can tell the kinds apart.
    """

    kind: str
    key: str = "type"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def fill(data: Any) -> Any:
            return {self.key: self.kind, **data} if isinstance(data, dict) and self.key not in data else data

        return core_schema.no_info_before_validator_function(fill, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "x-default-kind": self.kind}


class FieldProblem(ValueError):
    """Raised by a validator that knows which field of its block is wrong (`at`, from the block) or a way out."""

    def __init__(self, detail: str, *, at: Path = (), hint: str = "") -> None:
        super().__init__(detail)
        self.at = at
        self.hint = hint


def effect_of(info: FieldInfo) -> Effect:
    """The declared effect of a field. Raises ValueError when it has none: a field without a cost is a defect."""
    extra = info.json_schema_extra
    if not isinstance(extra, dict) or "x-effect" not in extra:
        raise ValueError(f"field without an effect: {info!r}")
    return Effect(str(extra["x-effect"]))


def config_of(block: SpecModel) -> dict[str, Any]:
    """The block as canonical JSON-able data: defaults filled in, unset optional fields left out, YAML names."""
    return block.model_dump(mode="json", exclude_none=True, by_alias=True)


@cache
def default(model: type[Model]) -> Model:
    """The block of a section that a spec leaves out: every field has its default. One value for all specs."""
    return model()


def effects_of(block: SpecModel) -> dict[str, Effect]:
    """The effect of every leaf of `config_of(block)`, by dotted path (`sources.observations.path`, `gates[0].min`)."""
    return dict(_leaves(block, "", Effect.METADATA))


@cache
def _fields(model: type[SpecModel]) -> tuple[tuple[str, str, Effect], ...]:
    """Each field of a block: its name in Python, its key in YAML, its effect."""
    return tuple(
        (name, info.serialization_alias or info.alias or name, effect_of(info))
        for name, info in model.model_fields.items()
    )


def _leaves(value: Any, prefix: str, effect: Effect) -> Iterator[tuple[str, Effect]]:
    if isinstance(value, SpecModel):
        empty = True
        for name, key, inner in _fields(type(value)):
            item = getattr(value, name)
            if item is None:
                continue
            empty = False
            path = f"{prefix}.{key}" if prefix else key
            if isinstance(item, _SCALARS):
                yield path, inner
            else:
                yield from _leaves(item, path, inner)
        if empty:
            yield prefix, effect
    elif isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{prefix}.{key}" if prefix else str(key), effect)
    elif isinstance(value, list | tuple) and value:
        for position, item in enumerate(value):
            yield from _leaves(item, f"{prefix}[{position}]", effect)
    else:
        yield prefix, effect
