"""What a file is, told by its first bytes: what can be adopted as what, and how anything else becomes adoptable.

Nothing is opened here. Pickle and joblib files are never opened at all: loading one runs whatever is in it.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePath

_UNSAFE = "the model file is not in a safe format"
_OTHER = "the model file is of another type"
_PICKLE_NAMES = (".pkl", ".pickle", ".joblib", ".sav", ".p")
_PACKED = (
    b"\x1f\x8b",
    b"BZh",
    b"\xfd7zXZ",
    b"]\x00\x00",
    b"\x04\x22\x4d\x18",
    b"\x78\x01",
    b"\x78\x9c",
    b"\x78\xda",
)
"""gzip, bzip2, xz, lzma, lz4 and zlib: joblib packs with these."""


@dataclass(frozen=True)
class Format:
    """What a file is. `type` is the kind that adopts it, empty when none does; `detail` goes on after its name."""

    type: str
    summary: str
    detail: str
    hint: str


def recognised(data: bytes, path: str) -> Format | None:
    """What the file is by its content, and by its name where that says nothing; None when it is not known."""
    suffix = PurePath(path).suffix.lower()
    if _is_pickle(data) or (suffix in _PICKLE_NAMES and not data.startswith((b"PK", b"{"))):
        return Format(
            "", _UNSAFE, "is a pickle or joblib file; opening one runs the code in it", conversion(path)
        )
    if data.startswith(_PACKED):
        return Format(
            "", _UNSAFE, "is packed, as joblib files are; nothing of it is opened", conversion(path)
        )
    if data.startswith(b"PK"):
        return _archive(data)
    if data.startswith(b"{") and b"learner" in data[:4096]:
        return Format("xgboost", _OTHER, "is an XGBoost model", "set training.adopt.type: xgboost")
    if data.startswith(b"binf"):
        again = 'xgboost.Booster(model_file="old.bin").save_model("model.ubj")'
        return Format(
            "",
            _OTHER,
            "is an XGBoost model in the old binary format",
            f"save it again with the XGBoost that wrote it: {again}",
        )
    for start, what, hint in _FOREIGN:
        if data.startswith(start):
            return Format("", _OTHER, f"is {what}", hint)
    return None


def conversion(path: str) -> str:
    """How a pickle becomes a skops file, to be run by who trusts the file."""
    name = PurePath(path).name
    return (
        "where you trust the file, convert it once with the libraries it was made with:\n"
        "import joblib, skops.io\n"
        f'skops.io.dump(joblib.load("{name}"), "{PurePath(name).stem}.skops")'
    )


_RETRAIN = "let the spec train its own model, or save a scikit-learn or XGBoost model of the same data"
_FOREIGN = (
    (b"tree\n", "a LightGBM model, which cannot be adopted", _RETRAIN),
    (b"CBM1", "a CatBoost model, which cannot be adopted", _RETRAIN),
    (b"\x89HDF", "an HDF5 file, as Keras writes", _RETRAIN),
    (b"<?xml", "an XML file, such as PMML", _RETRAIN),
    (b"version https://git-lfs", "a pointer of Git LFS, not the file itself", "git lfs pull"),
)


def _is_pickle(data: bytes) -> bool:
    """Protocol 2 and later begin with their number; 0 and 1 are told by how objects begin and by the end."""
    if len(data) > 1 and data[0] == 0x80 and 2 <= data[1] <= 6:
        return True
    return data[:1] in (b"(", b"c", b"]", b"}") and data.rstrip().endswith(b".") and b"\n" in data[:512]


def _archive(data: bytes) -> Format | None:
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            names = set(archive.namelist()[:10_000])
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return None
    if "schema.json" in names:
        return Format("skops", _OTHER, "is a skops file", "set training.adopt.type: skops")
    if "records.json" in names:
        return Format("tenure", _OTHER, "is an archive of a retired model", "set training.adopt.type: tenure")
    if any(name.endswith("data.pkl") for name in names):
        return Format("", _UNSAFE, "is a PyTorch file, which holds a pickle", _RETRAIN)
    return Format(
        "", _OTHER, "is an archive, but holds no model that can be adopted", "check training.adopt.path"
    )
