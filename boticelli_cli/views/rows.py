"""Rows of the screen: what a renderable comes to at a width, a line at a time."""

from rich.console import Console, RenderableType
from rich.segment import Segment
from rich.text import Text

__all__ = ["Row", "one_row", "plain", "rows_of", "trimmed"]

Row = tuple[Segment, ...]
"""One line of the screen, without a line feed and without blanks at its end."""


def rows_of(console: Console, renderable: RenderableType, width: int) -> list[Row]:
    """The rows that a renderable fills at so many columns."""
    options = console.options.update(width=max(width, 1), height=None)
    lines = console.render_lines(renderable, options, pad=False)
    return [trimmed([segment for segment in line if not segment.control]) for line in lines]


def plain(row: Row) -> str:
    """The text of a row."""
    return "".join(segment.text for segment in row)


def one_row(console: Console, text: Text, width: int) -> Row:
    """A text as one row: what does not fit is cut off, which an ellipsis tells."""
    text = text.copy()
    text.truncate(max(width, 1), overflow="ellipsis")
    return tuple(text.render(console))


def trimmed(line: list[Segment]) -> Row:
    """A line without the blanks that pad it, unless they have a background to show."""
    while line and (line[-1].style is None or line[-1].style.bgcolor is None):
        last = line.pop()
        if text := last.text.rstrip(" \n"):
            return (*line, Segment(text, last.style))
    return tuple(line)
