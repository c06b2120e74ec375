"""Files on servers: S3 (moto's) and HTTP; told apart without being read, read once, and errors that say where."""

from __future__ import annotations

import gzip
import io
import os
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener, install_opener

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.artifacts.servers import BUCKET, client

from tenure.artifacts import remote
from tenure.core.errors import ArtifactError, StageError
from tenure.stages.data.engine import opened
from tenure.stages.data.sources import Source
from tenure.stages.data.sources.csv import Csv
from tenure.stages.data.sources.json import Json
from tenure.stages.data.sources.parquet import Parquet

WHERE = ("data", "sources", "s")


class Site:
    """A folder behind a web server, and what was asked of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        site = self

        class Handler(SimpleHTTPRequestHandler):
            def log_message(self, *arguments: Any) -> None:
                pass

            def parse_request(self) -> bool:
                known = super().parse_request()
                site.asked.append(f"{self.command} {self.path}")
                return known

            def do_GET(self) -> None:
                if self.path == "/cut.csv":
                    self.send_response(200)
                    self.send_header("Content-Length", "1000")
                    self.end_headers()
                    self.wfile.write(b"a,b\n1,x\n")
                elif self.path == "/login.csv":
                    self.send_error(403)
                else:
                    super().do_GET()

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/{name}"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    install_opener(build_opener(ProxyHandler({})))
    (tmp_path / "site").mkdir()
    found = Site(tmp_path / "site")
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def bucket(
    s3_url: str, s3_keys: None, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Any:
    """Puts an object below a folder of the test's own; its URL is handed back."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    server = client(s3_url)

    def put(name: str, data: str | bytes) -> str:
        key = f"{request.node.name}/{name}"
        server.put_object(Bucket=BUCKET, Key=key, Body=data)
        return f"s3://{BUCKET}/{key}"

    return put


def load(source: Any, folder: Path) -> dict[str, list[Any]]:
    with opened() as engine:
        found: dict[str, list[Any]] = source.load(folder, WHERE, engine).table.arrow().to_pydict()
        return found


def parquet(rows: dict[str, list[Any]]) -> bytes:
    target = io.BytesIO()
    pq.write_table(pa.table(rows), target)
    return target.getvalue()


def refusal(source: Source, folder: Path) -> StageError:
    with pytest.raises(StageError) as caught:
        load(source, folder)
    return caught.value


def test_files_of_a_web_server(site: Site, tmp_path: Path) -> None:
    (site.folder / "a b.csv.gz").write_bytes(gzip.compress(b"a,b\n1,x\n"))
    (site.folder / "r.parquet").write_bytes(parquet({"a": [1, 2]}))
    (site.folder / "r.jsonl").write_text('{"a": 1}\n')
    assert load(Csv(type="csv", path=site.url("a b.csv.gz")), tmp_path) == {"a": [1], "b": ["x"]}
    assert load(Parquet(type="parquet", path=site.url("r.parquet")), tmp_path) == {"a": [1, 2]}
    assert load(Json(type="json", path=site.url("r.jsonl")), tmp_path) == {"a": [1]}


@pytest.mark.parametrize("kind", [Csv, Parquet])
def test_a_file_that_has_not_changed_is_not_fetched_again(
    site: Site, tmp_path: Path, kind: type[Any]
) -> None:
    (site.folder / "r").write_bytes(b"a,b\n1,x\n" if kind is Csv else parquet({"a": [1], "b": ["x"]}))
    source = kind(type=kind.__name__.lower(), path=site.url("r"))
    before = source.fingerprint(tmp_path, None)
    assert load(source, tmp_path) == load(source, tmp_path) == {"a": [1], "b": ["x"]}
    assert source.fingerprint(tmp_path, before) == before
    assert [asked.split()[0] for asked in site.asked].count("GET") == 1
    (site.folder / "r").write_bytes(
        b"a,b\n2,longer\n" if kind is Csv else parquet({"a": [2], "b": ["longer"]})
    )
    assert source.fingerprint(tmp_path, before)["digest"] != before["digest"]
    assert load(source, tmp_path) == {"a": [2], "b": ["longer"]}


def test_objects_of_a_bucket_by_glob(bucket: Any, tmp_path: Path) -> None:
    url = bucket("year=2025/p.csv", "a,b\n1,x\n")
    bucket("year=2026/p.csv", "a,b\n2,y\n")
    bucket("year=2026/deep/p.csv", "a,b\n9,deep\n")
    bucket("notes.txt", "no table")
    source = Csv(type="csv", path=url.replace("2025/p.csv", "*/*.csv"), partitions=True)
    assert load(source, tmp_path) == {"a": [1, 2], "b": ["x", "y"], "year": [2025, 2026]}
    before = source.fingerprint(tmp_path, None)
    assert (before["files"], before == source.fingerprint(tmp_path, before)) == (2, True)
    bucket("year=2027/p.csv", "a,b\n3,z\n")
    assert source.fingerprint(tmp_path, before)["digest"] != before["digest"]
    deep = Csv(type="csv", path=url.replace("year=2025/p.csv", "**/*.csv"))
    assert load(deep, tmp_path)["a"] == [1, 9, 2, 3]


def test_only_new_objects_are_fetched(bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[str] = []
    real = remote._fetch_s3
    monkeypatch.setattr(
        remote, "_fetch_s3", lambda found, file: (fetched.append(found.url[-6:]), real(found, file))
    )
    url = bucket("1.json", '{"a": 1}')
    bucket("2.json", '{"a": 2}')
    source = Json(type="json", path=url.replace("1.json", "*.json"))
    load(source, tmp_path)
    bucket("2.json", '{"a": 22}')
    bucket("3.json", '{"a": 3}')
    assert load(source, tmp_path) == {"a": [1, 22, 3]}
    assert fetched == ["1.json", "2.json", "2.json", "3.json"]


def test_nothing_there(site: Site, bucket: Any, tmp_path: Path) -> None:
    url = bucket("p.csv", "a\n1\n")
    for path in (site.url("none.csv"), url + "x", url.replace("p.csv", "*.parquet")):
        source = Csv(type="csv", path=path)
        error = refusal(source, tmp_path)
        assert (error.path, path in error.detail) == ((*WHERE, "path"), True)
        found = source.fingerprint(tmp_path, None)
        assert (found["missing"], path in found["reason"]) == (True, True)


def test_an_answer_that_is_cut_off_or_refused(site: Site, tmp_path: Path) -> None:
    (site.folder / "cut.csv").write_text("a,b\n" + "1,x\n" * 249)
    (site.folder / "login.csv").write_text("a\n1\n")
    error = refusal(Csv(type="csv", path=site.url("cut.csv")), tmp_path)
    assert "8 of 1,000 bytes arrived" in error.detail
    assert "answers 403" in refusal(Csv(type="csv", path=site.url("login.csv")), tmp_path).detail


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    error = refusal(Csv(type="csv", path="http://127.0.0.1:9/rows.csv"), tmp_path)
    assert (error.summary, error.hint) == (
        "a source cannot be read",
        "Check the network and the URL, then repeat the command.",
    )


def test_a_web_server_has_no_globs(tmp_path: Path) -> None:
    error = refusal(Csv(type="csv", path="https://example.com/*.csv"), tmp_path)
    assert "does not say which files it has" in error.detail


def test_keys_that_are_refused_are_not_shown(
    s3_url: str, s3_keys: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "c4n4ry key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cr3t")
    with pytest.raises(ArtifactError) as caught:
        remote.look_up(f"s3://{BUCKET}/rows.csv")
    assert "c4n4ry" not in str(caught.value)
    with pytest.raises(ArtifactError, match="name is not valid"):
        remote.look_up("s3://No_Bucket/rows.csv")


def test_what_is_on_a_server_is_asked_for_with_every_plan(tmp_path: Path) -> None:
    assert Csv(type="csv", path="s3://models/rows.csv").looks_at is None


def test_a_file_that_changes_between_look_and_fetch(site: Site, bucket: Any, tmp_path: Path) -> None:
    (site.folder / "r.csv").write_text("a,b\n1,x\n")
    for put, url in (
        ((site.folder / "r.csv").write_text, site.url("r.csv")),
        (lambda text: bucket("r.csv", text), bucket("r.csv", "a,b\n1,x\n")),
    ):
        (found,) = remote.look_up(url)
        put("a,b\n2,more\n")
        os.utime(site.folder / "r.csv", (1, 1))
        with pytest.raises(ArtifactError, match="changed while it was read"):
            remote.fetch(found, tmp_path / "copy")
