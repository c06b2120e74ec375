"""Leakage: what gives the target away and will not be known when the model predicts.

A feature that alone predicts rows it was not looked up on almost without error is usually filled in only once the
outcome is known. Such a model looks excellent until it is used, so by default nothing is trained with it. The score of
a feature is one for all classes, so a value that goes with one class alone is looked for besides (`ml.giveaway`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from tenure.core.effect import Effect
from tenure.core.errors import StageBlocked
from tenure.spec.base import SpecModel, field

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tenure.ml.design import Design, Text
    from tenure.ml.giveaway import Giveaway

FEWEST_ROWS = 200
"""Training rows below which nothing blocks: on few rows an honest measurement may tell classes apart by chance."""
_FEWEST_NOTED = 30
_FEWEST_OF_A_CLASS = 10
"""Rows of a class among those predicted, below which a score says nothing."""
_MOST_ROWS = 100_000
_EXCEPTIONS = 0.02
"""Share of the rows, the worst ones, that R2 leaves out: beyond the values seen nothing can be looked up."""
_BINS = 256
_COMMON_NAMES = frozenset(
    {"target", "label", "class", "y", "value", "type", "name", "result", "output", "response"}
)
"""Names of targets that other columns may contain without being about it."""


class Leakage(SpecModel):
    """What is done about columns that give the target away."""

    check: bool = field(
        Effect.RETRAIN, "Look for features that alone predict the target almost without error.", True
    )
    severity: Literal["error", "warn"] = field(
        Effect.RETRAIN,
        "`error` stops before anything is trained (exit code 3) where the training part has 200 rows or more, `warn` "
        "only says it.",
        "error",
    )
    limit: float | None = field(
        Effect.RETRAIN,
        "From which score on one feature is too good, on held-out rows: the AUC for two classes, the balanced accuracy "
        "for more, R2 for numbers (but for the worst 2 % of rows). Default 0.995 for classes and 0.999 for numbers. "
        "The same limit is for the precision and recall of a value that goes with one class alone.",
        None,
        gt=0.5,
        le=1.0,
        examples=[0.98],
    )
    allow: tuple[str, ...] = field(
        Effect.RETRAIN,
        "Columns that are known in advance however well they predict, and kinds of findings about the data, such as "
        "`duplicate_rows`, that are accepted.",
        (),
        examples=[["last_reading"]],
    )


def usual_limit(classes: int) -> tuple[str, float]:
    """What `scores` are called with so many classes (0 for numbers), and from which on one is too good."""
    if not classes:
        return "R2", 0.999
    return ("AUC" if classes == 2 else "balanced accuracy"), 0.995


def examine(
    leakage: Leakage,
    design: Design,
    reads: Mapping[str, str],
    codes: npt.NDArray[Any],
    classes: Sequence[object],
    target: str,
    found_before: Sequence[Mapping[str, Any]],
) -> list[str]:
    """Sentences about what was found. Raises StageBlocked when something found blocks.

    `codes` (rows,) are positions in `classes` or, where there are none, numbers; `reads` says how each feature of the
    design is read, and `found_before` are findings of the snapshot {kind, sentence, blocks}.
    """
    notes = [
        f"column {name} is named after the target {target}: check that it is known in advance"
        for name in design
        if name not in leakage.allow and named_after(name, target)
    ]
    blocking: list[str] = []
    for finding in found_before:
        if finding["kind"] not in leakage.allow:
            (blocking if finding["blocks"] else notes).append(finding["sentence"])
    kinds = [finding["kind"] for finding in found_before if finding["blocks"]]
    suspects = []
    if leakage.check and design.rows >= _FEWEST_NOTED:
        measure, usual = usual_limit(len(classes))
        limit = leakage.limit or usual
        said = {
            name: f"column {name} alone predicts the target almost without error ({measure} {score:.4g})"
            for name, score in scores(design, reads, codes, len(classes)).items()
            if score >= limit
        }
        for name, (item, value) in giveaways(design, codes).items() if classes else ():
            if item.score >= limit:
                where = (
                    "it is {} there and not elsewhere"
                    if item.present
                    else "it is {} everywhere else and not there"
                )
                said.setdefault(
                    name,
                    f"column {name} alone gives {target} = {classes[item.klass]} away: {where.format(value)} "
                    f"(precision {item.precision:.4g}, recall {item.recall:.4g})",
                )
        for name in design:
            if name in said and name not in leakage.allow:
                suspects.append(name)
                sentence = f"{said[name]}: check that it is known in advance"
                (blocking if design.rows >= FEWEST_ROWS else notes).append(sentence)
    if blocking and leakage.severity == "error":
        raise StageBlocked(
            "the data give the target away",
            "\n".join(blocking),
            _way_out(suspects, kinds),
            path=("features", "leakage"),
        )
    return blocking + notes


def _way_out(suspects: Sequence[str], kinds: Sequence[str]) -> str:
    waived = ", ".join([*suspects, *dict.fromkeys(kinds)])
    allow = f"if that is as it should be, say so under features: leakage: {{allow: [{waived}]}}"
    if not suspects:
        return f"correct the data; {allow}"
    return (
        f"leave what is known only afterwards out, under features: exclude: [{', '.join(suspects)}]; {allow}"
    )


def named_after(name: str, target: str) -> bool:
    """Whether the words of the target's name are among those of a column's, in a row."""
    wanted, words = _words(target), _words(name)
    if len("".join(wanted)) < 4 or (len(wanted) == 1 and wanted[0] in _COMMON_NAMES):
        return False
    return any(words[start : start + len(wanted)] == wanted for start in range(len(words)))


def _words(name: str) -> list[str]:
    apart = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name)
    return [word for word in re.split(r"[\W_]+", apart.casefold()) if word]


def scores(
    design: Design, reads: Mapping[str, str], codes: npt.NDArray[Any], classes: int
) -> dict[str, float]:
    """How well each feature alone predicts one half of the rows after a look at the other half.

    Values that repeat are looked up; other numbers are cut into intervals for classes, and interpolated for numbers.
    1 is without error. Features of timestamps are left out, and all of them where a class has too few rows.
    """
    import numpy as np

    generator = np.random.default_rng(0)
    order = generator.permutation(design.rows)[:_MOST_ROWS]
    seen, held = order[: len(order) // 2], order[len(order) // 2 :]
    truth = np.asarray(codes)
    if classes and _fewest(truth[held], classes) < _FEWEST_OF_A_CLASS:
        return {}
    if not classes and float(np.ptp(truth[held])) == 0.0:
        return {}
    found = {}
    for name in design:
        if reads.get(name) == "timestamp":
            continue
        values = design[name]
        if reads.get(name) == "text":
            groups: Any = _places(values)
        else:
            groups = _groups(values, seen, numbers=not classes)
        if groups is None:
            said = _interpolated(values, truth, seen, held)
        else:
            said = _looked_up(groups, truth, classes, seen, held)
        found[name] = _score(said, truth[held], classes)
        if classes == 2 and reads.get(name) != "text" and not np.isnan(values[held]).any():
            # Where it only rises or falls, no look is needed, and few rows are enough.
            area = _area(values[held], truth[held])
            found[name] = max(found[name], area, 1.0 - area)
    return found


def giveaways(design: Design, codes: npt.NDArray[Any]) -> dict[str, tuple[Giveaway, str]]:
    """The value of each feature that goes with one class best, and how to write it, for features that have one.

    Of a timestamp, only that it is missing is a value.
    """
    import numpy as np

    from tenure.ml.design import Text
    from tenure.ml.giveaway import giveaway

    drawn = np.sort(np.random.default_rng(0).permutation(design.rows)[:_MOST_ROWS])
    truth = np.asarray(codes)[drawn]
    found = {}
    for name, values in design.take(drawn).items():
        if isinstance(values, Text):
            places, shown = _places(values), ["missing", *map(repr, values.categories)]
        elif values.dtype.kind == "M":
            places, shown = (~np.isnat(values)).astype(np.int64), ["missing", "filled in"]
        else:
            distinct, places = np.unique(values, return_inverse=True)
            shown = ["missing" if np.isnan(value) else f"{value:.6g}" for value in distinct]
        item = giveaway(places, truth)
        if item is not None:
            found[name] = (item, shown[item.value])
    return found


def _fewest(codes: npt.NDArray[Any], classes: int) -> int:
    """Rows of the rarest class that occurs; 0 where only one does."""
    import numpy as np

    counts = np.bincount(codes, minlength=classes)
    occurring = counts[counts > 0]
    return int(occurring.min()) if len(occurring) > 1 else 0


def _places(values: Text) -> npt.NDArray[np.int64]:
    """Text as groups, a missing value as one of its own."""
    return values.codes + 1


def _groups(
    values: npt.NDArray[np.float64], seen: npt.NDArray[np.intp], *, numbers: bool
) -> npt.NDArray[np.int64] | None:
    """Numbers as groups: equal values where they repeat, else intervals; None where they should be interpolated."""
    import numpy as np

    known = values[seen][~np.isnan(values[seen])]
    distinct = np.unique(known)
    if len(distinct) * 5 <= len(known):
        edges = distinct
    elif numbers:
        return None
    else:
        edges = np.unique(np.quantile(known, np.linspace(0, 1, min(_BINS, len(known) // 8 + 2))[1:-1]))
    groups = np.searchsorted(edges, values, side="right") + 1
    groups[np.isnan(values)] = 0
    return groups.astype(np.int64)


def _looked_up(
    groups: npt.NDArray[np.int64],
    truth: npt.NDArray[Any],
    classes: int,
    seen: npt.NDArray[np.intp],
    held: npt.NDArray[np.intp],
) -> npt.NDArray[np.float64]:
    """The mean of each group among the rows seen, for the rows held out; that of all rows for a group not seen."""
    import numpy as np

    count = int(groups.max()) + 1
    rows = np.bincount(groups[seen], minlength=count)
    columns: Iterable[Any] = (
        [truth[seen].astype(np.float64)]
        if not classes
        else [(truth[seen] == position).astype(np.float64) for position in range(classes)]
    )
    means = []
    for column in columns:
        sums = np.bincount(groups[seen], weights=column, minlength=count)
        means.append(np.divide(sums, rows, out=np.full(count, column.mean()), where=rows > 0)[groups[held]])
    return np.column_stack(means)


def _interpolated(
    values: npt.NDArray[np.float64],
    truth: npt.NDArray[Any],
    seen: npt.NDArray[np.intp],
    held: npt.NDArray[np.intp],
) -> npt.NDArray[np.float64]:
    """A line through the rows seen, point to point; their mean where the value is missing."""
    import numpy as np

    known = seen[~np.isnan(values[seen])]
    points, places, counts = np.unique(values[known], return_inverse=True, return_counts=True)
    heights = np.bincount(places, weights=truth[known]) / counts
    said = np.interp(values[held], points, heights)
    said[np.isnan(values[held])] = truth[seen].mean()
    return said[:, None]


def _score(said: npt.NDArray[np.float64], truth: npt.NDArray[Any], classes: int) -> float:
    import numpy as np

    if not classes:
        staying = math.ceil(len(truth) * (1.0 - _EXCEPTIONS))
        left, whole = (
            float(np.sort((truth - other) ** 2)[:staying].sum()) for other in (said[:, 0], truth.mean())
        )
        return 1.0 - left / whole if whole else 0.0
    if classes == 2:
        return _area(said[:, 1], truth)
    chosen = said.argmax(axis=1)
    present = np.unique(truth)
    return float(np.mean([(chosen[truth == position] == position).mean() for position in present]))


def _area(said: npt.NDArray[np.float64], truth: npt.NDArray[Any]) -> float:
    """The area under the ROC curve: how often a positive row has more than a negative one (Mann and Whitney 1947)."""
    import numpy as np

    positive = truth == 1
    _, places, counts = np.unique(said, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    many = int(positive.sum())
    return float((ranks[positive].sum() - many * (many + 1) / 2) / (many * (len(truth) - many)))
