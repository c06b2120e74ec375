"""Functions of the project."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import JsonValue

from tenure.core.effect import Effect
from tenure.spec.base import field
from tenure.stages.data.function_code import code_of
from tenure.stages.data.lookup import Where
from tenure.stages.data.sources.timed import Timed

if TYPE_CHECKING:
    from tenure.stages.data.engine import Engine
    from tenure.stages.data.loading import Loaded


class Python(Timed):
    """The rows that a function of the project returns: an iterable of dicts, a pandas DataFrame, or an Arrow table or
    reader. It runs when a snapshot is taken and never for a plan, with the rights of who runs tenure.
    """

    type: Literal["python"] = field(Effect.RETRAIN, "Read the rows that a Python function returns.")
    function: str = field(
        Effect.RETRAIN,
        "The function: `path.py:name` or `package.module:name`, looked up from the project folder and from its folder "
        "`src`. Its code and that of the modules of the project it imports are part of what the source is.",
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./-]*:[A-Za-z_][A-Za-z0-9_]*$",
        examples=["pipelines/orders.py:rows", "shop.orders:rows"],
    )
    parameters: dict[str, JsonValue] = field(
        Effect.RETRAIN,
        "What the function is called with, checked against the types of its parameters.",
        dict,
        examples=[{"since": "2026-01-01", "countries": ["NL", "BE"]}],
    )

    @property
    def looks_at(self) -> None:
        """None: which modules the function imports is found by reading it."""
        return

    def fingerprint(self, project: Path, recorded: Mapping[str, Any] | None) -> dict[str, Any]:
        """The digest of the code; the rows are not known before it runs."""
        return code_of(project, self.function)

    def load(self, project: Path, where: Where, engine: Engine) -> Loaded:
        """The rows in the order in which the function returns them."""
        from tenure.stages.data.function_call import call

        return call(project, self.function, self.parameters, where, engine)
