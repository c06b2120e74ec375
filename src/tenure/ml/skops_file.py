"""skops files: fitted scikit-learn objects as data, rebuilt only from a reviewed list of types.

skops itself refuses what is not trusted; here is the list, the refusal in words, and bytes that are always the same.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from tenure.core.errors import StageError

TRUSTED_TYPES: tuple[str, ...] = (
    # Flat arrays of nodes; `_check_nodes` makes sure that they point inside themselves.
    "sklearn.tree._tree.Tree",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    # Parts of histogram gradient boosting that hold numbers and numpy arrays only.
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
    "sklearn._loss.link.Interval",
    "sklearn._loss.link.IdentityLink",
    "sklearn._loss.link.LogLink",
    "sklearn._loss.link.LogitLink",
    "sklearn._loss.link.HalfLogitLink",
    "sklearn._loss.link.MultinomialLogit",
    "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn._loss.loss.HalfMultinomialLoss",
    "sklearn._loss.loss.HalfSquaredError",
    "sklearn._loss.loss.PinballLoss",
    # What adopted pipelines hold besides estimators: which columns were chosen, and two numbers of a sigmoid.
    "sklearn.compose._column_transformer.make_column_selector",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    # How a network was fitted; predicting does not look at it.
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    # Named attributes and dtypes without behaviour.
    "sklearn.utils._bunch.Bunch",
    "numpy.dtype",
)
"""Types beyond skops' own defaults that may be rebuilt from a file. Each was read: constructing it runs no code of
the file's choosing. A new algorithm adds its types here, in a reviewed commit."""


def load(data: bytes, name: str) -> Any:
    """The value of a skops file. `name` is for messages.

    Raises StageError for anything but a skops archive, for a type that is not trusted, and for damaged content.
    """
    import skops.io

    if not zipfile.is_zipfile(io.BytesIO(data)):
        raise StageError(
            "the model file is not in a safe format",
            f"{name} is not a skops archive; other formats, pickle and joblib among them, are never opened",
        )
    try:
        foreign = sorted(set(skops.io.get_untrusted_types(data=data)) - set(TRUSTED_TYPES))
        if foreign:
            raise StageError(
                "the model file holds types that are not trusted",
                f"{name} asks to rebuild {', '.join(foreign)}",
                "save the model with one of the algorithms of this version",
            )
        result = skops.io.loads(data, trusted=list(TRUSTED_TYPES))
    except StageError:
        raise
    except Exception as error:  # skops reports broken archives with many types of its own and of zipfile
        raise StageError(
            "the model file cannot be read", f"{name}: {type(error).__name__}: {error}"
        ) from error
    _check_nodes(result)
    return result


def _check_nodes(value: Any) -> None:
    """Trees index their node arrays without bounds checks, so a damaged file could crash the process: refuse it.

    Wherever a tree is: in a forest, a pipeline, a calibrated classifier.
    """
    for estimator in _estimators(value):
        tree = getattr(estimator, "tree_", None)
        if tree is not None:
            _check_tree(tree, getattr(estimator, "n_features_in_", -1))
        members = getattr(estimator, "estimators_", None)
        # A bagging estimator gives each member its own columns, and the member checks them.
        if members is not None and not hasattr(estimator, "estimators_features_"):
            for member in np.ravel(np.asarray(members, dtype=object)):
                if hasattr(member, "tree_"):
                    _check_tree(member.tree_, getattr(estimator, "n_features_in_", -1))
        for stage in getattr(estimator, "_predictors", []):
            for member in stage:
                _check_predictor(member, getattr(estimator, "n_features_in_", -1))


def _estimators(value: Any) -> Iterator[Any]:
    """Every object of scikit-learn inside a value that was rebuilt from a file, the value included."""
    seen: set[int] = set()
    left = [value]
    while left:
        item = left.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, dict):
            left += item.values()
        elif isinstance(item, list | tuple | set):
            left += item
        elif isinstance(item, np.ndarray):
            left += item.ravel().tolist() if item.dtype == object else []
        elif type(item).__module__.startswith("sklearn.") and hasattr(item, "__dict__"):
            yield item
            left += vars(item).values()


def _check_tree(tree: Any, features: int) -> None:
    count = tree.node_count
    children = np.concatenate([tree.children_left, tree.children_right])
    inner = tree.children_left != -1
    own = np.tile(np.arange(count), 2)
    broken = (
        tree.n_features != features
        or (children >= count).any()
        or (children < -1).any()
        or ((children != -1) & (children <= own)).any()
        or (tree.feature[inner] >= tree.n_features).any()
        or (tree.feature[inner] < 0).any()
    )
    if broken:
        raise StageError("the model file is damaged", "a tree points outside its own nodes")


def _check_predictor(predictor: Any, features: int) -> None:
    nodes = predictor.nodes
    inner = nodes["is_leaf"] == 0
    split = inner & (nodes["is_categorical"] != 0)
    inside = (nodes["left"][inner] < len(nodes)) & (nodes["right"][inner] < len(nodes))
    known = (nodes["feature_idx"][inner] < features) & (nodes["feature_idx"][inner] >= 0)
    listed = nodes["bitset_idx"][split] < len(predictor.raw_left_cat_bitsets)
    if not (inside.all() and known.all() and listed.all()):
        raise StageError("the model file is damaged", "a tree points outside its own nodes")


def _without_padding(data: bytes) -> bytes:
    """Arrays of records have gaps between their fields that hold whatever was in memory: zero them."""
    if not data.startswith(b"\x93NUMPY"):
        return data
    array = np.load(io.BytesIO(data), allow_pickle=False)
    if array.dtype.names is None:
        return data
    clean = np.zeros(array.shape, array.dtype)  # zeros_like would leave the gaps as they are
    for name in array.dtype.names:
        clean[name] = array[name]
    # Not np.save: it copies through a buffer that has such gaps again.
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, np.lib.format.header_data_from_array_1_0(clean))
    buffer.write(np.ascontiguousarray(clean).view(np.uint8).tobytes())
    return buffer.getvalue()


def dump(value: Any) -> bytes:
    """skops bytes that depend on the content alone. Raises StageError for what skops cannot represent.

    skops names members and objects after their memory addresses, so that the same model gives other bytes each time.
    Here they are numbered in the order of the schema, and the archive has no times.
    """
    import skops.io

    try:
        source = zipfile.ZipFile(io.BytesIO(skops.io.dumps(value)))
    except Exception as error:  # skops raises TypeError and its own types for what it cannot represent
        raise StageError(
            "the model has no safe format", f"{type(value).__name__} cannot be saved with skops: {error}"
        ) from error
    schema = json.loads(source.read("schema.json"))
    numbers: dict[int, int] = {}
    files: dict[str, str] = {}
    contents: dict[bytes, str] = {}

    def renumber(node: Any) -> None:
        if isinstance(node, dict):
            if "__id__" in node:
                # Plain values may or may not be the same object from run to run; sharing means nothing for them.
                known = node["__id__"] if node.get("__loader__") != "JsonNode" else -1 - len(numbers)
                node["__id__"] = numbers.setdefault(known, len(numbers))
            if isinstance(node.get("file"), str):
                data = _without_padding(source.read(node["file"]))
                suffix = node["file"].rpartition(".")[2]
                node["file"] = files.setdefault(
                    node["file"], contents.setdefault(data, f"{len(contents)}.{suffix}")
                )
            for item in node.values():
                renumber(item)
        elif isinstance(node, list):
            for item in node:
                renumber(item)

    renumber(schema)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        members = [("schema.json", json.dumps(schema, separators=(",", ":")).encode())]
        members += [(name, data) for data, name in contents.items()]
        for name, data in members:
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return buffer.getvalue()
