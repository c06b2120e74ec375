"""Where work runs: the group `executor` of the project's configuration."""

from __future__ import annotations

from typing import Literal

from tenure.core.effect import Effect
from tenure.spec.base import SpecModel, field


class LocalExecutorConfig(SpecModel):
    """Trials run on this machine."""

    type: Literal["local"] = field(Effect.OPERATE, "Work on this machine.")
    workers: int | None = field(
        Effect.OPERATE,
        "How many trials run at the same time, at most `training.limits.max_concurrent_trials` of one search. By "
        "default as many as there are cores. The result does not depend on it.",
        None,
        ge=1,
        le=1024,
        examples=[4],
    )


ExecutorConfig = LocalExecutorConfig
"""Every kind of executor."""
