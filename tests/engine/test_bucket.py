"""A model's life with its artifacts in a bucket: apply, serve, predict; its keys are in no byte kept or shown."""

from __future__ import annotations

import csv
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import yaml
from tests.artifacts.faults import Proxy, proxy_to, refuses
from tests.artifacts.servers import BUCKET, KEY_ID, SECRET, client, objects
from tests.engine.projects import NOW, make_project, write_flowers

from tenure.artifacts.s3 import S3ArtifactStore
from tenure.cli.main import run
from tenure.engine.project import Project

TOKEN = "c4n4ry.t0k3n"
AT = ["--now", "2026-05-03T10:00:00Z"]
ROW = {"petal": 5.1, "sepal": 6.0, "colour": "red"}

pytestmark = pytest.mark.usefixtures("s3_keys")


@pytest.fixture
def proxy(s3_url: str) -> Iterator[Proxy]:
    with proxy_to(s3_url) as proxy:
        yield proxy


@pytest.fixture
def root(proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose artifacts are in a bucket; the keys are canaries."""
    root = make_project(tmp_path / "project")
    configure(root, proxy.url)
    token = tmp_path / "token"
    token.write_text(TOKEN)
    monkeypatch.setenv("TEST_TOKEN_FILE", str(token))
    monkeypatch.chdir(root)
    return root


def configure(root: Path, url: str, **changes: str) -> None:
    conf = root / "conf" / "artifacts"
    conf.mkdir(parents=True, exist_ok=True)
    (root / "conf" / "config.yaml").write_text("defaults: [{artifacts: s3}]\n")
    token = root.parent / "token"
    settings = {
        "type": "s3",
        "bucket": BUCKET,
        "prefix": f"${{env.name}}/{uuid4().hex}",
        "endpoint_url": url,
        "access_key_id": "${env:TEST_KEY_ID}",
        "secret_access_key": "${env:TEST_SECRET}",
        "session_token": f"${{file:{token}}}",
    } | changes
    (conf / "s3.yaml").write_text(yaml.safe_dump(settings))


def prefix_of(root: Path) -> str:
    store = Project(root, now=NOW).artifacts
    assert isinstance(store, S3ArtifactStore)
    return store._root.removeprefix(f"s3://{BUCKET}/")


@contextmanager
def serving(root: Path) -> Iterator[http.client.HTTPConnection]:
    """`tenure serve` as a process; its output is added to `served.log`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tenure", "serve", "--port", "0", "-v"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    lines = []
    try:
        for line in process.stdout:
            lines.append(line)
            if "Serving at http://" in line:
                break
        else:
            raise AssertionError(lines)
        yield http.client.HTTPConnection(line.rpartition("http://")[2].strip(), timeout=20)
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=30)
        assert process.returncode == 0
        with (root / "served.log").open("a") as log:
            log.write("".join([*lines, rest]))
    finally:
        process.kill()
        process.stdout.close()


def prediction(connection: http.client.HTTPConnection) -> list[str]:
    try:
        connection.request("POST", "/models/flowers/predict", json.dumps([ROW]))
        answer = connection.getresponse()
        body = json.loads(answer.read())
        assert answer.status == 200, body
        return [str(item["prediction"]) for item in body["predictions"]]
    finally:
        connection.close()


def bytes_under(folder: Path) -> bytes:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return b"".join(path.read_bytes() + str(path).encode() for path in files)


def in_the_bucket(url: str, prefix: str) -> bytes:
    found = objects(url, prefix)
    assert found
    s3 = client(url)
    return b"".join(name.encode() + s3.get_object(Bucket=BUCKET, Key=name)["Body"].read() for name in found)


def assert_no_canary(text: bytes | str) -> None:
    data = text.encode() if isinstance(text, str) else text
    for canary in (KEY_ID, SECRET, TOKEN):
        assert canary.encode() not in data


@pytest.mark.slow
def test_apply_serve_and_predict_and_no_key_anywhere(
    root: Path,
    proxy: Proxy,
    s3_url: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["plan", "--out", "plan.json", *AT]) == 0
    assert proxy.seen == []  # a plan asks no server
    assert run(["apply", "plan.json", "-v", *AT]) == 0
    assert not (root / ".tenure" / "dev" / "artifacts").exists()
    prefix = prefix_of(root)
    assert prefix.startswith("dev/")
    recorded = {
        name
        for record in Project(root, now=NOW).state("flowers").records.values()
        for name in record.artifacts.values()
    }
    stored = {f"sha256:{name.rpartition('/')[2]}" for name in objects(s3_url, prefix)}
    assert recorded
    assert recorded <= stored
    assert run(["plan", "--detailed-exitcode", *AT]) == 0

    # Another machine has no copies.
    shutil.rmtree(root / ".tenure" / "dev" / "cache" / "artifacts")
    with serving(root) as server:
        first = prediction(server)
    with (root / "rows.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([ROW.keys(), ROW.values()])
    # The server has left copies, so that the bucket is not needed to load the version again.
    proxy.fail("", refuses(503, "SlowDown"))
    assert run(["predict", "flowers", "--input", "rows.csv", "--output", "out.csv", *AT]) == 0
    assert first[0] in (root / "out.csv").read_text()
    proxy.heal()
    assert run(["card", "flowers", *AT]) == 0
    assert run(["show", "flowers", "-v", *AT]) == 0
    assert run(["audit", "export", *AT]) == 0

    shown = capsys.readouterr()
    assert_no_canary(shown.out + shown.err)
    assert_no_canary(bytes_under(root))
    assert_no_canary(in_the_bucket(s3_url, prefix))
    # The canaries were really sent: what was searched for is what a leak would hold.
    assert all(KEY_ID in sent["authorization"] for sent in proxy.headers)
    assert all(sent["x-amz-security-token"] == TOKEN for sent in proxy.headers)


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (403, "InvalidAccessKeyId", "does not know the access key"),
        (403, "SignatureDoesNotMatch", "does not belong to the access key"),
        (400, "ExpiredToken", "has expired"),
        (404, "NoSuchBucket", "bucket does not exist"),
        (403, "AccessDenied", "s3:PutObject"),
    ],
)
def test_a_refusal_ends_the_apply_with_one_and_without_a_key(
    root: Path,
    proxy: Proxy,
    status: int,
    code: str,
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = f"<AWSAccessKeyId>{KEY_ID}</AWSAccessKeyId><Token-0>{TOKEN}</Token-0><S>{SECRET}</S>"
    proxy.fail("", refuses(status, code, told))
    for form in (["-v"], ["--json"]):
        assert run(["apply", "--auto-approve", *form, *AT]) == 1
        shown = capsys.readouterr()
        assert words in shown.out + shown.err
        assert_no_canary(shown.out + shown.err)
    assert_no_canary(bytes_under(root))
    records = Project(root, now=NOW).state("flowers").records
    assert not any(record.artifacts for record in records.values())
    proxy.heal()
    assert run(["apply", "--auto-approve", *AT]) == 0


def test_a_reference_that_leads_nowhere(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TEST_SECRET")
    assert run(["apply", "--auto-approve", "-v", *AT]) == 1
    shown = capsys.readouterr()
    assert "TEST_SECRET" in shown.out + shown.err
    assert_no_canary(shown.out + shown.err)


def test_a_version_that_the_bucket_has_lost_does_not_come_back(root: Path, s3_url: str) -> None:
    assert run(["apply", "--auto-approve", *AT]) == 0
    write_flowers(root / "data" / "flowers.csv", rows=160, seed=4)
    project = Project(root, now=NOW, actor="ann")
    project.retrain("flowers", reason="more rows")
    assert project.apply(project.plan()).exit_code == 0
    (lost, *_) = [
        digest
        for name, digest in project.state("flowers").versions[1].artifacts.items()
        if name.startswith("predictor")
    ]
    client(s3_url).delete_object(Bucket=BUCKET, Key=f"{prefix_of(root)}/{lost[7:9]}/{lost[7:]}")
    assert project.artifacts.get(lost)  # this machine has a copy, which is not enough
    result = project.apply(project.rollback("flowers", to=1, reason="it was better"))
    assert result.exit_code == 1
    assert any("missing" in step.detail for step in result.models[0].steps)


def test_a_version_is_promoted_from_one_prefix_to_another(root: Path, s3_url: str) -> None:
    assert run(["apply", "--auto-approve", *AT]) == 0
    dev = prefix_of(root)
    assert run(["promote", "flowers", "--to", "prod", "--auto-approve", *AT]) == 0
    prod = Project(root, overrides=["env=prod"], now=NOW)
    model = prod.state("flowers").records["training/model"]
    assert model.digest == Project(root, now=NOW).state("flowers").records["training/model"].digest
    there = objects(s3_url, dev.replace("dev/", "prod/"))
    for digest in model.artifacts.values():
        prod.artifacts.verify(digest)
        assert any(name.endswith(digest[7:]) for name in there)
    assert run(["state", "doctor", "--env", "prod", *AT]) == 0
