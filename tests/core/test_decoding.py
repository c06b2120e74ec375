"""Types of data are learned by one thread at a time, and what is read is what msgspec reads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tenure.core.decoding import converted, json_decoder, msgpack_decoder

ALL_AT_ONCE = """
import sys, threading
import msgspec
from tenure.core.decoding import converted, json_decoder, msgpack_decoder

sys.setswitchinterval(1e-6)
plain_inner = {f"f{j}": j for j in range(40)}
plain = {f"g{j}": j for j in range(20)} | {"inner": plain_inner}
as_json, as_msgpack = msgspec.json.encode(plain), msgspec.msgpack.encode(plain)
for number in range(100):
    inner = msgspec.defstruct(f"Inner{number}", [(f"f{j}", int) for j in range(40)])
    outer = msgspec.defstruct(f"Outer{number}", [*((f"g{j}", int) for j in range(20)), ("inner", inner)])
    asked = [
        lambda: msgspec.to_builtins(json_decoder(outer).decode(as_json)) == plain,
        lambda: msgspec.to_builtins(msgpack_decoder(outer).decode(as_msgpack)) == plain,
        lambda: msgspec.to_builtins(converted(plain_inner, inner)) == plain_inner,
        lambda: msgspec.to_builtins(converted(plain, outer)) == plain,
    ]
    together, answers = threading.Barrier(len(asked)), []

    def ask(one):
        together.wait()
        answers.append(one())

    threads = [threading.Thread(target=ask, args=(one,)) for one in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True] * len(asked)
"""


def test_threads_that_ask_for_the_same_new_type_all_get_their_values(tmp_path: Path) -> None:
    """With msgspec alone the process dies of this."""
    file = tmp_path / "all_at_once.py"
    file.write_text(ALL_AT_ONCE)
    ended = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr


class Point(msgspec.Struct):
    """A type of data."""

    x: int
    label: str = ""


def test_there_is_one_decoder_for_each_type_and_format() -> None:
    assert json_decoder(list[Point]) is json_decoder(list[Point])
    assert msgpack_decoder(Point) is msgpack_decoder(Point)
    assert json_decoder(list[Point]).decode(b'[{"x":1}]') == [Point(1)]
    assert msgpack_decoder(Point).decode(msgspec.msgpack.encode(Point(2, "b"))) == Point(2, "b")


def test_what_is_of_another_type_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"Expected `int`, got `str` - at `\$.x`"):
        converted({"x": "1"}, Point)
    with pytest.raises(msgspec.ValidationError):
        json_decoder(Point).decode(b"{}")


def test_keys_that_are_texts_only_because_json_has_no_others_are_numbers_where_that_is_asked_for() -> None:
    assert converted({"1": "a"}, dict[int, str], str_keys=True) == {1: "a"}
    with pytest.raises(msgspec.ValidationError):
        converted({"1": "a"}, dict[int, str])
