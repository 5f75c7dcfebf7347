"""The screen, drawn into a terminal emulator."""

import io
import os
import pty
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.segment import Segment
from rich.style import Style

from boticelli_cli.views.images import Picture
from boticelli_cli.views.rows import Row
from boticelli_cli.views.screen import Screen
from tests.emulator import Emulator


class Shown:
    """A screen and the emulator that shows what it writes."""

    def __init__(self, columns: int = 20, lines: int = 8, *, reflow: bool = True, color: bool = True) -> None:
        self.emulator = Emulator(columns, lines, reflow=reflow)
        self.file = io.StringIO()
        console = Console(file=io.StringIO(), force_terminal=True, color_system="standard" if color else None)
        self.screen = Screen(self.file, console)
        self.written = 0
        self.told = columns, lines

    def draw(self, done: list[str | Picture], live: list[str] = []) -> str:  # noqa: B006
        rows = [row(each) if isinstance(each, str) else each for each in done]
        self.screen.draw(rows, [row(each) for each in live], self.told)
        new = self.file.getvalue()[self.written :]
        self.written += len(new)
        self.emulator.feed(new.encode())
        return new

    def resize(self, columns: int, lines: int, *, told: bool = True) -> None:
        self.emulator.resize(columns, lines)
        if told:
            self.told = columns, lines

    @property
    def lines_to_the_last(self) -> str:
        return self.emulator.everything.rstrip("\n")

    @property
    def place(self) -> tuple[int, int]:
        """Where the cursor is, in all that has been shown."""
        column, line = self.emulator.cursor
        return column, line + len(self.emulator.scrollback)

    @property
    def lines(self) -> list[str]:
        return self.emulator.everything.split("\n")


def row(text: str) -> Row:
    return (Segment(text, Style(bold=True)),) if text.startswith("*") else (Segment(text),)


def test_prints_what_is_done_above_what_is_live() -> None:
    shown = Shown()
    shown.draw(["one", "two"], ["live 1", "live 2"])
    shown.draw(["three"], ["live 3"])
    assert shown.lines == ["one", "two", "three", "live 3"]


def test_writes_nothing_when_nothing_has_changed() -> None:
    shown = Shown()
    shown.draw([], ["live 1", "live 2"])
    assert shown.draw([], ["live 1", "live 2"]) == ""


def test_writes_every_frame_as_one_synchronized_update() -> None:
    shown = Shown()
    for number in range(3):
        frame = shown.draw([f"row {number}"], [f"live {number}"])
        assert frame.startswith("\x1b[?2026h")
        assert frame.endswith("\x1b[?2026l")
    assert shown.emulator.frames == 3


def test_writes_only_that_part_of_a_row_that_has_changed() -> None:
    shown = Shown()
    shown.draw([], ["│ the wind       │"])
    frame = shown.draw([], ["│ the wind and   │"])
    assert "and" in frame
    assert "wind" not in frame
    assert "│" not in frame


def test_leaves_the_region_as_it_is_when_what_was_live_is_done() -> None:
    shown = Shown()
    shown.draw([], ["the wind", "and the", "edge"])
    frame = shown.draw(["the wind"], ["and the rain", "edge"])
    assert "rain" in frame
    assert "and the" not in frame
    assert "edge" not in frame
    assert shown.lines == ["the wind", "and the rain", "edge"]


def test_the_region_is_never_as_high_as_the_screen() -> None:
    shown = Shown(lines=5)
    shown.draw(["done"], [f"live {number}" for number in range(9)])
    assert shown.lines == ["done", "live 0", "live 1", "live 2", "live 3"]


def test_rests_where_the_region_begins() -> None:
    shown = Shown()
    shown.draw(["done"], ["live 1", "live 2"])
    assert shown.emulator.cursor == (0, 1)


def test_leaves_nothing_of_the_region_and_the_cursor_below_what_is_done() -> None:
    shown = Shown()
    shown.draw(["one"], ["live 1", "live 2"])
    shown.draw(["two"])
    assert shown.lines == ["one", "two"]
    assert shown.emulator.cursor == (0, 2)


def test_wraps_again_after_each_frame() -> None:
    shown = Shown(columns=10)
    shown.draw([], ["x" * 30, "below"])
    assert shown.lines == ["x" * 10, "below"]
    assert shown.emulator.wraps


@pytest.mark.parametrize("color", [True, False])
def test_styles_only_where_there_are_colours(color: bool) -> None:
    shown = Shown(color=color)
    assert ("\x1b[1m" in shown.draw(["*bold"])) is color


def test_leaves_exactly_the_rows_that_a_picture_fills() -> None:
    shown = Shown(lines=6)
    shown.draw(["one", "two", "three"], ["live"])
    frame = shown.draw([Picture("\x1b]1337;File=inline=1:AA==\x07", columns=6, rows=3), "caption"], ["live"])
    assert "\x1b]1337;File=inline=1:AA==\x07" in frame
    assert shown.lines == ["one", "two", "three", "", "", "", "caption", "live"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("cafe", "cafe\u0301"),
        ("cafe\u0301", "cafe"),
        ("1\ufe0f\u20e3", "1\ufe0f\u20e3 one"),
        ("©", "©\ufe0f"),
        ("ก", "ก็"),
    ],
)
def test_marks_go_with_their_letters(before: str, after: str) -> None:
    shown, fresh = Shown(), Shown()
    shown.draw([], [f"x {before}"])
    shown.draw([], [f"x {after}"])
    fresh.draw([], [f"x {after}"])
    assert shown.lines == fresh.lines


def test_a_row_that_has_become_shorter_wraps_as_what_it_is() -> None:
    shown = Shown(columns=20)
    shown.draw(["one", "two"], ["x" * 20])
    shown.draw([], ["xx"])
    shown.resize(10, 8)
    assert shown.lines == ["one", "two", "xx"]
    shown.draw(["three"], [])
    assert shown.lines == ["one", "two", "three"]


def test_a_region_that_was_erased_leaves_no_wide_rows_behind() -> None:
    shown = Shown(columns=20)
    shown.draw(["one"], ["x" * 20, "y" * 20])
    shown.draw(["two"], ["z"])
    shown.resize(10, 8)
    assert shown.lines == ["one", "two", "z"]


def test_without_colour_the_other_styles_stay() -> None:
    file = io.StringIO()
    console = Console(file=io.StringIO(), force_terminal=True, color_system="standard", no_color=True)
    Screen(file, console).draw([(Segment("both", Style(bold=True, color="red")),)], [], (20, 8))
    assert "\x1b[1mboth" in file.getvalue()
    assert "31" not in file.getvalue()


def test_draws_from_where_the_cursor_is_once_somebody_else_had_the_screen() -> None:
    shown = Shown()
    shown.draw(["one"], ["live 1", "live 2"])
    shown.emulator.feed(b"\n\n\r$ bg\r\n")
    shown.screen.abandon()
    shown.draw(["two"], ["live 3"])
    assert shown.lines == ["one", "live 1", "live 2", "$ bg", "two", "live 3"]


def test_a_terminal_that_is_gone_takes_everything() -> None:
    ours, its = pty.openpty()
    with os.fdopen(its, "w") as file:
        screen = Screen(file, Console(file=io.StringIO(), force_terminal=True))
        os.close(ours)
        screen.draw([row("one")], [row("live")], (20, 8))
        screen.draw([row("two")], [], (20, 8))
        assert os.fstat(file.fileno()).st_rdev == Path(os.devnull).stat().st_rdev


# Whatever is drawn, in whatever order

TEXTS = st.text(alphabet="ab *│漢字é🙂👩‍🚀ש─e\u0301\u200d\ufe0f\u20e3©ก็1", max_size=14)
FRAMES = st.lists(st.tuples(st.lists(TEXTS, max_size=5), st.lists(TEXTS, max_size=9)), max_size=8)


def seen(text: str) -> str:
    return "".join(text.split())


@example([([], ["", "", "b\u200d"]), ([], ["", "", "b"])], 20, 5)
@given(FRAMES, st.integers(20, 40), st.integers(2, 10))
def test_shows_what_it_is_told_whatever_was_there_before(
    frames: list[tuple[list[str], list[str]]], columns: int, lines: int
) -> None:
    shown = Shown(columns=columns, lines=lines)
    done: list[str] = []
    for printed, live in frames:
        shown.draw(list(printed), live)
        done += printed
        fresh = Shown(columns=columns, lines=lines)
        fresh.draw([*done], live)
        assert shown.lines_to_the_last == fresh.lines_to_the_last
        assert shown.place == fresh.place


WORDS = st.text(alphabet="abc", min_size=1, max_size=12)
STEPS = st.lists(
    st.tuples(
        st.lists(WORDS, max_size=3),
        st.lists(WORDS, max_size=2),
        st.none() | st.tuples(st.integers(16, 40), st.integers(6, 12)),
    ),
    max_size=10,
)


@given(STEPS, st.booleans())
def test_keeps_every_row_once_through_any_resizes(
    steps: list[tuple[list[str], list[str], tuple[int, int] | None]], reflow: bool
) -> None:
    # Rows that fit the narrowest of these screens, and a region that fits the lowest of them twice: beyond that, a
    # terminal moves rows out of reach before anybody is told that it has another size.
    shown = Shown(columns=40, lines=12, reflow=reflow)
    done: list[str] = []
    for printed, live, size in steps:
        shown.draw(list(printed), live)
        done += printed
        if size is not None:
            shown.resize(*size)
    shown.draw(["end"])
    assert [line for line in shown.lines if line] == [*done, "end"]


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 9), st.none() | st.tuples(st.integers(12, 40), st.integers(4, 12)))
    ),
    st.booleans(),
)
def test_loses_nothing_while_it_is_not_told_of_another_size(
    steps: list[tuple[int, int, tuple[int, int] | None]], told_in_the_end: bool
) -> None:
    shown = Shown(columns=40, lines=12)
    above = [f"above {number}" for number in range(8)]
    shown.emulator.feed("".join(f"{line}\r\n" for line in above).encode())
    live = [f"row {number:03}" for number in range(100)]
    at = 0
    for done, rows, size in steps:
        shown.draw(live[at : at + done], live[at + done : at + done + rows])
        at += done
        if size is not None:
            shown.resize(*size, told=False)
    if told_in_the_end:
        shown.told = shown.emulator.columns, shown.emulator.lines
    shown.draw(["end"], [])
    lines = iter(shown.lines)
    assert all(line in lines for line in [*above, *live[:at], "end"])
