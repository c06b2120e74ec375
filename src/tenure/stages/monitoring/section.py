"""The `monitoring` section: signals, windows, alerting and policies; declares `monitoring/monitor`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, TypeAdapter, WithJsonSchema, model_validator

from tenure.core.digest import digest
from tenure.core.effect import Effect
from tenure.core.errors import ArtifactDamaged, ArtifactMissing, StageError
from tenure.core.units import parse_duration
from tenure.graph.declare import resource
from tenure.graph.resource import Resource, Sort
from tenure.plan.action import Action, Reason
from tenure.plan.view import Target, View
from tenure.spec.base import DurationText, FieldProblem, Share, SpecModel, field
from tenure.stages.base import (
    Identity,
    Observed,
    Output,
    StageContext,
    no_conditions,
    no_inputs,
    nothing_to_verify,
)
from tenure.stages.monitoring.alerts import Alert, Rule, alerts
from tenure.stages.monitoring.data_drift import DataDrift
from tenure.stages.monitoring.data_quality import DataQuality
from tenure.stages.monitoring.model_performance import ModelPerformance
from tenure.stages.monitoring.policies import Policy
from tenure.stages.monitoring.prediction_drift import PredictionDrift
from tenure.state.record import Observation

NAME = "monitoring"
MONITOR = "monitoring/monitor"
ENDPOINT = "deployment/endpoint"
SNAPSHOT = "data/snapshot"
REFERENCE = "reference"
"""The artifact of a monitor that windows are compared with."""

REMEMBERED = 10
"""How many earlier references a monitor keeps, so that a rollback finds its own again."""

conditions = no_conditions
observe_inputs = no_inputs
verify = nothing_to_verify

AnySignal = Annotated[
    DataDrift | DataQuality | PredictionDrift | ModelPerformance, Field(discriminator="type")
]
"""Every kind of signal. A new kind is one file and one name in this line."""

SignalName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]

_FIRE = re.compile(r"(\d+) of (\d+)")


def _fire(text: str) -> str:
    match = _FIRE.fullmatch(text.strip())
    if match is None or not 1 <= int(match[1]) <= int(match[2]) <= 30:
        raise ValueError(
            f"{text!r} is not of the form `3 of 5`: so many breaches among the last so many windows"
        )
    return text.strip()


FireText = Annotated[
    str,
    AfterValidator(_fire),
    WithJsonSchema({"type": "string", "pattern": r"^\d+ of \d+$", "examples": ["3 of 5"]}),
]


class WindowBlock(SpecModel):
    """How predictions are cut into windows: by event time, in UTC."""

    size: DurationText = field(
        Effect.OPERATE,
        "Length of a window. Months and years follow the calendar; weeks start on Mondays, days at midnight UTC.",
        "1d",
        examples=["1h", "1d", "1mo"],
    )
    allowed_lateness: DurationText = field(
        Effect.OPERATE, "How long after its end a window waits for late rows before it is judged.", "0s"
    )
    min_rows: int | None = field(
        Effect.OPERATE,
        "Rows a window needs for drift and quality to be judged. By default 200, and 20 per histogram bin; with fewer "
        "only large changes can be told from chance.",
        None,
        ge=2,
    )

    @model_validator(mode="after")
    def _not_empty(self) -> WindowBlock:
        if parse_duration(self.size).approximate_seconds < 60:
            raise FieldProblem("a window lasts at least a minute", at=("size",))
        return self


class ReferenceBlock(SpecModel):
    """What windows are compared with. It is frozen when a version starts to serve."""

    dataset: Literal["training", "test", "all"] = field(
        Effect.OPERATE,
        "The part of the snapshot. A `test` part that was split off by time covers only the latest season; `all` takes "
        "every part.",
        "training",
    )
    season: Literal["month"] | None = field(
        Effect.OPERATE,
        "`month` compares a window with the same calendar months of the reference, so that winter is not drift. Needs "
        "a timestamp column and a reference of at least a year.",
        None,
    )


class Alerting(SpecModel):
    """When a verdict counts as confirmed."""

    fire: FireText = field(
        Effect.OPERATE, "Breaches among the last judged windows that confirm an alert.", "3 of 5"
    )
    clear_ratio: Share = field(
        Effect.OPERATE, "An alert clears when the value stays below this share of its threshold.", 0.8
    )
    cooldown: DurationText = field(Effect.OPERATE, "Time between two causes of one policy.", "24h")


class Monitoring(SpecModel):
    """What is watched while the model serves, and what follows from it."""

    window: WindowBlock = field(Effect.OPERATE, "How predictions are cut into windows.", WindowBlock)
    reference: ReferenceBlock = field(Effect.OPERATE, "What windows are compared with.", ReferenceBlock)
    signals: dict[SignalName, AnySignal] = field(
        Effect.OPERATE,
        "What is watched, by a name of your choice.",
        examples=[{"performance": {"type": "model_performance", "metric": "accuracy", "min": 0.6}}],
        min_length=1,
    )
    alerting: Alerting = field(Effect.OPERATE, "When a verdict counts as confirmed.", Alerting)
    policies: tuple[Policy, ...] = field(
        Effect.OPERATE,
        "What follows from a confirmed alert. By default a critical loss of performance proposes a retraining, and "
        "any other critical alert notifies.",
        (),
    )

    @model_validator(mode="after")
    def _policies_name_signals(self) -> Monitoring:
        for position, policy in enumerate(self.policies):
            if policy.signal not in self.signals:
                known = ", ".join(self.signals)
                raise FieldProblem(
                    f"{policy.signal!r} is not a signal; there are {known}",
                    at=("policies", position, "when"),
                    hint="Name one of the signals, or add it under monitoring.signals.",
                )
        return self


_SIGNAL: TypeAdapter[Any] = TypeAdapter(AnySignal)


def describe(resource: Resource) -> str:
    """What setting this up does."""
    return "watch the version that serves"


def declare(identity: Identity, section: Monitoring | None) -> Iterable[Resource]:
    """The monitor, when something is watched."""
    if section is not None:
        yield resource(identity.model, MONITOR, Sort.BINDING, {"monitoring": section}, needs=(ENDPOINT,))


def target(resource: Resource, view: View) -> Target:
    """The monitor of the version that serves: its settings, and the metrics it was released with.

    The frozen reference follows from the version and the part of the data; it is a blob, made when the target is
    realised.
    """
    if resource.undeclared:
        return _ended(view.value(MONITOR) or {})
    config = resource.config["monitoring"]
    recorded = view.value(MONITOR) or {}
    version = served(view)
    settings = {
        "signals": config["signals"],
        "window": config["window"],
        "alerting": config["alerting"],
        "policies": config["policies"] or default_policies(config["signals"]),
    }
    value = {"state": "waiting", "version": None, "reference": None, "released": {}, **settings}
    if version is None and recorded.get("version") is None:
        return Target(value, sentence="Starts to watch when a version serves.")
    if version is None:
        kept = {name: recorded[name] for name in ("version", "reference", "released")}
        sentence = (
            f"Stops watching version {recorded['version']}, which no longer serves; what was seen stays."
        )
        return Target(value | kept | {"state": "stopped"}, Action.UPDATE, Reason.LIFECYCLE, sentence)
    value |= {"state": "watching", "version": version}
    same_version = recorded.get("version") == version
    value["reference"] = {
        "dataset": config["reference"]["dataset"],
        "season": config["reference"].get("season"),
    }
    value["released"] = recorded["released"] if same_version else _released(view, version)
    if not recorded or same_version:
        return Target(value, sentence="" if recorded else f"Watches version {version}.")
    return Target(
        value,
        Action.UPDATE,
        Reason.NEW_VERSION,
        f"Watches version {version} from now on, with a reference and an alert history of its own.",
    )


def _ended(recorded: dict[str, Any]) -> Target:
    """The monitor of a spec that does not ask for one any more."""
    if recorded.get("state") != "watching":
        return Target(recorded)
    sentence = "Stops watching: the spec has no monitoring section any more; what was seen stays."
    return Target(recorded | {"state": "stopped"}, Action.UPDATE, Reason.UNDECLARED, sentence)


def realise(resource: Resource, target: Target | None, context: StageContext) -> Output:
    """Record the settings; make the reference when the version or the part of the data is another one."""
    assert target is not None
    value = target.value
    kept = _kept(context)
    if value["state"] != "watching":
        return Output(digest(value), value, kept)
    from tenure.ml.reference import FORMAT, decode

    wanted = value["reference"]
    name = f"reference-{value['version']}-{wanted['dataset']}-{wanted['season'] or 'all'}-{FORMAT}"
    made = kept.get(name) or _make_reference(value["version"], wanted, context)
    reference = decode(context.artifacts.get(made))
    for signal_name, signal in parse_signals(value).items():
        signal.check(signal_name, reference)
    history = [item for item in kept if item not in (REFERENCE, name)][-REMEMBERED + 1 :]
    artifacts = {item: kept[item] for item in history} | {name: made, REFERENCE: made}
    return Output(digest([value, made]), value, artifacts)


def observe(resource: Resource, context: StageContext) -> Observed:
    """Judge what the watched version predicted, by the recorded settings: an edit counts once it is applied."""
    value = context.view.value(MONITOR)
    if not value or value["state"] != "watching":
        return Observed()
    from tenure.stages.monitoring.watching import look

    policies = tuple(Policy.model_validate(item) for item in value["policies"])
    reference = context.records[MONITOR].artifacts[REFERENCE]
    return look(context, value, reference, parse_signals(value), policies, rule_of(value))


def served(view: View) -> int | None:
    """The version that is watched: the one in charge, not one that is still being tried on a share of the traffic."""
    endpoint = view.value(ENDPOINT) or {}
    tried = (endpoint.get("rollout") or {}).get("to")
    routes = endpoint.get("routes") or ()
    settled = [route for route in routes if route["version"] != tried] or list(routes)
    return int(max(settled, key=lambda route: route["share"])["version"]) if settled else None


def default_policies(signals: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What follows when the spec says nothing: only a loss of performance is a reason for a new model."""
    blocks = [
        Policy(when=f"{name}.critical", do="retrain" if block["type"] == "model_performance" else "notify")
        for name, block in signals.items()
    ]
    return [block.model_dump(mode="json", exclude_none=True) for block in blocks]


def parse_signals(value: Mapping[str, Any]) -> dict[str, Any]:
    """The signals of a recorded monitor, by name."""
    return {name: _SIGNAL.validate_python(block) for name, block in value["signals"].items()}


def rule_of(value: Mapping[str, Any]) -> Rule:
    """The alerting rule of a recorded monitor."""
    match = _FIRE.fullmatch(value["alerting"]["fire"])
    assert match is not None
    return Rule(int(match[1]), int(match[2]), value["alerting"]["clear_ratio"])


def alerts_of(value: Mapping[str, Any], observations: Iterable[Observation]) -> tuple[Alert, ...]:
    """The alerts of a recorded monitor; only what was seen of its own version counts."""
    own = [item for item in observations if item.subject == str(value["version"])]
    return alerts(value["signals"], own, rule_of(value))


def _kept(context: StageContext) -> dict[str, str]:
    """The references made before, by name; one that was lost or damaged is made again when it is wanted."""
    found = {}
    for name, made in context.previous.artifacts.items() if context.previous else ():
        with suppress(ArtifactMissing, ArtifactDamaged):
            context.artifacts.verify(made)
            found[name] = made
    return found


def _make_reference(number: int, wanted: Mapping[str, Any], context: StageContext) -> str:
    """Profile the recorded snapshot and what the version predicts for it; the digest of the blob."""
    import pyarrow.parquet as pq

    from tenure.ml.predictor import load_recorded
    from tenure.ml.reference import build, encode

    record, snapshot = context.view.versions.get(number), context.records.get(SNAPSHOT)
    if record is None or snapshot is None:
        raise StageError(
            "nothing to compare with",
            f"Version {number} or its snapshot is not recorded.",
            f"tenure history {context.model}",
        )
    # The rows the version was made from, whatever was read since.
    rows = record.artifacts.get("snapshot", snapshot.artifacts["snapshot"])
    lineage = record.value.get("lineage", {}).get("data", {})
    made = build(
        load_recorded(record.artifacts, context.artifacts),
        pq.read_table(context.artifacts.local(rows), partitioning=None),
        version=number,
        snapshot=lineage.get("digest", snapshot.digest),
        dataset=wanted["dataset"],
        timestamp=snapshot.value.get("timestamp"),
        seasonal=wanted["season"] is not None,
    )
    return context.artifacts.put(encode(made))


def _released(view: View, version: int) -> dict[str, float]:
    """The metrics a version was evaluated with when it was released."""
    record = view.versions.get(version)
    found = record.value.get("metrics", {}) if record else {}
    values = {name: item.get("value") if isinstance(item, Mapping) else item for name, item in found.items()}
    return {name: float(item) for name, item in values.items() if item is not None}
