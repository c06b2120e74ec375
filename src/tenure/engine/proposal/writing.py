"""A proposal as the text of a spec: every choice with its reason as a comment, in plain words."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from tenure.engine.proposal.checks import MOST_VALUES, Checks, checks_of
from tenure.engine.proposal.proposing import STRONG, Column, Proposal

_WIDTH = 112
_BARE = re.compile(r"(\.\.?/)*[A-Za-z_][A-Za-z0-9_./-]*")
_REFERENCE = re.compile(r"(\\*)\$\{")
_WORDS_OF_YAML = {"true", "false", "yes", "no", "on", "off", "null", "y", "n", "none"}
_MOST_STRONG = 8
_PLACES = {
    "encoding": "Encoding",
    "null_values": "Missing values",
    "decimal": "Decimal sign",
    "thousands": "Thousands",
    "timestamp_format": "Dates",
}


def spec_text(
    proposal: Proposal, *, name: str, path: str, schema: str = "../schemas/model.schema.json"
) -> str:
    """The spec. `name` is the model's, `path` the one of the file as seen from the project."""
    target = proposal.target
    lines = [
        f"# yaml-language-server: $schema={schema}",
        *_comment(
            f"Proposed from {proposal.file}: {proposal.rows:,} rows, {len(proposal.columns)} columns"
            + ("." if proposal.read.whole else "; the file has more, only its beginning was read.")
            + " Every choice is a guess with its reason: correct what you know better, delete what you have read."
        ),
        "apiVersion: tenure/v1",
        "kind: Model",
        "metadata:",
        f"  name: {name}",
        "  owner: my-team                  # who answers for it",
        f"  description: {_scalar(f'Predicts {target.name} from {proposal.file}.')}",
        "",
        "defaults:",
        "  - monitoring: standard          # conf/monitoring/standard.yaml: drift and quality of the requests",
        "",
        *_data(proposal, path),
        "",
        *_features(proposal),
        "",
        *_training(proposal),
        "",
        *_evaluation(proposal),
        "",
        *_deployment(proposal),
    ]
    return "\n".join(lines) + "\n"


def _data(proposal: Proposal, path: str) -> list[str]:
    target = proposal.target
    lines = ["data:", "  sources:"]
    for field, sentence in proposal.read.remarks:
        lines += _comment(f"{_PLACES[field]}: {sentence}.", 4)
    block = {"type": proposal.read.source["type"], "path": path, **proposal.read.source}
    lines.append(f"    table: {_flow(block)}")
    if proposal.read.unusable:
        lines += _comment(
            f"No model can use {_listed(proposal.read.unusable)}: lists or objects. All others:", 2
        )
        lines += _wrapped("  columns: [", [column.facts.name for column in proposal.columns], "]")
    lines += _comment(f"{target.why}. {target.said[:1].upper()}{target.said[1:]}.", 2)
    lines.append(f"  target_column: {_scalar(target.name)}")
    lines.append(f"  task: {target.task}")
    if target.positive is not None:
        lines.append(f"  positive_class: {_scalar(target.positive)}  # {_plain(target.positive_why)}")
    if proposal.timestamp is not None:
        lines += _comment(f"When a row happened: {proposal.timestamp_why}.", 2)
        lines.append(f"  timestamp_column: {_scalar(proposal.timestamp)}")
    if proposal.split.type == "group":
        lines += _comment(f"Whom a row is about: {proposal.split.column}.", 2)
        lines.append(f"  entities: [{_scalar(proposal.split.column)}]")
    cleaning = []
    facts = {column.facts.name: column.facts for column in proposal.columns}
    if nulls := facts[target.name].nulls:
        cleaning.append(f"    - {{type: drop_null_target}}  # {nulls:,} rows without a target teach nothing")
    if proposal.duplicates:
        cleaning.append(
            f"    - {{type: drop_duplicates}}  # {proposal.duplicates:,} rows repeat another one exactly"
        )
    if cleaning:
        lines += ["  cleaning:", *cleaning]
    lines += _checks(checks_of(proposal))
    lines += _contract(proposal)
    lines += _comment(f"{proposal.split.why}.", 2)
    split: dict[str, Any] = {"type": proposal.split.type, "column": proposal.split.column, "test": 0.2}
    lines.append(f"  split: {_flow({key: value for key, value in split.items() if value is not None})}")
    return lines


def _checks(checks: Checks) -> list[str]:
    severity = {"severity": "warn"} if checks.only_warn else {}
    lines = ["  checks:"]
    if checks.only_warn:
        lines += _comment("They come from the first rows of the file, so they warn and stop nothing.", 4)
    lines.append(f"    - {_flow({'type': 'row_count', 'min': checks.rows, **severity})}  # half of today's")
    if checks.present:
        lines += _comment("No value is missing in any of these:", 4)
        lines += _wrapped(
            "    - {type: not_null, columns: [", checks.present, "], severity: warn}" if severity else "]}"
        )
    lines += [f"    - {_flow({'type': 'unique', 'columns': [key], **severity})}" for key in checks.keys]
    if checks.ranges:
        lines += _comment("What was seen, and half of that range on both sides:", 4)
    for item in checks.ranges:
        block = {"type": "between", "column": item.column, "min": item.low, "max": item.high, **severity}
        lines.append(f"    - {_flow(block)}  # seen: {item.seen[0]:.6g} to {item.seen[1]:.6g}")
    if checks.sets:
        lines += _comment("New categories are worth a look; the model treats them as rare ones:", 4)
    for fact in checks.sets:
        block = {
            "type": "in_set",
            "column": fact.name,
            "values": [value for value, _ in fact.listed],
            "severity": "warn",
        }
        lines.append(f"    - {_flow(block)}")
    return lines


def _contract(proposal: Proposal) -> list[str]:
    """What each column holds; from a part of the rows, only what it is marked as."""
    lines = ["  contract:", "    columns:"]
    if proposal.read.whole:
        lines += _comment(
            "What every snapshot has to be like; a column that is gone or of another type stops it.", 6
        )
    else:
        lines += _comment(
            "From the first rows of the file: the marks only, since later rows may be of other types.", 6
        )
    for column in proposal.columns:
        block: dict[str, Any] = {}
        times_as_text = column.facts.name in proposal.read.times_as_text
        if proposal.read.whole and column.facts.known and not times_as_text:
            block["type"] = column.facts.type
            if not column.facts.nulls or column.facts.name == proposal.target.name:
                block["nullable"] = False
        why = [
            f"{word}: {said}"
            for word, said in (("sensitive", column.sensitive), ("personal", column.personal))
            if said
        ]
        block |= {"sensitive": True} if column.sensitive else {}
        block |= {"pii": True} if column.personal else {}
        if block:
            remark = f"  # {_plain('; '.join(why))}" if why else ""
            lines.append(f"      {_key(column.facts.name)}: {_flow(block)}{remark}")
    return lines if len(lines) > 3 else []


def _features(proposal: Proposal) -> list[str]:
    lines = ["features:"]
    strong = sorted(
        (column for column in proposal.seen if (column.score or 0.0) >= STRONG),
        key=lambda column: -(column.score or 0.0),
    )
    if strong:
        listed = ", ".join(
            f"{column.facts.name} {_percent(column.score)}" for column in strong[:_MOST_STRONG]
        )
        lines += _comment(
            f"Each of these alone explains much of the target: {listed}. Is it known at the time of a prediction?",
            2,
        )
    if marked := [column for column in proposal.seen if column.sensitive]:
        listed = "; ".join(f"{column.facts.name} ({column.sensitive})" for column in marked)
        lines += _comment(
            f"Sensitive: {listed}. The model may learn from it as proposed; exclude it where it must not.", 2
        )
    if not proposal.left_out:
        return [*lines, "  exclude: []  # nothing looks like an identifier, personal data or a leak"]
    lines.append("  exclude:")
    for column in proposal.left_out:
        lines.append(f"    - {_scalar(column.facts.name)}  # {_plain(column.why)}")
    return lines


def _training(proposal: Proposal) -> list[str]:
    target = proposal.target
    timeout = "5m" if proposal.rows > 100_000 else "2m"
    lines = [
        "training:",
        *_comment(f"The search makes {target.metric} as good as it can: {target.metric_why}.", 2),
    ]
    lines.append(f"  objective: {{primary_metric: {target.metric}}}")
    lines.append("  algorithms:")
    width = max(len(algorithm.name) for algorithm in proposal.algorithms)
    lines += [
        f"    {algorithm.name}: {{}}{' ' * (width - len(algorithm.name))}  # {algorithm.why}"
        for algorithm in proposal.algorithms
    ]
    lines.append(f"  limits: {{max_trials: 30, timeout: {timeout}}}  # enough to see what is possible")
    return lines


def _evaluation(proposal: Proposal) -> list[str]:
    goal = "max" if proposal.target.metric in ("rmse", "mae") else "min"
    return [
        "evaluation:",
        "  gates:",
        "    - {type: baseline, min_relative_change: 0.05}  # better than a naive guess by 5 %",
        f"    # - {{metric: {proposal.target.metric}, {goal}: ...}}  # what it has to reach to be of use",
        *_groups(proposal),
    ]


def _groups(proposal: Proposal) -> list[str]:
    """Sensitive columns as parts of the report, and what a limit would look like."""
    names = [
        column.facts.name
        for column in proposal.columns
        if column.sensitive
        and column.facts.name != proposal.target.name
        and not column.personal
        and _groupable(column)
    ]
    if not names:
        return []
    metric = (
        "accuracy_difference"
        if proposal.target.task == "classification"
        else "mean_absolute_error_difference"
    )
    if len(proposal.target.classes) == 2:
        metric = "equal_opportunity_difference"
    return [
        *_comment("How well it does for each group; a limit makes it a gate: max: 0.1", 2),
        "  fairness:",
        *(f"    - {_flow({'sensitive_column': name, 'metric': metric})}" for name in names),
    ]


def _groupable(column: Column) -> bool:
    fact = column.facts
    return fact.distinct > 1 and (
        fact.type in ("number", "integer", "boolean") or 0 < len(fact.listed) <= MOST_VALUES
    )


def _deployment(proposal: Proposal) -> list[str]:
    lines = ["deployment:", "  target: {type: http}                   # or batch, for `tenure predict`"]
    if proposal.key is not None:
        lines.append(
            f"  inference_log: {{id_column: {_scalar(proposal.key)}}}  # tells rows apart when their labels arrive"
        )
    return lines


def _comment(text: str, indent: int = 0) -> list[str]:
    prefix = " " * indent + "# "
    plain = _plain(text)
    plain = plain[:1].upper() + plain[1:]
    return textwrap.wrap(
        plain, _WIDTH, initial_indent=prefix, subsequent_indent=prefix, break_long_words=False
    )


def _plain(text: str) -> str:
    """The text on one line, without anything that would end a comment."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _wrapped(before: str, names: Sequence[str], after: str) -> list[str]:
    """A line with a list of names in it, over several lines where it is long."""
    items = [_scalar(name) for name in names]
    whole = before + ", ".join(items) + after
    if len(whole) <= _WIDTH:
        return [whole]
    indent = " " * 14
    rows: list[str] = []
    row = indent
    for position, item in enumerate(items):
        piece = item + (", " if position < len(items) - 1 else "")
        if len(row) + len(piece) > _WIDTH and row.strip():
            rows.append(row.rstrip())
            row = indent
        row += piece
    return [before.rstrip(), *rows, row.rstrip() + after]


def _key(name: str) -> str:
    """The name of a column as a key, which holds no references."""
    return (
        name
        if _BARE.fullmatch(name) and name.casefold() not in _WORDS_OF_YAML
        else json.dumps(name, ensure_ascii=False)
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")


def _flow(block: Mapping[str, Any]) -> str:
    return "{" + ", ".join(f"{key}: {_value(value)}" for key, value in block.items()) + "}"


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_scalar(item) for item in value) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    """A value as YAML, in quotes unless it is plainly a word or a number."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        shown = f"{value:.12g}"
        # YAML takes 1e+20 for a text.
        return shown.replace("e", ".0e") if "e" in shown and "." not in shown else shown
    if isinstance(value, int):
        return str(value)
    text = str(value)
    if _BARE.fullmatch(text) and text.casefold() not in _WORDS_OF_YAML:
        return text
    # In a spec `${` begins a reference, unless a backslash stands before it.
    literal = _REFERENCE.sub(lambda found: 2 * found[1] + "\\${", text)
    return json.dumps(literal, ensure_ascii=False)


def _percent(share: float | None) -> str:
    return f"{100 * (share or 0.0):.3g}%"
