"""Dimensions of a search space: the values a parameter may take, and how a sampler draws from them.

A value alone means that it is fixed, and a list that one of it is chosen: `max_depth: 6`, `max_depth: [4, 6, 8]`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema, core_schema

from tenure.core.effect import Effect
from tenure.spec.base import FieldProblem, SpecModel, field

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Value = bool | int | float | str


When = dict[str, Value | tuple[Value, ...]]
_WHEN = (
    "Only under `estimator`: the parameter is given only where others have these values; elsewhere the estimator uses "
    "its own default. A list means any of its values."
)


class Int(SpecModel):
    """Whole numbers from `low` to `high`, both included."""

    type: Literal["int"] = field(Effect.RETRAIN, "Whole numbers.")
    low: int = field(Effect.RETRAIN, "The smallest value.")
    high: int = field(Effect.RETRAIN, "The largest value.")
    log: bool = field(Effect.RETRAIN, "Draw evenly by order of magnitude; `low` must be at least 1.", False)
    step: int = field(
        Effect.RETRAIN, "Distance between values, counted from `low`; not together with `log`.", 1, ge=1
    )
    when: When | None = field(Effect.RETRAIN, _WHEN, None, examples=[{"booster": "dart"}])

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _check_range(self.low, self.high)
        if self.log and self.low < 1:
            raise FieldProblem(
                "a logarithmic range of whole numbers starts at 1 or above",
                at=("low",),
                hint="raise low to 1",
            )
        if self.log and self.step != 1:
            raise FieldProblem("a logarithmic range has no steps", at=("step",), hint="remove step or log")
        if (self.high - self.low) % self.step:
            raise _uneven(self.low, self.high, self.step)
        return self

    def distribution(self) -> BaseDistribution:
        """What the sampler draws from."""
        from optuna.distributions import IntDistribution

        return IntDistribution(self.low, self.high, log=self.log, step=self.step)

    def nearest(self, value: Value) -> Value:
        """The value itself, or the one of the range next to it."""
        inside = max(self.low, min(self.high, _number(value, self.low)))
        return self.low + round((inside - self.low) / self.step) * self.step


class Uniform(SpecModel):
    """Numbers from `low` to `high`, drawn evenly."""

    type: Literal["uniform", "float"] = field(Effect.RETRAIN, "Numbers drawn evenly; `float` means the same.")
    low: float = field(Effect.RETRAIN, "The smallest value.")
    high: float = field(Effect.RETRAIN, "The largest value.")
    step: float | None = field(
        Effect.RETRAIN, "Distance between values, counted from `low`; any number when left out.", None, gt=0
    )
    when: When | None = field(Effect.RETRAIN, _WHEN, None, examples=[{"penalty": "elasticnet"}])

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _check_range(self.low, self.high)
        if self.step is not None:
            steps = (self.high - self.low) / self.step
            if not math.isclose(steps, round(steps), abs_tol=1e-8):
                raise _uneven(self.low, self.high, self.step)
        return self

    def distribution(self) -> BaseDistribution:
        """What the sampler draws from."""
        from optuna.distributions import FloatDistribution

        return FloatDistribution(self.low, self.high, step=self.step)

    def nearest(self, value: Value) -> Value:
        """The value itself, or the one of the range next to it."""
        inside = max(self.low, min(self.high, float(_number(value, self.low))))
        if self.step is None:
            return inside
        return min(self.high, self.low + round((inside - self.low) / self.step) * self.step)


class LogUniform(SpecModel):
    """Positive numbers from `low` to `high`, drawn evenly by order of magnitude."""

    type: Literal["loguniform"] = field(Effect.RETRAIN, "Numbers drawn evenly by order of magnitude.")
    low: float = field(Effect.RETRAIN, "The smallest value, greater than 0.", gt=0)
    high: float = field(Effect.RETRAIN, "The largest value.")
    when: When | None = field(Effect.RETRAIN, _WHEN, None, examples=[{"penalty": "elasticnet"}])

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _check_range(self.low, self.high)
        return self

    def distribution(self) -> BaseDistribution:
        """What the sampler draws from."""
        from optuna.distributions import FloatDistribution

        return FloatDistribution(self.low, self.high, log=True)

    def nearest(self, value: Value) -> Value:
        """The value itself, or the end of the range next to it."""
        return max(self.low, min(self.high, float(_number(value, self.low))))


class Choice(SpecModel):
    """One of the listed values; short: the list alone."""

    type: Literal["choice"] = field(Effect.RETRAIN, "Values from a list.")
    choices: tuple[Value, ...] = field(
        Effect.RETRAIN, "The values to choose from.", min_length=1, examples=[[100, 300, 1000]]
    )
    when: When | None = field(Effect.RETRAIN, _WHEN, None, examples=[{"booster": "dart"}])

    @model_validator(mode="after")
    def _different(self) -> Self:
        seen: set[tuple[type, Value]] = set()
        for position, value in enumerate(self.choices):
            if (type(value), value) in seen:
                raise FieldProblem(
                    f"{value!r} is listed twice", at=("choices", position), hint="remove one of them"
                )
            seen.add((type(value), value))
        return self

    def distribution(self) -> BaseDistribution:
        """What the sampler draws from."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.choices)

    def nearest(self, value: Value) -> Value:
        """The value when it is listed, else the first one."""
        return next((choice for choice in self.choices if choice == value), self.choices[0])


class Fixed(SpecModel):
    """One value that is not searched; short: the value alone."""

    type: Literal["fixed"] = field(Effect.RETRAIN, "One value that is not searched.")
    value: Value = field(Effect.RETRAIN, "The value.")
    when: When | None = field(Effect.RETRAIN, _WHEN, None, examples=[{"booster": "dart"}])

    def distribution(self) -> BaseDistribution | None:
        """Nothing to draw from."""
        return None

    def nearest(self, value: Value) -> Value:
        """The one value there is."""
        return self.value


class _Shorthand:
    """A value alone for `fixed`, and a list for `choice`."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def spelled_out(data: Any) -> Any:
            if isinstance(data, bool | int | float | str):
                return {"type": "fixed", "value": data}
            if isinstance(data, list):
                return {"type": "choice", "choices": data}
            return data

        return core_schema.no_info_before_validator_function(spelled_out, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        scalar = {"type": ["boolean", "number", "string"]}
        listed = {"type": "array", "items": scalar, "minItems": 1}
        return {"anyOf": [handler(schema), scalar, listed]}


Dimension = Annotated[Int | Uniform | LogUniform | Choice | Fixed, Field(discriminator="type"), _Shorthand()]
"""Every kind of dimension."""


@dataclass(frozen=True)
class Takes:
    """What a parameter takes: `max_depth: Annotated[Dimension, Takes("whole", 1)]`. Both ends are included, the lower
    one unless `above`."""

    kind: Literal["whole", "number", "word", "flag"]
    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    words: tuple[str, ...] = ()

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def _checked(self, dimension: Dimension) -> Dimension:
        if isinstance(dimension, Uniform | LogUniform) and self.kind != "number":
            raise FieldProblem(f"takes {self}", at=("type",), hint=self._way_out())
        if isinstance(dimension, Int) and self.kind in ("word", "flag"):
            raise FieldProblem(f"takes {self}", at=("type",), hint=self._way_out())
        for value, at in _values(dimension):
            if not self._fits(value):
                raise FieldProblem(f"{value!r} is not possible: it takes {self}", at=at, hint=self._way_out())
        return dimension

    def _fits(self, value: Value) -> bool:
        if self.kind == "word":
            return value in self.words
        if self.kind == "flag":
            return isinstance(value, bool)
        if isinstance(value, bool | str) or (self.kind == "whole" and value != int(value)):
            return False
        return (self.low < value if self.above else self.low <= value) and value <= self.high

    def __str__(self) -> str:
        """In words: `a whole number from 1`."""
        if self.kind == "word":
            return " or ".join([", ".join(self.words[:-1]), self.words[-1]])
        if self.kind == "flag":
            return "true or false"
        ends = []
        if self.low > -math.inf:
            ends.append(f"{'above' if self.above else 'from'} {self.low:g}")
        if self.high < math.inf:
            ends.append(f"to {self.high:g}")
        return " ".join(["a whole number" if self.kind == "whole" else "a number", *ends])

    def _way_out(self) -> str:
        match self.kind:
            case "word":
                return f"write [{', '.join(self.words)}]"
            case "flag":
                return "write [false, true]"
            case "whole":
                return f"write {{type: int, low: {max(self.low, 1):g}, high: ...}}"
            case "number":
                return "write values within that range"


def _values(dimension: Dimension) -> list[tuple[Value, tuple[str | int, ...]]]:
    """The values at the ends of a dimension, and where they are written."""
    if isinstance(dimension, Choice):
        return [(value, ("choices", position)) for position, value in enumerate(dimension.choices)]
    if isinstance(dimension, Fixed):
        return [(dimension.value, ("value",))]
    return [(dimension.low, ("low",)), (dimension.high, ("high",))]


def portfolio(
    names: tuple[str, ...], *rows: tuple[Value, ...], **same: Value
) -> tuple[Mapping[str, Value], ...]:
    """Sets of parameters as a table: a row for each, a column for each name; `same` has one value in all."""
    return tuple({**dict(zip(names, row, strict=True)), **same} for row in rows)


def counts(when: When, params: Mapping[str, Value]) -> bool:
    """Whether the parameters have the values that a condition asks for."""
    return all(
        name in params and params[name] in (wanted if isinstance(wanted, tuple) else (wanted,))
        for name, wanted in when.items()
    )


def _check_range(low: float, high: float) -> None:
    if low > high:
        raise FieldProblem(f"low ({low}) is greater than high ({high})", at=("low",), hint="swap them")


def _uneven(low: float, high: float, step: float) -> FieldProblem:
    last = low + math.floor((high - low) / step) * step
    return FieldProblem(
        f"steps of {step:g} from {low:g} do not reach {high:g}", at=("high",), hint=f"set high to {last:g}"
    )


def _number(value: Value, otherwise: float) -> float:
    """The value as a number; one that is none, such as a word among the defaults, gives way."""
    return otherwise if isinstance(value, str) else value
