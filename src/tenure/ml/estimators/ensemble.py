"""Format `ensemble`: an archive of the members, each in its own format, and of their preprocessors.

    ensemble.json             the members in order: file, format, form, weight
    preprocessor-FORM.msgpack  the features of a form
    member-N.*                an estimator

Nothing in the archive is compressed: each part already is what it has to be, and an archive that is small to send and
huge to open is refused.
"""

from __future__ import annotations

import io
import zipfile
from typing import Any

import msgspec
import numpy as np

from tenure.core.decoding import json_decoder
from tenure.core.errors import StageError
from tenure.ml.ensemble import Ensemble, Member
from tenure.ml.estimators.format import Format, Raw
from tenure.ml.recipe import Form
from tenure.ml.signature import Signature

_INDEX = "ensemble.json"
_FORMAT = 1


class _Listed(msgspec.Struct, frozen=True):
    file: str
    estimator: str
    form: Form
    weight: float


class _Index(msgspec.Struct, frozen=True):
    format: int
    members: tuple[_Listed, ...]


class Ensembles:
    """An `Ensemble`, which is asked about a `Design` instead of a matrix. `formats` are those of members; the last one
    keeps what no other does."""

    name = "ensemble"
    suffix = "zip"

    def __init__(self, formats: tuple[Format, ...]) -> None:
        self._formats = formats

    def owns(self, estimator: Any) -> bool:
        """Ensembles of this package."""
        return isinstance(estimator, Ensemble)

    def libraries(self) -> dict[str, str]:
        """None of its own: those of its members come with their formats."""
        return {}

    def save(self, estimator: Ensemble) -> bytes:
        """The archive, the same bytes for the same members. Raises StageError when one has no safe form."""
        from tenure.ml.preprocessor import encode

        parts: dict[str, bytes] = {}
        listed = []
        for number, member in enumerate(estimator.members):
            kind = self._of(member.estimator)
            file = f"member-{number}.{kind.suffix}"
            parts[file] = kind.save(member.estimator)
            listed.append(_Listed(file, kind.name, member.form, member.weight))
        for form, fitted in sorted(estimator.preprocessors.items()):
            parts[f"preprocessor-{form}.msgpack"] = encode(fitted)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
            index = msgspec.json.encode(_Index(_FORMAT, tuple(listed)))
            for name, data in [(_INDEX, index), *parts.items()]:
                archive.writestr(zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0)), data)
        return buffer.getvalue()

    def load(self, data: bytes, file: str, threads: int) -> Ensemble:
        """The ensemble, each part read by its own format. Raises StageError."""
        from tenure.ml.preprocessor import decode

        parts = _parts(data, file)
        try:
            index = json_decoder(_Index).decode(parts[_INDEX])
        except (KeyError, msgspec.DecodeError) as error:
            raise StageError("the model file cannot be read", f"{file}: {_INDEX}: {error}") from error
        if index.format != _FORMAT:
            raise StageError(
                "the model file has another format",
                f"{file} has format {index.format}, this version reads format {_FORMAT}",
                "use the version that wrote it, or train the model again with this one",
            )
        members = []
        for listed in index.members:
            kind = next((item for item in self._formats if item.name == listed.estimator), None)
            if kind is None or listed.file not in parts:
                raise StageError(
                    "the model file is damaged", f"{file}: {listed.file} is missing, or of an unknown format"
                )
            estimator = kind.load(parts[listed.file], f"{file}: {listed.file}", threads)
            members.append(Member(estimator, listed.form, listed.weight))
        forms = {member.form for member in members}
        files = {form: f"preprocessor-{form}.msgpack" for form in forms}
        lacking = sorted(name for name in files.values() if name not in parts)
        if lacking or not members:
            raise StageError(
                "the model file is damaged", f"{file}: {', '.join(lacking) or 'it has no member'}"
            )
        return Ensemble(tuple(members), {form: decode(parts[name]) for form, name in files.items()})

    def raw(self, estimator: Ensemble, matrix: Any, signature: Signature) -> Raw:
        """The weighted mean of what the members say; `matrix` is a `Design`."""
        matrices = {form: fitted.transform(matrix) for form, fitted in estimator.preprocessors.items()}
        # In the order of the members, so that the last digits are always the same.
        shape = (matrix.rows,) if signature.task == "regression" else (matrix.rows, len(signature.classes))
        total = np.zeros(shape)
        for member in estimator.members:
            kind = self._of(member.estimator)
            total += member.weight * kind.raw(member.estimator, matrices[member.form], signature)
        return total

    def _of(self, estimator: Any) -> Format:
        return next(item for item in self._formats if item.owns(estimator))


def _parts(data: bytes, file: str) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                raise StageError("the model file is damaged", f"{file}: a part of it is compressed")
            if sum(entry.file_size for entry in entries) > len(data):
                raise StageError("the model file is damaged", f"{file}: its parts are larger than the file")
            return {entry.filename: archive.read(entry) for entry in entries}
    except (zipfile.BadZipFile, EOFError, ValueError, OSError, NotImplementedError) as error:
        raise StageError(
            "the model file is not in a safe format", f"{file} is not an archive of estimators"
        ) from error
