"""Everything that decides a fold, and the same as files, for workers that do not see this process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tenure.core.decoding import converted, json_decoder
from tenure.stages.training.algorithm import Form
from tenure.stages.training.preparation import LearningRows, PreparedFold, prepared_fold
from tenure.stages.training.weighting import ClassWeights, Sampling, weighted

if TYPE_CHECKING:
    import numpy.typing as npt

    from tenure.ml.design import Design
    from tenure.ml.recipe import Recipe
    from tenure.ml.signature import Signature
    from tenure.stages.training.folding import Fold

_ABOUT, _CODES = "rows.json", "codes.npy"


@dataclass(frozen=True)
class FoldMaker:
    """Everything that decides a fold. It makes the same of the same, wherever it runs."""

    rows: LearningRows
    cut: Sequence[Fold]
    seed: int
    class_weights: ClassWeights | None = None
    sampling: Sampling | None = None

    def __call__(self, form: Form, number: int) -> PreparedFold:
        """A fold in a form. Raises StageError for rows that cannot be prepared."""
        fold = prepared_fold(self.rows, *self.cut[number], form, self.seed)
        train = weighted(fold.train, self.class_weights, self.sampling, self.rows.signature, self.seed)
        return PreparedFold(train, fold.validation)


# --- as files -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _MappedRows:
    recipe: Recipe
    signature: Signature
    design: Design
    codes: npt.NDArray[Any]


class _About(msgspec.Struct, frozen=True):
    """What is no array. `columns` are the features in order, each with the position of its categories, where it is
    text."""

    recipe: msgspec.Raw
    signature: dict[str, Any]
    rows: int
    columns: tuple[tuple[str, bool], ...]
    folds: int
    seed: int
    class_weights: Any
    sampling: dict[str, Any] | None


def save(maker: FoldMaker, folder: Path) -> None:
    """Write what `opened` reads into a new folder. Raises OSError."""
    import numpy as np

    from tenure.ml.design import Text
    from tenure.ml.recipe import encode

    def keep(name: str, array: npt.NDArray[Any]) -> None:
        np.save(folder / name, array, allow_pickle=False)

    folder.mkdir(parents=True)
    design, columns = maker.rows.design, []
    for position, (name, values) in enumerate(design.items()):
        text = isinstance(values, Text)
        columns.append((name, text))
        keep(_column(position), values.codes if text else values)
        if text:
            (folder / _categories(position)).write_bytes(msgspec.json.encode(values.categories))
    keep(_CODES, maker.rows.codes)
    for number, (train, test) in enumerate(maker.cut):
        keep(f"train-{number}.npy", train)
        keep(f"validation-{number}.npy", test)
    about = _About(
        msgspec.Raw(encode(maker.rows.recipe)),
        msgspec.to_builtins(maker.rows.signature),
        design.rows,
        tuple(columns),
        len(maker.cut),
        maker.seed,
        maker.class_weights,
        None if maker.sampling is None else maker.sampling.model_dump(mode="json"),
    )
    (folder / _ABOUT).write_bytes(msgspec.json.encode(about))


def opened(folder: Path) -> FoldMaker:
    """The maker that was saved in a folder; its arrays are mapped, and not to be written to."""
    import numpy as np

    from tenure.ml.design import Design, Text
    from tenure.ml.recipe import decode
    from tenure.ml.signature import Signature

    def mapped(name: str) -> Any:
        return np.asarray(np.load(folder / name, mmap_mode="r"))

    about = json_decoder(_About).decode((folder / _ABOUT).read_bytes())
    columns: dict[str, Any] = {}
    for position, (name, text) in enumerate(about.columns):
        values = mapped(_column(position))
        if text:
            known = (folder / _categories(position)).read_bytes()
            values = Text(values, json_decoder(list[str]).decode(known))
        columns[name] = values
    rows = _MappedRows(
        decode(bytes(about.recipe)),
        converted(about.signature, Signature),
        Design(columns, about.rows),
        mapped(_CODES),
    )
    return FoldMaker(
        rows,
        [
            (mapped(f"train-{number}.npy"), mapped(f"validation-{number}.npy"))
            for number in range(about.folds)
        ],
        about.seed,
        about.class_weights,
        None if about.sampling is None else Sampling.model_validate(about.sampling),
    )


def _column(position: int) -> str:
    return f"column-{position}.npy"


def _categories(position: int) -> str:
    return f"categories-{position}.json"
