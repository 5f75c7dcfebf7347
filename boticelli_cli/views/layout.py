"""The layout: how large the screen is now, and texts as rows that fit it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.text import Text

from boticelli_cli.views.rows import Row, one_row, rows_of

__all__ = ["Layout", "end_of", "fitting"]

_BLANKS = str.maketrans("\n\t", "  ")


@dataclass(frozen=True, slots=True)
class Layout:
    """What fits on a screen: so many columns and lines. `clean` makes a text safe to be shown."""

    console: Console
    columns: int
    lines: int
    clean: Callable[[str], str] = str

    @classmethod
    def of(cls, console: Console, size: tuple[int, int], clean: Callable[[str], str]) -> Self:
        """The layout for a screen of a size: of its columns, a twentieth is left free.

        A terminal that is made narrower wraps what is too wide for it, and pushes the rows above out of reach before
        anybody is told. While its edge is dragged, it gets narrower by little at a time.
        """
        columns, lines = size
        return cls(console, columns - columns // 20, lines, clean)

    def row(self, *parts: str | tuple[str, str]) -> Row:
        """Texts, plain or with their styles, as one row, cut off where it ends. Line breaks in them are blanks."""
        text = self._text(parts)
        text.plain = text.plain.translate(_BLANKS)
        return one_row(self.console, text, self.columns)

    def rows(self, *parts: str | tuple[str, str]) -> list[Row]:
        """Texts, plain or with their styles, on as many rows as they need."""
        return rows_of(self.console, self._text(parts), self.columns)

    def rows_of(self, renderable: RenderableType) -> list[Row]:
        return rows_of(self.console, renderable, self.columns)

    def rule(self, title: str, facts: Sequence[str]) -> Row:
        """A line across with a title at its left, and at its right as many facts as fit."""
        title = f" {self.clean(title)} " if title else ""
        room = self.columns - cell_len(title) - 6
        shown = fitting([self.clean(fact) for fact in facts], room)
        told = f" {shown} " if shown else ""
        gap = max(self.columns - cell_len(title) - cell_len(told) - 4, 0)
        return self.row((f"──{title}{'─' * gap}{told}──", "dim"))

    def _text(self, parts: tuple[str | tuple[str, str], ...]) -> Text:
        cleaned = (
            (self.clean(part), "") if isinstance(part, str) else (self.clean(part[0]), part[1]) for part in parts
        )
        return Text.assemble(*cleaned)


def fitting(facts: Sequence[str], width: int) -> str:
    """As many facts as fit into so many columns, the first ones first."""
    shown = ""
    for fact in facts:
        longer = f"{shown} · {fact}" if shown else fact
        if cell_len(longer) > width:
            break
        shown = longer
    return shown


def end_of(text: str, width: int) -> str:
    """A text, or if it does not fit into so many columns, its end."""
    if cell_len(text) <= width:
        return text
    start = max(len(text) - max(width - 1, 0), 0)
    while start < len(text) and cell_len(text[start:]) > width - 1:
        start += 1
    return f"…{text[start:]}"
