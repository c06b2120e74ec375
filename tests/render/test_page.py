from __future__ import annotations

import pytest

from tenure.render.page import Styled, cells_of, clip, laid_out, line, plain, table


def rows(lines, width):
    return ["".join(piece.text for piece in row) for row in laid_out(lines, width)]


def test_control_characters_are_shown_and_not_obeyed():
    assert plain("a\x1b[31mb\x07\u202ec\x9b") == r"a\x1b[31mb\x07\u202ec\x9b"


def test_line_breaks_and_tabs_become_blanks_and_letters_of_all_scripts_stay():
    assert plain("a\nb\tc") == "a b c"
    assert plain("Größe 模型 é") == "Größe 模型 é"


def test_words_wrap_under_the_hanging_indent():
    assert rows([line("one two three four five six seven eight nine", indent=2, hang=4)], 40) == [
        "  one two three four five six seven",
        "      eight nine",
    ]


@pytest.mark.parametrize("width", [40, 41, 60, 80])
def test_nothing_but_kept_lines_is_wider_than_the_screen(width):
    text = line("word " * 30, "x" * 200, " 模型" * 40, indent=6, hang=10)
    assert all(cells_of(row) <= width for row in rows([text], width))


def test_wrapping_loses_no_word():
    words = [f"w{number}" for number in range(100)]
    assert " ".join(rows([line(" ".join(words))], 40)).split() == words


def test_a_kept_line_is_never_broken():
    assert rows([line("tenure approve " + "x" * 100, kept=True)], 40) == ["tenure approve " + "x" * 100]


def test_wide_characters_count_twice():
    assert cells_of("模型") == 4
    assert cells_of("e\u0301") == 1
    assert clip("模型模型", 5) == "模型…"


def test_columns_are_as_wide_as_their_longest_cell():
    found = table([("a", "first"), (Styled("longer", "strong"), "second")])
    assert [item.text for item in found] == ["a       first", "longer  second"]


def test_a_cell_that_is_too_long_is_clipped_but_never_the_last():
    found = table([("x" * 50, "y" * 50)], widest=10)
    assert found[0].text == "x" * 9 + "…  " + "y" * 50
