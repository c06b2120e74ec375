"""The executor that the project's configuration asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenure.executors.cores import wait_without_spinning
from tenure.executors.local import LocalExecutor

if TYPE_CHECKING:
    from tenure.executors.executor import Executor
    from tenure.spec.executor import ExecutorConfig


def open_executor(config: ExecutorConfig) -> Executor:
    """An executor; whoever opens it closes it. Its workers start with the first work."""
    wait_without_spinning()  # here, and in the processes that are started from here
    if config.type == "local":
        return LocalExecutor(config.workers)
    from tenure.executors.dask import DaskExecutor

    return DaskExecutor(config)
