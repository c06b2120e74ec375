"""Plans made by hand, for the views to show."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tenure.core.effect import Effect
from tenure.graph.resource import Sort
from tenure.plan.action import Action, Reason
from tenure.plan.change import Cause, Change, FieldChange, ModelPlan, Plan
from tenure.plan.view import Blocker, Condition

DIGEST = "sha256:" + "ab12cd34" * 8
AT = datetime(2013, 1, 31, 6, tzinfo=UTC)
HOSTILE = "[bold]x[/bold]\x1b[31m\x1b]0;title\x07\u202etxt`</details>@team|"


def change(address: str, action: Action, **given: Any) -> Change:
    values: dict[str, Any] = {
        "sort": Sort.BINDING if address.split("/")[1] in ("deployment", "monitoring") else Sort.ARTIFACT,
        "reason": Reason.UNCHANGED if action is Action.NONE else Reason.CONFIG_CHANGED,
        "sentence": "Nothing changed." if action is Action.NONE else "Something changed.",
        "before": DIGEST,
        "after": DIGEST,
    }
    return Change(address=address, action=action, **(values | given))


def model(name: str, *changes: Change, **given: Any) -> ModelPlan:
    values: dict[str, Any] = {
        "file": f"specs/{name}.yaml",
        "lineage": "lineage",
        "serial": 7,
        "spec_digest": DIGEST,
        "inputs_digest": DIGEST,
        "lifecycle": "active",
    }
    return ModelPlan(model=name, changes=changes, **(values | given))


def plan(*models: ModelPlan, **given: Any) -> Plan:
    values: dict[str, Any] = {"tool_version": "0.1.0", "environment": "dev", "at": AT}
    return Plan(models=models, **(values | given))


def unchanged(name: str = "churn") -> ModelPlan:
    return model(name, change(f"{name}/data/snapshot", Action.NONE))


def retraining() -> ModelPlan:
    """A retraining after a confirmed breach, with an edited search space, behind a gate and an approval."""
    return model(
        "weather",
        change("weather/data/snapshot", Action.NONE),
        change(
            "weather/training/search",
            Action.REPLACE,
            sentence="training.algorithms.xgboost.search_space.max_depth.high changed.",
            effect=Effect.RETRAIN,
            known=False,
            after=None,
            seconds=74.0,
            fields=(
                FieldChange("training.algorithms.xgboost.search_space.max_depth.high", 8, 10, Effect.RETRAIN),
                FieldChange("training.seed", None, 7, Effect.RETRAIN),
            ),
        ),
        change(
            "weather/training/model",
            Action.REPLACE,
            sentence="training/search is made anew.",
            known=False,
            after=None,
            causes=(
                Cause(
                    "f1",
                    "monitoring",
                    "retrain",
                    "propose",
                    "performance was critical in 2 of 3 windows.",
                    {"value": 0.52134, "min": 0.6, "window": "2013-01"},
                ),
            ),
        ),
        change(
            "weather/deployment/endpoint",
            Action.PROMOTE,
            reason=Reason.NEW_VERSION,
            sentence="The new version takes over.",
            known=False,
            after=None,
            conditions=(
                Condition("gate", "promote if accuracy >= 0.65"),
                Condition("approval", "approved by model_owner"),
            ),
            notes=("No server has been seen.",),
        ),
        change(
            "weather/monitoring/monitor",
            Action.UPDATE,
            sentence="monitoring.signals.drift.critical changed.",
            effect=Effect.OPERATE,
            fields=(FieldChange("monitoring.signals.drift.critical", 0.2, 0.3, Effect.OPERATE),),
            before={"signals": {"drift": {"critical": 0.2}}, "version": 2},
            after={"signals": {"drift": {"critical": 0.3}}, "version": 3},
        ),
        notes=("366 new rows since the snapshot.",),
    )


def waiting() -> ModelPlan:
    """A release that waits for a person."""
    return model(
        "fraud",
        change("fraud/data/snapshot", Action.NONE),
        change(
            "fraud/deployment/endpoint",
            Action.BLOCKED,
            reason=Reason.ROLLOUT,
            sentence="Version 4 waits.",
            intended=Action.PROMOTE,
            blockers=(
                Blocker(
                    "approval",
                    "approval by risk is missing",
                    'tenure approve fraud@4 --role risk --reason "..."',
                ),
            ),
        ),
    )


def hostile() -> ModelPlan:
    """What a spec of ill will could put everywhere."""
    return model(
        "evil",
        change(
            "evil/training/model",
            Action.REPLACE,
            sentence=HOSTILE,
            effect=Effect.RETRAIN,
            fields=(FieldChange(HOSTILE, HOSTILE, {"a": HOSTILE}, Effect.RETRAIN),),
            conditions=(Condition("gate", HOSTILE),),
            blockers=(Blocker("gate", HOSTILE, HOSTILE),),
            causes=(Cause("c", "k", "retrain", "propose", HOSTILE, {HOSTILE: HOSTILE}),),
            notes=(HOSTILE,),
        ),
        file=HOSTILE,
        notes=(HOSTILE,),
    )
