"""Adopting `tenure`: a version of another model or project, as its files or in the archive of a retirement."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tenure.core.decoding import converted, json_decoder
from tenure.core.digest import PREFIX, digest_bytes
from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.ml.predictor_files import FILES, PREDICTOR
from tenure.spec.base import field
from tenure.stages.training.adoption.kind import AT, Kind, Offered, Opened, Where, at_path
from tenure.stages.training.adoption.reading import (
    MOST_BYTES,
    Given,
    check_archive,
    check_pin,
    folder_digest,
    predictor_files,
    read_bytes,
    require_format,
)

if TYPE_CHECKING:
    from tenure.ml.signature import Signature


class AdoptTenure(Kind):
    """A version that Tenure made: the archive of a retired model, or a folder with the files of a predictor."""

    type: Literal["tenure"] = field(
        Effect.METADATA,
        "Adopt a version of another project: the ZIP file of a retirement, or a folder with `predictor.json` and the "
        "files beside it.",
    )
    version: int | None = field(
        Effect.METADATA, "Which version of an archive; the newest when left out.", None, ge=1
    )

    def read(self, project: Path, where: Where) -> Given:
        """The archive, or the files of a predictor in a folder; the digest of a folder is over all of them."""
        folder = project / self.path
        if not folder.is_dir():
            given = super().read(project, where)
            require_format(given, "tenure", (*where, "path"))
            return given
        files = {
            name: read_bytes(folder / name, f"{self.path}/{name}", (*where, "path"))
            for name in predictor_files(folder)
        }
        if PREDICTOR not in files:
            raise StageError(
                "the folder holds no version",
                f"there is no {PREDICTOR} in {self.path}",
                "name a folder with the files of a predictor, or the archive of a retired model",
                path=(*where, "path"),
            )
        name = PREFIX + folder_digest({file: digest_bytes(content) for file, content in files.items()})
        check_pin(name, self.path, self.sha256, where)
        return Given(self.path, name, files)

    def open(self, given: Given, offered: Offered) -> Opened:
        """Load the predictor, and compare what it takes and says with the snapshot."""
        import msgspec

        from tenure.ml.predictor import Predictor, load

        files, origin = given.files, ""
        if PREDICTOR not in files:
            files, origin = self._unpacked(given)
        for name, content in files.items():
            if name.endswith(".skops"):
                check_archive(content, name, (*AT, "path"))
        try:
            loaded = load(files)
        except StageError as error:
            raise at_path(error, "get the files from where the version was made") from error
        _compare(loaded.signature, offered)
        # The recipe is the version's own; what the target and the columns beside it are called is decided here.
        taken = {column.name for column in loaded.signature.inputs}
        signature = msgspec.structs.replace(
            loaded.signature,
            target=offered.signature.target,
            accepted=tuple(name for name in offered.columns if name not in taken),
        )
        predictor = Predictor(
            loaded.recipe,
            signature,
            loaded.preprocessor,
            loaded.estimator,
            loaded.feed,
            loaded.postprocessing,
            loaded.quantiles,
        )
        name = type(loaded.estimator).__name__
        return Opened(predictor, "xgboost" if name == "Booster" else name, notes=(origin,) if origin else ())

    def _unpacked(self, given: Given) -> tuple[Mapping[str, bytes], str]:
        """The files of one version in an archive, each compared with its digest; and which version that is."""
        where: Where = (*AT, "path")
        check_archive(given.data, given.path, where)
        with zipfile.ZipFile(io.BytesIO(given.data)) as archive:
            versions = _versions(_member(archive, "records.json", where), where)
            number = self.version if self.version is not None else max(versions, default=0)
            if number not in versions:
                listed = ", ".join(str(known) for known in sorted(versions)) or "none"
                raise StageError(
                    "the archive has no such version",
                    f"{given.path} has these versions: {listed}",
                    "name one of them",
                    path=(*AT, "version") if self.version is not None else where,
                )
            blobs = versions[number]
            files = {}
            for name in FILES:
                if name not in blobs:
                    continue
                content = _member(archive, f"blobs/{blobs[name]}", where)
                if digest_bytes(content) != blobs[name]:
                    raise _damaged(f"{name} of version {number} is not what its digest says", where)
                files[name] = content
        return files, f"version {number} of the archive {given.path}"


def _versions(content: bytes, where: Where) -> dict[int, dict[str, str]]:
    """The artifacts of each registered version, by number."""
    import msgspec

    try:
        records: Any = json_decoder(list[dict[str, Any]]).decode(content)
        return {
            int(record["ordinal"]): converted(record["artifacts"], dict[str, str])
            for record in records
            if record.get("ordinal") is not None
        }
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError) as error:
        raise _damaged(f"records.json: {error}", where) from error


def _member(archive: zipfile.ZipFile, name: str, where: Where) -> bytes:
    try:
        with archive.open(name) as stream:
            return stream.read(MOST_BYTES)
    except (KeyError, zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise _damaged(f"{name} cannot be read: {error}", where) from error


def _damaged(detail: str, where: Where) -> StageError:
    return StageError("the archive is damaged", detail, "copy it again from where it was made", path=where)


def _compare(own: Signature, offered: Offered) -> None:
    wanted = offered.signature
    where: Where = (*AT, "path")
    if own.task != wanted.task or own.classes != wanted.classes:
        ours = ", ".join(str(label) for label in own.classes) or own.task
        theirs = ", ".join(str(label) for label in wanted.classes) or wanted.task
        raise StageError(
            "the version predicts something else than the target",
            f"it says {ours}; target {wanted.target!r} has {theirs}",
            "set data.positive_class where only the order of the classes differs"
            if set(own.classes) == set(wanted.classes)
            else "adopt a version of the same target",
            path=where,
        )
    for column in own.inputs:
        kind, nullable = offered.columns.get(column.name, (None, False))
        if column.name == wanted.target or kind is None:
            reason = "is the target" if kind is not None else "is no column of the snapshot"
            raise StageError(
                "a column of the version is missing",
                f"it takes {column.name!r}, which {reason}",
                "give the column that name where the source is made",
                path=where,
            )
        if kind != column.type and (kind, column.type) != ("integer", "number"):
            raise StageError(
                "a column has another type than the version takes",
                f"column {column.name!r} is {kind} in the snapshot; the version takes {column.type}",
                "give the column that type where the source is made",
                path=where,
            )
        if nullable and not column.nullable:
            raise StageError(
                "a column has missing values that the version does not take",
                f"column {column.name!r} was never missing where the version was made",
                "drop or fill those rows under data",
                path=where,
            )
