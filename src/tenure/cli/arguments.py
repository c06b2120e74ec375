"""What stands after a verb: selectors of models, and overrides of the configuration in Hydra's grammar."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

import click

_OVERRIDE = re.compile(r"(\+{1,2})?[A-Za-z_][\w.\-/@\[\]]*=.*|~[A-Za-z_][\w.\-/@\[\]]*(=.*)?", re.DOTALL)

Function = TypeVar("Function", bound=Callable[..., Any])


class Arguments(NamedTuple):
    """Selectors and overrides, each in the order written."""

    select: tuple[str, ...]
    overrides: tuple[str, ...]


def is_override(argument: str) -> bool:
    """Whether an argument is an override: `key=value`, `+key=value`, `++key=value`, `~key` or `~key=value`.

    `+churn`, `churn+` and `tag:team=growth` are selectors: an override assigns to a path, and no path holds a colon.
    """
    return _OVERRIDE.fullmatch(argument) is not None


def parted(arguments: Iterable[str]) -> Arguments:
    """Arguments as selectors and overrides."""
    arguments = tuple(arguments)
    return Arguments(
        tuple(argument for argument in arguments if not is_override(argument)),
        tuple(argument for argument in arguments if is_override(argument)),
    )


def selection(function: Function) -> Function:
    """A verb's `arguments`: any number of selectors and overrides, as `Arguments`."""
    return click.argument(
        "arguments",
        nargs=-1,
        metavar="[SELECT]... [OVERRIDE]...",
        callback=lambda ctx, param, value: parted(value),
    )(function)


def overrides(function: Function) -> Function:
    """A verb's `overrides`, behind arguments of its own; anything else there is refused."""
    return click.argument("overrides", nargs=-1, metavar="[OVERRIDE]...", callback=_only_overrides)(function)


def model(function: Function) -> Function:
    """A verb's one `model`."""
    return click.argument("model", metavar="MODEL", callback=_no_override)(function)


def _only_overrides(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    for argument in value:
        if not is_override(argument):
            raise click.UsageError(f"Unexpected argument {argument!r}.", ctx)
    return value


def _no_override(ctx: click.Context, param: click.Parameter, value: str) -> str:
    if is_override(value):
        raise click.UsageError(f"The model's name comes first; overrides such as {value!r} follow it.", ctx)
    return value
