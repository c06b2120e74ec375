"""The model card: Markdown with the metadata block that model hubs read, written from recorded facts only."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from tenure.core.digest import short
from tenure.state.record import Record

_TEXTS = (
    ("intended_use", "Intended use"),
    ("out_of_scope", "Out of scope"),
    ("limitations", "Limitations"),
    ("ethical_considerations", "Ethical considerations"),
)

_AGREED = {"license": "Licence of the data", "legal_basis": "Legal basis", "purpose": "Collected for"}


def markdown(
    model: str, config: Mapping[str, Any], version: Mapping[str, Any], records: Mapping[str, Record]
) -> str:
    """The card of one version. `config` holds the `metadata` and `governance` blocks; missing texts are named."""
    return "\n".join(_lines(model, config, version, records)) + "\n"


def _lines(
    model: str, config: Mapping[str, Any], version: Mapping[str, Any], records: Mapping[str, Record]
) -> Iterator[str]:
    metadata, texts = config["metadata"], config.get("governance", {})
    snapshot, search = records["data/snapshot"].value, records["training/search"].value
    yield from _front_matter(model, texts, version, snapshot)
    yield f"# {model}, version {version['number']}"
    yield ""
    yield cell(metadata.get("description") or "No description is given in the spec.")
    yield ""
    yield from _table(
        ("", ""),
        [
            ("Owner", metadata.get("owner") or "not given"),
            ("Task", snapshot.get("task")),
            ("Target", snapshot.get("target")),
            ("Algorithm", version["algorithm"]),
            *(_origin(version["adopted"]) if "adopted" in version else [("Trained", version["trained_at"])]),
            *([("Promoted from", promoted)] if (promoted := version["lineage"].get("promoted_from")) else []),
            ("Gates", "passed" if version["passed"] else "failed: " + "; ".join(version["failed"])),
        ],
    )
    yield from _business(config.get("business", {}), records.get("evaluation/report"))
    for key, title in _TEXTS:
        yield f"## {title}"
        yield ""
        yield cell(texts.get(key) or f"Not stated. Set `governance.{key}` in the spec.")
        yield ""
    agreed = records["data/snapshot"].config.get("data", {}).get("contract", {})
    yield from _data(snapshot, version["lineage"]["data"], agreed)
    yield from _evaluation(records.get("evaluation/report"))
    yield from _training(search, version)
    yield "## Lineage"
    yield ""
    lineage = version["lineage"]
    made_from = [*lineage["made_from"].items(), ("code", lineage["code"]["digest"])]
    yield from _table(("made from", "digest"), [(name, f"`{made}`") for name, made in made_from])
    for cause in version["lineage"]["causes"]:
        yield f"Made because: {cell(cause['sentence'])}"
        yield ""
    yield from _table(("package", "version"), list(version["lineage"]["environment"].items()))


def _origin(adopted: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Where a model comes from that was not trained here."""
    rows = [
        ("Trained", "elsewhere; when and on which rows is not known"),
        ("Adopted from", f"`{adopted['path']}` ({adopted['type']})"),
        ("Digest of the file", f"`{adopted['digest']}`"),
        ("Adopted by", f"{adopted['by']}, {adopted['at']}"),
    ]
    return rows + ([("Made with", adopted["made_with"])] if adopted["made_with"] else [])


def _front_matter(
    model: str, texts: Mapping[str, Any], version: Mapping[str, Any], snapshot: Mapping[str, Any]
) -> Iterator[str]:
    """Keys of the metadata block that model hubs index; values are JSON strings, which YAML reads as they are."""
    import json

    yield "---"
    yield f"model_name: {json.dumps(model)}"
    yield f"library_name: {json.dumps('tenure')}"
    yield f"pipeline_tag: {'tabular-regression' if snapshot.get('task') == 'regression' else 'tabular-classification'}"
    if texts.get("license"):
        yield f"license: {json.dumps(texts['license'])}"
    yield f"tags: {json.dumps(['tabular', version['algorithm']])}"
    yield f"version: {version['number']}"
    yield "---"
    yield ""


def _data(snapshot: Mapping[str, Any], data: Mapping[str, Any], agreed: Mapping[str, Any]) -> Iterator[str]:
    """The rows, where they come from, and what the contract of the data (`agreed`) says of their use."""
    yield "## Data"
    yield ""
    rows: list[tuple[Any, Any]] = [
        ("Rows", snapshot.get("rows")),
        ("Read", data["read_at"]),
        ("Digest", f"`{data['digest']}`"),
    ]
    rows += [(f"Rows in {name}", count) for name, count in snapshot.get("split", {}).items()]
    span = snapshot.get("time_range")
    if span:
        rows.append(("Time", " to ".join(str(part) for part in span)))
    rows += [(word, agreed[key]) for key, word in _AGREED.items() if agreed.get(key)]
    for mark, word in (("sensitive", "Sensitive columns"), ("pii", "Personal columns")):
        marked = [column["name"] for column in snapshot.get("columns", ()) if column.get(mark)]
        rows += [(word, ", ".join(marked))] if marked else []
    rows += [
        (f"Source {name}", f"`{short(seen.get('digest') or '')}`") for name, seen in data["sources"].items()
    ]
    yield from _table(("", ""), rows)


def _training(search: Mapping[str, Any], version: Mapping[str, Any]) -> Iterator[str]:
    yield "## Training"
    yield ""
    if "adopted" in version:
        yield "The model was fitted elsewhere. Nothing was searched or fitted here."
        yield ""
        return
    yield from _table(
        ("", ""),
        [
            ("Trials", search.get("trials")),
            (f"Cross-validated {search.get('metric')}", number(search.get("score"))),
            ("Seed", version["lineage"]["seed"]),
            *((f"`{name}`", number(value)) for name, value in sorted(search.get("params", {}).items())),
        ],
    )


def _evaluation(report: Record | None) -> Iterator[str]:
    yield "## Evaluation"
    yield ""
    if report is None:
        yield "The spec has no evaluation."
        yield ""
        return
    baseline = report.value.get("baseline", {})
    if report.value.get("caution"):
        yield cell(report.value["caution"])
        yield ""
    yield from _table(
        ("metric", "value", "confidence interval", "naive baseline"),
        [
            (
                name,
                number(interval["value"]),
                f"{number(interval['low'])} to {number(interval['high'])}",
                number(_value_of(baseline, name)),
            )
            for name, interval in report.value["metrics"].items()
        ],
    )
    yield from _table(
        ("gate", "verdict"),
        [(gate["text"], _verdict(gate)) for gate in report.value["gates"]],
    )
    if report.value.get("test_part_note"):
        yield cell(report.value["test_part_note"])
        yield ""
    yield from _weak_slices(report.value)
    yield from _fairness(report.value)
    yield from _explanation(report.value)


def _verdict(gate: Mapping[str, Any]) -> str:
    """The verdict in words; what was waived did not pass."""
    status = gate.get("status")
    if status == "waived":
        return f"failed, waived until {gate['waiver']['expires']} by {gate['waiver']['owner']}"
    if not gate["passed"]:
        return "failed" if gate.get("enforced", True) else "failed, a warning only"
    return "not compared" if status == "no_comparison" else "passed"


def _weak_slices(report: Mapping[str, Any]) -> Iterator[str]:
    if not report.get("worst_slices"):
        return
    yield "### Weakest slices"
    yield ""
    yield from _table(
        ("slice", "group", "rows", report["primary"], "confidence interval", "worse than all rows"),
        [
            (
                item["slice"],
                item["group"],
                item["rows"],
                number(item["value"]),
                f"{number(item['low'])} to {number(item['high'])}",
                "surely" if item["surely"] else "may be chance",
            )
            for item in report["worst_slices"]
        ],
    )


def _fairness(report: Mapping[str, Any]) -> Iterator[str]:
    if not report.get("fairness"):
        return
    words = {"insufficient_data": "not enough data", "shown": "no limit"}
    yield "### Fairness"
    yield ""
    yield from _table(
        ("by", "metric", "value", "confidence interval", "limit", "verdict"),
        [
            (
                item["sensitive_column"],
                item["metric"],
                number(item["value"]),
                "" if item["low"] is None else f"{number(item['low'])} to {number(item['high'])}",
                number(item["limit"]),
                words.get(item["status"], item["status"]),
            )
            for item in report["fairness"]
        ],
    )


def _explanation(report: Mapping[str, Any]) -> Iterator[str]:
    found = report.get("explanation")
    if not found:
        return
    yield "### What the model goes by"
    yield ""
    yield f"By {found['type']}: {cell(found['unit'])}."
    yield ""
    yield from _table(
        ("column", "importance"), [(item["column"], number(item["value"])) for item in found["columns"]]
    )


def _business(business: Mapping[str, Any], report: Record | None) -> Iterator[str]:
    """What the model is for and what it is worth, as far as the spec says."""
    worth = report.value.get("value") if report else None
    rows: list[tuple[str, Any]] = [
        (title, business[key])
        for key, title in (("objective", "Objective"), ("kpi", "KPI"))
        if business.get(key)
    ]
    cost = business.get("running_cost_per_month")
    currency = worth["currency"] if worth else ""
    if report is not None and worth is not None:
        name = "value_per_1000"
        found = report.value["metrics"][name]
        naive = _value_of(report.value["baseline"], name)
        ends = f"{number(found['low'])} to {number(found['high'])}"
        amount = f"{number(found['value'])} ({ends}); naive baseline {number(naive)}"
        rows.append((f"Value of 1,000 predictions ({currency})", amount))
        gain = None if found["value"] is None or naive is None else found["value"] - naive
        if cost is not None and gain is not None:
            pays = f"from {math.ceil(1000 * cost / gain):,} predictions a month" if gain > 0 else "never"
            rows.append(("Pays for itself, compared with the baseline", pays))
    if cost is not None:
        rows.append(("Running cost per month", f"{number(cost)} {currency}".strip()))
    if rows:
        yield "## Business"
        yield ""
        yield from _table(("", ""), rows)


def _value_of(scores: Mapping[str, Any], metric: str) -> Any:
    found = scores.get("metrics", scores).get(metric)
    return found.get("value") if isinstance(found, Mapping) else found


def _table(header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Iterator[str]:
    if not rows:
        return
    yield "| " + " | ".join(header) + " |"
    yield "|" + " --- |" * len(header)
    for row in rows:
        yield "| " + " | ".join(cell(value) for value in row) + " |"
    yield ""


def cell(value: Any) -> str:
    """Text that stays in its table cell and cannot become markup of its own."""
    return str("" if value is None else value).replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def number(value: Any) -> str:
    """Four significant digits for floats; anything else as it is."""
    return f"{value:.4g}" if isinstance(value, float) else str("" if value is None else value)
