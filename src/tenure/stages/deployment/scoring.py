"""Scoring the chunks of a file: here one after the other, on a cluster side by side and put back in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tenure.core.drafts import scratch
from tenure.core.errors import StageError
from tenure.executors.executor import Ended, Executor, folder_of, map_in_order
from tenure.ml.predictor_files import FILES

if TYPE_CHECKING:
    import pyarrow as pa

    from tenure.artifacts.store import ArtifactStore
    from tenure.ml.predictions import Predictions
    from tenure.ml.predictor import Predictor
    from tenure.state.record import Record


class Chunk(msgspec.Struct, frozen=True):
    """Rows to score as an Arrow stream, and the reference of the folder with the predictor's files."""

    rows: bytes
    files: str


def scored(
    chunks: Iterable[pa.Table],
    predictor: Predictor,
    record: Record,
    artifacts: ArtifactStore,
    executor: Executor,
) -> Iterator[tuple[pa.Table, Predictions]]:
    """Each chunk with its predictions, in order. `predictor` is that of the version of `record`."""
    if executor.in_process:
        for chunk in chunks:
            yield chunk, predictor.predict(chunk)
        return
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        for name in FILES:
            if name in record.artifacts:
                (folder / name).write_bytes(artifacts.get(record.artifacts[name]))
        files = executor.share(folder)
        stack.callback(executor.unshare, files)
        work = ((chunk, Chunk(_sent(chunk), files)) for chunk in chunks)
        try:
            yield from map_in_order(executor, score_chunk, work, needs=files)
        except Ended as error:
            raise StageError(
                "the rows could not be scored",
                f"a part of them was given up: {error}",
                "give the workers more memory, or score them on this machine: executor=local",
            ) from error


def score_chunk(chunk: Chunk, stopping: Callable[[], bool]) -> Predictions:
    """What a worker does."""
    import pyarrow as pa

    with pa.ipc.open_stream(chunk.rows) as stream:
        return _predictor(folder_of(chunk.files)).predict(stream.read_all())


@lru_cache(maxsize=2)
def _predictor(folder: Path) -> Predictor:
    from tenure.ml.predictor import load

    return load({name: (folder / name).read_bytes() for name in FILES if (folder / name).exists()})


def _sent(chunk: pa.Table) -> bytes:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, chunk.schema) as stream:
        stream.write_table(chunk)
    return bytes(sink.getvalue())
