"""Text that grows: its rows, of which only the last is made again while plain words follow."""

import re
from bisect import bisect_left
from operator import itemgetter

from rich.segment import Segment

from boticelli_cli.views.markdown.inline import inline
from boticelli_cli.views.markdown.wrapping import Span, last_break, wrap

__all__ = ["GrowingText"]

_PLAIN = re.compile(r"(?:[^\W_]|[ ,.!?:'\"‘’“”…—–、。，！？：「」『』（）-])*")
"""What makes no mark, and ends none."""


class GrowingText:
    """The rows of a text with inline marks, which need not be the text of the last time."""

    def __init__(self) -> None:
        self._source = ""
        self._marked = inline("")
        self._width = 0
        self._begin = 0
        self._spans: list[Span] = []
        self._rows: list[list[Segment]] = []

    def rows(self, source: str, width: int, begin: int) -> list[list[Segment]]:
        """Its rows at a width, from a place in the text as it is shown."""
        self._read(source)
        if (width, begin) != (self._width, self._begin):
            # Rows that have been taken fall away; the others stay as they are.
            same = bisect_left(self._spans, begin, key=itemgetter(0)) if width == self._width and self._rows else None
            if same is not None and same < len(self._spans) and self._spans[same][0] == begin:
                del self._spans[:same], self._rows[:same]
            else:
                self._rows = []
            self._width, self._begin = width, begin
        if not self._rows:
            self._spans = wrap(self._marked.plain, width, begin)
        for span in self._spans[len(self._rows) :]:
            self._rows.append(self._marked.part(*span))
        return self._rows

    def settled(self, source: str, width: int, begin: int) -> list[int]:
        """Where the rows end that stay as they are, whatever follows: each at the place where the next one begins."""
        self.rows(source, width, begin)
        certain = last_break(self._marked.plain, self._marked.doubt)
        return [a for a, _ in self._spans[1:-1] if a < certain]

    def _read(self, source: str) -> None:
        if source == self._source:
            return
        added = source[len(self._source) :] if self._source and source.startswith(self._source) else None
        if added is not None and _PLAIN.fullmatch(self._source[-1] + added):
            self._marked = self._marked.longer(added)
            if self._rows:
                (begin, _), _ = self._spans.pop(), self._rows.pop()
                self._spans += wrap(self._marked.plain, self._width, begin)
        else:
            self._marked, self._rows = inline(source), []
        self._source = source
