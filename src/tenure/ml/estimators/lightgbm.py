"""Format `lightgbm`: boosters as LightGBM's text, the trees alone.

LightGBM writes the parameters of the training after the trees, the number of threads among them; they are left out,
as nothing that predicts reads them. Its reader does not check what it reads and ends the process over a damaged file,
so the text is checked here before it is given to it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tenure.core.errors import StageError
from tenure.ml.estimators.format import Raw
from tenure.ml.signature import Signature

_END = "end of trees"


class LightGbm:
    """A `lightgbm.Booster`."""

    name = "lightgbm"
    suffix = "txt"

    def owns(self, estimator: Any) -> bool:
        """Whatever the package lightgbm made."""
        return type(estimator).__module__.partition(".")[0] == "lightgbm"

    def libraries(self) -> dict[str, str]:
        """The version of LightGBM."""
        import lightgbm

        return {"lightgbm": lightgbm.__version__}

    def save(self, estimator: Any) -> bytes:
        """The text up to the end of the trees."""
        text: str = estimator.model_to_string()
        return (text[: text.index(_END) + len(_END)] + "\n").encode()

    def load(self, data: bytes, file: str, threads: int) -> Any:
        """The booster, its trees checked."""
        try:
            import lightgbm
        except ImportError as error:
            raise StageError(
                "lightgbm is not installed",
                f"{file} is a LightGBM model, whose package is an extra",
                "pip install 'tenure[lightgbm]'",
            ) from error

        try:
            text = data.decode("utf-8")
            _check(text)
        except (ValueError, KeyError, IndexError) as error:
            reason = f"{file}: {error}" if str(error) else file
            raise StageError("the model file cannot be read", reason) from error
        booster = lightgbm.Booster(model_str=text)
        booster.params["num_threads"] = threads
        return booster

    def raw(self, estimator: Any, matrix: Any, signature: Signature) -> Raw:
        """Probabilities or numbers."""
        threads = int(estimator.params.get("num_threads", 1))
        values = np.asarray(estimator.predict(matrix, num_threads=threads), dtype=np.float64)
        return np.column_stack([1.0 - values, values]) if signature.task == "binary" else values


def _check(text: str) -> None:
    """Raise ValueError, KeyError or IndexError unless the text is a header and trees that point inside themselves."""
    if not text.startswith("tree\n") or not text.endswith(f"\n{_END}\n"):
        raise ValueError("it does not begin and end as LightGBM's text does")
    head, *trees = text[: -len(_END) - 1].split("Tree=")
    header = _pairs(head)
    features = int(header["max_feature_idx"]) + 1
    sizes = [int(size) for size in header["tree_sizes"].split()]
    if (
        len(header["feature_names"].split(" ")) != features
        or len(header["feature_infos"].split(" ")) != features
    ):
        raise ValueError("its features are not those it counts")
    # The reader finds each tree by these sizes, in bytes with the blank lines that follow it.
    if [len(f"Tree={tree}".encode()) for tree in trees] != sizes:
        raise ValueError("its trees are not as long as it says")
    if len(trees) % int(header["num_tree_per_iteration"]):
        raise ValueError("a round of trees is incomplete")
    for number, tree in enumerate(trees):
        first, _, rest = tree.partition("\n")
        if int(first) != number:
            raise ValueError(f"tree {number} is missing")
        try:
            _check_tree(_pairs(rest), features)
        except (ValueError, KeyError) as error:
            raise ValueError(f"tree {number} is damaged: {error}") from error


def _check_tree(tree: dict[str, str], features: int) -> None:
    leaves, categorical = int(tree["num_leaves"]), int(tree["num_cat"])
    _numbers(tree["leaf_value"], leaves)
    if int(tree["is_linear"]):
        raise ValueError("linear leaves are not read")
    inner = leaves - 1
    if leaves < 1 or categorical < 0:
        raise ValueError("it has no leaves")
    if inner == 0:
        return
    _numbers(tree["split_gain"], inner)
    threshold = _numbers(tree["threshold"], inner)
    kinds = _integers(tree["decision_type"], inner)
    split = _integers(tree["split_feature"], inner)
    children = np.concatenate([_integers(tree["left_child"], inner), _integers(tree["right_child"], inner)])
    below = np.where(children < 0, ~children + inner, children)
    own = np.tile(np.arange(inner), 2)
    # A child comes after its parent, and every node but the root has exactly one: then there is no way round.
    if (
        ((children >= 0) & (children <= own)).any()
        or below.min() < 0
        or not np.array_equal(np.sort(below), np.arange(1, inner + leaves))
    ):
        raise ValueError("it points outside its own nodes")
    if split.min() < 0 or split.max() >= features:
        raise ValueError("it asks for a feature that there is not")
    if categorical:
        bounds = _integers(tree["cat_boundaries"], categorical + 1)
        words = _integers(tree["cat_threshold"], int(bounds[-1]))
        listed = threshold[(kinds & 1) == 1]
        if (
            bounds[0] != 0
            or (np.diff(bounds) <= 0).any()
            or words.min() < 0
            or (listed != np.round(listed)).any()
            or (listed < 0).any()
            or (listed >= categorical).any()
        ):
            raise ValueError("its sets of categories are damaged")
    elif (kinds & 1).any():
        raise ValueError("its sets of categories are missing")


def _pairs(text: str) -> dict[str, str]:
    return dict(line.partition("=")[::2] for line in text.splitlines() if "=" in line)


def _numbers(text: str, count: int) -> npt.NDArray[np.float64]:
    values = np.array([float(item) for item in text.split(" ")], dtype=np.float64)
    if len(values) != count:
        raise ValueError(f"{len(values)} numbers where {count} are expected")
    return values


def _integers(text: str, count: int) -> npt.NDArray[np.int64]:
    values = np.array([int(item) for item in text.split(" ")], dtype=np.int64)
    if len(values) != count:
        raise ValueError(f"{len(values)} numbers where {count} are expected")
    return values
