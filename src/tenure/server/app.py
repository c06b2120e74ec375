"""The ASGI application: routes, limits and answers. One event loop; large batches go to threads."""

from __future__ import annotations

import asyncio
import logging
import os
import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import orjson

from tenure.core.errors import StageError
from tenure.core.version import VERSION
from tenure.ml.predictions import Predictions
from tenure.ml.signature import Flag, check_rows, rows_to_table
from tenure.server.body import read_body
from tenure.server.follow import Follower
from tenure.server.metrics import CONTENT_TYPE, Metrics
from tenure.server.prediction_log import Entry, PredictionLog, now
from tenure.server.problems import (
    Problem,
    invalid_rows,
    overloaded,
    too_many_rows,
    unknown_model,
    unknown_version,
)
from tenure.server.protocol import (
    Asked,
    model_metadata,
    parse,
    read_rows,
    read_tensors,
    write_rows,
    write_tensors,
)
from tenure.server.routing import GONE, MOVED, Endpoint, Headers, LiveVersion
from tenure.stages.deployment.http import DIGEST_HEADER

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_LOG = logging.getLogger("tenure.server")
_JSON = (b"content-type", b"application/json")
_PROBLEM = (b"content-type", b"application/problem+json")
_INLINE_ROWS = 16
"""Requests up to this size are answered on the event loop: handing them to a thread costs more than it saves."""
_ROUTES = [
    "/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/{model}", "/v2/models/{model}/ready",
    "/v2/models/{model}/infer", "/v2/models/{model}/versions/{version}/infer", "/models", "/models/{model}/predict",
    "/metrics",
]  # fmt: skip


class Answer(msgspec.Struct, frozen=True, eq=False):
    """A response before it is sent."""

    status: int
    body: bytes
    headers: Headers


class Server:
    """The application over one follower, which starts with it, and one prediction log."""

    def __init__(self, follower: Follower, log: PredictionLog) -> None:
        self._follower = follower
        self._log = log
        self._in_flight: dict[str, int] = {}
        self.metrics = Metrics(follower, log, lambda: dict(self._in_flight))
        self._threads = ThreadPoolExecutor(min(4, os.cpu_count() or 1), thread_name_prefix="tenure-predict")

    def close(self) -> None:
        """Stop following, let running batches end, write the prediction log. Closing again does nothing."""
        self._follower.stop()
        self._threads.shutdown()
        self._log.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection scope."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            answer = await self._answer(scope, receive)
            await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
            body = b"" if scope["method"] == "HEAD" else answer.body
            await send({"type": "http.response.body", "body": body})
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await asyncio.to_thread(self._follower.start)
                await send({"type": "lifespan.startup.complete"})
            else:
                # Here, and not after the server has returned: a second signal may end the process right then.
                await asyncio.to_thread(self.close)
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        try:
            return await self._route(scope, receive)
        except Problem as problem:
            return _problem(problem)
        # The caller learns that it is not the caller's fault; the log learns why.
        except Exception:
            _LOG.exception("%s %s failed", scope["method"], scope["path"])
            return _problem(
                Problem(
                    500, "Internal error", "The request could not be answered; the server's log says why."
                )
            )

    async def _route(self, scope: Scope, receive: Receive) -> Answer:
        method = scope["method"]
        match scope["path"].strip("/").split("/"):
            case ["v2", "models", name, "infer"]:
                return await self._infer(scope, receive, name, None, tensors=True)
            case ["v2", "models", name, "versions", version, "infer"]:
                return await self._infer(scope, receive, name, version, tensors=True)
            case ["models", name, "predict"]:
                return await self._infer(scope, receive, name, None, tensors=False)
            case ["models", name, "versions", version, "predict"]:
                return await self._infer(scope, receive, name, version, tensors=False)
            case path:
                if method not in ("GET", "HEAD"):
                    raise _not_allowed(method, "GET, HEAD")
                return self._get(path, scope["path"])

    def _get(self, path: list[str], asked: str) -> Answer:
        match path:
            case ["v2"]:
                return _json({"name": "tenure", "version": VERSION, "extensions": []})
            case ["v2", "health", "live"]:
                return _json({"live": True})
            case ["v2", "health", "ready"]:
                ready = self._follower.table.ready
                return _json({"ready": ready}, 200 if ready else 503)
            case ["v2", "models", name]:
                return self._metadata(name, None)
            case ["v2", "models", name, "versions", version]:
                return self._metadata(name, version)
            case ["v2", "models", name, "ready"]:
                return self._ready(name, None)
            case ["v2", "models", name, "versions", version, "ready"]:
                return self._ready(name, version)
            case ["models"]:
                return _json({"models": [_summary(item) for item in self._follower.table.endpoints.values()]})
            case ["metrics"]:
                return Answer(200, self.metrics.render(), [(b"content-type", CONTENT_TYPE)])
            case _:
                raise Problem(404, "Not found", f"There is nothing at {asked}.", routes=_ROUTES)

    # --- about models -------------------------------------------------------------------------------------------

    def _endpoint(self, name: str) -> Endpoint:
        """The endpoint of a model that is there, and not gone. Raises Problem 404, 410 or 503."""
        table = self._follower.table
        endpoint = table.endpoints.get(name)
        if endpoint is None:
            if not table.ready:
                raise Problem(503, "Not ready", "The state has not been read yet.", [(b"retry-after", b"1")])
            raise unknown_model(name, table.endpoints)
        if endpoint.state == MOVED:
            new = endpoint.successor
            raise Problem(
                410, "Model has another name", f"{name} is called {new} now.", endpoint.headers, successor=new
            )
        if endpoint.state == GONE:
            detail = f"The model {name} is retired." + (
                f" Use its successor {endpoint.successor}." if endpoint.successor else ""
            )
            members = {"successor": endpoint.successor, "sunset": endpoint.sunset}
            headers = [*endpoint.headers, _digest(endpoint)]
            raise Problem(410, "Model is retired", detail, headers, **{k: v for k, v in members.items() if v})
        return endpoint

    def _metadata(self, name: str, version: str | None) -> Answer:
        endpoint = self._endpoint(name)
        live = _live(endpoint, version)
        document = model_metadata(
            name,
            live.signature if live else None,
            sorted(endpoint.shares),
            live.predictor.postprocessing.confidence if live else None,
        )
        document["parameters"] = _summary(endpoint)
        return _json(document, headers=[*endpoint.headers, _digest(endpoint)])

    def _ready(self, name: str, version: str | None) -> Answer:
        endpoint = self._endpoint(name)
        ready = _live(endpoint, version) is not None
        return _json({"name": name, "ready": ready}, 200 if ready else 503, endpoint.headers)

    # --- predicting ---------------------------------------------------------------------------------------------

    async def _infer(
        self, scope: Scope, receive: Receive, name: str, version: str | None, *, tensors: bool
    ) -> Answer:
        begun = time.perf_counter()
        if scope["method"] != "POST":
            raise _not_allowed(scope["method"], "POST")
        live: LiveVersion | None = None
        status = 500
        known = self._follower.table.endpoints.get(name)
        try:
            endpoint = self._endpoint(name)
            if not endpoint.splits:
                detail = endpoint.problem or "No version has been released yet."
                raise Problem(503, "No version is live", detail, [_digest(endpoint)])
            if self._in_flight.get(name, 0) >= endpoint.max_in_flight:
                raise overloaded(endpoint.max_in_flight)
            self._in_flight[name] = self._in_flight.get(name, 0) + 1
            try:
                headers = dict(scope["headers"])
                document = parse(await read_body(headers, receive, endpoint.max_body))
                # Any version of this endpoint reads the shape of a request in the same way; the key comes from it.
                inputs = endpoint.splits[-1][1].signature.inputs
                asked = read_tensors(document) if tensors else read_rows(document, inputs)
                if len(asked.rows) > endpoint.max_rows:
                    raise too_many_rows(len(asked.rows), endpoint.max_rows)
                live, arm = _choose(endpoint, version, headers, asked)
                answer = await self._predict(endpoint, live, arm, asked, tensors=tensors)
            finally:
                self._in_flight[name] -= 1
            status = answer.status
            return answer
        except Problem as problem:
            status = problem.status
            if known is not None:
                problem.headers += [header for header in known.headers if header not in problem.headers]
            raise
        finally:
            number = str(live.number) if live else ""
            label = name if known is not None else ""
            self.metrics.requests.labels(label, number, str(status)).inc()
            self.metrics.seconds.labels(label).observe(time.perf_counter() - begun)

    async def _predict(
        self, endpoint: Endpoint, live: LiveVersion, arm: str, asked: Asked, *, tensors: bool
    ) -> Answer:
        """Check the rows, predict, hand them to the log, write the answer."""
        received_at = now()
        if len(asked.rows) <= _INLINE_ROWS:
            predictions, flags = _answer_rows(live, asked.rows)
        else:
            loop = asyncio.get_running_loop()
            predictions, flags = await loop.run_in_executor(self._threads, _answer_rows, live, asked.rows)
        ids = [uuid.uuid4().hex for _ in asked.rows]
        self._log.add(
            Entry(
                live.model, live.number, live.signature, live.timestamp,
                arm, asked.rows, ids, predictions, received_at, endpoint.log,
            )
        )  # fmt: skip
        self.metrics.rows.labels(endpoint.model, str(live.number)).inc(len(ids))
        for flag in flags:
            self.metrics.flags.labels(endpoint.model, flag.field, flag.code).inc()
        if tensors:
            document = write_tensors(endpoint.model, live.number, asked, ids, predictions, flags)
        else:
            document = write_rows(endpoint.model, live.number, ids, predictions, flags)
        version = (b"x-model-version", str(live.number).encode())
        return _json(document, headers=[version, *endpoint.headers])


def _answer_rows(live: LiveVersion, rows: Sequence[Any]) -> tuple[Predictions, tuple[Flag, ...]]:
    """Predictions for rows and what is unusual about them. Raises Problem 422."""
    checked = check_rows(live.signature, rows)
    if not checked.ok:
        raise invalid_rows(checked.errors)
    try:
        return live.predictor.predict(rows_to_table(live.signature, rows)), checked.flags
    except StageError as error:
        # The types are right, so it is a value that a derived column cannot be computed from.
        raise Problem(422, "Rows do not fit the model", str(error)) from error


def _choose(
    endpoint: Endpoint, version: str | None, headers: dict[bytes, bytes], asked: Asked
) -> tuple[LiveVersion, str]:
    """The version by URL, by header, or by the caller's key."""
    wanted = version or headers.get(b"x-model-version", b"").decode("latin-1")
    if wanted:
        live = endpoint.pinned(wanted)
        if live is None:
            raise unknown_version(endpoint.model, wanted, endpoint.shares)
        return live, "pinned"
    if len(endpoint.splits) == 1:
        return endpoint.choose("")
    key = headers.get(b"x-tenure-key") or headers.get(b"x-request-id")
    return endpoint.choose(key.decode("latin-1") if key else asked.id or uuid.uuid4().hex)


def _live(endpoint: Endpoint, version: str | None) -> LiveVersion | None:
    """The version that was asked for, or the one with the largest share. Raises Problem 404."""
    if version is None:
        return max((v for _, v, _ in endpoint.splits), key=lambda v: endpoint.shares[v.number], default=None)
    live = endpoint.pinned(version)
    if live is None:
        raise unknown_version(endpoint.model, version, endpoint.shares)
    return live


def _summary(endpoint: Endpoint) -> dict[str, Any]:
    """An endpoint for people and for `tenure`'s read-back."""
    summary: dict[str, Any] = {
        "model": endpoint.model,
        "state": endpoint.state,
        "routes": [{"version": number, "share": share} for number, share in endpoint.shares.items()],
        "endpoint": endpoint.digest,
    }
    optional = {"successor": endpoint.successor, "sunset": endpoint.sunset, "problem": endpoint.problem}
    return summary | {name: value for name, value in optional.items() if value is not None}


def _digest(endpoint: Endpoint) -> tuple[bytes, bytes]:
    return DIGEST_HEADER.encode(), endpoint.digest.encode()


def _json(document: Any, status: int = 200, headers: Sequence[tuple[bytes, bytes]] = ()) -> Answer:
    body = orjson.dumps(document, default=str)
    return Answer(status, body, [_JSON, (b"content-length", b"%d" % len(body)), *headers])


def _problem(problem: Problem) -> Answer:
    body = orjson.dumps(problem.document(), default=str)
    return Answer(problem.status, body, [_PROBLEM, (b"content-length", b"%d" % len(body)), *problem.headers])


def _not_allowed(method: str, allowed: str) -> Problem:
    return Problem(
        405,
        "Method not allowed",
        f"{method} is not understood here; use {allowed}.",
        [(b"allow", allowed.encode())],
    )
