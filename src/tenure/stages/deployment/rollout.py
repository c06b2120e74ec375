"""Which version serves which share: a pure function of the spec, the recorded endpoint, the versions and the time.

The value of an endpoint is a routing table that servers follow:
    target, state (serving | deprecated | gone), routes [{version, share}], rollout, hold, released,
    deprecated_at, sunset, successor, log, limits
`share` is in per cent and adds up to 100. `released` remembers which versions ever took traffic: those are approved
and may be returned to. `hold` keeps a version that was asked for until a version newer than `above` is eligible.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from tenure.core.units import format_instant, parse_duration, parse_instant, parse_size
from tenure.graph.resource import Resource
from tenure.plan.action import Action, Reason
from tenure.plan.view import Blocker, Target, View
from tenure.state.record import Fact, Record

ENDPOINT = "deployment/endpoint"
VERSION = "governance/version"
APPROVAL = "governance/approval"
RETIREMENT = "retirement/policy"

_REMEMBERED = 50
"""How many released versions an endpoint remembers."""


class _Step(msgspec.Struct, frozen=True):
    """What to do with the routes: the new ones, or the present ones and what stands in the way."""

    routes: list[dict[str, int]]
    rollout: dict[str, Any] | None = None
    hold: dict[str, int] | None = None
    reason: Reason = Reason.UNCHANGED
    sentence: str = ""
    blockers: tuple[Blocker, ...] = ()
    notes: tuple[str, ...] = ()
    holds_until: datetime | None = None


def target(resource: Resource, view: View) -> Target:
    """The routing table the endpoint should have now."""
    config = resource.config["deployment"]
    current = view.value(ENDPOINT) or {}
    settings = _settings(config) | _announcement(view)
    if settings["state"] == "gone":
        return _gone(settings, current)
    step = _step(config, current, view)
    value = settings | {
        "routes": step.routes,
        "rollout": step.rollout,
        "hold": step.hold,
        "released": _released(current, step.routes),
    }
    if step.reason is not Reason.UNCHANGED:
        action = Action.PROMOTE if current else Action.CREATE
        return Target(
            value, action, step.reason, step.sentence,
            blockers=step.blockers, notes=step.notes, holds_until=step.holds_until,
        )  # fmt: skip
    record = view.records.get(ENDPOINT)
    if record is not None and (value != current or record.content != resource.content):
        # What stands in the way of another version does not stand in the way of these settings.
        notes = (*step.notes, *(blocker.text for blocker in step.blockers))
        announced = any(value[name] != current.get(name) for name in _announcement(view))
        reason = Reason.LIFECYCLE if announced else Reason.CONFIG_CHANGED
        return Target(
            value, Action.UPDATE, reason, _change(value, current), notes=notes, holds_until=step.holds_until
        )
    # With blockers: what would be done without them.
    action = Action.PROMOTE if current else Action.CREATE
    return Target(
        value, action, Reason.UNCHANGED,
        blockers=step.blockers, notes=step.notes, holds_until=step.holds_until,
    )  # fmt: skip


def _step(config: Mapping[str, Any], current: Mapping[str, Any], view: View) -> _Step:
    """What to do with the routes."""
    routes, rollout = _routes(current), current.get("rollout")
    lead = rollout["to"] if rollout else _primary(routes)
    eligible = [number for number, record in view.versions.items() if _eligible(record, current, view)]
    newest = max(eligible, default=None)
    hold, request = _hold(view, current, lead, newest)
    keep = _Step(routes, _refreshed(rollout, config, routes), hold)
    if VERSION in view.renewing or APPROVAL in view.renewing:
        return _awaiting(keep, config)
    if hold is not None:
        keep = msgspec.structs.replace(keep, notes=(_holding(hold),))
        if routes != [_all(hold["version"])]:
            return _requested(keep, current, hold["version"], request, eligible, view)
    elif request is not None and newest is not None and routes != [_all(newest)]:
        return _requested(keep, current, newest, request, eligible, view)
    waiting = _waiting(view, lead, newest, hold)
    if hold is not None or newest is None or (lead is not None and newest < lead):
        return msgspec.structs.replace(keep, blockers=waiting)
    if lead is None or (newest > lead and not _in_steps(config)):
        return _Step(
            [_all(newest)], reason=Reason.NEW_VERSION, sentence=_release(newest, lead), notes=_texts(waiting)
        )
    if newest > lead:
        begun = _share(newest, _stable(routes, rollout), config["rollout"]["steps"][0], config, view.now)
        return msgspec.structs.replace(begun, reason=Reason.NEW_VERSION, notes=_texts(waiting))
    if rollout is None:
        return msgspec.structs.replace(keep, blockers=waiting)
    return _advance(keep, config, view, waiting)


def _advance(keep: _Step, config: Mapping[str, Any], view: View, waiting: tuple[Blocker, ...]) -> _Step:
    """The next step of a running rollout, once the present one has been baked."""
    assert keep.rollout is not None
    to, share = keep.rollout["to"], _share_of(keep.routes, keep.rollout["to"])
    stable = _stable(keep.routes, keep.rollout)
    if not _in_steps(config):
        return _share(to, stable, 100, config, view.now)
    until = parse_instant(keep.rollout["until"])
    if view.now < until:
        baking = Blocker(
            "bake",
            f"canary of version {to} at {share} % until {keep.rollout['until']}",
            f"tenure apply {view.model} after that time",
        )
        return msgspec.structs.replace(keep, blockers=(baking, *waiting), holds_until=until)
    following = next((step for step in config["rollout"]["steps"] if step > share), 100)
    return msgspec.structs.replace(_share(to, stable, following, config, view.now), notes=_texts(waiting))


def _share(to: int, stable: int, share: int, config: Mapping[str, Any], now: datetime) -> _Step:
    """Give `share` per cent to a version and the rest to the stable one."""
    if share == 100:
        return _Step(
            [_all(to)], reason=Reason.ROLLOUT, sentence=f"version {to} takes over from version {stable}"
        )
    routes = [{"version": to, "share": share}, {"version": stable, "share": 100 - share}]
    steps = list(config["rollout"]["steps"])
    since = now.replace(microsecond=0)
    until = parse_duration(config["rollout"]["bake_time"]).after(since)
    rollout = {
        "to": to,
        "step": steps.index(share),
        "steps": steps,
        "since": format_instant(since),
        "until": format_instant(until),
    }
    sentence = f"canary: version {to} takes {share} %, version {stable} keeps {100 - share} %"
    # The new step is dated now: at any other moment it would be another one.
    return _Step(routes, rollout, reason=Reason.ROLLOUT, sentence=sentence, holds_until=now)


def _awaiting(keep: _Step, config: Mapping[str, Any]) -> _Step:
    """The version is made by this plan: what it will be, and whether it passes, is known after apply only."""
    first = config["rollout"]["steps"][0]
    canary = bool(keep.routes) and _in_steps(config) and first < 100
    sentence = f"release the new version to {first} % of the traffic" if canary else "release the new version"
    return msgspec.structs.replace(
        keep,
        reason=Reason.NEW_VERSION if keep.routes else Reason.NEW,
        sentence=sentence,
        notes=(),
    )


def _requested(
    keep: _Step,
    current: Mapping[str, Any],
    number: int,
    request: Fact | None,
    eligible: Sequence[int],
    view: View,
) -> _Step:
    """Swap to the version a person or a policy asked for: at once, since that is what an incident needs."""
    if number not in eligible:
        if number not in view.versions:
            text = f"version {number} was asked for, but there is no such version"
        elif not view.versions[number].value.get("passed"):
            text = f"version {number} was asked for, but it does not pass its gates"
        else:
            text = f"version {number} was asked for, but it was never approved"
        refused = Blocker("request", text, f"tenure history {view.model}")
        return msgspec.structs.replace(keep, hold=current.get("hold"), blockers=(refused,), notes=())
    sentence = f"serve version {number}"
    if request is not None:
        sentence += f": {request.sentence}"
    return msgspec.structs.replace(
        keep, routes=[_all(number)], rollout=None, reason=Reason.REQUEST, sentence=sentence
    )


def _hold(
    view: View, current: Mapping[str, Any], lead: int | None, newest: int | None
) -> tuple[dict[str, int] | None, Fact | None]:
    """The version that is held on request, and the open request. A newer eligible version ends the hold."""
    asked = [
        fact
        for fact in view.facts
        if fact.settled_at is None and fact.mode != "notify" and fact.do in ("serve", "rollback")
    ]
    request = max(asked, key=lambda fact: fact.at, default=None)
    hold = current.get("hold")
    if request is not None:
        version = request.evidence.get("version", _before(current, lead, view))
        above = request.evidence.get("above", max(view.versions, default=0))
        hold = None if version is None else {"version": int(version), "above": int(above)}
    if hold is None or newest is None:
        return hold, request
    if newest > hold["above"]:
        return None, None
    # Asked for the newest one anyway: nothing is left to hold back.
    return (None if hold["version"] == newest else hold), request


def _before(current: Mapping[str, Any], lead: int | None, view: View) -> int | None:
    """The version that served before the present one and still passes its gates."""
    released = [
        number
        for number in current.get("released", ())
        if number != lead and number in view.versions and view.versions[number].value.get("passed")
    ]
    return released[-1] if released else None


def _waiting(
    view: View, lead: int | None, newest: int | None, hold: Mapping[str, int] | None
) -> tuple[Blocker, ...]:
    """Why the latest version does not serve, and why a live one perhaps should not."""
    blockers = []
    latest = max(view.versions, default=None)
    seen = max(lead or 0, newest or 0, hold["above"] if hold else 0)
    if latest is not None and latest > seen:
        blockers.append(_obstacle(latest, view))
    if lead is not None and lead in view.versions and not view.versions[lead].value.get("passed"):
        failures = _failures(view.versions[lead])
        text = f"version {lead} is live and no longer passes its gates: {failures}; it keeps serving"
        blockers.append(Blocker("gate", text, f"tenure show {view.model}/evaluation/report"))
    if latest is None and VERSION not in view.renewing:
        blockers.append(
            Blocker("version", "no version has been registered yet", f"tenure apply {view.model}")
        )
    return tuple(blockers)


def _obstacle(number: int, view: View) -> Blocker:
    record = view.versions[number]
    if not record.value.get("passed"):
        text = f"version {number} did not pass its gates: {_failures(record)}"
        return Blocker("gate", text, f"tenure show {view.model}/evaluation/report")
    approval = view.value(APPROVAL) or {}
    current = approval.get("number") == number
    if current and approval.get("rejected"):
        text = f"version {number} was rejected by {'; '.join(approval['rejected'])}"
        return Blocker("approval", text, f"tenure history {view.model}")
    missing = approval.get("missing", ()) if current else ()
    text = f"version {number} is not approved" + (f" by {', '.join(missing)}" if missing else "")
    role = missing[0] if missing else "ROLE"
    way_out = f'tenure approve {view.model}@{number} --role {role} --reason "..."'
    return Blocker("approval", text, way_out, role)


def _eligible(record: Record, current: Mapping[str, Any], view: View) -> bool:
    """Passed its gates, and approved now or released before."""
    number = record.value["number"]
    approval = view.value(APPROVAL) or {}
    approved = approval.get("state") == "granted" and approval.get("number") == number
    return bool(record.value.get("passed")) and (approved or number in current.get("released", ()))


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """What of the spec a server follows, in its units (bytes)."""
    log, limits = config["inference_log"], config["limits"]
    return {
        "target": config["target"]["type"],
        "log": {
            "enabled": log["enabled"],
            "sample": log["sample"],
            "redact": list(log["redact"]),
            "id_column": log.get("id_column"),
        },
        "limits": {
            "max_rows_per_request": limits["max_rows_per_request"],
            "max_body": parse_size(limits["max_body"]),
            "max_in_flight": limits["max_in_flight"],
        },
    }


def _announcement(view: View) -> dict[str, Any]:
    """What consumers are told about the model's end."""
    policy = view.value(RETIREMENT) or {}
    state = {"deprecated": "deprecated", "retired": "gone"}.get(policy.get("state", "active"), "serving")
    return {
        "state": state,
        "deprecated_at": policy.get("deprecated_at") if state != "serving" else None,
        "sunset": policy.get("sunset") if state != "serving" else None,
        "successor": policy.get("successor") if state != "serving" else None,
    }


def _gone(settings: dict[str, Any], current: Mapping[str, Any]) -> Target:
    value = settings | {
        "routes": [],
        "rollout": None,
        "hold": None,
        "released": list(current.get("released", ())),
    }
    successor = settings["successor"]
    sentence = "answer 410 Gone" + (f" and name {successor} as the successor" if successor else "")
    if current.get("state") == "gone":
        return Target(value, Action.UPDATE, Reason.CONFIG_CHANGED, sentence)
    return Target(value, Action.RETIRE, Reason.RETIRED, sentence)


def _change(value: Mapping[str, Any], current: Mapping[str, Any]) -> str:
    if value["state"] != current.get("state"):
        match value["state"]:
            case "deprecated":
                return "announce the deprecation in every response"
            case _:
                return "take the announcement of the deprecation back"
    names = [name for name in ("target", "log", "limits", "rollout") if value[name] != current.get(name)]
    return f"update {', '.join(names)}" if names else "update the endpoint"


def _released(current: Mapping[str, Any], routes: Sequence[Mapping[str, int]]) -> list[int]:
    """Versions that ever took traffic, in the order in which they last became a route."""
    before: list[int] = list(current.get("released", ()))
    present = {route["version"] for route in _routes(current)}
    for route in reversed(routes):
        if route["version"] not in present or route["version"] not in before:
            before = [number for number in before if number != route["version"]] + [route["version"]]
    return before[-_REMEMBERED:]


def _refreshed(
    rollout: Mapping[str, Any] | None, config: Mapping[str, Any], routes: Sequence[Mapping[str, int]]
) -> dict[str, Any] | None:
    """A running rollout under the steps and the bake time that the spec has now."""
    if rollout is None:
        return None
    steps = list(config["rollout"]["steps"])
    share = _share_of(routes, rollout["to"])
    until = parse_duration(config["rollout"]["bake_time"]).after(parse_instant(rollout["since"]))
    return {
        "to": rollout["to"],
        "step": max(0, sum(step <= share for step in steps) - 1),
        "steps": steps,
        "since": rollout["since"],
        "until": format_instant(until),
    }


def _routes(current: Mapping[str, Any]) -> list[dict[str, int]]:
    return [dict(route) for route in current.get("routes", ())]


def _all(number: int) -> dict[str, int]:
    return {"version": number, "share": 100}


def _primary(routes: Sequence[Mapping[str, int]]) -> int | None:
    return max(routes, key=lambda route: route["share"])["version"] if routes else None


def _stable(routes: Sequence[Mapping[str, int]], rollout: Mapping[str, Any] | None) -> int:
    others = [route for route in routes if rollout is None or route["version"] != rollout["to"]]
    return max(others or routes, key=lambda route: route["share"])["version"]


def _share_of(routes: Sequence[Mapping[str, int]], number: int) -> int:
    return next((route["share"] for route in routes if route["version"] == number), 0)


def _in_steps(config: Mapping[str, Any]) -> bool:
    return bool(config["rollout"]["strategy"] == "canary")


def _release(number: int, lead: int | None) -> str:
    return f"release version {number}" + ("" if lead is None else f" in place of version {lead}")


def _holding(hold: Mapping[str, int]) -> str:
    return f"version {hold['version']} is held on request until a version newer than {hold['above']} can be released"


def _failures(record: Record) -> str:
    return "; ".join(str(item) for item in record.value.get("failed", ())) or "no details recorded"


def _texts(blockers: Sequence[Blocker]) -> tuple[str, ...]:
    return tuple(blocker.text for blocker in blockers)
