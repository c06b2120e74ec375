"""The evaluation report: one self-contained page about a model on its test part. It shows aggregates only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tenure.core.digest import short
from tenure.core.units import format_instant
from tenure.ml.metric_names import MINIMIZED
from tenure.ml.report.axes import number
from tenure.ml.report.chart import Mark, Series, chart, legend
from tenure.ml.report.page import markup, render
from tenure.ml.report.plots import Bar, bars, columns, heat
from tenure.stages.evaluation.uses import note_of

if TYPE_CHECKING:
    from tenure.artifacts.store import ArtifactStore
    from tenure.state.record import ModelState, Record

TEMPLATE = "report.html.jinja"
REPORT, ARTIFACT = "evaluation/report", "report"
WORDS = {
    "passed": "Passed",
    "ok": "OK",
    "failed": "Failed",
    "warned": "Failed, only a warning",
    "waived": "Waived",
    "insufficient_data": "Not enough data",
    "no_comparison": "No comparison",
    "shown": "No limit",
}
COLOURS = {
    "passed": "ok",
    "ok": "ok",
    "failed": "critical",
    "warned": "warn",
    "waived": "warn",
    "insufficient_data": "insufficient_data",
    "no_comparison": "warn",
    "shown": "insufficient_data",
}
MARKS = {"ok": "✓", "warn": "!", "critical": "✕", "insufficient_data": "○"}
_MOST_BARS, _MOST_CURVES, _MOST_CLASSES = 20, 6, 26
_HALF = 440.0
"""Width of a plot that stands beside another."""


def report_of(state: ModelState, artifacts: ArtifactStore, now: datetime) -> str | None:
    """The report of a recorded evaluation; None when there is none, or an earlier version of Tenure made it."""
    record = state.records.get(REPORT)
    if record is None or ARTIFACT not in record.artifacts:
        return None
    found = json.loads(artifacts.get(record.artifacts[ARTIFACT]))
    return report_html(state.model, record, found, now) if "slices" in found else None


def report_html(model: str, record: Record, found: Mapping[str, Any], now: datetime) -> str:
    """The page. `found` is the content of the report's file."""
    value = record.value
    gates = [_verdict(gate) for gate in value["gates"]]
    colour, headline = _headline(value, gates)
    uses = value.get("test_part")
    return render(
        __package__,
        TEMPLATE,
        model=model,
        value=value,
        found=found,
        words=WORDS,
        colours=COLOURS,
        marks=MARKS,
        colour=colour,
        headline=headline,
        judged=short(record.inputs.get("training/model", "")),
        made=format_instant(record.at.replace(microsecond=0)),
        now=format_instant(now.replace(microsecond=0)),
        gates=gates,
        uses=note_of(uses) if uses else "",
        metrics=_metrics(value, list(found["metrics"])),
        worst=value.get("worst_slices", []),
        slices=[_slice(item, value) for item in found["slices"]],
        fairness=[_fairness(item) for item in found["fairness"]],
        explanation=_explanation(found["explanation"]),
        plots=_plots(found),
        residuals=_residuals(found),
        confusion=_confusion(found.get("confusion")),
        legend=legend,
    )


def _headline(value: Mapping[str, Any], gates: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    failed, waived = len(value["failed"]), sum(gate["status"] == "waived" for gate in gates)
    if failed:
        return "critical", f"{failed} of {len(gates)} gates not passed: the model is kept as a candidate"
    if not gates:
        return "insufficient_data", "No gates: nothing is demanded of the model"
    if waived:
        return "warn", f"Passed, with {waived} of {len(gates)} gates waived"
    held = "the gate" if len(gates) == 1 else f"all {len(gates)} gates"
    if any(gate["status"] in ("warned", "no_comparison", "insufficient_data") for gate in gates):
        return "warn", "Passed, with remarks"
    return "ok", f"Passed {held}"


def _verdict(gate: Mapping[str, Any]) -> dict[str, Any]:
    status = gate.get("status") or ("passed" if gate["passed"] else "failed")
    if not gate["passed"] and not gate["enforced"]:
        status = "warned"
    return {**gate, "status": status}


def _metrics(value: Mapping[str, Any], names: Sequence[str]) -> list[dict[str, Any]]:
    """What is shown of each metric, in the order in which they were asked for."""
    champion = (value["champion"] or {}).get("metrics", {})
    return [
        {
            "name": name,
            "primary": name == value["primary"],
            "minimized": name in MINIMIZED,
            **value["metrics"][name],
            "baseline": value["baseline"]["metrics"].get(name, {}).get("value"),
            "champion": champion.get(name),
        }
        for name in names
    ]


def _slice(item: Mapping[str, Any], value: Mapping[str, Any]) -> dict[str, Any]:
    judged = [
        group for group in item["groups"] if group["status"] == "ok" and group["primary"]["value"] is not None
    ]
    overall = value["metrics"].get(value["primary"], {}).get("value")
    rows = [
        Bar(
            group["group"],
            group["primary"]["value"],
            f"{group['group']}: {number(group['primary']['value'])} on {group['rows']} rows",
            group["primary"]["low"],
            group["primary"]["high"],
        )
        for group in judged
    ]
    name = f"{value['primary']} by {item['slice']}"
    return {
        "name": item["slice"],
        "plot": markup(bars(rows, name=name, limit=overall)) if rows else "",
        "names": list(judged[0]["metrics"]) if judged else [],
        "groups": item["groups"],
    }


def _fairness(item: Mapping[str, Any]) -> dict[str, Any]:
    return {**item, "rates": list(item["groups"][0]["rates"]) if item["groups"] else []}


def _explanation(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if found is None:
        return None
    shown = found["columns"][:_MOST_BARS]
    rows = [Bar(item["column"], item["value"], "", item["low"], item["high"]) for item in shown]
    curves = [item for item in shown if len(item["curve"]) > 1 and item["value"] > 0][:_MOST_CURVES]
    return {
        **found,
        "plot": markup(bars(rows, name="importance of the columns")) if rows else "",
        "left_out": len(found["columns"]) - len(shown),
        "curves": [
            {"column": item["column"], "plot": markup(_direction(item, found["answer"]))} for item in curves
        ],
    }


def _direction(item: Mapping[str, Any], answer: str) -> str:
    name = f"{answer} by {item['column']}"
    points = item["curve"]
    if isinstance(points[0]["at"], str):
        rows = [
            Bar(point["at"], point["value"], f"{point['at']}: {number(point['value'])}, {point['rows']} rows")
            for point in points
        ]
        return bars(rows, name=name, width=_HALF)
    marks = [
        Mark(point["at"], point["value"], f"{number(point['value'])} at {number(point['at'])}")
        for point in points
    ]
    return chart([Series(item["column"], marks, "both")], name=name, width=_HALF, height=190)


def _plots(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Plots of classes, each with its title and a sentence."""
    plots = []
    if found.get("calibration"):
        marks = [
            Mark(
                item["promised"],
                item["happened"],
                f"promised {number(item['promised'], True)}, happened {number(item['happened'], True)}: "
                f"{item['rows']} rows",
                item["low"],
                item["high"],
            )
            for item in found["calibration"]
        ]
        svg = chart(
            [Series("model", marks, "both")], name="calibration", x_label="promised probability", y_label="happened",
            unit=True, diagonal=True, percent=True, x_percent=True, width=_HALF, height=320,
        )  # fmt: skip
        said = ""
        if (parts := found.get("brier")) is not None:
            said = (
                f"Brier score {number(parts['brier'])}: reliability {number(parts['reliability'])} (less is better), "
                f"resolution {number(parts['resolution'])} (more is better), "
                f"uncertainty {number(parts['uncertainty'])}."
            )
        plots.append({"title": "Calibration", "svg": markup(svg), "said": said})
    if (roc := found.get("roc")) is not None:
        marks = [
            Mark(x, y) for x, y in zip(roc["false_positive_rate"], roc["true_positive_rate"], strict=True)
        ]
        svg = chart(
            [Series("ROC", marks)], name="ROC curve", x_label="false positive rate", y_label="true positive rate",
            unit=True, diagonal=True, width=_HALF, height=320,
        )  # fmt: skip
        plots.append({"title": "ROC", "svg": markup(svg), "said": ""})
    if (curve := found.get("precision_recall")) is not None:
        marks = [Mark(x, y) for x, y in zip(curve["recall"], curve["precision"], strict=True)]
        svg = chart(
            [Series("precision", marks)], name="precision and recall", x_label="recall", y_label="precision",
            unit=True, width=_HALF, height=320,
        )  # fmt: skip
        plots.append({"title": "Precision and recall", "svg": markup(svg), "said": ""})
    if found.get("gains"):
        rows = [
            Bar(
                f"{100 * item['share_of_rows']:.0f} %",
                item["lift"],
                f"up to {100 * item['share_of_rows']:.0f} % of the rows: lift {number(item['lift'])}, "
                f"{number(item['found'], True)} of the positives found",
            )
            for item in found["gains"]
        ]
        said = "Rows by falling probability in ten parts: how many times more positives than among all rows."
        svg = columns(rows, name="lift by tenth of the rows", y_label="lift", width=_HALF, height=300)
        plots.append({"title": "Lift", "svg": markup(svg), "said": said})
    return plots


def _residuals(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Plots of numbers."""
    if "residuals" not in found:
        return []
    errors = found["residuals"]
    bands = errors["bands"]
    step = (errors["high"] - errors["low"]) / len(errors["counts"])
    shown = [
        Bar(
            "",
            count,
            f"{number(errors['low'] + step * i)} to {number(errors['low'] + step * (i + 1))}: {count} rows",
        )
        for i, count in enumerate(errors["counts"])
    ]
    truth = [
        Mark(
            band["predicted"],
            band["true"],
            f"predicted {number(band['predicted'])}, true {number(band['true'])}",
        )
        for band in bands
    ]
    middle = [
        Mark(band["predicted"], band["median"], f"{band['rows']} rows", band["low"], band["high"])
        for band in bands
    ]
    return [
        {
            "title": "Errors (prediction less truth)",
            "svg": markup(columns(shown, name="errors", y_label="rows", width=_HALF, height=260)),
            "said": f"Mean {number(errors['mean'])}, standard deviation {number(errors['sd'])}; "
            f"from {number(errors['low'])} to {number(errors['high'])}, what lies outside in the first and last bar.",
        },
        {
            "title": "Truth by prediction",
            "svg": markup(
                chart(
                    [Series("mean", truth, "both")],
                    name="truth by prediction",
                    x_label="mean prediction",
                    y_label="mean truth",
                    diagonal=True,
                    width=_HALF,
                    height=260,
                )
            ),
            "said": "Ten parts of equal count by the size of the prediction. On the line, prediction and truth agree.",
        },
        {
            "title": "Error by prediction",
            "svg": markup(
                chart(
                    [Series("median", middle, "both")],
                    name="error by prediction",
                    x_label="mean prediction",
                    y_label="error",
                    limit=(0.0, "none"),
                    width=_HALF,
                    height=260,
                )
            ),
            "said": "Median error, and the range that holds 80 % of the errors.",
        },
    ]


def _confusion(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if found is None or len(found["classes"]) > _MOST_CLASSES:
        return None
    names = [str(name) for name in found["classes"]]
    counts = found["counts"]
    shares = [[count / (sum(row) or 1) for count in row] for row in counts]
    titles = [
        [
            f"{true} predicted as {said}: {count} rows, {number(share, True)} of {true}"
            for said, count, share in zip(names, row, line, strict=False)
        ]
        for true, row, line in zip(names, counts, shares, strict=True)
    ]
    svg = heat(
        names, names, shares, name="confusion matrix", texts=[[str(count) for count in row] for row in counts],
        titles=titles, x_label="predicted", y_label="true", most=1.0,
    )  # fmt: skip
    return {"plot": markup(svg)}
