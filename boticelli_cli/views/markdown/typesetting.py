"""Typesetting: the rows of a leaf, with the marks and the indents of what stands around it."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import assert_never

from rich.segment import Segment
from rich.style import Style

from boticelli_cli.views.markdown.code import Part
from boticelli_cli.views.markdown.growing import GrowingText
from boticelli_cli.views.markdown.inline import Marked, inline
from boticelli_cli.views.markdown.leaf import (
    CodeLine,
    Container,
    Empty,
    FenceLine,
    Heading,
    HtmlLine,
    Item,
    Leaf,
    Paragraph,
    Quote,
    Rule,
    Table,
)
from boticelli_cli.views.markdown.table import table_rows
from boticelli_cli.views.markdown.wrapping import fold, wrap
from boticelli_cli.views.rows import Row, trimmed

__all__ = ["Typesetter"]

NARROW = 8
"""Where marks and indents leave fewer columns, there are no indents, and marks stand above their text."""

RULE = 40

_DIM = Style(dim=True)
_HEADINGS = {1: Style(bold=True, underline=True), 2: Style(bold=True)}
_LOWER_HEADING = Style(bold=True, italic=True)

Body = list[Segment]


@dataclass(frozen=True, slots=True)
class Margin:
    """What stands before the first row of a leaf and before the others, the columns left, and rows above them all."""

    first: tuple[Part, ...]
    rest: tuple[Part, ...]
    width: int
    above: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Typesetter:
    """Makes rows of leaves. With `ascii_only`, its own marks keep to ASCII."""

    ascii_only: bool

    def rows(self, leaf: Leaf, width: int, *, begin: int = 0, code: list[Part] | None = None) -> list[Row]:
        """The rows of a leaf: of a paragraph, those from a place in its text; of a line of code, with its colours."""
        body = self._body(leaf, self.width(leaf, width), begin, code)
        return self._framed(leaf, width, body, begin)

    def text_rows(self, leaf: Leaf, width: int, text: GrowingText, begin: int, end: int | None = None) -> list[Row]:
        """The rows of a paragraph that grows, from a place in its text, and the first so many of them."""
        assert isinstance(leaf.block, Paragraph)
        body = text.rows(leaf.block.text, self.width(leaf, width), begin)
        return self._framed(leaf, width, body[:end] or [[]], begin)

    def width(self, leaf: Leaf, width: int) -> int:
        """The columns that are left for a leaf."""
        return _margin(leaf.containers, leaf.shared, width, self.ascii_only).width

    def _body(self, leaf: Leaf, width: int, begin: int, code: list[Part] | None) -> list[Body]:
        match leaf.block:
            case Paragraph(text):
                return _wrapped(inline(text), width, begin)
            case Heading(level, text):
                return _wrapped(inline(text, _HEADINGS.get(level, _LOWER_HEADING)), width)
            case CodeLine(text):
                return _folded(code or [(text, None)], width)
            case FenceLine(text) | HtmlLine(text):
                return _folded([(text, _DIM)], width)
            case Rule():
                return [[Segment(("-" if self.ascii_only else "─") * min(width, RULE), _DIM)]]
            case Table() as table:
                return table_rows(table, width, ascii_only=self.ascii_only)
            case Empty():
                return [[]]
            case block:
                assert_never(block)

    def _framed(self, leaf: Leaf, width: int, body: list[Body], begin: int) -> list[Row]:
        margin = _margin(leaf.containers, leaf.shared, width, self.ascii_only)
        rows: list[Row] = []
        if leaf.gap and begin == 0:
            shared = _margin(leaf.containers[: leaf.shared], leaf.shared, width, self.ascii_only)
            rows.append(_row(shared.rest if margin.rest else (), []))
        if begin == 0:
            rows += [(Segment(text),) for text in margin.above]
        for n, line in enumerate(body):
            rows.append(_row(margin.rest if n or begin else margin.first, line))
        return rows


@lru_cache(maxsize=512)
def _margin(containers: tuple[Container, ...], shared: int, width: int, ascii_only: bool) -> Margin:
    marks: list[Part] = []
    rest: list[Part] = []
    for n, container in enumerate(containers):
        if isinstance(container, Quote):
            bar = ("| " if ascii_only else "▌ ", _DIM)
            marks.append(bar)
            rest.append(bar)
        else:
            mark = _mark(container, ascii_only)
            marks.append((mark if n >= shared else " " * len(mark), None))
            rest.append((" " * len(mark), None))
    left = width - sum(len(text) for text, _ in rest)
    if not rest or left >= NARROW:
        return Margin(tuple(marks), tuple(rest), left)
    told = " ".join(text.strip() for text, style in marks if style is None and text.strip())
    return Margin((), (), width, tuple(told[a:b].strip() for a, b in fold(told, width)) if told else ())


def _mark(item: Item, ascii_only: bool) -> str:
    if item.number is not None:
        return f"{item.number:>2}{item.mark} "
    bullets = "*-+" if ascii_only else "•◦▪"
    return bullets[min(item.nesting, 2)] + " "


def _wrapped(text: Marked, width: int, begin: int = 0) -> list[Body]:
    return [text.part(a, b) for a, b in wrap(text.plain, width, begin)] or [[]]


def _folded(parts: list[Part], width: int) -> list[Body]:
    """A line as it is, divided where the screen ends."""
    text = Marked.of(parts)
    return [text.part(a, b) for a, b in fold(text.plain, width, 0, len(text.plain.rstrip(" ")))]


def _row(margin: Iterable[Part], body: Body) -> Row:
    return trimmed([*(Segment(text, style) for text, style in margin), *body])
