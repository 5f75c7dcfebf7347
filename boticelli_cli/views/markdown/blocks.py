"""Blocks: from a text that grows to its leaves."""

from dataclasses import replace

from boticelli_cli.views.markdown.leaf import Leaf, Paragraph
from boticelli_cli.views.markdown.line import cut_of, is_only_marks
from boticelli_cli.views.markdown.reader import SHORT, Reader
from boticelli_cli.views.markdown.unfinished import OpenCode, OpenFence, OpenHtml, OpenText
from boticelli_cli.views.markdown.wrapping import last_break

__all__ = ["Blocks"]


class Blocks:
    """Takes a text in pieces, and gives its leaves as soon as they are final.

    What they are depends on whole lines only, never on how the text was cut.
    """

    def __init__(self) -> None:
        self._reader = Reader()
        self._line = ""
        self._goes_on = False

    def add(self, text: str) -> None:
        *lines, last = (self._line + text).split("\n")
        for line in lines:
            rest = self._cut(line)
            self._reader.feed(rest, goes_on=self._goes_on)
            self._goes_on = False
        self._line = self._cut(last)

    def end(self) -> None:
        if self._line:
            self._reader.feed(self._line, goes_on=self._goes_on)
        self._line = ""
        self._reader.close()

    def take(self) -> list[Leaf]:
        """The leaves that have become final since the last time."""
        leaves, self._reader.leaves = self._reader.leaves, []
        return leaves

    def rest(self) -> list[Leaf]:
        """The leaves that follow those, if the text ended here. A line of nothing but marks waits for its text."""
        ahead = self._ahead()
        ahead.close()
        return ahead.leaves

    def certain(self) -> Leaf | None:
        """As much of a paragraph that is still open as can become nothing else, if all before it is final.

        A word that is not complete is left out: what closes a mark in it may yet close none. More text may follow.
        """
        ahead, now = self._ahead(), self._reader.open
        text, partial = ahead.open, bool(self._line)
        if not isinstance(text, OpenText) or ahead.leaves or (now is not None and text.place != now.place):
            text, partial = now if isinstance(now, OpenText) else None, False
        if text is None or text.length <= SHORT:
            return None
        *lines, last = text.lines
        if "|" not in last[:SHORT] and not (partial and len(last) < SHORT):
            lines.append(last[: last_break(last, len(last))].rstrip(" ") if partial else last)
        return replace(text.place, block=Paragraph("\n".join(lines))) if lines else None

    def _ahead(self) -> Reader:
        """The reader as it would be if the line that has begun were complete; this one stays as it is."""
        ahead = self._reader.copy()
        if self._line.strip() and not is_only_marks(self._line):
            ahead.feed(self._line, goes_on=self._goes_on)
        return ahead

    def _cut(self, line: str) -> str:
        """What remains of a line when all has been read by which it is too long."""
        while cut := cut_of(line, verbatim=isinstance(self._reader.open, OpenFence | OpenHtml | OpenCode)):
            self._reader.feed(line[:cut], goes_on=self._goes_on)
            self._reader.break_off()
            line = line[cut:]
            self._goes_on = True
        return line
