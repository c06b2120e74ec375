"""Tenure: the whole life of a machine-learning model as code.

`Project` and `Plan` load on first use, so that `import tenure` stays as fast as the command line needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenure.core.version import VERSION as __version__

if TYPE_CHECKING:
    from tenure.engine.project import Project
    from tenure.plan.change import Plan

__all__ = ["Plan", "Project", "__version__"]


def __getattr__(name: str) -> Any:
    """Load `Project` and `Plan` when they are asked for (PEP 562)."""
    match name:
        case "Project":
            from tenure.engine.project import Project

            return Project
        case "Plan":
            from tenure.plan.change import Plan

            return Plan
        case _:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Public names, including those not loaded yet."""
    return sorted(__all__)
