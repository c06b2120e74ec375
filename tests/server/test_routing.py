"""The split of the traffic, without a socket."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tenure.server.routing import Endpoint, end_of_life_headers, endpoint_of

REQUESTS = 5000


def endpoint(routes: list[dict[str, int]], to: int | None = None, model: str = "churn") -> Endpoint:
    value = {
        "state": "serving", "routes": routes, "rollout": {"to": to} if to else None, "log": {},
        "limits": {"max_rows_per_request": 1, "max_body": 1, "max_in_flight": 1},
    }  # fmt: skip
    versions: Any = {route["version"]: SimpleNamespace(number=route["version"]) for route in routes}
    return endpoint_of(model, "d", value, versions)


@pytest.mark.parametrize("share", [1, 10, 50, 90])
def test_the_share_of_a_canary_is_within_two_points(share):
    split = endpoint([{"version": 1, "share": 100 - share}, {"version": 2, "share": share}], to=2)
    chosen = [split.choose(f"request-{i}") for i in range(REQUESTS)]
    got = 100 * sum(version.number == 2 for version, _ in chosen) / REQUESTS
    assert abs(got - share) <= 2
    assert {(version.number, arm) for version, arm in chosen} == {(1, "stable"), (2, "canary")}


def test_growing_the_share_moves_nobody_back():
    def callers(share: int) -> set[int]:
        split = endpoint([{"version": 2, "share": share}, {"version": 1, "share": 100 - share}], to=2)
        return {i for i in range(REQUESTS) if split.choose(f"user-{i}")[0].number == 2}

    assert callers(5) < callers(25) < callers(60)


def test_canaries_of_two_models_meet_different_callers():
    routes = [{"version": 2, "share": 10}, {"version": 1, "share": 90}]
    met = [
        {i for i in range(REQUESTS) if endpoint(routes, 2, model).choose(str(i))[0].number == 2}
        for model in ("churn", "fraud")
    ]
    assert len(met[0] & met[1]) < 0.2 * len(met[0])


def test_a_single_route_takes_everything():
    only = endpoint([{"version": 3, "share": 100}])
    assert {only.choose(str(i))[0].number for i in range(100)} == {3}


def test_no_headers_for_a_model_that_stays():
    assert end_of_life_headers({"state": "serving", "deprecated_at": "2026-01-01"}) == []


def test_headers_with_what_is_known():
    assert end_of_life_headers({"state": "deprecated", "deprecated_at": "1970-01-02", "sunset": None}) == [
        (b"deprecation", b"@86400")
    ]
