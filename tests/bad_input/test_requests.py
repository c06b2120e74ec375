"""Requests to the server of a model that was applied from the command line: whatever comes, the answer says what is
wrong, and the server goes on.

Tensors, media types, methods, addresses and what each field is told are in tests/server/test_answers; here are the
default limits, and what only a body in transit can do. A port in use is in tests/server/test_process, a full disk under
the prediction log in tests/server/test_prediction_log.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import pytest

ROW = {"petal": 5.0, "sepal": 6.0, "colour": "red"}
MEGABYTE = 1_000_000


def ask(
    live: str, body: bytes | Iterable[bytes], headers: dict[str, str] | None = None, *, chunked: bool = False
) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(urlsplit(live).netloc, timeout=20)
    try:
        connection.request("POST", "/models/flowers/predict", body, headers or {}, encode_chunked=chunked)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def padded(size: int) -> bytes:
    """A good request of so many bytes."""
    text = json.dumps(ROW).encode()
    return text[:-1] + b" " * (size - len(text)) + b"}"


@pytest.fixture(autouse=True)
def _answers_afterwards(live: str) -> Iterable[None]:
    yield
    assert ask(live, json.dumps(ROW).encode())[0] == 200


@pytest.mark.parametrize(
    ("size", "status"), [(10 * MEGABYTE, 200), (10 * MEGABYTE + 1, 413), (11 * MEGABYTE, 413)]
)
def test_ten_megabytes_and_no_more(live: str, size: int, status: int) -> None:
    given, document = ask(live, padded(size))
    assert given == status
    assert status == 200 or document["max_body"] == 10 * MEGABYTE


def test_in_chunks_too(live: str) -> None:
    pieces = iter([b" " * 100_000] * 110)
    assert ask(live, pieces, {"Transfer-Encoding": "chunked"}, chunked=True)[0] == 413


def test_too_many_rows(live: str) -> None:
    status, document = ask(live, json.dumps([ROW] * 20_000).encode())
    assert status == 413
    assert "20000 rows" in document["detail"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b'{"petal": NaN, "sepal": 6, "colour": "red"}', 400, "send null"),
        (b'{"petal": Infinity, "sepal": 6, "colour": "red"}', 400, "send null"),
        (b'{"petal": 1e999, "sepal": 6, "colour": "red"}', 400, "not JSON"),
        (b'{"petal": 1%s, "sepal": 6, "colour": "red"}' % (b"0" * 400), 400, "not JSON"),
        (b'{"petal": "5.0", "sepal": 6, "colour": "red"}', 422, "'petal' must be a number, not '5.0'"),
        (b'{"petal": 5, "colour": "red"}', 422, "the field 'sepal' is missing"),
        (b"petal=5&sepal=6", 400, "not JSON"),
        (b"{" * 5000, 400, "not JSON"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, 400, "not JSON"),
        (b"[" * 100 + b"]" * 100, 422, "a row is an object"),
        (b'{"petal": 5, "sepal": 6, "colour": "\\ud800"}', 400, "not JSON"),
        (json.dumps(ROW).encode("utf-16"), 400, "not JSON"),
        (json.dumps(ROW).encode() * 2, 400, "not JSON"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered(live: str, body: bytes, status: int, words: str) -> None:
    given, document = ask(live, body)
    assert given == document["status"] == status
    assert words in document["detail"]


@pytest.mark.parametrize("colour", ["violet", "", "röd 🌹", "\u0000", "x" * 100_000])
def test_a_category_never_seen_is_answered_and_flagged(live: str, colour: str) -> None:
    status, document = ask(live, json.dumps(ROW | {"colour": colour}).encode())
    assert status == 200
    assert document["predictions"][0]["flags"] == [{"field": "colour", "code": "unseen"}]


def test_of_a_repeated_key_the_last_counts(live: str) -> None:
    twice = b'{"petal": 3, "petal": 5.0, "sepal": 6.0, "colour": "red"}'
    first, second = (ask(live, body)[1]["predictions"][0] for body in (twice, json.dumps(ROW).encode()))
    assert first["probabilities"] == second["probabilities"]
