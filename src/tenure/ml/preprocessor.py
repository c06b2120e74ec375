"""From the design to the matrix: what is fitted inside each fold, stored with a model, and applied in serving.

Columns with equal treatments are transformed together, which is what makes one row fast. The fitted form is numbers
and names alone, written as MessagePack: reading it back runs no code of the file's choosing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from tenure.core.decoding import msgpack_decoder
from tenure.core.errors import StageError
from tenure.ml.design import Design, Text
from tenure.ml.recipe import Form, Reads, Recipe
from tenure.ml.selection import selection_of
from tenure.ml.transforms import AnyTransform, transform_of
from tenure.ml.transforms.base import Action, Learned, Target

FORMAT = 1
_DTYPES: dict[Form, type] = {"linear": np.float64, "tree": np.float32}
"""Trees compare float32 numbers in any case; it halves the memory."""


@dataclass(frozen=True)
class Block:
    """Columns that are treated alike, and the fitted steps. Text and timestamps are one column each."""

    columns: tuple[str, ...]
    reads: Reads
    steps: tuple[tuple[AnyTransform, Learned], ...]

    def names(self) -> list[tuple[str, str]]:
        """Name and source column of each output."""
        named = [(name, position) for position, name in enumerate(self.columns)]
        for transform, learned in self.steps:
            step = transform.names([name for name, _ in named], learned)
            named = [(name, named[position][1]) for name, position in step]
        return [(name, self.columns[position]) for name, position in named]


class Preprocessor:
    """A fitted recipe in one form: from a `Design` to a matrix (rows, features), float64 for `linear` and float32 for
    `tree`. Safe to call from several threads.

    `kept` are the positions of the features that a selection left, ascending; None where there was none.
    """

    def __init__(
        self, form: Form, blocks: Sequence[Block], kept: npt.NDArray[np.int64] | None = None
    ) -> None:
        self.form = form
        self.blocks = tuple(blocks)
        self.kept = kept
        self.all_names = [named for block in self.blocks for named in block.names()]
        """Name and source column of each feature before the selection."""
        self.names = self.all_names if kept is None else [self.all_names[position] for position in kept]
        """Name and source column of each feature, in the order of the matrix."""
        self._dtype = _DTYPES[form]
        self._actions: list[tuple[Block, list[Action], slice, Any]] = []
        start = end = 0
        for block in self.blocks:
            width = len(block.names())
            chosen: Any = slice(None)
            if kept is not None:
                chosen = kept[(kept >= start) & (kept < start + width)] - start
                start += width
                width = len(chosen)
            if width:
                actions = [transform.compiled(learned) for transform, learned in block.steps]
                self._actions.append((block, actions, slice(end, end + width), chosen))
            end += width

    def transform(self, design: Design) -> npt.NDArray[Any]:
        """The matrix of the features."""
        matrix: npt.NDArray[Any] = np.empty((design.rows, len(self.names)), dtype=self._dtype)
        for block, actions, place, chosen in self._actions:
            values = _values(block.columns, block.reads, design)
            for action in actions:
                values = action(values)
            matrix[:, place] = values[:, chosen]
        return matrix


class Unfitted:
    """A recipe in one form, to be fitted to training rows."""

    def __init__(self, recipe: Recipe, form: Form) -> None:
        self.recipe = recipe
        self.form = form

    def fit(self, design: Design, target: Target | None = None) -> Preprocessor:
        """The fitted preprocessor."""
        return self.fit_transform(design, target)[0]

    def fit_transform(
        self, design: Design, target: Target | None = None
    ) -> tuple[Preprocessor, npt.NDArray[Any]]:
        """The fitted preprocessor, and the matrix of the training rows to learn from.

        The matrix may differ from what `transform` gives for these rows: a target encoding does not show an algorithm
        a row's own target. Raises StageError for a transform that needs a target when there is none.
        """
        blocks: list[Block] = []
        parts: list[npt.NDArray[Any]] = []
        for columns, reads, configs in _groups(self.recipe, self.form):
            values = _values(columns, reads, design)
            steps = []
            for config in configs:
                transform = transform_of(config)
                learned, values = transform.fit_transform(values, target)
                steps.append((transform, learned))
            block = Block(columns, reads, tuple(steps))
            if block.names():
                blocks.append(block)
                parts.append(values)
        fitted = Preprocessor(self.form, blocks)
        matrix: npt.NDArray[Any] = np.empty((design.rows, len(fitted.names)), _DTYPES[self.form])
        end = matrix.shape[1]
        while parts:  # each is freed once it is copied
            values = parts.pop()
            matrix[:, end - values.shape[1] : end] = values
            end -= values.shape[1]
            del values
        if self.recipe.selection is None:
            return fitted, matrix
        if target is None:
            raise StageError(
                "a selection needs a target",
                "the rows it is fitted to come without one",
                "remove features.selection",
            )
        kept = selection_of(self.recipe.selection).kept(matrix, target)
        return Preprocessor(self.form, blocks, kept), np.ascontiguousarray(matrix[:, kept])


def preprocessor(recipe: Recipe, form: Form = "linear") -> Unfitted:
    """What is fitted to training rows in one of the two forms."""
    return Unfitted(recipe, form)


def feature_names(fitted: Preprocessor) -> list[tuple[str, str]]:
    """Name of each feature of the matrix, and the column (raw, derived or interaction) it comes from."""
    return list(fitted.names)


def dropped_names(fitted: Preprocessor) -> list[tuple[str, str]]:
    """Name and source column of each feature that a selection left out."""
    staying = set(fitted.names)
    return [named for named in fitted.all_names if named not in staying]


def unused_inputs(fitted: Preprocessor, recipe: Recipe) -> list[str]:
    """Features of the recipe that no feature of the matrix comes from, in the order of the recipe."""
    used = {source for _, source in fitted.names}
    return [name for name in recipe.features if name not in used]


def selection_report(fitted: Sequence[Preprocessor], recipe: Recipe) -> dict[str, Any]:
    """What a selection left of the features of one or several preprocessors (JSON-able); empty without a selection.

    `unused` are features of the recipe that the model does not look at although callers send them.
    """
    if recipe.selection is None:
        return {}
    unused = [set(unused_inputs(item, recipe)) for item in fitted]
    return {
        "kept": list(dict.fromkeys(name for item in fitted for name, _ in item.names)),
        "dropped": list(dict.fromkeys(name for item in fitted for name, _ in dropped_names(item))),
        "unused": [name for name in recipe.features if all(name in names for names in unused)],
    }


def missing_values(recipe: Recipe, form: Form) -> bool:
    """Whether the matrix of a form may hold NaN: where numbers or timestamps are not completed."""
    return any(
        treatment.reads != "text" and not any(transform_of(step).completes for step in steps)
        for treatment in recipe.treatments
        if (steps := treatment.steps(form)) is not None
    )


def _groups(recipe: Recipe, form: Form) -> list[tuple[tuple[str, ...], Reads, tuple[dict[str, Any], ...]]]:
    """Columns that are treated alike, in the order of the recipe."""
    groups: dict[str, tuple[list[str], Reads, tuple[dict[str, Any], ...]]] = {}
    for position, treatment in enumerate(recipe.treatments):
        steps = treatment.steps(form)
        if steps is None:
            continue
        alone = "" if treatment.reads == "number" else str(position)
        key = json.dumps([alone, treatment.reads, steps], sort_keys=True)
        groups.setdefault(key, ([], treatment.reads, steps))[0].append(treatment.column)
    return [(tuple(columns), reads, steps) for columns, reads, steps in groups.values()]


def _values(columns: Sequence[str], reads: Reads, design: Mapping[str, Any]) -> Any:
    if reads == "number":
        return np.column_stack([design[name] for name in columns])
    (name,) = columns
    return design[name]


# --- bytes ------------------------------------------------------------------------------------------------------


class _Array(msgspec.Struct, frozen=True, tag="array"):
    dtype: str
    shape: tuple[int, ...]
    data: bytes


class _Step(msgspec.Struct, frozen=True):
    transform: dict[str, Any]
    learned: dict[str, _Array | list[str] | bool]


class _Block(msgspec.Struct, frozen=True):
    columns: tuple[str, ...]
    reads: Reads
    steps: tuple[_Step, ...]


class _Fitted(msgspec.Struct, frozen=True):
    format: int
    form: Form
    blocks: tuple[_Block, ...]
    kept: tuple[int, ...] | None = None


def encode(fitted: Preprocessor) -> bytes:
    """The fitted preprocessor as MessagePack, always the same bytes for the same numbers."""
    blocks = tuple(
        _Block(
            block.columns,
            block.reads,
            tuple(
                _Step(
                    transform.model_dump(mode="json", exclude_none=True),
                    {name: _packed(value) for name, value in learned.items()},
                )
                for transform, learned in block.steps
            ),
        )
        for block in fitted.blocks
    )
    kept = None if fitted.kept is None else tuple(fitted.kept.tolist())
    return msgspec.msgpack.encode(_Fitted(FORMAT, fitted.form, blocks, kept))


def decode(data: bytes) -> Preprocessor:
    """The preprocessor from `encode`. Raises StageError when it is not one."""
    try:
        read = msgpack_decoder(_Fitted).decode(data)
        if read.format != FORMAT:
            raise ValueError(f"it has format {read.format}, this version reads format {FORMAT}")
        blocks = [
            Block(
                block.columns,
                block.reads,
                tuple(
                    (
                        transform_of(step.transform),
                        {name: _unpacked(value) for name, value in step.learned.items()},
                    )
                    for step in block.steps
                ),
            )
            for block in read.blocks
        ]
        kept = None if read.kept is None else np.array(read.kept, dtype=np.int64)
        if kept is not None and ((np.diff(kept) <= 0).any() or (kept < 0).any()):
            raise ValueError("the features that were kept are not in order")
        fitted = Preprocessor(read.form, blocks, kept)
        fitted.transform(_no_values(blocks))
    except (msgspec.DecodeError, ValidationError, ValueError, KeyError, IndexError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise StageError(
            "the model file cannot be read", f"the preprocessor is damaged or of another version: {reason}"
        ) from error
    return fitted


def _no_values(blocks: Sequence[Block]) -> Design:
    """One row without any value: what does not fit together is found when it is read, not by the first caller."""
    empty: dict[Reads, Any] = {
        "number": np.array([np.nan]),
        "timestamp": np.array(["NaT"], dtype="datetime64[us]"),
        "text": Text(np.array([-1]), []),
    }
    return Design({name: empty[block.reads] for block in blocks for name in block.columns}, 1)


def _packed(value: Any) -> _Array | list[str] | bool:
    if isinstance(value, np.ndarray):
        return _Array(value.dtype.str, value.shape, np.ascontiguousarray(value).tobytes())
    return value  # type: ignore[no-any-return]


def _unpacked(value: _Array | list[str] | bool) -> Any:
    if not isinstance(value, _Array):
        return value
    if value.dtype not in ("<f8", "<i8"):
        raise ValueError(f"an array has type {value.dtype}")
    return np.frombuffer(value.data, dtype=value.dtype).reshape(value.shape)
