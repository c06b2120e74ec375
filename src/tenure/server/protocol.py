"""Reading rows from requests and writing predictions: plain JSON, and the Open Inference Protocol V2.

https://github.com/open-inference/open-inference-protocol (REST). A column is a tensor of shape [rows] or [rows, 1].
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import orjson

from tenure.ml.predictions import Predictions
from tenure.ml.signature import Flag, InputColumn, Signature
from tenure.server.problems import bad_request

_DATATYPES = {
    "number": "FP64",
    "integer": "INT64",
    "string": "BYTES",
    "boolean": "BOOL",
    "timestamp": "BYTES",
}
_WHOLE = frozenset({"INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"})
_REAL = frozenset({"FP16", "FP32", "FP64"})
_CONTENT_TYPES = ("str", "datetime", "base64")
PREDICTION, PROBABILITIES = "prediction", "probabilities"
LOW, HIGH = "interval_low", "interval_high"
_OUTPUTS = (PREDICTION, PROBABILITIES, LOW, HIGH)


class Asked(msgspec.Struct, frozen=True, eq=False):
    """A request: its rows as objects, the id the caller gave it, and the outputs the caller wants (empty: all)."""

    rows: list[Any]
    id: str | None = None
    outputs: tuple[str, ...] = ()


def parse(body: bytes) -> Any:
    """Decoded JSON. Raises Problem 400 with what is wrong and where."""
    if not body:
        raise bad_request("The body is empty; send rows as JSON.")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        detail = f"The body is not JSON: {error}."
        if b"NaN" in body or b"Infinity" in body:
            detail += " NaN and Infinity do not exist in JSON; send null for a value that is not known."
        raise bad_request(detail) from None


def read_rows(document: Any, inputs: Sequence[InputColumn]) -> Asked:
    """Rows from `{"rows": [...]}`, a bare list, or one bare object."""
    if isinstance(document, list):
        return Asked(document)
    if not isinstance(document, dict):
        raise bad_request('Send {"rows": [...]}, a list of objects, or one object.')
    if "rows" not in document or any(column.name == "rows" for column in inputs):
        return Asked([document])
    rows, identity = document["rows"], document.get("id")
    if not isinstance(rows, list):
        raise bad_request('"rows" must be a list of objects.')
    if unknown := sorted(set(document) - {"rows", "id"}):
        raise bad_request(f'Next to "rows" there may only be "id", not {", ".join(map(repr, unknown))}.')
    return Asked(rows, None if identity is None else str(identity))


def write_rows(
    model: str, version: int, ids: Sequence[str], predictions: Predictions, flags: Sequence[Flag]
) -> dict[str, Any]:
    """The answer to plain rows: a prediction per row, with probabilities for a classification, an interval where the
    model gives one, and flags if any."""
    answers: list[dict[str, Any]] = [
        {"id": name, "prediction": label}
        for name, label in zip(ids, predictions.labels.tolist(), strict=True)
    ]
    if predictions.probabilities is not None:
        names = [class_name(name) for name in predictions.classes]
        for answer, row in zip(answers, predictions.probabilities.tolist(), strict=True):
            answer["probabilities"] = dict(zip(names, row, strict=True))
    if (ends := predictions.interval) is not None:
        for answer, low, high in zip(answers, ends.low.tolist(), ends.high.tolist(), strict=True):
            answer["interval"] = {"low": low, "high": high, "confidence": ends.confidence}
    for flag in flags:
        answers[flag.row].setdefault("flags", []).append({"field": flag.field, "code": flag.code})
    return {"model": model, "version": version, "predictions": answers}


def class_name(name: object) -> str:
    """A class as a JSON key."""
    return str(name).lower() if isinstance(name, bool) else str(name)


# --- V2 ---------------------------------------------------------------------------------------------------------


def read_tensors(document: Any) -> Asked:
    """Rows from the named tensors of a V2 inference request. Raises Problem 400 naming the tensor."""
    if not isinstance(document, dict) or not isinstance(document.get("inputs"), list):
        raise bad_request('An inference request is an object with a list of tensors, "inputs".')
    if not document["inputs"]:
        raise bad_request('The request has no tensors: "inputs" is empty.')
    columns: dict[str, list[Any]] = {}
    for position, tensor in enumerate(document["inputs"]):
        name, values = _tensor(tensor, position)
        if name in columns:
            raise bad_request(f"The tensor {name!r} comes twice.")
        columns[name] = values
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise bad_request("All tensors must have the same number of rows.", rows=lengths)
    names = list(columns)
    rows = [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    identity = document.get("id")
    return Asked(rows, None if identity is None else str(identity), _outputs(document.get("outputs")))


def _tensor(tensor: Any, position: int) -> tuple[str, list[Any]]:
    if not isinstance(tensor, dict) or not isinstance(tensor.get("name"), str):
        raise bad_request(f'Tensor {position} must be an object with "name", "shape", "datatype" and "data".')
    name, datatype, shape, data = (
        tensor["name"],
        tensor.get("datatype"),
        tensor.get("shape"),
        tensor.get("data"),
    )
    if not isinstance(data, list):
        raise bad_request(f'The tensor {name!r} needs a list, "data".')
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise bad_request(f"The tensor {name!r} needs a shape: a list of whole numbers.")
    if len(shape) not in (1, 2) or (len(shape) == 2 and shape[1] != 1):
        raise bad_request(f"The tensor {name!r} has shape {shape}; a column has shape [rows] or [rows, 1].")
    values = [item[0] if isinstance(item, list) and len(item) == 1 else item for item in data]
    if len(values) != shape[0]:
        raise bad_request(f"The tensor {name!r} has shape {shape} and {len(values)} values.")
    if datatype in _WHOLE:
        fits = all(value is None or type(value) is int for value in values)
    elif datatype in _REAL:
        fits = all(value is None or type(value) in (int, float) for value in values)
    elif datatype == "BOOL":
        fits = all(value is None or type(value) is bool for value in values)
    elif datatype == "BYTES":
        fits = all(value is None or type(value) is str for value in values)
        values = _text(tensor, name, values) if fits else values
    else:
        raise bad_request(f"The tensor {name!r} has the unknown datatype {datatype!r}; known: {_KNOWN}.")
    if not fits:
        raise bad_request(f"The tensor {name!r} is {datatype}, and not all of its values are.")
    return name, values


_KNOWN = ", ".join(sorted(_WHOLE | _REAL | {"BOOL", "BYTES"}))


def _text(tensor: Mapping[str, Any], name: str, values: list[Any]) -> list[Any]:
    """The strings of a BYTES tensor, decoded as `parameters.content_type` says."""
    parameters = tensor.get("parameters") or {}
    kind = parameters.get("content_type", "str") if isinstance(parameters, dict) else None
    if kind not in _CONTENT_TYPES:
        known = ", ".join(_CONTENT_TYPES)
        raise bad_request(f"The tensor {name!r} has the unknown content_type {kind!r}; known: {known}.")
    if kind != "base64":
        return values
    try:
        return [
            None if value is None else base64.b64decode(value, validate=True).decode() for value in values
        ]
    except (binascii.Error, UnicodeDecodeError) as error:
        raise bad_request(f"The tensor {name!r} is not base64 of UTF-8 text: {error}.") from None


def _outputs(asked: Any) -> tuple[str, ...]:
    if not asked:
        return ()
    names = (
        [item.get("name") if isinstance(item, dict) else None for item in asked]
        if isinstance(asked, list)
        else []
    )
    unknown = [name for name in names if name not in _OUTPUTS]
    if unknown or not names:
        raise bad_request(f'"outputs" may name {", ".join(_OUTPUTS)}, not {unknown}.')
    return tuple(str(name) for name in names)


def write_tensors(
    model: str,
    version: int,
    asked: Asked,
    ids: Sequence[str],
    predictions: Predictions,
    flags: Sequence[Flag],
) -> dict[str, Any]:
    """The answer to a V2 inference request."""
    labels = predictions.labels.tolist()
    outputs: list[dict[str, Any]] = []
    if not asked.outputs or PREDICTION in asked.outputs:
        datatype, values = _label_tensor(predictions, labels)
        outputs.append({"name": PREDICTION, "shape": [len(labels)], "datatype": datatype, "data": values})
    if predictions.probabilities is not None and (not asked.outputs or PROBABILITIES in asked.outputs):
        outputs.append(
            {
                "name": PROBABILITIES,
                "shape": list(predictions.probabilities.shape),
                "datatype": "FP64",
                "data": predictions.probabilities.ravel().tolist(),
                "parameters": {"classes": [class_name(name) for name in predictions.classes]},
            }
        )
    if (ends := predictions.interval) is not None:
        for name, side in ((LOW, ends.low), (HIGH, ends.high)):
            if not asked.outputs or name in asked.outputs:
                outputs.append(
                    {
                        "name": name,
                        "shape": [len(side)],
                        "datatype": "FP64",
                        "data": side.tolist(),
                        "parameters": {"confidence": ends.confidence},
                    }
                )
    parameters: dict[str, Any] = {"prediction_ids": list(ids)}
    if flags:
        parameters["flags"] = [{"row": flag.row, "field": flag.field, "code": flag.code} for flag in flags]
    return {
        "model_name": model,
        "model_version": str(version),
        "id": asked.id or (ids[0] if ids else ""),
        "parameters": parameters,
        "outputs": outputs,
    }


def _label_tensor(predictions: Predictions, labels: list[Any]) -> tuple[str, list[Any]]:
    datatype = _label_datatype(predictions.classes)
    return datatype, [str(label) for label in labels] if datatype == "BYTES" else labels


def _label_datatype(classes: Sequence[Any]) -> str:
    """The tensor type of the target's values; mixed ones travel as text."""
    if not classes:
        return "FP64"
    kinds = {type(name) for name in classes}
    if kinds == {bool}:
        return "BOOL"
    if kinds == {int}:
        return "INT64"
    return "FP64" if kinds <= {int, float} else "BYTES"


def model_metadata(
    model: str, signature: Signature | None, versions: Sequence[int], confidence: float | None = None
) -> dict[str, Any]:
    """The V2 metadata of a model: its tensors, with the limits of their values as parameters. `confidence` is that of
    its intervals, None where it gives none."""
    document: dict[str, Any] = {
        "name": model,
        "versions": [str(number) for number in versions],
        "platform": "tenure",
    }
    if signature is None:
        return document | {"inputs": [], "outputs": []}
    outputs: list[dict[str, Any]] = [
        {"name": PREDICTION, "datatype": _label_datatype(signature.classes), "shape": [-1]}
    ]
    if signature.classes:
        classes = [class_name(name) for name in signature.classes]
        outputs.append(
            {
                "name": PROBABILITIES,
                "datatype": "FP64",
                "shape": [-1, len(classes)],
                "parameters": {"classes": classes},
            }
        )
    if confidence is not None:
        for name in (LOW, HIGH):
            ends = {"name": name, "datatype": "FP64", "shape": [-1], "parameters": {"confidence": confidence}}
            outputs.append(ends)
    return document | {"inputs": [_input_metadata(column) for column in signature.inputs], "outputs": outputs}


def _input_metadata(column: InputColumn) -> dict[str, Any]:
    limits = {"categories": column.categories, "minimum": column.minimum, "maximum": column.maximum}
    return {
        "name": column.name,
        "datatype": _DATATYPES[column.type],
        "shape": [-1],
        "parameters": {"type": column.type, "nullable": column.nullable}
        | {name: value for name, value in limits.items() if value is not None},
    }
