"""What is still open while a text is read: containers, and the leaf to which the next line may belong."""

import re
from dataclasses import dataclass

from boticelli_cli.views.markdown.leaf import Container, Leaf

__all__ = ["Level", "OpenCode", "OpenFence", "OpenHtml", "OpenLeaf", "OpenTable", "OpenText"]


@dataclass(frozen=True, slots=True)
class Level:
    """An open container; None is the text itself.

    `filled` says whether anything stands in it. If that ends with a list, `after` holds the list's mark and the number
    of its next item.
    """

    container: Container | None = None
    filled: bool = False
    after: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class OpenText:
    """A paragraph, `length` characters of it; more are counted if it must not become a heading."""

    place: Leaf
    lines: tuple[str, ...]
    length: int
    first: bool


@dataclass(frozen=True, slots=True)
class OpenTable:
    """A table and its rows, the header among them. If it has been `cut`, its further rows are told one by one."""

    place: Leaf
    aligns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    cut: bool = False


@dataclass(frozen=True, slots=True)
class OpenFence:
    """Fenced code, whose lines are told as they come."""

    place: Leaf
    mark: str
    length: int
    indent: int
    language: str
    number: int = 0


@dataclass(frozen=True, slots=True)
class OpenHtml:
    """A block of HTML, whose lines are told as they come, up to one that holds its end."""

    place: Leaf
    end: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class OpenCode:
    """Code that is indented, whose lines are told as they come; `blank` lines wait for more of it."""

    place: Leaf
    number: int
    blank: int = 0


OpenLeaf = OpenText | OpenTable | OpenFence | OpenHtml | OpenCode
