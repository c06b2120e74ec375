"""Stand-ins for the stages that take seconds: the engine, the state and the artifacts behind them are the real ones.

A stand-in takes milliseconds and gives what its stage promises (`tenure.stages.base`): the same output for the same
input, sometimes the same output for another input. Everything else (targets, approvals, registration, retirement, the
comparison of sources) is the stage's own code.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tenure.core.digest import digest
from tenure.core.errors import ArtifactError, StageBlocked, StageError, StateError
from tenure.ml.predictor_files import PREDICTOR, PREPROCESSOR, SKOPS_ESTIMATOR
from tenure.stages.base import Observed, Output
from tenure.stages.data.section import Data
from tenure.state.store import Trial

FILES = (PREDICTOR, PREPROCESSOR, SKOPS_ESTIMATOR)
ERRORS: dict[str, Callable[[], BaseException]] = {
    "stage error": lambda: StageError("it broke", "the solver gave up", "try another"),
    "refused": lambda: StageBlocked("a check failed", "too few rows", "bring more"),
    "full disk": lambda: OSError(errno.ENOSPC, "No space left on device"),
    "state error": lambda: StateError("The state cannot be written", "disk full"),
    "artifact error": lambda: ArtifactError("An artifact is missing", "gone"),
    "ctrl-c": KeyboardInterrupt,
    "defect": lambda: ZeroDivisionError("division by zero"),
    "no memory": MemoryError,
}


@dataclass
class Script:
    """What happens inside the verbs of the next apply, and what the next look at the running models will find."""

    failing: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Local address -> (when, a key of `ERRORS`); `when` is `before` or `after` the verb."""
    meanwhile: dict[str, Callable[[], None]] = field(default_factory=dict)
    """Local address -> what somebody else does while that verb runs."""
    seen: dict[str, Observed] = field(default_factory=dict)
    """Model -> what a look at its monitor finds."""
    real: bool = False
    """Whether the verbs are the real ones."""
    without_intent: list[str] = field(default_factory=list)
    """Addresses whose verb ran although the journal had no open entry for it."""


class Staged:
    """A stage behind which a script happens."""

    def __init__(self, stage: Any, script: Script) -> None:
        self._stage, self._script = stage, script

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stage, name)

    def realise(self, resource: Any, target: Any, context: Any) -> Output:
        script = self._script
        open_now = {entry.address for entry in context.trials.journal(context.model) if entry.outcome is None}
        if resource.address not in open_now:
            script.without_intent.append(resource.address)
        when, name = script.failing.get(resource.local, ("", ""))
        if when == "before":
            raise ERRORS[name]()
        if (act := script.meanwhile.pop(resource.local, None)) is not None:
            act()
        quick = None if script.real else QUICK.get(resource.local)
        output: Output = (
            quick(resource, context, target) if quick else self._stage.realise(resource, target, context)
        )
        if when == "after":
            raise ERRORS[name]()
        return output

    def observe(self, resource: Any, context: Any) -> Observed:
        if resource.local != "monitoring/monitor" or self._script.real:
            found: Observed = self._stage.observe(resource, context)
            return found
        return self._script.seen.get(context.model, Observed())


def _put(context: Any, value: Any) -> str:
    found: str = context.artifacts.put(msgspec.json.encode(value))
    return found


def _number(name: str, below: int) -> int:
    return int(name[-8:], 16) % below


def _snapshot(resource: Any, context: Any, _: Any) -> Output:
    data = Data.model_validate(resource.config["data"])
    sources = {name: source.fingerprint(context.project, None) for name, source in data.sources.items()}
    for name, seen in sources.items():
        if seen.get("missing"):
            raise StageError("a source file is missing", str(seen["reason"]), path=("data", "sources", name))
        if seen.get("digest") is None:
            seen |= {"digest": digest(resource.config["data"]["sources"][name]), "rows": 7}
    kept = {
        key: value
        for key, value in resource.config["data"].items()
        if key not in ("checks", "refresh", "sources")
    }
    content = digest([kept, sorted(seen["digest"] for seen in sources.values())])
    value = {
        "rows": 10 + _number(content, 90), "columns": [], "target": data.target_column, "task": "classification",
        "classes": ["lily", "rose"], "timestamp": data.timestamp_column, "sources": sources, "notes": [],
        "split": {"train": 8, "test": 2}, "time_range": None,
    }  # fmt: skip
    artifacts = {"snapshot": _put(context, ["rows", content]), "profile": _put(context, ["profile", content])}
    return Output(content, value, artifacts)


def _recipe(resource: Any, context: Any, _: Any) -> Output:
    content = digest([resource.config, context.records["data/snapshot"].value["target"]])
    value = {
        "task": "classification",
        "target": "kind",
        "classes": ["lily", "rose"],
        "signature": {},
        "notes": [],
    }
    return Output(content, value, {"recipe": _put(context, ["recipe", content])})


def _search(resource: Any, context: Any, _: Any) -> Output:
    training = resource.config["training"]
    wanted = min(3, int(training["limits"]["max_trials"]))
    done = {trial.number for trial in context.trials.trials(context.fingerprint)}
    name = sorted(training["algorithms"])[0]
    for number in range(wanted):
        if number not in done:
            trial = Trial(number, name, {"c": number}, (0.5, 0.6), 0.55, "done", 0.001)
            context.trials.add_trial(context.fingerprint, trial)
    found = digest(
        [resource.config, context.records["features/recipe"].digest, context.records["data/snapshot"].digest]
    )
    # Few winners: another search often has the one before.
    winner = {"algorithm": name, "params": {"c": _number(found, 3)}}
    value = {**winner, "score": 0.5, "metric": "accuracy", "trials": wanted}
    return Output(digest(winner), value, {"trials": _put(context, ["trials", wanted, winner])})


def _model(resource: Any, context: Any, _: Any) -> Output:
    search = context.records["training/search"].value
    made_from = [
        search["algorithm"], search["params"], resource.config, context.records["data/snapshot"].digest,
        context.records["features/recipe"].digest,
    ]  # fmt: skip
    artifacts = {name: _put(context, [name, made_from]) for name in FILES}
    value = {key: search[key] for key in ("algorithm", "params", "metric", "score", "trials")}
    return Output(digest(artifacts), {**value, "size": 3, "seconds": 0.0}, artifacts)


def _report(resource: Any, context: Any, _: Any) -> Output:
    block, model = resource.config["evaluation"], context.records["training/model"].digest
    accuracy = 0.5 + _number(model, 50) / 100
    gates = []
    for gate in block["gates"]:
        low, high = gate.get("min"), gate.get("max")
        if gate.get("type", "metric") == "metric" and gate.get("metric") == "accuracy":
            passed = (low is None or accuracy >= low) and (high is None or accuracy <= high)
        else:
            passed = _number(digest([gate, model]), 4) > 0
        gates.append(
            {"text": f"gate {gate}", "passed": passed, "enforced": gate.get("enforcement") != "warn"}
        )
    value = {
        "passed": all(gate["passed"] or not gate["enforced"] for gate in gates), "gates": gates,
        "metrics": {"accuracy": {"value": accuracy, "low": accuracy - 0.1, "high": accuracy + 0.1}},
        "baseline": {"metrics": {"accuracy": {"value": 0.5}}}, "champion": None,
    }  # fmt: skip
    made = _put(context, ["report", block, value])
    return Output(digest([made]), value, {"report": made}, refused=not value["passed"])


def _endpoint(resource: Any, context: Any, target: Any) -> Output:
    for route in target.value["routes"]:
        record = context.view.versions[route["version"]]
        for name in FILES:
            context.artifacts.local(record.artifacts[name])
    return Output(digest(target.value), target.value)


def _monitor(resource: Any, context: Any, target: Any) -> Output:
    value = target.value
    kept = dict(context.previous.artifacts) if context.previous else {}
    if value["state"] != "watching":
        return Output(digest(value), value, kept)
    version = context.view.versions[value["version"]]
    made = _put(context, ["reference", value["reference"], version.value["model_digest"]])
    return Output(digest([value, made]), value, {**kept, "reference": made})


QUICK: dict[str, Callable[[Any, Any, Any], Output]] = {
    "data/snapshot": _snapshot,
    "features/recipe": _recipe,
    "training/search": _search,
    "training/model": _model,
    "evaluation/report": _report,
    "deployment/endpoint": _endpoint,
    "monitoring/monitor": _monitor,
}
"""What stands in for which noun."""
