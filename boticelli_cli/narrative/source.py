"""A document as data that remembers where each of its values stands in the text.

YAML and TOML are both read into this form; everything that judges a document later reports through it, so
that every mistake is told with its line and column.
"""

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from boticelli_cli.errors import Problem, did_you_mean
from boticelli_cli.narrative.files import is_regular, reason_of

__all__ = [
    "MAX_DOCUMENT_BYTES",
    "DocumentPath",
    "Place",
    "Source",
    "UnreadableError",
    "decode",
    "line_starts",
    "problem_at",
    "read_text",
]

MAX_DOCUMENT_BYTES = 8 * 1024 * 1024
"""The largest document that is read. Media belong into files of their own."""

DocumentPath = tuple[str | int, ...]
"""The keys and indexes that lead to a value, as in `("acts", "draft", "input", 0)`."""


class UnreadableError(Exception):
    """A document that is no document: nothing of it can be judged. Carries the one problem there is."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Place:
    """A stretch of a document's text: the offsets of its first character and of the one after its last."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Source:
    """A document's data, with the place of every key and value, and the mistakes found while reading it."""

    name: str
    text: str
    data: Any
    keys: Mapping[DocumentPath, Place] = field(repr=False)
    values: Mapping[DocumentPath, Place] = field(repr=False)
    problems: tuple[Problem, ...] = ()

    def problem(
        self,
        path: DocumentPath,
        message: str,
        *,
        word: str | None = None,
        severity: Literal["error", "warning"] = "error",
    ) -> Problem:
        """A mistake at `path`: at its key if it has one, or at `word` inside its value's template if given."""
        return problem_at(self.name, self.text, self._offset(path, word), message, severity)

    def _offset(self, path: DocumentPath, word: str | None) -> int:
        value = self.values.get(path)
        if word is not None and value is not None:
            return value.start + _offset_in_template(self.text[value.start : value.end], word)
        for length in range(len(path), 0, -1):
            place = self.keys.get(path[:length]) or self.values.get(path[:length])
            if place is not None:
                return place.start
        return 0

    def line_problem(self, path: DocumentPath, message: str, line: int) -> Problem:
        """A mistake in a line (from 1) of the text at `path`."""
        place = self.values.get(path)
        if place is None:
            return self.problem(path, message)
        raw = self.text[place.start : place.end].split("\n")
        if re.match(r"(?:[!&]\S*\s+)*\|", raw[0]) or raw[0] in ('"""', "'''"):
            line += 1  # the text begins in the line after its mark
        elif not raw[0].startswith(('"""', "'''")):
            line = 1  # lines are folded here: which of them it was cannot be told
        line = min(line, len(raw))
        offset = sum(len(each) + 1 for each in raw[: line - 1])
        indent = len(raw[line - 1]) - len(raw[line - 1].lstrip())
        return problem_at(self.name, self.text, place.start + offset + indent, message)


def problem_at(
    name: str, text: str, offset: int, message: str, severity: Literal["error", "warning"] = "error"
) -> Problem:
    """A problem at an offset into a text, as line and column."""
    starts = line_starts(text)
    line = bisect_right(starts, offset)
    return Problem(message, name, line, offset - starts[line - 1] + 1, severity)


@lru_cache(maxsize=8)
def line_starts(text: str) -> list[int]:
    """The offsets at which the lines of a text begin."""
    return [0, *(found.end() for found in re.finditer("\n", text))]


def read_text(path: Path, name: str) -> str:
    """The text of a document.

    Raises UnreadableError for what cannot be one: a missing file, a folder, something far too large,
    binary data, text that is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_DOCUMENT_BYTES + 1)
    except FileNotFoundError:
        raise UnreadableError(Problem(f"there is no file '{name}'{_nearby(path)}")) from None
    except IsADirectoryError:
        raise UnreadableError(Problem("this is a folder, not a file; name a file in it", name)) from None
    except (OSError, ValueError) as error:
        raise UnreadableError(Problem(f"the file cannot be read: {reason_of(error)}", name)) from None
    return decode(data, name)


def decode(data: bytes, name: str) -> str:
    """The bytes of a document as text. Raises UnreadableError."""
    if len(data) > MAX_DOCUMENT_BYTES:
        limit = MAX_DOCUMENT_BYTES // (1024 * 1024)
        raise UnreadableError(Problem(f"the file is larger than {limit} MB; keep media in files of their own", name))
    if b"\x00" in data:
        raise UnreadableError(Problem("this is binary data, not text", name))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = len(data[data.rfind(b"\n", 0, error.start) + 1 : error.start].decode("utf-8", "replace")) + 1
        raise UnreadableError(Problem("this is not UTF-8; save the file as UTF-8", name, line, column)) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _nearby(path: Path) -> str:
    for suffix in (".yaml", ".yml", ".toml"):
        if is_regular(path.with_name(f"{path.name}{suffix}")):
            return f"; did you mean '{path}{suffix}'?"
    try:
        siblings = [str(path.with_name(other.name)) for other in islice(path.parent.iterdir(), 1000)]
    except (OSError, ValueError):
        return ""
    return did_you_mean(str(path), siblings)


def _offset_in_template(raw: str, word: str) -> int:
    """Where `word` stands inside a template's markup, or the template's start if it cannot be found."""
    return _find_word(raw, word, strings=True) or _find_word(raw, word, strings=False)


def _find_word(raw: str, word: str, *, strings: bool) -> int:
    """Walk through a template once; with `strings`, what stands in quotes inside the markup is no name.

    A template inside quoted YAML has its own quotes escaped, so that they cannot always be told: then the
    caller looks again without them.
    """
    quoted = r"""|(?P<quoted>"[^"\n]*"|'[^'\n]*')""" if strings else ""
    tokens = rf"(?P<raw>\{{%-?\s*raw\s*-?%\}}.*?\{{%-?\s*endraw)|(?P<open>\{{\{{|\{{%)|(?P<close>\}}\}}|%\}}){quoted}"
    pattern = re.compile(rf"{tokens}|(?P<word>(?<![\w.]){re.escape(word)}(?!\w))", re.DOTALL)
    inside = False
    found = pattern.search(raw)
    while found:
        position = found.end()
        match found.lastgroup:
            case "open":
                inside = True
            case "close":
                inside = False
            case "quoted" if not inside:
                position = found.start() + 1  # an apostrophe, or the quotes of the YAML around
            case "word" if inside:
                return found.start()
        found = pattern.search(raw, position)
    return 0
