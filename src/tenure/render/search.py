"""A search in words: what came out, the best trials, what decided, where the time went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tenure.core.units import format_seconds
from tenure.render.page import BLANK, Line, Styled, line, table
from tenure.render.wording import command, moment, number

if TYPE_CHECKING:
    from tenure.stages.training.results import Results
    from tenure.state.record import Record

_MOST = 10
_DECIDED = 5


def _unseen(nested: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """What the whole search came to in outer folds, where that was asked for."""
    if nested is None or nested["score"] is None:
        return []
    folds = f"mean of {len(nested['scores'])} outer folds, each searched anew"
    return [("unseen", f"{number(nested['score'])} on rows no trial has seen: {folds}")]


def search_lines(record: Record, found: Results) -> list[Line]:
    """A recorded search, as far as people ask about it; `--json` has the record in full."""
    value = record.value
    stopped = sum(item.stopped for item in found.algorithms)
    failed = sum(item.failed for item in found.algorithms)
    ended = ", ".join(
        part
        for part in (
            f"{len(found.ranked)} finished",
            f"{stopped} given up" if stopped else "",
            f"{failed} failed" if failed else "",
            f"{value['cached']} known from before" if value.get("cached") else "",
        )
        if part
    )
    about = [
        ("winner", f"trial {value['trial']}, {value['algorithm']}: {found.metric} {number(value['score'])}"),
        ("parameters", _params(value["params"])),
        ("scored by", value["cross_validation"]),
        *_unseen(value.get("nested")),
        ("trials", f"{len(found.trials)}: {ended}"),
        ("took", format_seconds(found.seconds)),
        ("ended", found.ended_by),
        ("made", f"{moment(record.at)} by {record.by}"),
    ]
    return [
        line(Styled(record.address, "title")),
        *table([(Styled(name, "quiet"), text) for name, text in about], indent=2),
        BLANK,
        line(Styled("Best trials", "title")),
        *_trials(found),
        *_algorithms(found),
        *_importance(found),
        *_failures(found.failures),
        BLANK,
        line(
            "As a page:  ",
            Styled(command("report", record.address.split("/", 1)[0], "search"), "command"),
            kept=True,
        ),
    ]


def _trials(found: Results) -> Sequence[Line]:
    from tenure.stages.training.results import spread

    head: list[tuple[Any, ...]] = [
        tuple(
            Styled(word, "quiet") for word in ("trial", "algorithm", found.metric, "±", "took", "parameters")
        )
    ]
    rows = [
        (
            str(trial.number),
            trial.algorithm,
            number(trial.score),
            "" if (error := spread(trial)) is None else number(error),
            format_seconds(trial.seconds),
            _params(trial.params),
        )
        for trial in found.ranked[:_MOST]
    ]
    return table(head + rows, indent=2)


def _algorithms(found: Results) -> list[Line]:
    head: list[tuple[Any, ...]] = [
        tuple(Styled(word, "quiet") for word in ("", "trials", "given up", "failed", "best", "time"))
    ]
    rows = [
        (
            item.name,
            str(item.trials),
            str(item.stopped),
            str(item.failed),
            "–" if item.best is None else number(item.best),
            f"{format_seconds(item.seconds)} ({item.share:.0%})",
        )
        for item in found.algorithms
    ]
    return [BLANK, line(Styled("Algorithms", "title")), *table(head + rows, indent=2)]


def _importance(found: Results) -> list[Line]:
    names = dict.fromkeys(item.algorithm for item in found.importance)
    if not names:
        return []
    rows = [
        (
            Styled(name, "quiet"),
            ", ".join(
                f"{item.parameter} {item.share:.0%}"
                for item in [one for one in found.importance if one.algorithm == name][:_DECIDED]
            ),
        )
        for name in names
    ]
    return [
        BLANK,
        line(Styled("What decided", "title"), Styled("  share of the differences between scores", "quiet")),
        *table(rows, indent=2),
    ]


def _failures(failures: Mapping[str, int]) -> list[Line]:
    if not failures:
        return []
    return [
        BLANK,
        line(Styled("Failed", "title")),
        *(line(f"{times} × {why}", indent=2) for why, times in failures.items()),
    ]


def _params(params: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in params.items()
    )
