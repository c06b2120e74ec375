"""Signal `data_quality`: values are missing, or were never seen before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import model_validator

from tenure.core.effect import Effect
from tenure.spec.base import Share, SpecModel, field
from tenure.stages.monitoring.distances import gate
from tenure.stages.monitoring.judging import (
    FEWEST_ROWS,
    LEVELS,
    Judgement,
    WindowRows,
    insufficient,
    rounded,
    verdict_of,
)

if TYPE_CHECKING:
    from tenure.ml.reference import Reference


class DataQuality(SpecModel):
    """Compares, column by column, the share of missing values and of categories the reference does not have.

    A share counts when it passes its threshold and is more than chance would give. While this signal is critical, no
    retraining is started: training on broken data would make the damage permanent.
    """

    needs_labels: ClassVar[bool] = False

    type: Literal["data_quality"] = field(Effect.OPERATE, "Values are missing, or were never seen before.")
    missing_increase: Share = field(
        Effect.OPERATE, "Warn when the share of missing values of a column grew by this much.", 0.05
    )
    missing_increase_critical: Share = field(
        Effect.OPERATE, "Critical when the share of missing values of a column grew by this much.", 0.2
    )
    unseen_rate: Share = field(
        Effect.OPERATE, "Warn when this share of a column's values is not in the reference.", 0.005
    )
    unseen_rate_critical: Share = field(
        Effect.OPERATE, "Critical when this share of a column's values is not in the reference.", 0.05
    )

    @model_validator(mode="after")
    def _ordered(self) -> DataQuality:
        for name in ("missing_increase", "unseen_rate"):
            if not 0 < getattr(self, name) <= getattr(self, f"{name}_critical"):
                raise ValueError(f"{name} must be above 0 and not above {name}_critical")
        return self

    def check(self, name: str, reference: Reference) -> None:
        """Every model has inputs."""

    def judge(self, rows: WindowRows) -> Judgement:
        """The quality of the inputs in one window."""
        from tenure.ml.drift import benjamini_hochberg, excess_p_value
        from tenure.ml.inference_log import feature_column
        from tenure.ml.profile import count

        needed = rows.min_rows or FEWEST_ROWS
        if rows.rows.num_rows < needed:
            return insufficient(f"{rows.rows.num_rows} rows in the window; a comparison needs {needed}")
        limits = {
            "missing": dict(
                zip(LEVELS, (self.missing_increase, self.missing_increase_critical), strict=True)
            ),
            "unseen": dict(zip(LEVELS, (self.unseen_rate, self.unseen_rate_critical), strict=True)),
        }
        tested: list[dict[str, Any]] = []
        counted: list[dict[str, Any]] = []
        absent: list[str] = []
        for column in rows.reference.columns:
            stored = feature_column(column.name)
            if stored not in rows.rows.column_names or column.name in rows.redacted:
                absent.append(column.name)
                continue
            before, now = column.reference, count(column.bins, rows.rows.column(stored))
            missing = {
                "column": column.name,
                "measure": "missing",
                "share": now.missing_rate,
                "reference": before.missing_rate,
                "excess": now.missing_rate - before.missing_rate,
                "p_value": excess_p_value(before.nulls, before.rows, now.nulls, now.rows),
            }
            tested.append(missing)
            judged_unseen = column.bins.kind == "categories" and not column.bins.open
            if judged_unseen:
                tested.append(
                    {
                        "column": column.name,
                        "measure": "unseen",
                        "share": now.unseen_rate,
                        "reference": 0.0,
                        "excess": now.unseen_rate,
                        "p_value": excess_p_value(
                            0, before.rows - before.nulls, now.unseen, now.rows - now.nulls
                        ),
                    }
                )
            counted.append(
                {
                    "column": column.name,
                    "missing": rounded(now.missing_rate),
                    "missing_before": rounded(before.missing_rate),
                    "unseen": rounded(now.unseen_rate) if judged_unseen else None,
                    "infinities": now.infinities,
                    "mistyped": now.mistyped,
                }
            )
        if not tested:
            return insufficient("none of the columns is in the prediction log", not_logged=absent)
        level = benjamini_hochberg([item["p_value"] for item in tested])
        pressure = dict.fromkeys(LEVELS, 0.0)
        for item in tested:
            above, limit = item["p_value"] <= level, limits[item["measure"]]
            reached = {name: item["excess"] / limit[name] if above else 0.0 for name in LEVELS}
            item["verdict"] = verdict_of(reached)
            item["gate"] = gate(item["excess"], above, limit["warn"])
            item["pressure"] = max(item["excess"], 0.0) / limit["warn"]
            pressure = {name: max(pressure[name], reached[name]) for name in LEVELS}
        worst = max(tested, key=lambda item: (item["gate"] == "both", item["pressure"]))
        verdicts = {item["column"]: "ok" for item in tested}
        for item in tested:
            if item["verdict"] != "ok" and verdicts[item["column"]] != "critical":
                verdicts[item["column"]] = item["verdict"]
        return Judgement(
            verdict_of(pressure),
            rounded(worst["excess"]) if worst["pressure"] else 0.0,
            {name: rounded(value) for name, value in pressure.items()},
            _sentence(worst),
            {
                "columns": [item | {"verdict": verdicts[item["column"]]} for item in counted],
                "findings": [
                    {
                        key: rounded(value) if isinstance(value, float) else value
                        for key, value in item.items()
                    }
                    for item in tested
                    if item["verdict"] != "ok"
                ],
                "missing": rounded(max(item["excess"] for item in tested if item["measure"] == "missing")),
                "unseen": rounded(
                    max((item["share"] for item in tested if item["measure"] == "unseen"), default=0.0)
                ),
                "limits": limits,
                "not_logged": absent,
            },
        )


def _sentence(worst: dict[str, Any]) -> str:
    if worst["verdict"] == "ok":
        return "no column has more missing or unseen values than the reference"
    if worst["measure"] == "missing":
        return f"{worst['column']} is missing in {worst['share']:.1%} of the rows, {worst['reference']:.1%} before"
    return f"{worst['share']:.1%} of the values of {worst['column']} are not in the reference"
