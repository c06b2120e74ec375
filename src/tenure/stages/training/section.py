"""The section `training`: which algorithms are searched, for how long, judged how; declares search and model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import model_validator

from tenure.core.effect import Effect
from tenure.graph.declare import Part, resource
from tenure.graph.resource import Adoption, Resource, Sort
from tenure.ml.metric_names import MINIMIZED, MetricName
from tenure.plan.view import Inputs
from tenure.spec.base import DurationText, FieldProblem, SpecModel, config_of, field
from tenure.stages.base import (
    Identity,
    Output,
    StageContext,
    no_conditions,
    no_target,
    nothing_observed,
    nothing_to_verify,
)
from tenure.stages.training.adoption import Adopt
from tenure.stages.training.algorithms import Algorithms
from tenure.stages.training.answers import Wanted
from tenure.stages.training.distributed import Distributed
from tenure.stages.training.ensembling import GreedyEnsemble
from tenure.stages.training.finishing import Calibrate, DecisionThreshold, PredictionIntervals
from tenure.stages.training.nested import Nested
from tenure.stages.training.tradeoff import Secondary
from tenure.stages.training.weighting import ClassWeights, Sampling

if TYPE_CHECKING:
    from pathlib import Path

    from tenure.plan.view import Target
    from tenure.state.record import Record

NAME = "training"
SNAPSHOT, RECIPE, SEARCH, MODEL = "data/snapshot", "features/recipe", "training/search", "training/model"
VERSION = 2
UNKNOWN = "Whether an adopted model was fitted on rows of the test part cannot be known; its metrics may flatter it."
SAID = (
    "That it was fitted on data until {} is taken on trust. Whether earlier rows flatter it cannot be known."
)

_FOLLOWS = Adoption(
    "the adopted model as it is; its metrics are known after apply", until=MODEL, follows=SEARCH
)


class Objective(SpecModel):
    """What the search makes as good as it can."""

    primary_metric: MetricName | None = field(
        Effect.RETRAIN,
        "The metric that decides between trials; when left out roc_auc for two classes, accuracy for more, rmse for "
        "numbers.",
        None,
    )
    goal: Literal["maximize", "minimize"] | None = field(
        Effect.RETRAIN, "Follows from the metric; may be written down for readers.", None
    )
    secondary: Secondary | None = field(
        Effect.RETRAIN,
        "Prefer a smaller or a quicker model to one that is hardly better.",
        None,
        examples=[{"metric": "size"}, {"metric": "latency", "max": "5ms"}],
    )

    @model_validator(mode="after")
    def _goal_fits(self) -> Self:
        if self.goal and self.primary_metric:
            expected = "minimize" if self.primary_metric in MINIMIZED else "maximize"
            if self.goal != expected:
                raise FieldProblem(
                    f"{self.primary_metric} is a metric to {expected}", at=("goal",), hint="remove goal"
                )
        return self


class Limits(SpecModel):
    """When the search ends: at whatever limit comes first."""

    max_trials: int = field(Effect.RETRAIN, "Most trials, over all algorithms.", 30, ge=1, le=100_000)
    timeout: DurationText | None = field(
        Effect.RETRAIN,
        "The search ends after so much time, running trials with it; one always has a score. Time limits make the "
        "result depend on the machine.",
        None,
        examples=["2m"],
    )
    trial_timeout: DurationText | None = field(
        Effect.RETRAIN,
        "A trial that takes longer is stopped, wherever it is. Makes the result depend on the machine.",
        None,
        examples=["30s"],
    )
    max_concurrent_trials: int = field(
        Effect.RETRAIN,
        "Most trials at the same time. A trial is chosen without knowing the so many before it, on one core as on "
        "many, so that the result does not depend on the machine: more is faster where there are cores, and searches "
        "a little less cleverly.",
        4,
        ge=1,
        le=256,
    )


class CrossValidation(SpecModel):
    """How a trial is scored on rows it has not learned from."""

    type: Literal["stratified", "kfold", "time_series", "group", "holdout"] | None = field(
        Effect.RETRAIN,
        "`stratified` keeps the shares of the classes, `time_series` learns from the past and is scored on the future, "
        "`group` keeps rows of one `column` value together, `holdout` scores on a fifth of the rows, once. When left "
        "out: time_series after a datetime split, group after a group split, holdout above 50,000 rows, else "
        "stratified for classes and kfold for numbers.",
        None,
    )
    folds: int | None = field(
        Effect.RETRAIN,
        "Number of folds: how often each trial is fitted. When left out 5, or 3 above 5,000 rows, where each row "
        "counts once for every class if there are more than two.",
        None,
        ge=2,
        le=50,
        examples=[5],
    )
    repeats: int = field(
        Effect.RETRAIN,
        "How often the rows are cut into folds anew, for steadier scores on few rows. Not for time_series and holdout.",
        1,
        ge=1,
        le=20,
    )
    column: str | None = field(
        Effect.RETRAIN,
        "For `group`: the column whose values stay together, of a customer say. By default that of a group split.",
        None,
        examples=["customer_id"],
    )
    nested: Nested | None = field(
        Effect.RETRAIN,
        "Judge the whole search as well, on rows that none of its trials has seen.",
        None,
        examples=[{"folds": 3}],
    )
    gap: DurationText | None = field(
        Effect.RETRAIN,
        "For `time_series`: rows so shortly before those that are scored on are not learned from, as their outcome "
        "would not be known yet.",
        None,
        examples=["7d"],
    )

    @model_validator(mode="after")
    def _fits_the_type(self) -> Self:
        if self.column is not None and self.type not in (None, "group"):
            raise FieldProblem(f"{self.type} folds have no column", at=("column",), hint="type: group")
        if self.gap is not None and self.type not in (None, "time_series"):
            raise FieldProblem(f"{self.type} folds have no gap", at=("gap",), hint="type: time_series")
        if self.type == "holdout" and self.folds is not None:
            raise FieldProblem("a holdout is one fold", at=("folds",), hint="remove folds")
        if self.type in ("time_series", "holdout") and self.repeats > 1:
            raise FieldProblem(f"{self.type} has nothing to repeat", at=("repeats",), hint="remove repeats")
        return self


class EarlyTermination(SpecModel):
    """When a trial that does badly is given up."""

    type: Literal["fold", "median", "hyperband", "none"] = field(
        Effect.RETRAIN,
        "`fold` gives a trial up when, after two folds or more, its mean is worse than the worst fold of the best one, "
        "or when it is clearly behind the best one on the same folds. "
        "`median` when it is worse than half of the earlier ones after as many folds, or rounds of boosting. "
        "`hyperband` is `fold`, and lets a third of the trials of boosting on after 10, 30, 90, 270 and 810 rounds.",
        "fold",
    )


class Training(SpecModel):
    """Which algorithms are searched, for how long, and what makes one model better than another."""

    objective: Objective = field(Effect.RETRAIN, "What the search makes as good as it can.", Objective)
    algorithms: Algorithms = field(
        Effect.RETRAIN,
        "The algorithms to search among, each with its search space.",
        examples=[{"xgboost": {}, "logistic_regression": {}}],
    )
    sampling_algorithm: Literal["tpe", "random", "grid", "qmc"] = field(
        Effect.RETRAIN,
        "`tpe` learns from earlier trials where to look next, `random` does not, `qmc` spreads its points more evenly. "
        "All three begin with sets of parameters that are known to be good. `grid` tries all combinations, with five "
        "values of a range, in an order drawn by the seed.",
        "tpe",
    )
    limits: Limits = field(Effect.RETRAIN, "When the search ends.", Limits)
    cross_validation: CrossValidation | None = field(
        Effect.RETRAIN,
        "How a trial is scored. When left out: by the validation part where the split has one, else by folds whose "
        "kind and number follow from the data.",
        None,
        examples=[{"type": "stratified", "folds": 5}],
    )
    early_termination: EarlyTermination = field(
        Effect.RETRAIN, "When a trial that does badly is given up.", EarlyTermination
    )
    class_weights: ClassWeights | None = field(
        Effect.RETRAIN,
        "What a row of each class counts while learning: `balanced` gives every class the same total weight, a mapping "
        "has the weights that are not 1.",
        None,
        examples=["balanced", {"churned": 5}],
    )
    sampling: Sampling | None = field(
        Effect.RETRAIN,
        "Leave out rows of frequent classes, or repeat rows of rare ones; only rows that are learned from.",
        None,
        examples=[{"type": "undersample", "ratio": 0.5}],
    )
    calibration: Calibrate | None = field(
        Effect.ADJUST,
        "Make probabilities mean what they say, from out-of-fold predictions.",
        None,
        examples=[{"type": "isotonic"}],
    )
    decision_threshold: DecisionThreshold | None = field(
        Effect.ADJUST,
        "From which probability on a row of two classes is called positive.",
        None,
        examples=[{"type": "maximize", "metric": "f1"}, {"type": "maximize", "value": "business"}],
    )
    ensemble: GreedyEnsemble | None = field(
        Effect.ADJUST,
        "Let several of the best trials answer together instead of the best alone.",
        None,
        examples=[{"type": "greedy", "size": 5}],
    )
    intervals: PredictionIntervals | None = field(
        Effect.ADJUST,
        "Prediction intervals for a target that is a number.",
        None,
        examples=[{"type": "conformal", "confidence": 0.9}, {"type": "quantile", "confidence": 0.8}],
    )
    warm_start: bool = field(
        Effect.RETRAIN,
        "Whether a search begins with what won the last one, and the best of its other trials.",
        True,
    )
    seed: int = field(
        Effect.RETRAIN,
        "Start of all chance in folds, sampling and fitting: the same seed gives the same model.",
        7,
        ge=0,
        lt=2**31,
    )
    distributed: Distributed | None = field(
        Effect.RETRAIN,
        "For more rows than fit into the memory of one machine: search on a sample, and fit the winner to all rows in "
        "parts. Only for algorithms that can.",
        None,
        examples=[{"search_rows": 200000, "parts": 8}],
    )
    adopt: Adopt | None = field(
        Effect.METADATA,
        "A model that was fitted elsewhere and becomes version 1 as it is. It only matters until a model is recorded; "
        "after that the block may stay or go, and a retraining searches among `algorithms` as ever.",
        None,
        examples=[{"type": "skops", "path": "models/churn.skops"}],
    )

    @model_validator(mode="after")
    def _one_wish(self) -> Self:
        if self.ensemble is not None and self.objective.secondary is not None:
            raise FieldProblem(
                "an ensemble is larger than any of its members, and objective.secondary asks for a small model",
                at=("ensemble",),
                hint="remove one of the two",
            )
        if self.distributed is not None:
            self._can_be_distributed()
        if self.intervals is not None and self.intervals.type == "quantile":
            self._has_quantiles()
        return self

    def _has_quantiles(self) -> None:
        for name, algorithm in self.algorithms.listed().items():
            if not algorithm.QUANTILES:
                able = [other for other, kind in Algorithms.kinds().items() if kind.QUANTILES]
                raise FieldProblem(
                    f"{name} cannot estimate quantiles, which training.intervals asks for",
                    at=("algorithms", name),
                    hint=f"choose {', '.join(able[:-1])} or {able[-1]}, or set intervals.type to conformal",
                )
        for name in ("ensemble", "distributed"):
            if getattr(self, name) is not None:
                raise FieldProblem(
                    "the quantiles of training.intervals are fitted beside one model that has seen all rows, and "
                    f"{name} makes another",
                    at=(name,),
                    hint=f"remove {name}, or set intervals.type to conformal",
                )

    def _can_be_distributed(self) -> None:
        for name, algorithm in self.algorithms.listed().items():
            if not algorithm.IN_PARTS:
                able = [other for other, kind in Algorithms.kinds().items() if kind.IN_PARTS]
                raise FieldProblem(
                    f"{name} cannot be fitted in parts, which training.distributed asks for",
                    at=("algorithms", name),
                    hint=f"choose {' or '.join(able)}, or remove distributed",
                )
        if self.ensemble is not None:
            raise FieldProblem(
                "an ensemble is chosen and fitted on rows that are all in memory",
                at=("ensemble",),
                hint="remove ensemble or distributed",
            )
        if self.sampling is not None and self.sampling.type != "none":
            raise FieldProblem(
                "rows are left out or repeated where all of them are in memory",
                at=("sampling",),
                hint="use class_weights instead, or remove distributed",
            )


def describe(resource: Resource) -> str:
    """How long the search is, and among what."""
    if resource.local == MODEL:
        return _describe_model(resource.config["training"])
    block = resource.config["training"]
    limits = block["limits"]
    timeout = f", {limits['timeout']} at most" if limits.get("timeout") else ""
    nested = block.get("cross_validation", {}).get("nested")
    again = f"; the same again in {nested['folds']} outer folds" if nested else ""
    return f"search {', '.join(block['algorithms'])}: {limits['max_trials']} trials{timeout}{again}"


def _describe_model(block: Mapping[str, Any]) -> str:
    ensemble = block.get("ensemble")
    if ensemble is not None:
        return (
            f"fit the {ensemble['candidates']} best trials once per fold, and those that predict best together on the "
            "whole training part"
        )
    said = "fit the best trial on the whole training part"
    if block.get("intervals", {}).get("type") == "quantile":
        said = "fit the best trial and two quantiles on the whole training part"
    if "distributed" in block:
        said += f" in {block['distributed']['parts']} parts"
    learned = [
        word
        for name, word in (
            ("calibration", "calibration"),
            ("decision_threshold", "the threshold"),
            ("intervals", "intervals"),
        )
        if block.get(name, {}).get("type", "none") not in ("none", "fixed")
    ]
    if learned:
        said += f", and once per fold to learn {' and '.join(learned)}"
    return said


def declare(identity: Identity, section: Training) -> Iterable[Resource]:
    """The search and the model; the model is fitted again only when the search has another winner.

    What is adopted is no part of their content: once there is a model, the block changes nothing any more. What is
    learned after the search is part of the model's alone, so that editing it searches nothing.
    """
    yield resource(
        identity.model,
        SEARCH,
        Sort.ARTIFACT,
        {"training": Part(section, _SEARCHED)},
        needs=(SNAPSHOT, RECIPE),
        version=VERSION,
        adoption=_adoption(section.adopt) if section.adopt else None,
    )
    yield resource(
        identity.model,
        MODEL,
        Sort.ARTIFACT,
        _of_model(section, identity),
        needs=(SNAPSHOT, RECIPE, SEARCH),
        version=VERSION,
        adoption=_FOLLOWS,
    )


_FINISHING = ("ensemble", "calibration", "decision_threshold", "intervals")
_SEARCHED = tuple(name for name in Training.model_fields if name not in ("adopt", *_FINISHING))


def _of_model(section: Training, identity: Identity) -> dict[str, SpecModel | Part | None]:
    """What the model is made from besides the search; the value of outcomes only where the threshold uses it."""
    fields = ("seed", "class_weights", "sampling", "cross_validation", "distributed", *_FINISHING)
    threshold = section.decision_threshold
    valued = threshold is not None and threshold.value == "business"
    return {"training": Part(section, fields)} | ({"business.value": identity.value} if valued else {})


def _adoption(block: Adopt) -> Adoption:
    return Adoption(
        f"{block.path} ({block.type}): checked on the snapshot; nothing is searched",
        until=MODEL,
        given=config_of(block),
        notes=(UNKNOWN if block.trained_until is None else SAID.format(block.trained_until),),
    )


def realise(resource: Resource, target: Target | None, context: StageContext) -> Output:
    """Run the search and fit its winner to all training rows; or adopt a model, and search nothing."""
    if resource.local == SEARCH:
        training = Training.model_validate(resource.config["training"])
        adopted = adopted_before(context)
        if adopted or (resource.adoption and MODEL not in context.records):
            from tenure.stages.training.adoption.taking import adopt

            given = resource.adoption.given if resource.adoption else {}
            return adopt(given, training.objective.primary_metric, resource.address, context, adopted)
        from tenure.stages.training.search import run_search

        return run_search(training, resource.address, context)
    search = context.records[SEARCH]
    if search.value.get("adopted"):
        from tenure.stages.training.adoption.taking import take_over

        return take_over(search, context)
    from tenure.stages.training.fitting import fit_winner
    from tenure.stages.training.members import Asked

    # The fields of the search are no part of the model's configuration, and decide nothing here.
    block = Training.model_validate({"algorithms": {"xgboost": {}}} | resource.config["training"])
    asked = Asked(
        seed=block.seed,
        version=VERSION,
        class_weights=block.class_weights,
        sampling=block.sampling,
        cross_validation=block.cross_validation,
        ensemble=block.ensemble,
        distributed=block.distributed,
        wanted=wanted_of(block, resource.config.get("business", {}).get("value", {})),
    )
    return fit_winner(asked, resource.address, context)


def wanted_of(block: Training, value: Mapping[str, Any]) -> Wanted:
    """What is to be learned after the search. `value` is `business.value`, empty where it plays no part."""
    return Wanted(block.calibration, block.decision_threshold, block.intervals, value)


def observe_inputs(resource: Resource, project: Path, previous: Record | None) -> Inputs:
    """What lies where the spec says that a model to adopt is: a plan holds for these very bytes."""
    if resource.adoption is None or not resource.adoption.given:
        return Inputs(changed=False)
    from tenure.stages.training.adoption.reading import seen

    paths = [resource.adoption.given["path"]]
    if "preprocessor" in resource.adoption.given:
        paths.append(resource.adoption.given["preprocessor"]["path"])
    found = {path: seen(project, path) for path in paths}
    return Inputs(
        changed=False,
        sentences=tuple(f"{path} has SHA-256 {name}." for path, name in found.items() if name),
        missing=tuple(path for path, name in found.items() if name is None),
        seen=found,
        looked=None,
    )


def adopted_before(context: StageContext) -> Mapping[str, Any] | None:
    """What the search adopted, when it is made again from the very same inputs: then it is the same adoption, whose
    blobs were lost. None for a search, and when a retraining is due."""
    previous = context.previous
    if previous is None or MODEL not in context.records or previous.fingerprint != context.fingerprint:
        return None
    return previous.value.get("adopted")


target = no_target
verify = nothing_to_verify
conditions = no_conditions
observe = nothing_observed
