"""Explanation `shap`: what each column adds to the predictions, from the library of the model itself."""

from __future__ import annotations

from typing import Any, Literal

from tenure.core.effect import Effect
from tenure.spec.base import SpecModel, field
from tenure.stages.evaluation.explanations.explanation import (
    Asked,
    Explanation,
    Importance,
    chosen_rows,
    curve,
)
from tenure.stages.evaluation.explanations.permutation import Permutation


class Shap(SpecModel):
    """The mean size of what a column adds to a prediction: SHAP values of xgboost, LightGBM and CatBoost by their own
    libraries, of linear models exactly. A model without them is explained by permutation, and the report says so."""

    type: Literal["shap"] = field(Effect.EVALUATE, "The kind of explanation.")
    rows: int = field(
        Effect.EVALUATE, "Most rows of the test part to explain, drawn at random.", 1000, ge=50, le=100_000
    )

    def explain(self, asked: Asked) -> Explanation:
        """Add up the contributions of the features that come from one column, row by row."""
        import numpy as np
        import pyarrow as pa

        from tenure.ml.contributions import contributions
        from tenure.ml.preprocessor import Preprocessor, feature_names

        rows = chosen_rows(asked, self.rows)
        table = asked.table.take(pa.array(rows))
        predictor = asked.predictor
        given = None
        if isinstance(predictor.preprocessor, Preprocessor):
            given = contributions(predictor.estimator, predictor.matrix(table))
        if given is None:
            plain = Permutation(type="permutation", rows=self.rows).explain(asked)
            return Explanation(
                plain.type, plain.unit, plain.answer, plain.rows, plain.columns,
                "The model has no SHAP values of its own, so it was explained by permutation.",
            )  # fmt: skip
        sources = [source for _, source in feature_names(predictor.preprocessor)]
        found = []
        for name in dict.fromkeys(sources):
            own = np.array([source == name for source in sources])
            added = given[:, :, own].sum(axis=2)
            direction: tuple[dict[str, Any], ...] = ()
            if added.shape[1] == 1:
                direction = curve(asked, table, name, added[:, 0])
            found.append(Importance(name, float(np.abs(added).mean()), curve=direction))
        found.sort(key=lambda item: (-item.value, item.column))
        scale = "the unit of the target" if predictor.signature.task == "regression" else "log odds"
        return Explanation(
            "shap",
            f"mean size of what the column adds to a prediction, in {scale}",
            f"what it adds on average, in {scale}" if given.shape[1] == 1 else "",
            len(rows),
            tuple(found),
        )
