"""Reading a request's body within its limits, whether its length is known beforehand or not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from tenure.server.problems import Problem, bad_request, too_large

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

_TAKEN_AS_JSON = frozenset({b"application/json", b"", b"application/x-www-form-urlencoded"})
"""The last one is what `curl -d` says when it is told nothing."""
_BODY_SECONDS = 30.0
"""How long a caller may take to send a body."""
_DRAIN = 4
"""A body that is too large is read to this multiple of its limit, so that the caller gets to see the answer."""


async def read_body(headers: dict[bytes, bytes], receive: Receive, limit: int) -> bytes:
    """The body of a JSON request. Raises Problem 400, 408, 413 or 415."""
    kind = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
    if kind not in _TAKEN_AS_JSON and not kind.endswith(b"+json"):
        raise Problem(415, "Unsupported media type", f"Send application/json, not {kind.decode('latin-1')}.")
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise Problem(415, "Unsupported media type", "Send the body without a content encoding.")
    if b"inference-header-content-length" in headers:
        raise Problem(
            415,
            "Unsupported media type",
            "The binary tensor extension is not spoken here; send JSON tensors.",
        )
    declared = headers.get(b"content-length", b"")
    size = int(declared) if declared.isdigit() else 0
    if size > _DRAIN * limit:
        raise too_large(limit)
    message = await receive()
    if not message.get("more_body", False) and message["type"] == "http.request":
        if len(message["body"]) > limit:
            raise too_large(limit)
        return bytes(message["body"])
    chunks, total = [], 0
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            while True:
                if message["type"] == "http.disconnect":
                    raise bad_request("The caller left before the body was complete.")
                chunk = message.get("body", b"")
                total += len(chunk)
                if total <= limit:
                    chunks.append(chunk)
                elif total > _DRAIN * limit:
                    raise too_large(limit)
                if not message.get("more_body", False):
                    break
                message = await receive()
    except TimeoutError:
        detail = f"The body was not complete after {_BODY_SECONDS:g} s."
        raise Problem(408, "Request timeout", detail, [(b"connection", b"close")]) from None
    if total > limit:
        raise too_large(limit)
    return b"".join(chunks)
