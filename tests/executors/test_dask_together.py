"""Work that Dask workers do together, when one of them dies, and when they do not see the folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.executors import jobs, meetings

from tenure.executors import dask as module
from tenure.executors.dask import DaskExecutor
from tenure.executors.executor import Ended
from tenure.spec.executor import DaskExecutorConfig

distributed = pytest.importorskip("distributed")


def test_a_lost_worker_ends_the_work_of_the_others(joined: DaskExecutor, tmp_path: Path) -> None:
    """Dask gives its piece to another worker, where it is not begun again."""
    with pytest.raises(Ended):
        joined.together(meetings.dies, [(None, tmp_path)] * 2, lambda: False)
    assert joined.submit(jobs.doubled, 4).result(30) == 8


def test_each_worker_is_sent_its_own_files(
    joined: DaskExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_sees", _blind)
    pieces = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "rows").write_text(f"rows of {name}")
        pieces.append(("rows", tmp_path / name))
    found = joined.together(meetings.reads, pieces, lambda: False)
    assert [content for content, _ in found] == ["rows of a", "rows of b"]
    folders = {folder for _, folder in found}
    assert not folders & {str(tmp_path / "a"), str(tmp_path / "b")}
    assert not any(Path(folder).exists() for folder in folders)


def test_two_such_works_take_turns(joined: DaskExecutor, cluster: Any, tmp_path: Path) -> None:
    """Half of the workers each, and both would wait for ever."""
    from concurrent.futures import ThreadPoolExecutor

    other = DaskExecutor(DaskExecutorConfig(type="dask", address=cluster.scheduler_address))
    (tmp_path / "expected").write_text("2")
    pieces = [(name, tmp_path) for name in ("a", "b")]
    try:
        with ThreadPoolExecutor(2) as threads:
            found = [
                threads.submit(one.together, meetings.greets, pieces, lambda: False)
                for one in (joined, other)
            ]
            came = [[count for _, _, count in future.result(60)] for future in found]
        assert came == [[2, 2]] * 2
    finally:
        other.close()


def _blind(file: str, content: str) -> bool:
    return False
