"""A terminal emulator, for what pyte leaves out: scrollback that stays and comes back, reflow, soft wraps.

pyte parses and draws. What happens on a resize is written down here twice, as terminals are of two kinds:

- with `reflow`, as in tmux 3.3 (VTE, kitty and others are alike but for corners): `screen_resize_y` of its screen.c,
  `grid_reflow` and `grid_wrap_position` of its grid.c, and its `scroll-on-clear`: what erases the screen from the
  first cell on moves it to the scrollback. `test_emulator_against_tmux.py` compares the two.
- without, as in xterm: rows are cut at the new width, and what has scrolled out never comes back.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import pyte
from pyte import modes
from pyte.screens import Char, StaticDefaultDict, wcwidth
from rich.cells import cell_len

SYNCHRONIZED = 2026 << 5
"""DEC 2026 as pyte counts private modes."""
END = -1
"""The column of a cursor that stands behind the last character of its line, wherever that is."""


class Row(StaticDefaultDict[int, Char]):
    """One row: its cells, how many have been used, and whether its text goes on in the next row by a soft wrap."""

    def __init__(self, default: Char, cells: tuple[Char, ...] = (), *, wrapped: bool = False) -> None:
        super().__init__(default)
        self.update(enumerate(cells))
        self.used = len(cells)
        self.wrapped = wrapped

    @property
    def cells(self) -> list[Char]:
        return [self[x] for x in range(self.used)]

    @property
    def text(self) -> str:
        return "".join(cell.data for cell in self.cells).rstrip()


class Emulator:
    """A terminal of some size, fed with bytes.

    `rows` and `scrollback` are lines of text without blanks at their ends; `frames` counts the synchronized updates
    that have been completed.
    """

    def __init__(self, columns: int, lines: int, *, reflow: bool = True) -> None:
        self._grid = _Grid(columns, lines, reflow=reflow)
        self._stream = pyte.ByteStream(self._grid)

    def feed(self, data: bytes) -> None:
        self._stream.feed(data)

    def resize(self, columns: int, lines: int) -> None:
        self._grid.change_size(columns, lines)

    @property
    def columns(self) -> int:
        return self._grid.columns

    @property
    def lines(self) -> int:
        return self._grid.lines

    @property
    def rows(self) -> list[str]:
        return [row.text for row in self._grid.rows]

    @property
    def cells(self) -> list[list[Char]]:
        """The characters of each row, with their looks."""
        return [row.cells for row in self._grid.rows]

    @property
    def scrollback(self) -> list[str]:
        return [row.text for row in self._grid.above]

    @property
    def screen(self) -> str:
        """What a person sees."""
        return "\n".join(self.rows).rstrip()

    @property
    def everything(self) -> str:
        """All lines, those above the screen first."""
        return "\n".join([*self.scrollback, self.screen])

    @property
    def cursor(self) -> tuple[int, int]:
        """Column and row; the column is the width where the next character will wrap."""
        return self._grid.cursor.x, self._grid.cursor.y

    @property
    def cursor_is_visible(self) -> bool:
        return not self._grid.cursor.hidden

    @property
    def wraps(self) -> bool:
        """Whether text goes on in the next row at the right edge (DECAWM)."""
        return modes.DECAWM in self._grid.mode

    @property
    def is_synchronizing(self) -> bool:
        """Whether a synchronized update has begun and not ended: a real terminal still shows what was before."""
        return SYNCHRONIZED in self._grid.mode

    @property
    def frames(self) -> int:
        return self._grid.frames


def stays_in_reach(terminal: Emulator, columns: int, lines: int) -> bool:
    """Whether a terminal that wraps its rows anew keeps the beginning of the live region on the screen.

    If not, it has moved rows into its scrollback, where nobody can change them, before the program is told.
    """
    _, top = terminal.cursor
    region = [row for row in terminal.rows[top:] if row]
    more = sum(max(-(-cell_len(row) // columns) - 1, 0) for row in region)
    return top >= more + max(terminal.lines - lines, 0) and len(region) < lines


class _Grid(pyte.Screen):
    """The rows on the screen, in pyte's `buffer`, and those above it. `returning` of them may come back."""

    def __init__(self, columns: int, lines: int, *, reflow: bool) -> None:
        self.reflow = reflow
        self.frames = 0
        self.above: list[Row] = []
        self.returning = 0
        super().__init__(columns, lines)
        self.buffer = defaultdict(lambda: Row(self.default_char))

    @property
    def rows(self) -> list[Row]:
        return [self.buffer[y] for y in range(self.lines)]

    # Drawing

    def draw(self, data: str) -> None:
        for char in data:
            width = wcwidth(char)
            if width == 0:
                self._combine(char)
            if width <= 0 or width > self.columns:
                continue
            if modes.DECAWM in self.mode and self.cursor.x > self.columns - width:
                self.buffer[self.cursor.y].wrapped = True
                self.carriage_return()
                self.index()
            if self.cursor.x <= self.columns - width:
                self._put(char, width)

    def _combine(self, char: str) -> None:
        """Add a character without width to the one before it."""
        row = self.buffer[self.cursor.y]
        x = self.cursor.x - 1
        x -= x > 0 and row[x].data == ""
        if x >= 0:
            row[x] = row[x]._replace(data=row[x].data + char)

    def _put(self, char: str, width: int) -> None:
        if modes.IRM in self.mode:
            self.insert_characters(width)
        row, x = self.buffer[self.cursor.y], self.cursor.x
        if row[x].data == "" and x > 0:  # the right half of a wide character: the left one goes too
            row[x - 1] = self.default_char
        if x + width < self.columns and row[x + width].data == "":
            row[x + width] = self.default_char
        row[x] = self.cursor.attrs._replace(data=char)
        if width == 2:
            row[x + 1] = self.cursor.attrs._replace(data="")
        row.used = max(row.used, x + width)
        self.cursor.x = min(x + width, self.columns - (modes.DECAWM not in self.mode))

    def index(self) -> None:
        top, bottom = self.margins or (0, self.lines - 1)
        if self.cursor.y == bottom and top == 0:
            self.above.append(self.buffer[0])
            self.returning += 1
        if self.cursor.y == bottom:
            super().index()
        else:
            self.cursor.y = min(self.cursor.y + 1, self.lines - 1)

    def cursor_up(self, count: int | None = None) -> None:
        self.ensure_hbounds()
        super().cursor_up(count)

    def cursor_down(self, count: int | None = None) -> None:
        self.ensure_hbounds()
        super().cursor_down(count)

    def cursor_back(self, count: int | None = None) -> None:
        if self.reflow:  # tmux counts from behind the last column, others from the last column
            self.cursor.x = max(self.cursor.x - (count or 1), 0)
        else:
            super().cursor_back(count)

    # Erasing

    def erase_in_line(self, how: int = 0, private: bool = False) -> None:
        start, end = {0: (self.cursor.x, self.columns), 1: (0, self.cursor.x + 1), 2: (0, self.columns)}[how]
        if self.buffer[self.cursor.y].used:
            self._erase(self.cursor.y, start, min(end, self.columns))

    def erase_in_display(self, how: int = 0, *args: Any, **kwargs: Any) -> None:
        x, y = self.cursor.x, self.cursor.y
        if how == 3:
            self.above, self.returning = [], 0
            return
        if self.reflow and (how == 2 or (how, x, y) == (0, 0, 0)):
            self._scroll_all_out()
            return
        if how in (0, 1):
            self._erase(y, *((x, self.columns) if how == 0 else (0, min(x + 1, self.columns))))
        for row in {0: range(y + 1, self.lines), 1: range(y), 2: range(self.lines)}[how]:
            self._erase(row, 0, self.columns)

    def _erase(self, y: int, start: int, end: int) -> None:
        if (start, end) == (0, self.columns):
            self.buffer[y] = Row(self.default_char)
            before = self.buffer[y - 1] if y else self.above[-1] if self.above else None
            if before is not None:
                before.wrapped = False
        row = self.buffer[y]
        for x in range(start, min(end, row.used)):
            row[x] = self.default_char

    def _scroll_all_out(self) -> None:
        """Move all rows down to the last that has been used to the scrollback, for good."""
        rows = self.rows
        count = max((y + 1 for y, row in enumerate(rows) if row.used), default=0)
        self.above += rows[:count]
        self._show([*rows[count:]])
        if count:
            self.returning = 0

    def reset(self) -> None:
        self.above, self.returning = [], 0
        super().reset()

    # Modes

    def set_mode(self, *numbers: int, **kwargs: Any) -> None:
        super().set_mode(*numbers, **kwargs)
        if modes.DECAWM not in self.mode:
            self.ensure_hbounds()

    def reset_mode(self, *numbers: int, **kwargs: Any) -> None:
        before = SYNCHRONIZED in self.mode
        super().reset_mode(*numbers, **kwargs)
        self.frames += before and SYNCHRONIZED not in self.mode

    # Resizing

    def change_size(self, columns: int, lines: int) -> None:
        wider = columns != self.columns
        self.columns = columns
        rows = self._other_height(lines)
        if wider and self.reflow:
            rows = self._other_width([*self.above, *rows], columns)
        elif wider:
            rows = [Row(self.default_char, tuple(row.cells[:columns])) for row in rows]
        self._show(rows)
        if wider:
            self.tabstops = set(range(8, columns, 8))
        if not self.reflow:
            self.ensure_hbounds()
        self.set_margins()

    def _show(self, rows: list[Row]) -> None:
        self.buffer.clear()
        self.buffer.update(enumerate(rows))

    def _other_height(self, lines: int) -> list[Row]:
        """The rows at another height: those below the cursor go first, then some scroll out; or some come back."""
        rows = self.rows
        if below := min(max(self.lines - lines, 0), self.lines - 1 - self.cursor.y):
            del rows[-below:]
            rows[-1].wrapped = False
        leaving = max(len(rows) - lines, 0)
        self.above += rows[:leaving]
        self.returning += leaving
        rows = rows[leaving:]
        coming = min(lines - len(rows), self.returning) if self.reflow else 0
        if coming:
            rows = self.above[-coming:] + rows
            del self.above[-coming:]
            self.returning -= coming
        self.cursor.y += coming - leaving
        self.lines = lines
        return rows + [Row(self.default_char) for _ in range(lines - len(rows))]

    def _other_width(self, rows: list[Row], columns: int) -> list[Row]:
        """The rows of the screen at another width. The cursor stays with its character, the screen at the end."""
        place = _place(rows, self.cursor.x, len(self.above) + self.cursor.y)
        flow = _Reflow(rows, columns, self.returning, lambda *cells: Row(self.default_char, cells))
        rows = flow.target + [Row(self.default_char) for _ in range(self.lines - len(flow.target))]
        above = len(rows) - self.lines
        self.returning = min(flow.returning, above)
        x, y = _at_place(rows, *place)
        self.cursor.x, self.cursor.y = (x, y - above) if y >= above else (0, 0)
        self.above = rows[:above]
        return rows[above:]


def _place(rows: list[Row], x: int, y: int) -> tuple[int, int]:
    """Where a cell is in unwrapped text: its column (or END), and the number of its line."""
    column = line = 0
    for row in rows[:y]:
        column, line = (column + row.used, line) if row.wrapped else (0, line + 1)
    return (END if x >= rows[y].used else column + x), line


def _at_place(rows: list[Row], column: int, line: int) -> tuple[int, int]:
    """The column and row of a place in unwrapped text."""
    y = seen = 0
    while y < len(rows) - 1 and seen < line:
        seen += not rows[y].wrapped
        y += 1
    while y < len(rows) - 1 and rows[y].wrapped and (column == END or column >= rows[y].used):
        column -= rows[y].used if column != END else 0
        y += 1
    return (rows[y].used if column == END else column), y


class _Reflow:
    """Rows at another width, in `target`: too long ones split, softly wrapped ones joined with what follows."""

    def __init__(self, rows: list[Row], columns: int, returning: int, make: Callable[..., Row]) -> None:
        self.returning = returning
        self.target: list[Row] = []
        self._make = make
        self._columns = columns
        self._source: list[Row | None] = [*rows]
        for y in range(len(rows)):
            if (row := self._source[y]) is None:
                continue
            width = _width(row.cells)
            if width > columns:
                self._split(y, row)
            else:
                self.target.append(row)
                if row.wrapped and width < columns:
                    self._join(y, row, width)

    def _split(self, y: int, row: Row) -> None:
        pieces = [self._make(*cells) for cells in _pieces(row.cells, self._columns)]
        for piece in pieces[:-1]:
            piece.wrapped = True
        pieces[-1].wrapped = row.wrapped
        self.target += pieces
        if y <= self.returning:
            self.returning += len(pieces) - 1
        width = _width(pieces[-1].cells)
        if row.wrapped and width < self._columns:
            self._join(y, pieces[-1], width)

    def _join(self, y: int, row: Row, width: int) -> None:
        """Fill a row up with what comes after row `y` of the source, and take that from there."""
        to = len(self.target) - 1
        wrapped, taken, left = True, 0, 0
        cells = row.cells
        while y + 1 + taken < len(self._source):
            following = self._source[y + 1 + taken]
            assert following is not None
            wrapped = wrapped and following.wrapped
            if following.used == 0:
                if not wrapped:
                    break
                taken += 1
                continue
            some = next(_pieces(following.cells, self._columns - width), ())
            if not some:
                break
            cells += some
            width += _width(some)
            taken += 1
            left = following.used - len(some)
            if left:
                self._source[y + taken] = self._make(*following.cells[len(some) :])
                self._source[y + taken].wrapped = following.wrapped
            if not wrapped or left or width == self._columns:
                break
        if taken == 0:
            return
        filled = self._make(*cells)
        filled.wrapped = bool(left) or wrapped
        self.target[to] = filled
        taken -= bool(left)
        self._source[y + 1 : y + 1 + taken] = [None] * taken
        if self.returning > to + taken:
            self.returning -= taken
        elif self.returning > to:
            self.returning = to


def _pieces(cells: list[Char], columns: int) -> Iterator[tuple[Char, ...]]:
    """Cells in pieces of at most so many columns, as long as a character fits."""
    piece: list[Char] = []
    width = 0
    for cell in cells:
        wide = _width([cell])
        if width + wide > columns:
            yield tuple(piece)
            piece, width = [], 0
        piece.append(cell)
        width += wide
    yield tuple(piece)


def _width(cells: list[Char] | tuple[Char, ...]) -> int:
    return sum(max(wcwidth(cell.data[0]), 0) if cell.data else 0 for cell in cells)
