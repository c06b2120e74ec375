"""Registering a version: its number, its lineage, and the card that is written from both."""

from __future__ import annotations

import functools
import importlib.metadata
import platform
from pathlib import Path
from typing import Any

import msgspec

from tenure.core.digest import digest, digest_file
from tenure.core.units import format_instant
from tenure.core.version import VERSION
from tenure.graph.resource import Resource
from tenure.ml.predictor_files import FILES
from tenure.stages.base import Output, StageContext
from tenure.stages.governance import card

PACKAGES = (
    "numpy",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "scipy",
    "skops",
    "xgboost",
    "xgboost-cpu",
    "lightgbm",
    "catboost",
    "duckdb",
    "optuna",
)
"""What decides how a model is trained and loaded; recorded with each version."""


def register(item: Resource, context: StageContext) -> Output:
    """Register the model that was just trained or evaluated.

    The latest model keeps its number: a new report or a new text updates its card. An older one that comes back, since
    an edit was taken back, is a new version: the newest version is the one the spec asks for. A candidate that failed
    a gate is registered too, with `passed: false`, so that it can be inspected.
    """
    model = context.records["training/model"]
    report = context.records.get("evaluation/report")
    latest = max(context.view.versions, default=0)
    same = latest > 0 and context.view.versions[latest].value["model_digest"] == model.digest
    number = latest if same else latest + 1
    passed = bool(report.value["passed"]) if report else True
    earlier = context.view.versions.get(number)
    value: dict[str, Any] = {
        "number": number,
        "status": "passed" if passed else "failed",
        "passed": passed,
        "failed": [
            gate["text"]
            for gate in report.value["gates"]
            if not gate["passed"] and gate.get("enforced", True)
        ]
        if report
        else [],
        "waived": list(report.value.get("waived", ())) if report else [],
        "model_digest": model.digest,
        "algorithm": model.value["algorithm"],
        "metrics": report.value["metrics"] if report else {},
        "trained_at": format_instant(model.at),
        "registered_at": earlier.value["registered_at"] if earlier else format_instant(context.now),
        "lineage": lineage(context),
    }
    if model.value.get("adopted"):
        value["adopted"] = model.value["adopted"]
    text = card.markdown(context.model, item.config, value, context.records)
    artifacts = {
        # What it was learned from beside the rows stays with the model.
        **{name: model.artifacts[name] for name in FILES if name in model.artifacts},
        "snapshot": context.records["data/snapshot"].artifacts["snapshot"],
        "card": context.artifacts.put(text.encode()),
        "lineage": context.artifacts.put(msgspec.json.format(msgspec.json.encode(value["lineage"]))),
    }
    if report:
        artifacts["report"] = report.artifacts["report"]
    return Output(
        digest=digest(["version", model.digest]),
        value=value,
        artifacts=artifacts,
        ordinal=number,
        sentence=f"version {number}"
        if passed
        else f"version {number}, a candidate that did not pass its gates",
    )


def lineage(context: StageContext) -> dict[str, Any]:
    """What the version was made from, by digest: data, recipe, search, model, environment; and why it was made."""
    snapshot = context.records["data/snapshot"]
    causes = {fact.id: fact for fact in context.view.facts}
    environment = packages()
    return {
        "data": {
            "digest": snapshot.digest,
            "rows": snapshot.value.get("rows"),
            "read_at": format_instant(snapshot.at),
            "sources": snapshot.value.get("sources", {}),
        },
        "made_from": {
            local: record.digest
            for local, record in sorted(context.records.items())
            if record.sort == "artifact"
        },
        "causes": [
            {"id": name, "kind": causes[name].kind, "sentence": causes[name].sentence}
            for name in snapshot.causes
            if name in causes
        ],
        "code": {"tenure": VERSION, "digest": code_digest()},
        "environment": environment,
        "environment_digest": digest(environment),
        "seed": context.records["training/search"].config.get("training", {}).get("seed"),
        "promoted_from": context.records["training/model"].origin,
    }


@functools.cache
def code_digest() -> str:
    """Digest over the source files of this Tenure: what made the version, also where nobody raised a version number."""
    root = Path(__file__).parents[2]
    return digest(
        {file.relative_to(root).as_posix(): digest_file(file) for file in sorted(root.rglob("*.py"))}
    )


def packages() -> dict[str, str]:
    """Versions of Python, Tenure and the libraries that decide the result."""
    found = {"python": platform.python_version()}
    for name in ("tenure", *PACKAGES):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
