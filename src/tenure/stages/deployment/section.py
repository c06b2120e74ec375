"""The `deployment` section: target, rollout, prediction log and limits; declares `deployment/endpoint`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from tenure.core.digest import digest
from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.graph.declare import resource
from tenure.graph.resource import Resource, Sort
from tenure.plan.action import Action, Reason
from tenure.plan.view import Blocker, Target
from tenure.spec.base import DurationText, Share, SizeText, SpecModel, field
from tenure.stages.base import Output, no_conditions, no_inputs, nothing_observed
from tenure.stages.deployment.batch import BatchTarget
from tenure.stages.deployment.http import HttpTarget, read_back
from tenure.stages.deployment.rollout import APPROVAL, ENDPOINT, RETIREMENT, VERSION
from tenure.stages.deployment.rollout import target as rollout_target
from tenure.stages.deployment.versions import verify_versions

if TYPE_CHECKING:
    from tenure.plan.view import Condition, Inputs, View
    from tenure.stages.base import Identity, Observed, StageContext
    from tenure.state.record import Record

NAME = "deployment"
_READ_BACK_SECONDS = 15.0

AnyTarget = Annotated[HttpTarget | BatchTarget, Field(discriminator="type")]
"""Every kind of target. A new kind is one file and one name in this line."""


class Rollout(SpecModel):
    """How a new version takes over from the one that serves."""

    strategy: Literal["all_at_once", "canary"] = field(
        Effect.RELEASE,
        "`all_at_once` swaps the versions without dropping a request; `canary` gives the new one a growing share, "
        "one step per apply.",
        "all_at_once",
    )
    steps: tuple[Annotated[int, Field(ge=1, le=100)], ...] = field(
        Effect.RELEASE,
        "Shares of the traffic in per cent that a canary gets, growing, ending with 100.",
        (10, 50, 100),
        min_length=1,
        examples=[[5, 25, 100]],
    )
    bake_time: DurationText = field(
        Effect.RELEASE,
        "How long each step of a canary lasts at least before the next one may be taken.",
        "0s",
    )

    @model_validator(mode="after")
    def _grows_to_all(self) -> Rollout:
        if any(later <= earlier for earlier, later in zip(self.steps, self.steps[1:], strict=False)):
            raise ValueError("steps must grow from one to the next, such as [10, 50, 100]")
        if self.steps[-1] != 100:
            raise ValueError("the last step must be 100, or the new version would never take over")
        return self


class InferenceLog(SpecModel):
    """What is kept of each prediction, for monitoring and audit."""

    enabled: bool = field(Effect.RELEASE, "Keep a log of predictions; monitoring reads it.", True)
    sample: Share = field(Effect.RELEASE, "Share of the requests that is logged.", 1.0)
    redact: tuple[str, ...] = field(
        Effect.RELEASE,
        "Input columns that are left out of the log. Their drift cannot be monitored then.",
        (),
        examples=[["email"]],
    )
    id_column: str | None = field(
        Effect.RELEASE,
        "Column of the request that identifies a prediction and joins labels to it; an id is made up without one.",
        None,
        examples=["order_id"],
    )


class Limits(SpecModel):
    """What the server accepts before it refuses, so that one caller cannot take it down."""

    max_rows_per_request: int = field(
        Effect.RELEASE, "Rows one request may hold; more are refused with 413.", 1000, ge=1
    )
    max_body: SizeText = field(
        Effect.RELEASE, "Size of one request body; larger ones are refused with 413.", "10MB"
    )
    max_in_flight: int = field(
        Effect.RELEASE,
        "Requests that may be in work for this model at once; more are refused with 503.",
        256,
        ge=1,
    )


class Deployment(SpecModel):
    """Where the model serves, how a new version takes over, what is logged and what is refused."""

    target: AnyTarget = field(
        Effect.REDEPLOY,
        "What the model is released to.",
        lambda: HttpTarget(type="http"),
        examples=[{"type": "http"}],
    )
    rollout: Rollout = field(Effect.RELEASE, "How a new version takes over.", Rollout)
    inference_log: InferenceLog = field(Effect.RELEASE, "What is kept of each prediction.", InferenceLog)
    limits: Limits = field(Effect.RELEASE, "What a request may not exceed.", Limits)

    @model_validator(mode="after")
    def _canary_needs_requests(self) -> Deployment:
        if self.rollout.strategy == "canary" and self.target.type != "http":
            raise ValueError(
                f"rollout.strategy canary splits requests, and a {self.target.type} target has none; use all_at_once"
            )
        return self


Section = Deployment


def describe(resource: Resource) -> str:
    """What setting this up does."""
    return "release the version"


def declare(identity: Identity, section: Deployment | None) -> Iterable[Resource]:
    """The endpoint, when the spec deploys the model at all."""
    if section is None:
        return
    yield resource(
        identity.model,
        ENDPOINT,
        Sort.BINDING,
        {"deployment": section},
        needs=(VERSION, APPROVAL, RETIREMENT),
        triggers=("serve", "rollback"),
    )


def target(resource: Resource, view: View) -> Target:
    """The routing table the endpoint should have: see `rollout.target`. One that the spec does not ask for any more
    ends with the model, not before."""
    standing = view.value(RETIREMENT)
    if resource.undeclared and (standing is None or standing["state"] != "retired"):
        return _kept(view.model, view.value(ENDPOINT) or {})
    return rollout_target(resource, view)


def _kept(model: str, recorded: dict[str, Any]) -> Target:
    """An endpoint whose section is gone: what nobody calls may stay as it is, what serves waits for a decision."""
    versions = ", ".join(str(route["version"]) for route in recorded.get("routes", ()))
    blockers = (
        Blocker(
            "live",
            f"the spec has no deployment section any more, and {model} still serves version {versions}",
            "Bring the section back, or end the model with `state: retired`.",
        ),
    )
    sentence = "goes on as it is"
    return Target(recorded, Action.RETIRE, Reason.UNDECLARED, sentence, blockers=blockers if versions else ())


def realise(resource: Resource, target: Target | None, context: StageContext) -> Output:
    """Check that every routed version loads and predicts; the record itself is what servers follow."""
    if target is None:
        raise StageError("endpoint without a target", f"{resource.address} is a binding and needs a target.")
    verify_versions(context, [route["version"] for route in target.value["routes"]])
    return Output(digest(target.value), target.value)


def verify(record: Record, context: StageContext) -> str:
    """Wait until the server answers with this endpoint. Raises StageError when it keeps serving something else."""
    if record.value["target"] != "http":
        return ""
    if context.server_url is None:
        return "No server has been seen: none is configured for this environment."
    seen = read_back(context.server_url, context.model, record.digest, timeout=_READ_BACK_SECONDS)
    if not seen.ok:
        raise StageError(
            "server does not follow the endpoint",
            seen.text,
            "Start it with tenure serve, or correct the server's URL in the configuration.",
        )
    return seen.text


def observe_inputs(resource: Resource, project: Path, previous: Record | None) -> Inputs:
    """An endpoint depends on nothing outside the state."""
    return no_inputs(resource, project, previous)


def conditions(resource: Resource) -> tuple[Condition, ...]:
    """An endpoint demands nothing by itself: gates and approvals do."""
    return no_conditions(resource)


def observe(resource: Resource, context: StageContext) -> Observed:
    """Nothing: monitoring looks at what the endpoint logged."""
    return nothing_observed(resource, context)
