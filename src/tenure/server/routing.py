"""The routing table a request is answered from: immutable, replaced as a whole by one assignment."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import format_datetime
from typing import Any

import msgspec

from tenure.core.units import parse_instant
from tenure.ml.predictor import Predictor
from tenure.ml.signature import Signature

BUCKETS = 10_000
GONE, MOVED = "gone", "moved"
"""The states of an endpoint that answers 410: the model has ended, or goes on under another name."""
Headers = list[tuple[bytes, bytes]]


class LiveVersion:
    """A loaded version. Requests hold a reference to it, so it is freed when the last one it answers has ended."""

    __slots__ = ("__weakref__", "key", "model", "number", "predictor", "signature", "timestamp")

    def __init__(
        self, model: str, number: int, key: str, predictor: Predictor, extra: tuple[str | None, ...]
    ) -> None:
        names = {column.name for column in predictor.signature.inputs} | set(predictor.signature.accepted)
        added = tuple(name for name in extra if name is not None and name not in names)
        self.model = model
        self.number = number
        self.key = key
        self.predictor = predictor
        self.timestamp = extra[0]
        self.signature: Signature = msgspec.structs.replace(
            predictor.signature, accepted=(*predictor.signature.accepted, *added)
        )


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One model as it is served now.

    `splits` are (upper bucket, version, arm) in growing order; the version of a running rollout comes first, so that
    a caller who has got it keeps it while its share grows. `problem` says why the recorded endpoint is not followed.
    """

    model: str
    digest: str = ""
    state: str = "serving"
    splits: tuple[tuple[int, LiveVersion, str], ...] = ()
    shares: Mapping[int, int] = field(default_factory=dict)
    log: Mapping[str, Any] = field(default_factory=dict)
    max_rows: int = 0
    max_body: int = 0
    max_in_flight: int = 0
    successor: str | None = None
    sunset: str | None = None
    headers: Headers = field(default_factory=list)
    problem: str | None = None

    def choose(self, key: str) -> tuple[LiveVersion, str]:
        """The version that answers this key and the arm it belongs to; equal keys get equal answers."""
        if len(self.splits) > 1:
            at = bucket(self.model, key)
            for upper, version, arm in self.splits:
                if at < upper:
                    return version, arm
        _, version, arm = self.splits[-1]
        return version, arm

    def pinned(self, number: str) -> LiveVersion | None:
        """The live version of that number."""
        return next((version for _, version, _ in self.splits if str(version.number) == number), None)


@dataclass(frozen=True, slots=True)
class Table:
    """All endpoints by model name, as of one serial of the state; `ready` once the state has been read."""

    serial: int = -1
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)
    ready: bool = False


def bucket(model: str, key: str) -> int:
    """A number below `BUCKETS`: the model's name takes part, so that canaries of two models meet different callers."""
    hashed = hashlib.blake2b(f"{model}\0{key}".encode(), digest_size=8).digest()
    return int.from_bytes(hashed) % BUCKETS


def endpoint_of(
    model: str, digest: str, value: Mapping[str, Any], versions: Mapping[int, LiveVersion]
) -> Endpoint:
    """The endpoint for a recorded value whose routed versions are loaded."""
    rollout = value.get("rollout")
    routes = sorted(value["routes"], key=lambda route: not (rollout and route["version"] == rollout["to"]))
    splits, upper = [], 0
    for route in routes:
        upper += route["share"] * (BUCKETS // 100)
        arm = "canary" if rollout and route["version"] == rollout["to"] else "stable"
        splits.append((upper, versions[route["version"]], arm))
    return Endpoint(
        model=model,
        digest=digest,
        state=value["state"],
        splits=tuple(splits),
        shares={route["version"]: route["share"] for route in routes},
        log=value["log"],
        max_rows=value["limits"]["max_rows_per_request"],
        max_body=value["limits"]["max_body"],
        max_in_flight=value["limits"]["max_in_flight"],
        successor=value.get("successor"),
        sunset=value.get("sunset"),
        headers=end_of_life_headers(value),
    )


def moved_away(model: str, successor: str | None) -> Endpoint:
    """What callers of a model's earlier name find: that it is gone, and under which name it goes on."""
    headers = end_of_life_headers({"state": MOVED, "successor": successor})
    return Endpoint(model, state=MOVED, successor=successor, headers=headers)


def end_of_life_headers(value: Mapping[str, Any]) -> Headers:
    """`Deprecation` (RFC 9745), `Sunset` (RFC 8594) and the successor, while the model is on its way out or gone."""
    if value["state"] == "serving":
        return []
    headers: Headers = []
    if value.get("deprecated_at"):
        headers.append((b"deprecation", b"@%d" % parse_instant(value["deprecated_at"]).timestamp()))
    if value.get("sunset"):
        moment = parse_instant(value["sunset"]).astimezone(UTC)
        headers.append((b"sunset", format_datetime(moment, usegmt=True).encode()))
    if value.get("successor"):
        headers.append((b"link", f'</v2/models/{value["successor"]}>; rel="successor-version"'.encode()))
    return headers
