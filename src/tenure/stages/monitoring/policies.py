"""What follows from a confirmed breach: causes that the next plan takes up, within limits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
from pydantic import Field, WithJsonSchema, model_validator

from tenure.core.digest import digest, short
from tenure.core.effect import Effect
from tenure.core.units import format_instant, parse_duration
from tenure.spec.base import DurationText, SpecModel, field
from tenure.stages.monitoring.alerts import Alert, Rule
from tenure.stages.monitoring.judging import Level
from tenure.state.record import Fact, Observation

KIND = "monitoring"
WHEN = re.compile(r"(?P<signal>[A-Za-z0-9_-]+)\.(?P<level>warn|critical)")

WhenText = Annotated[
    str,
    Field(pattern=f"^{WHEN.pattern.replace('?P<signal>', '').replace('?P<level>', '')}$"),
    WithJsonSchema({"type": "string", "pattern": r"^[A-Za-z0-9_-]+\.(warn|critical)$"}),
]


class Policy(SpecModel):
    """What to do when an alert is confirmed."""

    when: WhenText = field(
        Effect.OPERATE, "The alert: the name of a signal and a level.", examples=["performance.critical"]
    )
    do: Literal["retrain", "notify"] = field(
        Effect.OPERATE, "`retrain` asks for a new version on the newest data; `notify` tells people."
    )
    mode: Literal["notify", "propose", "auto"] = field(
        Effect.OPERATE,
        "How far it may go without a person: `notify` says so in the plan, `propose` plans it, `auto` lets "
        "`tenure run` apply it. With `do: notify` it is always `notify`.",
        "propose",
    )
    cooldown: DurationText | None = field(
        Effect.OPERATE, "Time between two causes of this policy. `alerting.cooldown` by default.", None
    )
    max_per_30d: int = field(Effect.OPERATE, "At most this many causes of this policy in 30 days.", 4, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _notify_is_its_own_mode(cls, data: Any) -> Any:
        return {"mode": "notify", **data} if isinstance(data, dict) and data.get("do") == "notify" else data

    @model_validator(mode="after")
    def _notify_only_notifies(self) -> Policy:
        if self.do == "notify" and self.mode != "notify":
            raise ValueError("do: notify goes no further than mode: notify")
        return self

    @property
    def signal(self) -> str:
        """The name of the signal in `when`."""
        return self.when.partition(".")[0]

    @property
    def level(self) -> Level:
        """The level in `when`."""
        return "critical" if self.when.endswith(".critical") else "warn"


class Incident(msgspec.Struct, frozen=True):
    """The circumstances that policies are followed in. `quality` are the data-quality signals that are critical now;
    `challenger` is a newer version that passed its gates and is on its way: one retraining at a time."""

    model: str
    version: int
    rule: Rule
    alerts: Mapping[tuple[str, Level], Alert]
    quality: tuple[Observation, ...]
    cooldown: str
    now: datetime
    challenger: int | None = None


def follow_policies(
    policies: Iterable[Policy], incident: Incident, known: Sequence[Fact]
) -> tuple[Fact, ...]:
    """The causes that became true. Pure: the same incident gives the same facts, with the same keys.

    An incident gives a policy one cause. It gives another only when the first was settled without a new version, the
    breach goes on and the cool-down has passed.
    """
    found: list[Fact] = []
    for policy in policies:
        alert = incident.alerts.get((policy.signal, policy.level))
        if alert is not None and alert.state.confirmed and alert.since is not None:
            fact = _cause(policy, alert, alert.since, incident, [*known, *found])
            if fact is not None:
                found.append(fact)
    return tuple(found)


def no_longer_true(incident: Incident, known: Iterable[Fact]) -> tuple[str, ...]:
    """The ids of open causes whose breach is over, whose reason to be held back is gone, or whose version is not the
    watched one any more: a new version starts with a clean alert state."""
    return tuple(
        fact.id for fact in known if fact.settled_at is None and fact.kind == KIND and _over(fact, incident)
    )


def _over(fact: Fact, incident: Incident) -> bool:
    if fact.evidence.get("version") != incident.version:
        return True
    alert = incident.alerts.get((fact.evidence.get("signal", ""), fact.evidence.get("level", "critical")))
    if alert is None or not alert.state.confirmed:
        return True
    return "held_by" in fact.evidence and not incident.quality


def _cause(
    policy: Policy, alert: Alert, since: datetime, incident: Incident, known: Sequence[Fact]
) -> Fact | None:
    base = f"{policy.when}/{policy.do}/v{incident.version}/{format_instant(since)}"
    if policy.do == "retrain" and incident.challenger is not None:
        return None
    if policy.do == "retrain" and incident.quality:
        return _held(policy, alert, base, incident, known)
    same = [fact for fact in known if fact.key == base or fact.key.startswith(f"{base}#")]
    if any(fact.settled_at is None for fact in same):
        return None
    earlier = [
        fact
        for fact in known
        if fact.kind == KIND and fact.do == policy.do and fact.evidence.get("policy") == policy.when
    ]
    cooldown = parse_duration(policy.cooldown or incident.cooldown)
    if any(cooldown.after(fact.settled_at or fact.at) > incident.now for fact in earlier):
        return None
    if sum(fact.at > incident.now - timedelta(days=30) for fact in earlier) >= policy.max_per_30d:
        return None
    key = base if not same else f"{base}#{len(same) + 1}"
    return _fact(
        key, policy.do, policy.mode, _sentence(alert, incident), _evidence(policy, alert, incident), incident
    )


def _held(policy: Policy, alert: Alert, base: str, incident: Incident, known: Sequence[Fact]) -> Fact | None:
    """Retraining on broken data would make it permanent: tell people instead, once."""
    key = f"held/{base}"
    if any(fact.key == key for fact in known):
        return None
    worst = incident.quality[0]
    sentence = (
        f"{_sentence(alert, incident)} Retraining is held back because {worst.signal} is critical: "
        f"{worst.evidence.get('sentence', 'the data is broken')}."
    )
    evidence = _evidence(policy, alert, incident) | {"held_by": [_window(item) for item in incident.quality]}
    # Under a name of its own, so that a cause that was held back costs the policy nothing.
    return _fact(key, "notify", "notify", sentence, evidence | {"policy": f"{policy.when} held"}, incident)


def _fact(
    key: str,
    do: str,
    mode: Literal["notify", "propose", "auto"],
    sentence: str,
    evidence: dict[str, Any],
    incident: Incident,
) -> Fact:
    name = short(digest([incident.model, key]))
    return Fact(
        id=f"m-{name}",
        model=incident.model,
        kind=KIND,
        key=key,
        do=do,
        mode=mode,
        sentence=sentence,
        evidence=evidence,
        at=incident.now,
        by=KIND,
    )


def _sentence(alert: Alert, incident: Incident) -> str:
    latest = alert.breaches[-1].evidence.get("sentence", "") if alert.breaches else ""
    reached = "critical" if alert.level == "critical" else "at least a warning"
    text = (
        f"Signal {alert.signal} of version {incident.version} was {reached} in {len(alert.breaches)} of the last "
        f"{alert.windows} windows"
    )
    return f"{text}: {latest}." if latest else f"{text}."


def _evidence(policy: Policy, alert: Alert, incident: Incident) -> dict[str, Any]:
    return {
        "policy": policy.when,
        "version": incident.version,
        "signal": alert.signal,
        "level": alert.level,
        "since": format_instant(alert.since) if alert.since else None,
        "fire": f"{incident.rule.fire} of {incident.rule.of}",
        "windows": [_window(item) for item in alert.breaches],
    }


def _window(item: Observation) -> dict[str, Any]:
    kept = ("limit", "thresholds", "interval", "pooled", "labels", "rows", "sentence")
    return {
        "signal": item.signal,
        "start": format_instant(item.window_start),
        "end": format_instant(item.window_end),
        "verdict": item.verdict,
        "value": item.value,
        **{name: item.evidence[name] for name in kept if name in item.evidence},
    }
