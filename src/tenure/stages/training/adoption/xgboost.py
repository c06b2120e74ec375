"""Adopting `xgboost`: a booster as JSON or universal binary JSON, alone or behind a preprocessor."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.spec.base import SpecModel, field
from tenure.stages.training.adoption.columns import NUMERIC, chosen, contract, fitting, outputs
from tenure.stages.training.adoption.kind import AT, Kind, Label, Offered, Opened
from tenure.stages.training.adoption.reading import Given, read_file, require_format
from tenure.stages.training.adoption.skops import names_of, rebuilt

if TYPE_CHECKING:
    from pathlib import Path

    from tenure.ml.signature import Signature
    from tenure.stages.training.adoption.kind import Where

_PREPROCESSOR = (*AT, "preprocessor")


class AdoptPreprocessor(SpecModel):
    """What prepares the columns for a booster: the steps of a pipeline before the last one."""

    path: str = field(
        Effect.METADATA,
        "A fitted transformer of scikit-learn saved with skops, such as `pipeline[:-1]`.",
        min_length=1,
        examples=["models/preprocessor.skops"],
    )
    sha256: str | None = field(
        Effect.METADATA,
        "The SHA-256 of the file; another one is then refused.",
        None,
        pattern=r"^(sha256:)?[0-9a-fA-F]{64}$",
    )


class AdoptXgboost(Kind):
    """A model saved with `save_model` of XGBoost, as JSON or UBJ. Its features are matched by name."""

    type: Literal["xgboost"] = field(Effect.METADATA, "Adopt a model saved with XGBoost's `save_model`.")
    preprocessor: AdoptPreprocessor | None = field(
        Effect.METADATA,
        "What prepares the columns; without it the model takes numeric columns as they are.",
        None,
        examples=[{"path": "models/preprocessor.skops"}],
    )
    columns: tuple[str, ...] | None = field(
        Effect.METADATA,
        "The columns of the data in the order the model (or its preprocessor) takes them; needed when it was fitted "
        "without names, or knows them by other names.",
        None,
        examples=[["age", "income"]],
    )
    classes: tuple[Label, ...] | None = field(
        Effect.METADATA,
        "Which class each code of the model is: 0, 1, and so on. When left out: the classes of the target in ascending "
        "order, the positive class last.",
        None,
        examples=[["no", "yes"]],
    )

    def read(self, project: Path, where: Where) -> Given:
        """The model file, and that of the preprocessor beside it; the digest is that of the model."""
        given = super().read(project, where)
        if self.preprocessor is None:
            return given
        block = self.preprocessor
        other = read_file(project, block.path, block.sha256, (*where, "preprocessor"))
        return Given(given.path, given.digest, {"model": given.data, "preprocessor": other.data})

    def open(self, given: Given, offered: Offered) -> Opened:
        """Load the booster, and fit its features and classes to the snapshot."""
        from tenure.ml.feed import Feed
        from tenure.ml.predictor import Predictor

        model, *rest = given.files.values()
        given = Given(given.path, given.digest, {given.path: model})
        require_format(given, "xgboost", (*AT, "path"))
        booster, notes = _loaded(given)
        _check_trees(booster)
        _check_objective(booster, offered.signature)
        preprocessor, made_with = None, ""
        names = tuple(booster.feature_names) if booster.feature_names else None
        if self.preprocessor is None:
            columns = chosen(names, booster.num_features(), self.columns, offered)
            _check_numeric(booster)
            hint = "encode it before the model: adopt the encoder as training.adopt.preprocessor"
            fitting(columns, NUMERIC, offered, (*AT, "path"), hint)
            names = None  # matched here; the booster itself is given an array in its order
        else:
            packed = Given(self.preprocessor.path, "", {self.preprocessor.path: rest[0]})
            require_format(packed, "skops", (*_PREPROCESSOR, "path"))
            preprocessor, made_with = rebuilt(packed, (*_PREPROCESSOR, "path"))
            _check_transformer(preprocessor, booster)
            names = names_of(preprocessor)
            columns = chosen(names, getattr(preprocessor, "n_features_in_", None), self.columns, offered)
        order: tuple[int, ...] = ()
        if offered.signature.task != "regression":
            order = outputs(None, _classes(booster), self.classes, offered)
        recipe, signature = contract(columns, offered.signature.classes, offered)
        feed = Feed(columns, tuple(names or ()), order)
        return Opened(Predictor(recipe, signature, preprocessor, booster, feed), "xgboost", made_with, notes)


def _loaded(given: Given) -> tuple[Any, tuple[str, ...]]:
    """The booster, cut to its best iteration where XGBoost's scikit-learn interface would do so."""
    try:
        import xgboost
    except ImportError as error:
        raise StageError(
            "xgboost is not installed",
            "adopting an XGBoost model needs a package that is an extra",
            "pip install 'tenure[xgboost]'",
            path=(*AT, "type"),
        ) from error
    booster = xgboost.Booster()
    try:
        booster.load_model(bytearray(given.data))
        best = booster.attr("best_iteration")
        if best is None or booster.num_boosted_rounds() <= int(best) + 1:
            return booster, ()
        if booster.attr("scikit_learn") is not None:
            # XGBClassifier and XGBRegressor predict with the trees up to the best iteration, and so do we.
            return booster[: int(best) + 1], (f"uses the trees up to its best iteration, {int(best) + 1}",)
    except (xgboost.core.XGBoostError, ValueError, TypeError, IndexError) as error:
        raise StageError(
            "the model file cannot be read",
            f"{given.path}: {str(error).strip().splitlines()[0]}",
            'save it again from where it was made: model.save_model("model.ubj")',
            path=(*AT, "path"),
        ) from error
    rounds = booster.num_boosted_rounds()
    return booster, (
        f"uses all {rounds} rounds, as Booster.predict does; its best iteration was {int(best) + 1}",
    )


def _check_trees(booster: Any) -> None:
    """XGBoost follows nodes without checking their numbers: a model that predicts some rows could crash on others."""
    import numpy as np

    content = json.loads(bytes(booster.save_raw("json")))["learner"]["gradient_booster"]
    content = content.get("gbtree", content)
    features = booster.num_features()
    for tree in content["model"].get("trees", []):
        left, right = (np.asarray(tree[side], dtype=np.int64) for side in ("left_children", "right_children"))
        count, inner = len(left), left != -1
        children = np.concatenate([left[inner], right[inner]])
        within = bool(((children > 0) & (children < count)).all())
        split = np.asarray(tree["split_indices"], dtype=np.int64)[inner]
        if (
            count == 0
            or len(right) != count
            or not within
            # A node with two parents could be its own ancestor.
            or len(np.unique(children)) < len(children)
            or not bool(((split >= 0) & (split < features)).all())
        ):
            raise StageError(
                "the model file is damaged",
                "a tree points outside its own nodes",
                'save it again from where it was made: model.save_model("model.ubj")',
                path=(*AT, "path"),
            )


def _check_objective(booster: Any, signature: Signature) -> None:
    """The booster has to give what the task asks for: probabilities of classes, or numbers."""
    learner = json.loads(booster.save_config())["learner"]
    objective = learner["objective"]["name"]
    targets = int(learner["learner_model_param"].get("num_target", "1"))
    place: Where = (*AT, "path")
    if targets > 1:
        raise StageError(
            "the model predicts more than one target",
            f"it predicts {targets}",
            "adopt a model of one target",
            path=place,
        )
    again = {"binary": "binary:logistic", "multiclass": "multi:softprob"}.get(signature.task)
    if objective == again or (
        signature.task == "regression"
        and objective.startswith(("reg:", "count:"))
        and objective != "reg:logistic"
    ):
        return
    if again and objective.split(":")[0] == again.split(":")[0]:
        raise StageError(
            "the model gives no probabilities",
            f"its objective is {objective}",
            f'set booster.set_param({{"objective": "{again}"}}) where it was made, and save it again',
            path=place,
        )
    raise StageError(
        "the model does not fit the task",
        f"its objective is {objective}, and target {signature.target!r} asks for {signature.task}",
        "adopt a model of this target; or, when the task was taken wrongly, set data.task",
        path=place,
    )


def _classes(booster: Any) -> int:
    count = int(json.loads(booster.save_config())["learner"]["learner_model_param"]["num_class"])
    return max(count, 2)


def _check_numeric(booster: Any) -> None:
    names = booster.feature_names or [f"column {number}" for number in range(booster.num_features())]
    types = booster.feature_types or []
    categorical = [name for name, kind in zip(names, types, strict=False) if kind == "c"]
    if categorical:
        raise StageError(
            "the model has categorical features of its own",
            f"XGBoost encodes {', '.join(categorical[:5])} by the order in which its training data had the categories",
            "fit it behind an encoder, and adopt that as training.adopt.preprocessor",
            path=(*AT, "path"),
        )


def _check_transformer(preprocessor: Any, booster: Any) -> None:
    if not hasattr(preprocessor, "transform"):
        raise StageError(
            "the preprocessor prepares nothing",
            f"{type(preprocessor).__name__} has no transform",
            "save the steps before the model: skops.io.dump(pipeline[:-1], path)",
            path=(*_PREPROCESSOR, "path"),
        )
    _check_numeric(booster)
