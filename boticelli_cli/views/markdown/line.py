"""What a line of Markdown begins, seen by itself. Where lines become too long, and where those are cut."""

import re
from dataclasses import dataclass
from typing import Literal

from markdown_it.rules_block.html_block import HTML_SEQUENCES
from markdown_it.rules_block.table import escapedSplit

__all__ = [
    "Bullet",
    "Fence",
    "bullet_of",
    "cells_of",
    "columns_of",
    "cut_of",
    "fence_of",
    "heading_of",
    "html_end_of",
    "is_only_marks",
    "is_rule",
    "underline_of",
]

LONG = 2000
"""Beyond so many characters, a line is cut at the next end of a sentence; beyond half as many again, at a blank."""

HEADING = 500
"""A longer line is no heading, whatever it begins with."""

_SENTENCE_END = re.compile(r"[.!?…][\"'”’)]* (?=[^\W\d_])|[。！？](?=[^\W\d_])")
_WORD_END = re.compile(r" (?=[^\W\d_])")
_HEADING = re.compile(r"(#{1,6})(?: (.*)|$)")
_CLOSING = re.compile(r"(?:^|(?<= ))#+ *$")
_FENCE = re.compile(r"(`{3,})([^`]*)$|(~{3,})(.*)$")
_RULE = re.compile(r"([-*_])(?: *\1){2,} *$")
_UNDERLINE = re.compile(r"(=+|-+) *$")
_BULLET = re.compile(r"(?:([-+*])|(\d{1,9})([.)]))( +|$)")
_COLUMNS = re.compile(r"(?:[|:]|-(?! ))[-:| ]+$")
_COLUMN = re.compile(r":?-+:?$")
_ONLY_MARKS = re.compile(r"[-=*_#>`~+|: ]*(?:\d{1,9}[.)]? *)?$")


@dataclass(frozen=True, slots=True)
class Fence:
    """The line that opens a fence: its mark, `length` times, and the language it names."""

    mark: str
    length: int
    language: str


@dataclass(frozen=True, slots=True)
class Bullet:
    """The beginning of an item: its mark and number, the columns up to its text, and whether there is any."""

    mark: str
    number: int | None
    width: int
    bare: bool


def cut_of(line: str, *, verbatim: bool) -> int | None:
    """Where a line that is too long is cut; the answer stays the same when the line goes on.

    Verbatim lines, those of code, are cut anywhere.
    """
    if len(line) < LONG:
        return None
    limit = 2 * LONG
    if not verbatim:
        middle = LONG + LONG // 2
        if found := _SENTENCE_END.search(line, LONG, middle) or _WORD_END.search(line, middle, limit):
            return found.end()
    return limit if len(line) >= limit else None


def heading_of(text: str) -> tuple[int, str] | None:
    """Level and text of a heading that begins with `#`."""
    if len(text) > HEADING or not (found := _HEADING.match(text)):
        return None
    return len(found[1]), _CLOSING.sub("", found[2] or "").strip(" ")


def fence_of(text: str) -> Fence | None:
    found = _FENCE.match(text)
    if not found:
        return None
    mark, info = found[1] or found[3], found[2] or found[4] or ""
    return Fence(mark[0], len(mark), info.split()[0] if info.strip() else "")


def html_end_of(text: str, *, interrupts: bool) -> re.Pattern[str] | None:
    """What ends the block of HTML that a line begins, if it begins one; some cannot interrupt a paragraph."""
    if text.startswith("<"):
        for begin, end, may_interrupt in HTML_SEQUENCES:
            if begin.search(text):
                return end if may_interrupt or not interrupts else None
    return None


def is_rule(text: str) -> bool:
    return bool(_RULE.match(text))


def underline_of(text: str) -> Literal[1, 2] | None:
    """The level of the heading that a line makes of the paragraph above it."""
    if found := _UNDERLINE.match(text):
        return 1 if found[1][0] == "=" else 2
    return None


def bullet_of(text: str) -> Bullet | None:
    found = _BULLET.match(text)
    if not found:
        return None
    blanks = len(found[4])
    bare = found.end() == len(text)
    number = int(found[2]) if found[2] else None
    marked = found.end() - blanks
    return Bullet(found[1] or found[3], number, marked + (1 if bare or blanks > 4 else blanks), bare)


def columns_of(text: str) -> tuple[str, ...] | None:
    """How the columns of a table are aligned, if this is the line below its header."""
    if not _COLUMNS.match(text):
        return None
    columns = [column.strip(" ") for column in text.strip(" ").split("|")]
    inner = [column for n, column in enumerate(columns) if column or 0 < n < len(columns) - 1]
    if not all(_COLUMN.match(column) for column in inner):
        return None
    return tuple(_ALIGNED[column[0] == ":", column[-1] == ":"] for column in inner)


_ALIGNED = {(False, False): "left", (True, False): "left", (False, True): "right", (True, True): "center"}


def cells_of(text: str, count: int | None = None) -> tuple[str, ...]:
    """The cells of a table's row, `count` of them if that is given: the last takes what is too much."""
    cells = [cell.strip(" ") for cell in escapedSplit(text.strip(" "))]
    if cells and not cells[0]:
        cells.pop(0)
    if cells and not cells[-1]:
        cells.pop()
    if count is not None:
        cells += [""] * (count - len(cells))
        cells[count - 1 :] = [" | ".join(cells[count - 1 :])]
    return tuple(cells)


def is_only_marks(text: str) -> bool:
    """Whether a line that has just begun may still become anything, since there is no text in it."""
    return bool(_ONLY_MARKS.match(text))
