"""The door of this package: a Markdown text in pieces, and its rows as they become final."""

from collections import deque
from dataclasses import dataclass

from rich.console import Console

from boticelli_cli.views.markdown.blocks import Blocks
from boticelli_cli.views.markdown.code import WINDOW, Part, Window
from boticelli_cli.views.markdown.growing import GrowingText
from boticelli_cli.views.markdown.leaf import CodeLine, Leaf, Paragraph
from boticelli_cli.views.markdown.typesetting import Typesetter
from boticelli_cli.views.rows import Row

__all__ = ["MarkdownStream"]


@dataclass(slots=True)
class _Waiting:
    """A leaf that is final, and has not been taken; its rows at a width, once they have been made."""

    leaf: Leaf
    window: Window | None = None
    line: int = 0
    width: int = 0
    rows: list[Row] | None = None


class MarkdownStream:
    """A Markdown text as it grows: rows that are final, each once, and the rows that may still change.

    What is final depends on the text alone, not on how it came in pieces; and at one width, so do the rows.
    """

    def __init__(self, console: Console) -> None:
        self._typesetter = Typesetter(console.options.ascii_only)
        self._blocks = Blocks()
        self._final: deque[_Waiting] = deque()
        self._window = Window("")
        self._begin = 0
        self._shown = GrowingText()
        self._certain = GrowingText()

    def add(self, text: str) -> None:
        """Add to the text. It is read as far as its lines are complete; nothing is laid out."""
        self._blocks.add(text)
        self._collect()

    def end(self) -> None:
        """Nothing follows: all of the text is final."""
        self._blocks.end()
        self._collect()

    def take(self, width: int, room: int | None = None) -> list[Row]:
        """The rows that have become final since the last take, in order, each row of the text once over all takes.

        If what remains would be taller than `room`, these include rows of an open paragraph which later text cannot
        change, if there are any, until it is not.
        """
        rows: list[Row] = []
        while self._final:
            rows += self._rows(self._final[0], width)
            self._final.popleft()
            self._begin = 0
        if room is not None and (excess := len(self._open_rows(width, None)) - room) > 0:
            rows += self._settle(width, excess)
        return rows

    def rest(self, width: int, height: int | None = None) -> list[Row]:
        """The rows of all that has not been taken, as it would be shown if the text ended here.

        With `height`, only the last so many, at a cost that does not depend on the others.
        """
        parts = [self._open_rows(width, height)]
        count = len(parts[0])
        for waiting in reversed(self._final):
            if height is not None and count >= height:
                break
            parts.append(self._rows(waiting, width))
            count += len(parts[-1])
        rows = [row for part in reversed(parts) for row in part]
        return rows if height is None else rows[max(len(rows) - height, 0) :]

    def _collect(self) -> None:
        for leaf in self._blocks.take():
            waiting = _Waiting(leaf)
            if isinstance(leaf.block, CodeLine):
                if leaf.block.number % WINDOW == 0:
                    self._window = Window(leaf.block.language)
                waiting.window, waiting.line = self._window, self._window.add(leaf.block.text)
            self._final.append(waiting)

    def _rows(self, waiting: _Waiting, width: int) -> list[Row]:
        """The rows of a leaf that is final, without those that have been taken while it was open."""
        if waiting.rows is None or waiting.width != width:
            begin = self._begin if waiting is self._final[0] else 0
            code = waiting.window.parts(waiting.line) if waiting.window else None
            waiting.rows, waiting.width = self._typesetter.rows(waiting.leaf, width, begin=begin, code=code), width
        return waiting.rows

    def _open_rows(self, width: int, height: int | None) -> list[Row]:
        """The rows of what is not final; with `height`, at least the last so many."""
        leaves = self._blocks.rest()
        rows: list[Row] = []
        for n, leaf in reversed(list(enumerate(leaves))):
            if height is not None and len(rows) >= height:
                break
            begin = self._begin if n == 0 and not self._final else 0
            if n == len(leaves) - 1 and isinstance(leaf.block, Paragraph):
                rows = self._typesetter.text_rows(leaf, width, self._shown, begin)
            else:
                rows = self._typesetter.rows(leaf, width, begin=begin, code=self._preview(leaf)) + rows
        return rows

    def _preview(self, leaf: Leaf) -> list[Part] | None:
        """The colours of a line of code that is not complete."""
        if not isinstance(leaf.block, CodeLine):
            return None
        window = self._window if leaf.block.number % WINDOW else Window(leaf.block.language)
        return window.preview(leaf.block.text)

    def _settle(self, width: int, count: int) -> list[Row]:
        """Take up to so many rows of the paragraph that is open, as far as they can change no more."""
        leaf = self._blocks.certain()
        if leaf is None or not isinstance(leaf.block, Paragraph):
            return []
        ends = self._certain.settled(leaf.block.text, self._typesetter.width(leaf, width), self._begin)[:count]
        if not ends:
            return []
        rows = self._typesetter.text_rows(leaf, width, self._certain, self._begin, len(ends))
        self._begin = ends[-1]
        return rows
