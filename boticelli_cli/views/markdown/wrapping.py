"""Wrapping: where the rows of a text begin and end.

Words are divided at blanks, and next to ideographs and the like, so that a row never depends on what follows its next
word: rows can be told while the text grows.
"""

import re
import unicodedata
from functools import lru_cache

from rich.cells import cell_len, split_graphemes

__all__ = ["Span", "fold", "last_break", "wrap"]

Span = tuple[int, int]
"""Begin and end of a row in its text, without the blanks around it."""

_IDEOGRAPHS = "\u1100"
_WORD = re.compile(r"[^ \n]+|\n")


def wrap(text: str, width: int, begin: int = 0) -> list[Span]:
    """The rows of a text at so many columns, from `begin` on. A line feed ends a row, and none stands at the end."""
    rows: list[Span] = []
    row: Span | None = None
    used = 0
    for found in _WORD.finditer(text, begin):
        if found[0] == "\n":
            rows.append(row or (found.start(), found.start()))
            row = None
            continue
        for a, b, size in _pieces(found[0], found.start()):
            if row is not None and (total := used + a - row[1] + size) <= width:
                row, used = (row[0], b), total
                continue
            if row is not None:
                rows.append(row)
            row, used = (a, b), size
            if size > width:
                *full, row = fold(text, width, a, b)
                rows += full
                used = cell_len(text[slice(*row)])
    return [*rows, row] if row else rows


def fold(text: str, width: int, begin: int = 0, end: int | None = None) -> list[Span]:
    """The rows of a line that is divided anywhere. One at least."""
    end = len(text) if end is None else end
    part = text[begin:end]
    if part.isascii():
        return [(n, min(n + width, end)) for n in range(begin, max(end, begin + 1), width)]
    rows: list[Span] = []
    first, used = begin, 0
    for a, _, size in _graphemes(part):
        if used and used + size > width:
            rows.append((first, begin + a))
            first, used = begin + a, 0
        used += size
    return [*rows, (first, end)]


def last_break(text: str, end: int) -> int:
    """Where the last word begins whose beginning cannot change, whatever stands in `text` from `end` on."""
    for n in range(min(end, len(text)), 0, -1):
        if text[n - 1] in " \n" or (n < end and _is_ideograph(text[n - 1]) and _is_ideograph(text[n])):
            return n
    return 0


def _pieces(word: str, begin: int) -> list[tuple[int, int, int]]:
    """Begin, end and columns of the parts of a word that may stand on rows of their own."""
    if word < _IDEOGRAPHS and max(word) < _IDEOGRAPHS:
        return [(begin, begin + len(word), cell_len(word))]
    return [(begin + a, begin + b, size) for a, b, size in _divided(word)]


@lru_cache(maxsize=4096)
def _divided(word: str) -> tuple[tuple[int, int, int], ...]:
    parts: list[tuple[int, int, int]] = []
    for a, b, size in _graphemes(word):
        if parts and not _parts_between(word[parts[-1][1] - 1], word[a]):
            begin, _, before = parts.pop()
            parts.append((begin, b, before + size))
        else:
            parts.append((a, b, size))
    return tuple(parts)


def _parts_between(left: str, right: str) -> bool:
    """Whether a row may end between two characters: beside an ideograph, but never before a full stop or the like."""
    if not (_is_ideograph(left) or _is_ideograph(right)):
        return False
    return unicodedata.category(right)[0] not in "PM" and unicodedata.category(left) not in ("Ps", "Pi")


def _is_ideograph(char: str) -> bool:
    return char >= _IDEOGRAPHS and unicodedata.category(char) == "Lo" and cell_len(char) == 2


def _graphemes(text: str) -> list[tuple[int, int, int]]:
    """Begin, end and columns of what must stay together. The two letters of a flag do."""
    parts: list[tuple[int, int, int]] = []
    flag = False
    for a, b, size in split_graphemes(text)[0]:
        letter = "\U0001f1e6" <= text[a] <= "\U0001f1ff"
        if flag and letter:
            begin, _, before = parts.pop()
            parts.append((begin, b, before + size))
            flag = False
        else:
            parts.append((a, b, size))
            flag = letter
    return parts
