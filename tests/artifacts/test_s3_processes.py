"""Several processes and one bucket; a process that is killed while it uploads; what a large file takes of memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import pytest
from tests.artifacts.faults import proxy_to, waits
from tests.artifacts.servers import objects, settings, store_at, unfinished

from tenure.artifacts.s3 import PART_BYTES

pytestmark = pytest.mark.usefixtures("s3_keys")

ROOT = Path(__file__).parents[2]
OPEN = """
import sys
from pathlib import Path
from tenure.artifacts.opening import open_artifacts
from tenure.spec.artifacts import S3Artifacts
config, cache, *sources = sys.argv[1:]
store = open_artifacts(Path(), S3Artifacts.model_validate_json(config), Path(cache))
"""
PUT = OPEN + "print(store.put_file(Path(sources[0])))"
PEAK = (
    OPEN
    + """
def peak():  # of this program; what getrusage gives is at least that of the process it was started from
    (line,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
    return int(line.split()[1]) // 1024

store.put_file(Path(sources[1]))
before = peak()
digest = store.put_file(Path(sources[0]))
Path(cache).rename(cache + "-aside")
store.local(digest)
store.verify(digest)
print(before, peak())
"""
)


def start(program: str, url: str, prefix: str, *paths: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, settings(url, prefix).model_dump_json(), *map(str, paths)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def output(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out.strip()


@pytest.mark.parametrize("size", [300_000, PART_BYTES + 1], ids=["small", "in-parts"])
def test_eight_processes_put_the_same_blob(s3_url: str, tmp_path: Path, size: int) -> None:
    prefix = uuid4().hex
    source = tmp_path / "source"
    source.write_bytes(os.urandom(size))
    started = [start(PUT, s3_url, prefix, tmp_path / "cache", source) for _ in range(8)]
    (digest,) = {output(process) for process in started}
    assert list(objects(s3_url, prefix)) == [f"{prefix}/{digest[7:9]}/{digest[7:]}"]
    store_at(s3_url, prefix, tmp_path / "other").verify(digest)
    assert len([path for path in (tmp_path / "cache").rglob("*") if path.is_file()]) == 1
    assert unfinished(s3_url, prefix) == []


def test_killed_in_the_middle_of_an_upload(s3_url: str, tmp_path: Path) -> None:
    prefix = uuid4().hex
    source = tmp_path / "source"
    source.write_bytes(os.urandom(3 * PART_BYTES))
    with proxy_to(s3_url) as proxy:
        proxy.fail("partNumber=3", waits(20))
        process = start(PUT, proxy.url, prefix, tmp_path / "cache", source)
        deadline = time.monotonic() + 30
        while not any("partNumber=3" in request for request in proxy.seen):
            assert time.monotonic() < deadline
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    store = store_at(s3_url, prefix, tmp_path / "cache")
    assert list(store.digests()) == []
    digest = store.put_file(source)
    assert [name for name, _ in store.digests()] == [digest]
    store.verify(digest)


def test_a_large_file_takes_little_memory(s3_url: str, tmp_path: Path) -> None:
    source, small = tmp_path / "source", tmp_path / "small"
    source.write_bytes(os.urandom(1 << 20) * 128)
    small.write_bytes(os.urandom(PART_BYTES + 1))
    before, peak = map(
        int, output(start(PEAK, s3_url, uuid4().hex, tmp_path / "cache", source, small)).split()
    )
    assert peak - before < 64  # MB, for a file of 128 MB
