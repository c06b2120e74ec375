"""Which column to predict, and what kind of prediction that is: a guess that says why, or a question."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from tenure.core.errors import StageError, TenureError
from tenure.engine.proposal import meaning
from tenure.engine.proposal.facts import Facts

if TYPE_CHECKING:
    import pyarrow as pa

    from tenure.ml.task import Target

_SAYS_SO = ({"target"}, {"label"}, {"y"}, {"class"}, {"outcome"}, {"response"}, {"dependent"})
_OUTCOMES = (
    {"churn"}, {"churned"}, {"exited"}, {"attrition"}, {"survived"}, {"died"}, {"death"}, {"default"}, {"defaulted"},
    {"fraud"}, {"diagnosis"}, {"species"}, {"variety"}, {"income"}, {"salary"}, {"price"}, {"saleprice"}, {"medv"},
    {"quality"}, {"grade"}, {"clicked"}, {"click"}, {"converted"}, {"conversion"}, {"purchased"}, {"bought"},
    {"returned"}, {"cancelled"}, {"canceled"}, {"readmitted"}, {"approved"}, {"subscribed"}, {"deposit"}, {"winner"},
    {"won"}, {"demand"}, {"mpg"}, {"cnt"}, {"charges"}, {"delay"}, {"delayed"}, {"failure"}, {"failed"}, {"spam"},
    {"toxic"}, {"sentiment"}, {"rating"}, {"late"}, {"risk"},
)  # fmt: skip
_POSITIVE = (
    "yes",
    "ja",
    "oui",
    "true",
    "1",
    "y",
    "t",
    "positive",
    "pos",
    "bad",
    "fraud",
    "churned",
    "churn",
    "default",
    "malignant",
)
_MOST_CLASSES = 50
_RARE = 0.05
_UNEVEN = 0.6
_TAIL = 10.0


class Chosen(msgspec.Struct, frozen=True):
    """The target with the reason for each choice. `positive` is the class whose probability is given, or None."""

    name: str
    why: str
    task: str
    classes: tuple[Any, ...]
    said: str
    metric: str
    metric_why: str
    positive: Any = None
    positive_why: str = ""


def choose(facts: Mapping[str, Facts], table: pa.Table, asked: str | None) -> Chosen:
    """The target that was asked for, or the one the names and values suggest.

    Raises TenureError, listing the columns, when none can be guessed, several are as likely, or it cannot be predicted.
    """
    if asked is None:
        name, why = _guess(facts)
    else:
        name, why = _named(facts, asked), "as asked for with --target"
    try:
        return _described(name, why, facts[name], table)
    except StageError as error:
        raise TenureError(
            f"The column {name!r} cannot be the target.",
            error.detail,
            f"Name another: --target COLUMN\n{listed(facts)}",
        ) from error


def listed(facts: Mapping[str, Facts]) -> str:
    """The columns with their types, a line each."""
    shown = [
        f"  {fact.name}: {fact.type}, {fact.distinct:,} different value{'' if fact.distinct == 1 else 's'}"
        for fact in facts.values()
    ]
    more = [f"  and {len(shown) - 40} more"] if len(shown) > 40 else []
    return "\n".join(["The columns are:", *shown[:40], *more])


def _named(facts: Mapping[str, Facts], asked: str) -> str:
    if asked in facts:
        return asked
    folded = [name for name in facts if name.casefold() == asked.casefold()]
    if len(folded) == 1:
        return folded[0]
    import difflib

    near = difflib.get_close_matches(asked, list(facts), n=1)
    raise TenureError(
        "There is no such column.",
        f"No column is called {asked!r}.",
        (f"Did you mean {near[0]!r}?\n" if near else "") + listed(facts),
    )


def _guess(facts: Mapping[str, Facts]) -> tuple[str, str]:
    possible = [name for name, fact in facts.items() if _plausible(fact)]
    last = list(facts)[-1]
    for wanted, why in ((_SAYS_SO, "its name says so"), (_OUTCOMES, "its name is that of an outcome")):
        found = [name for name in possible if any(words <= set(meaning.words(name)) for words in wanted)]
        if len(found) == 1 or last in found:
            return (found[0] if len(found) == 1 else last), f"{why}; --target COLUMN chooses another"
        if found:
            raise TenureError(
                "Several columns could be the target.",
                f"{', '.join(found)} are named like an outcome.",
                f"Say which one to predict: --target {found[0]}\n{listed(facts)}",
            )
    if last in possible:
        return last, "the last column; --target COLUMN chooses another"
    raise TenureError(
        "Which column to predict cannot be guessed.",
        f"No name is that of a target, and the last column, {last!r}, does not look like one.",
        f"Name it: --target COLUMN\n{listed(facts)}",
    )


def _plausible(fact: Facts) -> bool:
    if fact.known < 0.5 * fact.rows or fact.distinct < 2 or fact.type == "timestamp":
        return False
    if meaning.identifier(fact) or meaning.entity(fact) or meaning.personal(fact):
        return False
    return fact.type != "string" or fact.distinct <= min(_MOST_CLASSES, fact.known // 5)


def _described(name: str, why: str, fact: Facts, table: pa.Table) -> Chosen:
    """Raises StageError for a column that is no target."""
    from tenure.ml.task import infer

    found = infer(table.column(name), name=name)
    if found.task == "regression":
        said = f"{fact.distinct:,} different numbers from {fact.minimum:g} to {fact.maximum:g}"
        metric, metric_why = _metric_for_numbers(fact)
        return Chosen(name, why, "regression", (), said, metric, metric_why)
    if fact.type == "string" and fact.distinct > 0.5 * fact.known:
        raise StageError("no classes", f"It has {fact.distinct:,} different texts in {fact.known:,} rows.")
    counts = _counts(fact, table)
    share = max(counts.values()) / fact.known
    shown = ", ".join(
        f"{value} ({100 * count / fact.known:.3g}%)" for value, count in list(counts.items())[:6]
    )
    said = f"{len(counts)} classes: {shown}" + (", ..." if len(counts) > 6 else "")
    rare = sum(count < 10 for count in counts.values())
    if rare:
        said += f"; {rare} of them with fewer than 10 rows, too few to learn much of"
    if found.task == "binary":
        return _binary(name, why, said, found, counts, fact)
    if share > _UNEVEN:
        metric, metric_why = (
            "f1_macro",
            f"{share:.0%} of the rows are of one class; every class counts the same",
        )
    else:
        metric, metric_why = "accuracy", "the share of right answers; no class outnumbers all others by far"
    return Chosen(name, why, "classification", found.classes, said, metric, metric_why)


def _binary(name: str, why: str, said: str, found: Target, counts: Mapping[Any, int], fact: Facts) -> Chosen:
    positive, positive_why = _positive(found.classes, counts)
    share = counts.get(positive, 0) / fact.known
    if share < _RARE:
        metric = "average_precision"
        metric_why = f"only {share:.2%} are {positive}: precision among those found says more than roc_auc"
    else:
        metric, metric_why = "roc_auc", "how well the two classes are told apart, at any threshold"
    return Chosen(
        name, why, "classification", found.classes, said, metric, metric_why, positive, positive_why
    )


def _positive(classes: tuple[Any, ...], counts: Mapping[Any, int]) -> tuple[Any, str]:
    for value in classes:
        if str(value).casefold() in _POSITIVE:
            return value, "whose probability is given"
    rarer = min(classes, key=lambda value: (counts.get(value, 0), str(value)))
    return rarer, "whose probability is given: the rarer one, which is usually the one to find"


def _metric_for_numbers(fact: Facts) -> tuple[str, str]:
    assert fact.low is not None
    assert fact.high is not None
    reach = fact.high - fact.low
    if reach > 0 and max(fact.maximum - fact.high, fact.low - fact.minimum) > _TAIL * reach:
        return "mae", "a few values lie far outside, and squared errors would see nothing else"
    return "rmse", "the typical error in units of the target; large errors count more"


def _counts(fact: Facts, table: pa.Table) -> dict[Any, int]:
    """Rows of each class, as JSON values, most frequent first."""
    import pyarrow.compute as pc

    from tenure.ml.task import class_of

    counted = pc.value_counts(table.column(fact.name).drop_null())
    pairs = zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True)
    return {
        class_of(value): count for value, count in sorted(pairs, key=lambda pair: (-pair[1], str(pair[0])))
    }
