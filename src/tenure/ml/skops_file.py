"""skops files: fitted scikit-learn objects as data, rebuilt only from a reviewed list of types.

skops itself refuses what is not trusted; here is the list, the refusal in words, and bytes that are always the same.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import numpy as np

from tenure.core.errors import StageError

TRUSTED_TYPES: tuple[str, ...] = (
    # Our own encoder: lists of text and booleans.
    "tenure.ml.encoding.CategoryEncoder",
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


def _check_nodes(estimator: Any) -> None:
    """Trees index their node arrays without bounds checks, so a damaged file could crash the process: refuse it."""
    members = getattr(estimator, "estimators_", None)
    for member in [estimator] if members is None else list(np.ravel(np.asarray(members, dtype=object))):
        tree = getattr(member, "tree_", None)
        if tree is None:
            continue
        count = tree.node_count
        children = np.concatenate([tree.children_left, tree.children_right])
        inner = tree.children_left != -1
        own = np.tile(np.arange(count), 2)
        broken = (
            (children >= count).any()
            or (children < -1).any()
            or ((children != -1) & (children <= own)).any()
            or (tree.feature[inner] >= tree.n_features).any()
            or (tree.feature[inner] < 0).any()
        )
        if broken:
            raise StageError("the model file is damaged", "a tree points outside its own nodes")
    for stage in getattr(estimator, "_predictors", []):
        for member in stage:
            nodes = member.nodes
            inner = nodes["is_leaf"] == 0
            inside = (nodes["left"][inner] < len(nodes)) & (nodes["right"][inner] < len(nodes))
            known = nodes["feature_idx"][inner] < estimator.n_features_in_
            if not (inside.all() and known.all() and (nodes["feature_idx"][inner] >= 0).all()):
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
