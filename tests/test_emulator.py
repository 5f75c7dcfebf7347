"""The emulator by itself: what it counts and keeps, and how it is resized in both manners."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.emulator import Emulator


def fed(data: str, columns: int = 10, lines: int = 4, *, reflow: bool = True) -> Emulator:
    emulator = Emulator(columns, lines, reflow=reflow)
    emulator.feed(data.encode())
    return emulator


def test_keeps_what_scrolls_out() -> None:
    emulator = fed("one\r\ntwo\r\nthree\r\nfour\r\nfive\r\nsix")
    assert emulator.scrollback == ["one", "two"]
    assert emulator.screen == "three\nfour\nfive\nsix"
    assert emulator.everything == "one\ntwo\nthree\nfour\nfive\nsix"
    assert emulator.cursor == (3, 3)


def test_wraps_at_the_right_edge_unless_told_not_to() -> None:
    assert fed("abcdefghijkl").rows[:2] == ["abcdefghij", "kl"]
    emulator = fed("\x1b[?7labcdefghijkl")
    assert (emulator.rows[:2], emulator.wraps) == (["abcdefghil", ""], False)
    emulator.feed(b"\x1b[?7h")
    assert emulator.wraps


def test_wraps_a_wide_character_whole() -> None:
    emulator = fed("abcdefghi語")
    assert emulator.rows[:2] == ["abcdefghi", "語"]
    assert emulator.cursor == (2, 1)


def test_adds_a_combining_character_to_the_one_before_also_at_the_edge() -> None:
    assert fed("abcdefghie\u0301").rows[:2] == ["abcdefghie\u0301", ""]
    assert fed("語\u0301x").rows[0] == "語\u0301x"


def test_counts_synchronized_frames_once_they_are_complete() -> None:
    emulator = fed("\x1b[?2026hone\x1b[?2026l\x1b[?2026htwo")
    assert (emulator.frames, emulator.is_synchronizing) == (1, True)
    emulator.feed(b"\x1b[?2026l\x1b[?2026l")
    assert (emulator.frames, emulator.is_synchronizing) == (2, False)


def test_knows_whether_the_cursor_is_visible() -> None:
    emulator = fed("\x1b[?25l")
    assert not emulator.cursor_is_visible
    emulator.feed(b"x\r\n\x1b[?25h")
    assert emulator.cursor_is_visible


def test_reflow_joins_soft_wraps_and_keeps_hard_ones() -> None:
    emulator = fed("abcdefghijkl\r\nmno", lines=6)
    emulator.resize(20, 6)
    assert emulator.rows[:3] == ["abcdefghijkl", "mno", ""]
    emulator.resize(5, 6)
    assert (emulator.scrollback, emulator.rows[:2]) == (["abcde", "fghij"], ["kl", "mno"])
    assert emulator.cursor == (3, 1)


def test_reflow_scrolls_out_what_has_no_room_and_brings_it_back() -> None:
    emulator = fed("one\r\ntwo\r\nthree\r\nfour")
    emulator.resize(10, 2)
    assert (emulator.scrollback, emulator.rows) == (["one", "two"], ["three", "four"])
    emulator.resize(10, 4)
    assert (emulator.scrollback, emulator.rows) == ([], ["one", "two", "three", "four"])


@pytest.mark.parametrize("reflow", [True, False])
def test_rows_below_the_cursor_go_first(reflow: bool) -> None:
    emulator = fed("one\r\ntwo\r\nthree\r\nfour\x1b[2A", reflow=reflow)
    emulator.resize(10, 2)
    assert (emulator.scrollback, emulator.rows) == ([], ["one", "two"])
    assert emulator.cursor[1] == 1


def test_without_reflow_rows_are_cut_and_nothing_comes_back() -> None:
    emulator = fed("abcdefghijkl\r\nmno\r\np", reflow=False)
    emulator.resize(6, 2)
    assert (emulator.scrollback, emulator.rows) == (["abcdefghij", "kl"], ["mno", "p"])
    emulator.resize(12, 5)
    assert (emulator.scrollback, emulator.rows) == (["abcdefghij", "kl"], ["mno", "p", "", "", ""])
    emulator = fed("abcdefghij", reflow=False)
    emulator.resize(4, 4)
    emulator.resize(10, 4)
    assert emulator.rows[0] == "abcd"


def test_erasing_from_the_very_first_cell_scrolls_out_with_reflow_as_in_tmux() -> None:
    assert fed("one\r\ntwo\x1b[H\x1b[Jx").scrollback == ["one", "two"]
    assert fed("one\r\ntwo\x1b[H\x1b[Jx", reflow=False).scrollback == []
    assert fed("one\r\ntwo\x1b[H \x1b[J\rx").everything == "x"


LINES = st.lists(st.text(st.sampled_from("ab語é "), max_size=40).map(lambda text: f"{text.strip()}."), max_size=12)
SIZES = st.lists(st.tuples(st.integers(2, 30), st.integers(1, 9)), max_size=5)


NARROW = LINES.map(lambda lines: [line.replace("語", "") for line in lines])
"""Where a wide character does not fit at the end of a row, tmux itself loses that the row goes on, and the cursor's place."""


@given(NARROW, SIZES)
def test_reflow_loses_no_character_whatever_the_sizes(lines: list[str], sizes: list[tuple[int, int]]) -> None:
    emulator = fed("\r\n".join(lines))
    for size in sizes:
        emulator.resize(*size)
        assert (emulator.columns, emulator.lines, len(emulator.rows)) == (*size, size[1])
    emulator.resize(90, 9)
    assert [line for line in emulator.everything.split("\n") if line] == lines


@given(NARROW, SIZES)
def test_the_cursor_stays_on_the_screen_and_behind_its_text(lines: list[str], sizes: list[tuple[int, int]]) -> None:
    emulator = fed("\r\n".join(lines))
    for size in sizes:
        emulator.resize(*size)
    x, y = emulator.cursor
    assert 0 <= x <= emulator.columns
    if lines:
        assert emulator.rows[y].endswith(".")
        assert not any(emulator.rows[y + 1 :])
