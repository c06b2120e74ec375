"""Dimensions of a search space: the values a parameter may take, and how a sampler draws from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from tenure.core.effect import Effect
from tenure.spec.base import FieldProblem, SpecModel, field

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Value = bool | int | float | str


class Int(SpecModel):
    """Whole numbers from `low` to `high`, both included."""

    type: Literal["int"] = field(Effect.RETRAIN, "Whole numbers.")
    low: int = field(Effect.RETRAIN, "The smallest value.")
    high: int = field(Effect.RETRAIN, "The largest value.")
    log: bool = field(Effect.RETRAIN, "Draw evenly by order of magnitude; `low` must be at least 1.", False)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _check_range(self.low, self.high, self.log)
        return self

    def distribution(self) -> BaseDistribution:
        """What the sampler draws from."""
        from optuna.distributions import IntDistribution

        return IntDistribution(self.low, self.high, log=self.log)

    def nearest(self, value: Value) -> Value:
        """The value itself, or the end of the range next to it."""
        return max(self.low, min(self.high, int(value)))


class Uniform(SpecModel):
    """Numbers from `low` to `high`, drawn evenly."""

    type: Literal["uniform", "float"] = field(Effect.RETRAIN, "Numbers drawn evenly; `float` means the same.")
    low: float = field(Effect.RETRAIN, "The smallest value.")
    high: float = field(Effect.RETRAIN, "The largest value.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _check_range(self.low, self.high, False)
        return self

    def distribution(self) -> BaseDistribution:
        """What the sampler draws from."""
        from optuna.distributions import FloatDistribution

        return FloatDistribution(self.low, self.high)

    def nearest(self, value: Value) -> Value:
        """The value itself, or the end of the range next to it."""
        return max(self.low, min(self.high, float(value)))


class LogUniform(SpecModel):
    """Positive numbers from `low` to `high`, drawn evenly by order of magnitude."""

    type: Literal["loguniform"] = field(Effect.RETRAIN, "Numbers drawn evenly by order of magnitude.")
    low: float = field(Effect.RETRAIN, "The smallest value, greater than 0.", gt=0)
    high: float = field(Effect.RETRAIN, "The largest value.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _check_range(self.low, self.high, True)
        return self

    def distribution(self) -> BaseDistribution:
        """What the sampler draws from."""
        from optuna.distributions import FloatDistribution

        return FloatDistribution(self.low, self.high, log=True)

    def nearest(self, value: Value) -> Value:
        """The value itself, or the end of the range next to it."""
        return max(self.low, min(self.high, float(value)))


class Choice(SpecModel):
    """One of the listed values."""

    type: Literal["choice"] = field(Effect.RETRAIN, "Values from a list.")
    choices: tuple[Value, ...] = field(
        Effect.RETRAIN, "The values to choose from.", min_length=1, examples=[[100, 300, 1000]]
    )

    def distribution(self) -> BaseDistribution:
        """What the sampler draws from."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.choices)

    def nearest(self, value: Value) -> Value:
        """The value when it is listed, else the first one."""
        return value if value in self.choices else self.choices[0]


class Fixed(SpecModel):
    """One value that is not searched."""

    type: Literal["fixed"] = field(Effect.RETRAIN, "One value that is not searched.")
    value: Value = field(Effect.RETRAIN, "The value.")

    def distribution(self) -> BaseDistribution | None:
        """Nothing to draw from."""
        return None

    def nearest(self, value: Value) -> Value:
        """The one value there is."""
        return self.value


Dimension = Annotated[Int | Uniform | LogUniform | Choice | Fixed, Field(discriminator="type")]
"""Every kind of dimension."""


def _check_range(low: float, high: float, log: bool) -> None:
    if low > high:
        raise FieldProblem(f"low ({low}) is greater than high ({high})", at=("low",), hint="swap them")
    if log and low < 1 and isinstance(low, int):
        raise FieldProblem("a logarithmic range of whole numbers starts at 1 or above", at=("low",))
