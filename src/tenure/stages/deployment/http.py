"""The `http` target: the model server follows the endpoint's routing table."""

from __future__ import annotations

import time
from typing import Literal

import msgspec

from tenure.core.effect import Effect
from tenure.spec.base import SpecModel, field

DIGEST_HEADER = "x-tenure-endpoint"
"""The response header in which a server names the digest of the endpoint it serves."""

_POLL_SECONDS = 0.1


class HttpTarget(SpecModel):
    """Serve over HTTP with `tenure serve`: Open Inference Protocol V2, and rows as plain JSON."""

    type: Literal["http"] = field(Effect.REDEPLOY, "Serve predictions over HTTP with `tenure serve`.")


class ReadBack(msgspec.Struct, frozen=True):
    """What a server said when it was asked which endpoint it serves."""

    ok: bool
    text: str


def read_back(server_url: str, model: str, expected_digest: str, timeout: float = 10.0) -> ReadBack:
    """Ask a server until it serves the endpoint with this digest, for at most `timeout` seconds.

    A retired endpoint answers 410 and an endpoint without a version 503; both name their digest as well.
    """
    # Together they take longer to load than everything else in this module.
    import urllib.error
    import urllib.parse
    import urllib.request

    url = f"{server_url.rstrip('/')}/v2/models/{urllib.parse.quote(model)}"
    deadline = time.monotonic() + timeout
    seen = "no answer"
    while True:
        try:
            with urllib.request.urlopen(url, timeout=max(0.2, min(2.0, timeout))) as response:
                served = response.headers.get(DIGEST_HEADER)
            seen = "another endpoint" if served else "no endpoint"
        except urllib.error.HTTPError as error:
            served = error.headers.get(DIGEST_HEADER)
            seen = f"HTTP {error.code}"
            error.close()
        except (OSError, ValueError) as error:
            served = None
            seen = str(error)
        if served == expected_digest:
            return ReadBack(True, f"{server_url} serves the new endpoint")
        if time.monotonic() >= deadline:
            return ReadBack(
                False, f"{server_url} does not serve the new endpoint after {timeout:g} s ({seen})"
            )
        time.sleep(_POLL_SECONDS)
