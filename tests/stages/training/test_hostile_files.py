"""Files that are not what they are said to be, damaged, or made to do harm: refused with a reason, and nothing runs."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import json
import lzma
import os
import pickle
import random
import zipfile
import zlib
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from tests.stages.lab import Lab
from tests.stages.training import outside

from tenure.core.digest import digest_bytes
from tenure.core.errors import StageError
from tenure.stages.training.adoption import reading

TABLE = outside.flowers(60)


class Bomb:
    """What a pickle can do: run something when it is opened."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return (Path.touch, (self.file,))


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A file of each kind as it should be."""
    folder = tmp_path_factory.mktemp("good")
    codes = (TABLE["kind"] == "rose").astype(int)
    model = outside.booster(TABLE, ["petal", "sepal"], codes, "binary:logistic")
    return {
        "skops": outside.save(outside.pipeline(TABLE), folder / "m.skops").read_bytes(),
        "xgboost": bytes(model.save_raw("ubj")),
    }


@pytest.fixture
def here(tmp_path: Path) -> Lab:
    return outside.lab(tmp_path, TABLE)


def refused(here: Lab, content: bytes, kind: str = "skops", name: str = "m.model") -> StageError:
    """What is said about a file with this content."""
    (here.folder / name).write_bytes(content)
    with pytest.raises(StageError) as caught:
        outside.adopt(here, type=kind, path=name)
    assert caught.value.path == ("training", "adopt", "path")
    assert "unexpectedly" not in caught.value.summary
    return caught.value


@pytest.mark.parametrize("kind", ["skops", "xgboost", "tenure"])
@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_is_recognised_never_opened_and_has_a_recipe(kind: str, protocol: int, here: Lab) -> None:
    trace = here.folder / "opened"
    error = refused(here, pickle.dumps(Bomb(trace), protocol=protocol), kind, "churn.model")
    assert not trace.exists()
    assert error.summary == "the model file is not in a safe format"
    assert "pickle" in error.detail
    recipe = error.hint.splitlines()
    assert recipe[-2:] == [
        "import joblib, skops.io",
        'skops.io.dump(joblib.load("churn.model"), "churn.skops")',
    ]


def test_the_recipe_for_pickles_works(here: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    joblib.dump(outside.pipeline(TABLE), here.folder / "churn.joblib")
    with pytest.raises(StageError) as caught:
        outside.adopt(here, type="skops", path="churn.joblib")
    monkeypatch.chdir(here.folder)
    exec("\n".join(caught.value.hint.splitlines()[-2:]), {})
    assert outside.adopt(here, type="skops", path="churn.skops").name == "LogisticRegression"


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zlib.compress])
def test_packed_files_as_joblib_writes_are_not_unpacked(pack: Any, here: Lab) -> None:
    assert "packed" in refused(here, pack(pickle.dumps(Bomb(here.folder / "opened")))).detail
    assert not (here.folder / "opened").exists()


def test_a_pickle_inside_a_skops_file_is_not_opened(here: Lab, good: dict[str, bytes]) -> None:
    """Arrays of objects are pickles in numpy's format; skops must never be asked to read one."""
    trace = here.folder / "opened"
    loaded = io.BytesIO()
    np.save(loaded, np.array([Bomb(trace)], dtype=object), allow_pickle=True)
    assert (
        refused(here, rewritten(good["skops"], npy=loaded.getvalue())).summary
        == "the model file cannot be read"
    )
    assert not trace.exists()


def rewritten(archive: bytes, npy: bytes | None = None, **members: bytes) -> bytes:
    """A skops archive with every array replaced, or with other members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            content = npy if npy is not None and name.endswith(".npy") else old.read(name)
            new.writestr(name, members.pop(name, content))
        for name, content in members.items():
            new.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["skops", "xgboost", "tenure"])
def test_nothing_noise_and_text_are_refused(kind: str, here: Lab) -> None:
    assert refused(here, b"", kind).summary == "the model file is empty"
    refused(here, random.Random(1).randbytes(5000), kind)
    refused(here, b"petal,sepal\n1,2\n" * 50, kind)
    refused(here, b"{}", kind)
    refused(here, b"PK\x03\x04", kind)
    assert (
        "Git LFS" in refused(here, b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", kind).detail
    )


@pytest.mark.parametrize("kind", ["skops", "xgboost"])
def test_a_file_that_was_cut_off_is_refused_wherever_the_cut_is(
    kind: str, here: Lab, good: dict[str, bytes]
) -> None:
    whole = good[kind]
    for share in (0.02, 0.3, 0.6, 0.9, 0.99):
        refused(here, whole[: int(len(whole) * share)], kind)


def test_the_type_that_would_fit_is_named(here: Lab, good: dict[str, bytes]) -> None:
    assert refused(here, good["xgboost"], "skops").hint == "set training.adopt.type: xgboost"
    assert refused(here, good["skops"], "xgboost").hint == "set training.adopt.type: skops"
    assert refused(here, good["skops"], "tenure").hint == "set training.adopt.type: skops"


def test_a_skops_file_without_a_model_is_refused(here: Lab) -> None:
    import skops.io

    assert "dict" in refused(here, skops.io.dumps({"model": [1, 2]})).detail


def test_an_archive_that_unpacks_to_too_much_is_not_unpacked(
    here: Lab, good: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_HARMLESS", 1 << 20)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", json.dumps({"__loader__": "NoneNode"}))
        archive.writestr("0.npy", bytes(20 << 20))
    assert len(buffer.getvalue()) < 1 << 16
    assert refused(here, buffer.getvalue()).summary == "the model file unpacks to too much"
    # What a member says is the most that is read of it, so lying does not help.
    lying = buffer.getvalue().replace((20 << 20).to_bytes(4, "little"), (100).to_bytes(4, "little"))
    refused(here, lying)
    # And an array that promises more than there is memory for.
    header = b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999,), }"
    refused(here, rewritten(good["skops"], npy=header.ljust(127) + b"\n"))


def test_a_file_that_is_too_large_is_not_read(here: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_BYTES", 1 << 10)
    assert refused(here, bytes(5000)).summary == "the model file is too large"


def test_members_with_paths_lead_nowhere(here: Lab, good: dict[str, bytes]) -> None:
    """skops reads members by name in memory; nothing is ever written to where a name points."""
    outer = here.folder / "models" / "m.skops"
    outer.parent.mkdir()
    outer.write_bytes(rewritten(good["skops"], **{"../../escaped.txt": b"x", "/tmp/escaped-too.txt": b"x"}))
    outside.adopt(here, type="skops", path="models/m.skops")
    assert not list(here.folder.parent.rglob("escaped*"))
    assert not Path("/tmp/escaped-too.txt").exists()


def test_folders_devices_links_in_circles_and_closed_files_are_refused(here: Lab) -> None:
    (here.folder / "folder").mkdir()
    (here.folder / "loop").symlink_to("loop")
    os.mkfifo(here.folder / "pipe")
    for name in ("folder", "loop", "pipe", "/dev/zero", "no\0name"):
        with pytest.raises(StageError) as caught:
            outside.adopt(here, type="skops", path=name)
        assert caught.value.path == ("training", "adopt", "path")
    if os.geteuid() != 0:
        closed = here.folder / "closed.skops"
        closed.write_bytes(b"x")
        closed.chmod(0)
        with pytest.raises(StageError, match="cannot be read"):
            outside.adopt(here, type="skops", path="closed.skops")


# --- archives of versions ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a predictor."""
    elsewhere = outside.lab(tmp_path_factory.mktemp("elsewhere"), TABLE)
    elsewhere.search("logistic_regression", limits={"max_trials": 1}, cross_validation={"folds": 2})
    return {name: elsewhere.artifacts.get(blob) for name, blob in elsewhere.fit().artifacts.items()}


def archive_of(files: dict[str, bytes], records: Any = None, **changed: bytes) -> bytes:
    """What a retirement leaves: records, and blobs by digest."""
    names = {name: digest_bytes(content) for name, content in files.items()}
    if records is None:
        records = [{"address": "m/data/snapshot", "artifacts": {}, "ordinal": None},
                   {"address": "m/governance/version", "artifacts": names, "ordinal": 1}]  # fmt: skip
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("records.json", json.dumps(records))
        for name, content in files.items():
            archive.writestr(f"blobs/{names[name]}", changed.get(name.partition(".")[0], content))
    return buffer.getvalue()


def test_a_version_is_adopted_from_an_archive(here: Lab, files: dict[str, bytes]) -> None:
    (here.folder / "old.zip").write_bytes(archive_of(files))
    answer = outside.adopt(here, type="tenure", path="old.zip")
    assert answer.remarks == ["version 1 of the archive old.zip"]
    with pytest.raises(StageError, match="no such version") as caught:
        outside.adopt(here, type="tenure", path="old.zip", version=2)
    assert caught.value.path == ("training", "adopt", "version")
    assert caught.value.detail.endswith("has these versions: 1")


def test_damaged_archives_are_refused(here: Lab, files: dict[str, bytes]) -> None:
    whole = archive_of(files)
    assert refused(here, archive_of(files, predictor=b"{}"), "tenure").summary == "the archive is damaged"
    for records in ({}, [], [{"ordinal": "x"}], [{"ordinal": 1}], [{"ordinal": 1, "artifacts": 3}], "x"):
        refused(here, archive_of(files, records), "tenure")
    reaching = [{"ordinal": 1, "artifacts": {"predictor.json": "../../../etc/passwd"}}]
    assert "etc/passwd" in refused(here, archive_of(files, reaching), "tenure").detail
    for share in (0.1, 0.5, 0.9):
        refused(here, whole[: int(len(whole) * share)], "tenure")


def test_damaged_files_of_a_version_are_refused(here: Lab, files: dict[str, bytes]) -> None:
    folder = here.folder / "version"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    outside.adopt(here, type="tenure", path="version")
    draw = random.Random(4)
    for name, content in files.items():
        for spoilt in (b"", content[: len(content) // 2], b"{}", pickle.dumps(Bomb(folder / "opened"))):
            (folder / name).write_bytes(spoilt)
            with pytest.raises(StageError) as caught:
                outside.adopt(here, type="tenure", path="version")
            assert caught.value.path == ("training", "adopt", "path")
        for _ in range(5):
            spoilt_bytes = bytearray(content)
            spoilt_bytes[draw.randrange(len(content))] ^= 0xFF
            (folder / name).write_bytes(spoilt_bytes)
            with contextlib.suppress(StageError):  # an unused byte may not matter
                outside.adopt(here, type="tenure", path="version")
        (folder / name).write_bytes(content)
    assert not (folder / "opened").exists()
    (folder / "predictor.json").unlink()
    with pytest.raises(StageError, match="holds no version"):
        outside.adopt(here, type="tenure", path="version")
