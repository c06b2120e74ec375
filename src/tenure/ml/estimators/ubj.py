"""Checking universal binary JSON before xgboost reads it.

xgboost reads beyond its memory when a file was cut off, and follows the nodes of a tree without looking at their
numbers: a damaged model would end the process that serves it.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt

_NUMBERS = {
    "i": (">b", 1),
    "U": (">B", 1),
    "I": (">h", 2),
    "l": (">i", 4),
    "L": (">q", 8),
    "d": (">f", 4),
    "D": (">d", 8),
}
"""Types of one value in big-endian order and their sizes in bytes."""
_CONSTANTS = {"T": True, "F": False, "Z": None}
_DEEPEST = 30


def check_booster(data: bytes) -> None:
    """Raise ValueError unless the bytes are a whole document whose trees point inside themselves."""
    try:
        document, end = _value(data, 0, 0)
        if end != len(data):
            raise ValueError("there is more after its end")
        learner = document["learner"]
        booster = learner["gradient_booster"]
        model = booster.get("gbtree", booster)["model"]
        features = int(learner["learner_model_param"]["num_feature"])
        trees = model.get("trees", ())
    except (KeyError, TypeError, AttributeError, IndexError, struct.error, UnicodeDecodeError) as error:
        raise ValueError("it is cut off or damaged") from error
    for number, tree in enumerate(trees):
        try:
            whole = _is_whole(tree, features)
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError(f"tree {number} is damaged") from error
        if not whole:
            raise ValueError(f"tree {number} points outside its own nodes")


def _value(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    """The value that begins at a position, and where it ends. Arrays of one type become numpy arrays."""
    kind = chr(data[at])
    at += 1
    if kind in _NUMBERS:
        form, size = _NUMBERS[kind]
        return struct.unpack_from(form, data, at)[0], at + size
    if kind in _CONSTANTS:
        return _CONSTANTS[kind], at
    if kind == "S":
        return _text(data, at)
    if depth >= _DEEPEST:
        raise ValueError("it is nested too deeply")
    if kind == "{":
        members = {}
        while data[at] != ord("}"):
            name, at = _text(data, at)
            members[name], at = _value(data, at, depth + 1)
        return members, at + 1
    if kind == "[":
        return _array(data, at, depth)
    raise ValueError(f"it has a value of an unknown kind at byte {at - 1}")


def _text(data: bytes, at: int) -> tuple[str, int]:
    length, at = _length(data, at)
    return data[at : at + length].decode("utf-8"), at + length


def _length(data: bytes, at: int) -> tuple[int, int]:
    """A length that the rest of the bytes can hold: nothing takes less than a byte."""
    length, at = _value(data, at, _DEEPEST)
    if not isinstance(length, int) or not 0 <= length <= len(data) - at:
        raise ValueError("it is cut off or damaged")
    return length, at


def _array(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    kind = ""
    if data[at] == ord("$"):
        kind, at = chr(data[at + 1]), at + 2
    if data[at] != ord("#"):
        items = []
        while data[at] != ord("]"):
            item, at = _value(data, at, depth + 1)
            items.append(item)
        return items, at + 1
    length, at = _length(data, at + 1)
    if kind:
        form, size = _NUMBERS[kind]
        if length * size > len(data) - at:
            raise ValueError("it is cut off or damaged")
        return np.frombuffer(data, np.dtype(form), length, at), at + length * size
    items = []
    for _ in range(length):
        item, at = _value(data, at, depth + 1)
        items.append(item)
    return items, at


def _is_whole(tree: dict[str, Any], features: int) -> bool:
    left, right = _integers(tree["left_children"]), _integers(tree["right_children"])
    count = len(left)
    arrays = ("right_children", "split_indices", "split_conditions", "default_left", "parents", "split_type")
    if count == 0 or any(len(tree[name]) != count for name in arrays):
        return False
    inner = left != -1
    children = np.concatenate([left[inner], right[inner]])
    split = _integers(tree["split_indices"])[inner]
    kinds = _integers(tree["split_type"])
    nodes, starts, sizes = (_integers(tree[f"categories_{name}"]) for name in ("nodes", "segments", "sizes"))
    categories = _integers(tree["categories"])
    return bool(
        ((children > 0) & (children < count)).all()
        # A node with two parents could be its own ancestor.
        and len(np.unique(children)) == len(children)
        and ((split >= 0) & (split < features)).all()
        and int(tree["tree_param"]["num_nodes"]) == count
        and len(nodes) == len(starts) == len(sizes) == int((kinds == 1).sum())
        and ((nodes >= 0) & (nodes < count)).all()
        and ((starts >= 0) & (sizes >= 0) & (starts + sizes <= len(categories))).all()
        and (categories >= 0).all()
    )


def _integers(values: Any) -> npt.NDArray[np.int64]:
    return np.asarray(values, dtype=np.int64)
