"""The screen: one owner of a terminal, which prints rows for good and keeps a live region of others below them.

The cursor rests where the region begins. A terminal that is resized keeps it on its line, whether it wraps its lines
anew or not, so that the region is always found again; what is wrong below it is erased and drawn anew.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TextIO

from rich.cells import cell_len
from rich.console import COLOR_SYSTEMS, Console
from rich.segment import Segment
from rich.style import Style

from boticelli_cli.views.images import Picture
from boticelli_cli.views.rows import Row, plain
from boticelli_cli.views.terminal import (
    AUTOWRAP_OFF,
    AUTOWRAP_ON,
    ERASE_BELOW,
    ERASE_LINE,
    SYNCHRONIZED_OFF,
    SYNCHRONIZED_ON,
    write,
)

__all__ = ["Screen"]


class Screen:
    """Draws frames: each prints some rows once, above a region that is drawn again with the next.

    What is the same as before is not written again; nothing is written when nothing has changed. A frame is a
    synchronized update, which the terminal shows whole. Rows of the region are cut where the screen ends, even if it
    has just become narrower: they push none below them down. A terminal that is gone takes everything.
    """

    def __init__(self, file: TextIO, console: Console) -> None:
        self._file = file
        self._paint = _painter(console)
        self._drawn: list[Row] = []
        self._drawn_at: tuple[int, int] | None = None

    def forget(self) -> None:
        """Take nothing for granted of what stands below the cursor: the next frame erases it and is drawn whole."""
        self._drawn_at = (0, 0)

    def abandon(self) -> None:
        """Leave what stands below the cursor to whoever has the screen now: the next frame is drawn from here."""
        self._drawn, self._drawn_at = [], None

    def draw(self, done: Sequence[Row | Picture], live: Sequence[Row], size: tuple[int, int]) -> None:
        """Print the rows that are done, and show the live ones below them, on so many columns and lines.

        Of the live ones as many are shown as the screen has lines, less one.
        """
        frame = _Frame(self._paint, self._drawn)
        if self._drawn_at is not None and size != self._drawn_at:
            frame.erase()
        if done:
            frame.print(done)
        shown = list(live[: max(size[1] - 1, 0)])
        frame.show(shown)
        self._drawn, self._drawn_at = shown, size
        if frame.parts:
            write(self._file, "".join((SYNCHRONIZED_ON, *frame.parts, SYNCHRONIZED_OFF)))


class _Frame:
    """What is written to the terminal to get from one frame to the next. Begins and ends where the region begins."""

    def __init__(self, paint: Callable[[Row], str], drawn: list[Row]) -> None:
        self.parts: list[str] = []
        self._paint = paint
        self._drawn = drawn
        self._at = 0

    def erase(self) -> None:
        self.parts.append(f"\r{ERASE_BELOW}")
        self._drawn = []

    def print(self, done: Sequence[Row | Picture]) -> None:
        """Put rows for good where the region begins, which from then on begins below them.

        They are written whole, and wrap if they must: a terminal may have another size since they were live, and
        tell us a quarter of a second later (tmux). If they are there already, the region below them stays as it is.
        """
        are_there = len(done) <= len(self._drawn) and all(
            new == old and all(map(_is_sure, _cells(old))) for new, old in zip(done, self._drawn, strict=False)
        )
        if not are_there:
            self.erase()
        self.parts += (self._place(item) for item in done)
        self._drawn = self._drawn[len(done) :]

    def show(self, live: Sequence[Row]) -> None:
        """Change the region from what is drawn into what is wanted, row by row."""
        before = len(self.parts)
        for number, row in enumerate(live):
            if number >= len(self._drawn):
                self._go_to(number)
                self.parts.append(self._paint(row))
                self._drawn.append(row)
            elif row != self._drawn[number]:
                self._go_to(number)
                self.parts.append(self._change(self._drawn[number], row))
        if len(self._drawn) > len(live):
            self._go_to(len(live))
            self.parts.append(f"\r{ERASE_BELOW}")
        if len(self.parts) > before:
            self.parts.insert(before, AUTOWRAP_OFF)
            self.parts.append(f"\x1b[{self._at}A\r{AUTOWRAP_ON}" if self._at else f"\r{AUTOWRAP_ON}")

    def _go_to(self, row: int) -> None:
        """Go down to a row, and make it if it is not there yet.

        By line feeds, which do so wherever the screen ends: a way down that stops there would lead too far up later, to
        rows that are done.
        """
        if row > self._at:
            self.parts.append("\r" + "\n" * (row - self._at))
        self._at = row

    def _place(self, item: Row | Picture) -> str:
        return item.block if isinstance(item, Picture) else f"{ERASE_LINE}{self._paint(item)}\r\n"

    def _change(self, old: Row, new: Row) -> str:
        """What writes that part of a row that is another than before.

        One that gets shorter is erased whole: terminals that wrap their lines anew take blanks that were text for text.
        """
        were, are = _cells(old), _cells(new)
        start = _same(were, are)
        if cell_len(plain(new)) < cell_len(plain(old)) or not all(map(_is_sure, were[start:])):
            return f"\r{ERASE_LINE}{self._paint(new)}"
        end = 0
        if len(were) == len(are) and all(map(_is_plain, (*were, *are))):
            end = _same(were[: start - 1 if start else None : -1], are[: start - 1 if start else None : -1])
        column = cell_len("".join(character for character, _ in are[:start])) + 1
        return f"\x1b[{column}G{self._paint(_segments(are[start : len(are) - end]))}"


def _painter(console: Console) -> Callable[[Row], str]:
    """How rows are written on this terminal."""
    system = COLOR_SYSTEMS[console.color_system] if console.color_system else None
    blank = Style()

    def paint(row: Row) -> str:
        if system is None:
            return plain(row)
        styled = ((segment.text, segment.style or blank) for segment in row)
        if console.no_color:
            styled = ((text, style.without_color) for text, style in styled)
        return "".join(style.render(text, color_system=system) for text, style in styled)

    return paint


# The cells of a row: characters that surely fill one column each, and others

_Cell = tuple[str, Style | None]


def _cells(row: Row) -> list[_Cell]:
    return [(character, segment.style) for segment in row for character in segment.text]


def _segments(cells: Sequence[_Cell]) -> Row:
    return tuple(_joined(cells))


def _joined(cells: Sequence[_Cell]) -> Iterator[Segment]:
    start = 0
    for index in range(1, len(cells) + 1):
        if index == len(cells) or cells[index][1] != cells[start][1]:
            yield Segment("".join(character for character, _ in cells[start:index]), cells[start][1])
            start = index


def _same(one: Sequence[_Cell], other: Sequence[_Cell]) -> int:
    """How many cells two rows begin with that are the same, and surely one column wide.

    A mark belongs to the letter before it, whether it is over that letter or makes a picture of it.
    """
    count = 0
    for mine, yours in zip(one, other, strict=False):
        if mine != yours or not _is_plain(mine):
            break
        count += 1
    follows = [*one[count : count + 1], *other[count : count + 1]]
    return count if all(map(_is_plain, follows)) else max(count - 1, 0)


def _is_plain(cell: _Cell) -> bool:
    """Whether a character fills one column, whatever the terminal."""
    code = ord(cell[0])
    return 0x20 <= code < 0x300 or 0x370 <= code < 0x483 or 0x2010 <= code < 0x2028 or 0x2500 <= code < 0x2580


def _is_sure(cell: _Cell) -> bool:
    """Whether every terminal draws a character as wide as we think; emoji, for one, are drawn in many widths."""
    code = ord(cell[0])
    return _is_plain(cell) or 0x3001 <= code < 0x3030 or 0x3041 <= code < 0x3097 or 0x4E00 <= code < 0xA000
