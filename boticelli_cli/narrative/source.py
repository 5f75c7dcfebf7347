"""A document as data that remembers where each of its values stands in the text.

YAML and TOML are both read into this form; everything that judges a document later reports through it, so
that every mistake is told with its line and column.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from boticelli_cli.errors import Problem

__all__ = ["MAX_BYTES", "DocumentPath", "Place", "Source", "UnreadableError", "read_text"]

MAX_BYTES = 8 * 1024 * 1024
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
        if raw[0].startswith(("|", ">")) or raw[0] in ('"""', "'''"):
            line += 1  # the text begins in the line after its mark
        line = min(line, len(raw))
        offset = sum(len(each) + 1 for each in raw[: line - 1])
        indent = len(raw[line - 1]) - len(raw[line - 1].lstrip())
        return problem_at(self.name, self.text, place.start + offset + indent, message)


def problem_at(
    name: str, text: str, offset: int, message: str, severity: Literal["error", "warning"] = "error"
) -> Problem:
    """A problem at an offset into a text, as line and column."""
    line_start = text.rfind("\n", 0, offset) + 1
    line = text.count("\n", 0, offset) + 1
    return Problem(message, name, line, offset - line_start + 1, severity)


def read_text(path: Path, name: str) -> str:
    """The text of a document.

    Raises UnreadableError for what cannot be one: a missing file, a folder, something far too large,
    binary data, text that is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise UnreadableError(Problem(f"there is no file '{name}'{_nearby(path)}")) from None
    except IsADirectoryError:
        raise UnreadableError(Problem("this is a folder, not a file; name a file in it", name)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UnreadableError(Problem(f"the file cannot be read: {reason}", name)) from None
    return decode(data, name)


def decode(data: bytes, name: str) -> str:
    """The bytes of a document as text. Raises UnreadableError."""
    if len(data) > MAX_BYTES:
        limit = MAX_BYTES // (1024 * 1024)
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
    from boticelli_cli.errors import did_you_mean

    try:
        siblings = {str(path.with_name(other.name)) for other in path.parent.iterdir()}
    except OSError:
        return ""
    return did_you_mean(str(path), siblings)


def _offset_in_template(raw: str, word: str) -> int:
    """Where `word` stands inside a template's markup, or the template's start if it cannot be found."""
    for found in re.finditer(rf"(?<![\w.]){re.escape(word)}(?!\w)", raw):
        before = raw[: found.start()]
        if max(before.rfind("{{"), before.rfind("{%")) > max(before.rfind("}}"), before.rfind("%}")):
            return found.start()
    return 0
