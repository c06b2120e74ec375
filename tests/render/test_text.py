from __future__ import annotations

import io

import pytest

from tenure.render.page import Styled, line
from tenure.render.text import Screen, paint, screen_of


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


LINES = [line(Styled("Error: ", "bad"), "all is lost")]


def test_without_colour_there_is_no_escape():
    assert paint(LINES, Screen(colour=False)) == "Error: all is lost\n"


def test_colour_ends_where_its_piece_ends():
    assert paint(LINES, Screen(colour=True)) == "\x1b[1;31mError: \x1b[0mall is lost\n"


@pytest.mark.parametrize(
    ("stream", "environ", "no_color", "colour"),
    [
        (Terminal(), {}, False, True),
        (Terminal(), {}, True, False),
        (Terminal(), {"NO_COLOR": "1"}, False, False),
        (Terminal(), {"NO_COLOR": ""}, False, True),
        (Terminal(), {"TERM": "dumb"}, False, False),
        (io.StringIO(), {}, False, False),
        (io.StringIO(), {"FORCE_COLOR": "1"}, False, True),
        (io.StringIO(), {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
    ],
)
def test_colour_is_for_terminals_that_want_it(stream, environ, no_color, colour):
    assert screen_of(stream, no_color=no_color, environ=environ).colour is colour
