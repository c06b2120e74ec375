"""Trying a model in a process of its own before anything is believed about it.

Libraries read model files with native code, and a damaged file can crash it or keep it busy for ever: a few wrong bytes
in a booster do so in one case of seven. Then that process ends, and the apply says so. What comes back is the predictor
in Tenure's own files, after it has predicted rows of the snapshot.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

import msgspec

from tenure.core.decoding import json_decoder, msgpack_decoder
from tenure.core.errors import Interrupted, StageError
from tenure.stages.training.adoption.kind import AT
from tenure.stages.training.adoption.reading import Given

if TYPE_CHECKING:
    import pyarrow as pa

    from tenure.ml.recipe import Recipe
    from tenure.ml.signature import Signature
    from tenure.stages.training.adoption.kind import Offered

MOST_SECONDS = 600
"""After so long it is given up: it would be of no use to those who wait for an answer either."""
_LOOK_SECONDS = 0.2


class Request(msgspec.Struct, frozen=True):
    """Everything a trial needs. `recipe` and `signature` are JSON, `sample` is an Arrow stream."""

    block: dict[str, Any]
    path: str
    digest: str
    files: dict[str, bytes]
    columns: dict[str, tuple[str, bool]]
    recipe: bytes
    signature: bytes
    sample: bytes


class Answer(msgspec.Struct, frozen=True):
    """What came of it: the files of the predictor, what it is and takes, and remarks for its owner."""

    files: dict[str, bytes]
    name: str
    made_with: str
    inputs: list[str]
    remarks: list[str]
    later: str


class Refusal(msgspec.Struct, frozen=True):
    """A StageError on its way back."""

    summary: str
    detail: str
    hint: str
    path: list[str | int]


class _Reply(msgspec.Struct, frozen=True):
    answer: Answer | None = None
    refusal: Refusal | None = None


def request_for(block: dict[str, Any], given: Given, offered: Offered, sample: pa.Table) -> Request:
    """The request of one trial; `sample` are rows of the snapshot."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, sample.schema) as writer:
        writer.write_table(sample)
    return Request(
        block=block,
        path=given.path,
        digest=given.digest,
        files=dict(given.files),
        columns={name: (kind, nullable) for name, (kind, nullable) in offered.columns.items()},
        recipe=msgspec.json.encode(offered.recipe),
        signature=msgspec.json.encode(offered.signature),
        sample=sink.getvalue().to_pybytes(),
    )


def tried(request: Request) -> Answer:
    """Open the model and check it, in this process. Raises StageError."""
    import pyarrow as pa
    from pydantic import TypeAdapter

    from tenure.ml.recipe import Recipe
    from tenure.ml.signature import Signature
    from tenure.stages.training.adoption import Adopt
    from tenure.stages.training.adoption.checking import checked
    from tenure.stages.training.adoption.columns import difference
    from tenure.stages.training.adoption.kind import Kind, Offered

    recipe: Recipe = json_decoder(Recipe).decode(request.recipe)
    signature: Signature = json_decoder(Signature).decode(request.signature)
    columns: Any = request.columns
    offered = Offered(columns, recipe, signature)
    block: Kind = TypeAdapter[Any](Adopt).validate_python(request.block)
    opened = block.open(Given(request.path, request.digest, request.files), offered)
    with pa.ipc.open_stream(request.sample) as stream:
        sample = stream.read_all()
    files, remarks = checked(opened, sample)
    own = opened.predictor.signature
    return Answer(
        files=dict(files),
        name=opened.name,
        made_with=opened.made_with,
        inputs=[column.name for column in own.inputs],
        remarks=list(remarks),
        later=difference(own, offered),
    )


def tried_apart(request: Request, stopping: Callable[[], bool]) -> Answer:
    """As `tried`, in a process that may crash. Raises StageError, and Interrupted when asked to stop."""
    with TemporaryFile() as asked, TemporaryFile() as answered, TemporaryFile() as said:
        asked.write(msgspec.msgpack.encode(request))
        asked.seek(0)
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__],
            stdin=asked,
            stdout=answered,
            stderr=said,
            # Ctrl-C is for the apply, which then ends the trial.
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
        try:
            _wait(child, request, stopping)
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
        answered.seek(0)
        said.seek(0)
        if child.returncode != 0:
            raise _ended(request, _reason(child.returncode, said.read()))
        out = answered.read()
    reply = msgpack_decoder(_Reply).decode(out)
    if reply.refusal is not None:
        found = reply.refusal
        raise StageError(found.summary, found.detail, found.hint, path=tuple(found.path))
    assert reply.answer is not None
    return reply.answer


def _wait(child: subprocess.Popen[bytes], request: Request, stopping: Callable[[], bool]) -> None:
    """Until the child has ended. Raises Interrupted when asked to stop, StageError when it takes too long."""
    given_up = time.monotonic() + MOST_SECONDS
    while True:
        try:
            child.wait(timeout=_LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            if stopping():
                raise Interrupted("stopped while a model was tried; nothing of it is kept") from None
            if time.monotonic() > given_up:
                raise _ended(request, f"it did not end within {MOST_SECONDS // 60} minutes") from None
        else:
            return


def _ended(request: Request, reason: str) -> StageError:
    return StageError(
        "the model file is damaged",
        f"reading {request.path} and predicting with it failed in a process of its own: {reason}",
        "save it again from where it was made, and check that it was copied whole",
        path=(*AT, "path"),
    )


def _reason(code: int, said: bytes) -> str:
    if code < 0:
        return f"it was ended by {signal.Signals(-code).name}"
    lines = said.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"it ended with code {code}"


def _main() -> None:
    """The child: a request on stdin, a reply on stdout, and nothing else there."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        # Should the apply be killed, nobody is left to end a trial that does not end by itself.
        resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    reply = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no part of the reply
    try:
        content = _Reply(answer=tried(msgpack_decoder(Request).decode(sys.stdin.buffer.read())))
    except StageError as error:
        content = _Reply(refusal=Refusal(error.summary, error.detail, error.hint, list(error.path)))
    reply.write(msgspec.msgpack.encode(content))
    reply.close()


if __name__ == "__main__":
    _main()
