"""Leaves, of which a Markdown text consists: blocks without child blocks, each with the containers around it."""

from dataclasses import dataclass

__all__ = [
    "TABLE",
    "Block",
    "CodeLine",
    "Container",
    "Empty",
    "FenceLine",
    "Heading",
    "HtmlLine",
    "Item",
    "Leaf",
    "Paragraph",
    "Quote",
    "Rule",
    "Table",
]


TABLE = 100
"""A table with more rows comes in several parts."""


@dataclass(frozen=True, slots=True)
class Quote:
    """A block quote."""


@dataclass(frozen=True, slots=True)
class Item:
    """An item of a list: its `number`, if the list has numbers, and its place among nested bullets, from 0.

    `mark` is what stands for it in the source without its number: `-`, `*`, `+`, `.` or `)`. Text belongs to it if it
    is indented by `indent` columns.
    """

    mark: str
    number: int | None
    nesting: int
    indent: int


Container = Quote | Item


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Text with inline marks, and the line feeds of its source."""

    text: str


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of level 1 to 6."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A thematic break."""


@dataclass(frozen=True, slots=True)
class FenceLine:
    """The first or the last line of fenced code, as it was written."""

    text: str


@dataclass(frozen=True, slots=True)
class CodeLine:
    """A line of code, counted from 0. `language` is empty where none is named."""

    text: str
    language: str
    number: int


@dataclass(frozen=True, slots=True)
class HtmlLine:
    """A line of a block of HTML."""

    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of a table; its columns are as wide as those of `basis` need, all whose rows are as long as `aligns`.

    A long table comes in several of these, and only the first has a header, which is the first row of `basis`.
    """

    rows: tuple[tuple[str, ...], ...]
    aligns: tuple[str, ...]
    basis: tuple[tuple[str, ...], ...]
    headed: bool


@dataclass(frozen=True, slots=True)
class Empty:
    """What stands in an item or a quote in which nothing stands."""


Block = Paragraph | Heading | Rule | FenceLine | CodeLine | HtmlLine | Table | Empty


@dataclass(frozen=True, slots=True)
class Leaf:
    """A block and the containers around it, of which it shares the first `shared` with the leaf before it.

    `gap` says that a blank row stands before it.
    """

    block: Block
    containers: tuple[Container, ...] = ()
    shared: int = 0
    gap: bool = False
