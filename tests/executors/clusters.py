"""A Dask cluster that somebody else started, for tests of several folders."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tenure.executors.dask import DaskExecutor


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A scheduler with two workers."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    ) as started:
        yield started


@pytest.fixture
def joined(cluster: Any) -> Iterator[DaskExecutor]:
    """An executor that is told where the cluster is."""
    from tenure.executors.dask import DaskExecutor
    from tenure.spec.executor import DaskExecutorConfig

    opened = DaskExecutor(DaskExecutorConfig(type="dask", address=cluster.scheduler_address))
    yield opened
    opened.close()
