"""The whole document: one model's life from data to retirement, and its stages in order."""

from __future__ import annotations

import enum
from typing import Annotated, Any, Literal

from pydantic import StringConstraints

from tenure.core.effect import Effect
from tenure.spec.base import SpecModel, field
from tenure.stages.base import Stage
from tenure.stages.business import Business
from tenure.stages.data import section as data
from tenure.stages.data.section import Data
from tenure.stages.deployment import section as deployment
from tenure.stages.deployment.section import Deployment
from tenure.stages.evaluation import section as evaluation
from tenure.stages.evaluation.section import Evaluation
from tenure.stages.features import section as features
from tenure.stages.features.section import Features
from tenure.stages.governance import section as governance
from tenure.stages.governance.section import Governance
from tenure.stages.lifecycle import section as lifecycle
from tenure.stages.lifecycle.section import Lifecycle
from tenure.stages.monitoring import section as monitoring
from tenure.stages.monitoring.section import Monitoring
from tenure.stages.retirement import section as retirement
from tenure.stages.retirement.section import Retirement
from tenure.stages.training import section as training
from tenure.stages.training.section import Training

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]


class LifecycleState(enum.StrEnum):
    """Where the model should be in its life."""

    ACTIVE = "active"
    DEPRECATED = "deprecated"
    RETIRED = "retired"


class Metadata(SpecModel):
    """What the model is called and whose it is."""

    name: Name = field(
        Effect.REDEPLOY,
        "The model's name: lower-case letters, digits and hyphens. It is part of every address and URL, and is never "
        "reused. To rename a model, say where it comes from with `lifecycle.moved_from`.",
        examples=["weather"],
    )
    owner: str | None = field(Effect.METADATA, "The team or person who answers for the model.", None)
    description: str | None = field(Effect.METADATA, "What the model does, in a sentence or two.", None)
    labels: dict[str, str] = field(
        Effect.METADATA, "Short key-value pairs to select models by: `tenure plan tag:KEY`.", dict
    )
    annotations: dict[str, str] = field(
        Effect.METADATA, "Free key-value pairs for other tools; Tenure only keeps them.", dict
    )


class Model(SpecModel):
    """One model's whole life: where its data comes from, how it is trained, judged, released, watched and ended."""

    apiVersion: Literal["tenure/v1"] = field(Effect.METADATA, "The version of this format.")
    kind: Literal["Model"] = field(Effect.METADATA, "The kind of document.")
    metadata: Metadata = field(Effect.METADATA, "What the model is called and whose it is.")
    state: LifecycleState = field(
        Effect.RETIRE,
        "Where the model should be in its life. Going back from retired is not possible.",
        LifecycleState.ACTIVE,
    )
    business: Business | None = field(
        Effect.EVALUATE, "Who wants the model, and what its predictions are worth.", None
    )
    data: Data = field(Effect.RETRAIN, "Where the data comes from and what is done to it.")
    features: Features | None = field(
        Effect.RETRAIN, "How columns become model inputs. Everything has a default.", None
    )
    training: Training = field(Effect.RETRAIN, "Which algorithms are searched, and for how long.")
    evaluation: Evaluation | None = field(
        Effect.EVALUATE, "How a trained model is judged, and which gates it has to pass to be released.", None
    )
    governance: Governance | None = field(
        Effect.REAPPROVE,
        "Who answers for the model, what it is for, and who has to agree to a release.",
        None,
    )
    retirement: Retirement | None = field(
        Effect.RETIRE, "When and how the model ends, and who has to know.", None
    )
    deployment: Deployment | None = field(
        Effect.RELEASE,
        "How a released version is served. Without it the model is trained and registered only.",
        None,
    )
    monitoring: Monitoring | None = field(
        Effect.OPERATE, "What is watched while the model serves, and what follows from it.", None
    )
    lifecycle: Lifecycle | None = field(
        Effect.REAPPROVE, "What protects the model from being ended, and the name it had before.", None
    )


STAGES: tuple[Stage, ...] = (
    data,
    features,
    training,
    evaluation,
    governance,
    retirement,
    deployment,
    monitoring,
    lifecycle,
)
"""Every stage, in the order in which a model passes them."""


def section_of(model: Model, stage: Stage) -> Any:
    """The block of a stage in a document, None when it is left out."""
    return getattr(model, stage.NAME)
