"""Code: highlighted line by line, in colours that can be read on a dark and on a light background."""

from functools import lru_cache

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import (
    Comment,
    Generic,
    Keyword,
    Name,
    Number,
    Operator,
    String,
    Token,
    _TokenType,
)
from pygments.util import ClassNotFound
from rich.style import Style
from rich.syntax import ANSISyntaxTheme

__all__ = ["WINDOW", "Part", "Window"]

WINDOW = 100
"""So many lines are highlighted together; then it begins anew, so that its cost is bounded."""

Part = tuple[str, Style | None]

_THEME = ANSISyntaxTheme(
    {
        Token: Style(),
        Comment: Style(dim=True, italic=True),
        Comment.Preproc: Style(color="magenta"),
        Keyword: Style(color="magenta"),
        Keyword.Constant: Style(color="cyan"),
        Keyword.Type: Style(color="cyan"),
        Operator.Word: Style(color="magenta"),
        Name.Builtin: Style(color="cyan"),
        Name.Function: Style(color="blue"),
        Name.Class: Style(color="blue", bold=True),
        Name.Namespace: Style(color="blue"),
        Name.Decorator: Style(color="magenta"),
        Name.Tag: Style(color="blue"),
        Name.Attribute: Style(color="cyan"),
        Name.Exception: Style(color="red"),
        String: Style(color="green"),
        String.Escape: Style(color="magenta"),
        Number: Style(color="cyan"),
        Generic.Deleted: Style(color="red"),
        Generic.Inserted: Style(color="green"),
        Generic.Heading: Style(bold=True),
        Generic.Subheading: Style(bold=True),
        Generic.Error: Style(color="red"),
        Generic.Emph: Style(italic=True),
        Generic.Strong: Style(bold=True),
    }
)


class Window:
    """Lines of code that are highlighted together. What follows a line does not matter to most languages."""

    def __init__(self, language: str) -> None:
        self._lexer = _lexer(language)
        self._lines: list[str] = []
        self._parts: list[list[Part]] = []
        self._within: Style | None = None

    def add(self, line: str) -> int:
        """Add a line; gives its place."""
        self._lines.append(line)
        return len(self._lines) - 1

    def parts(self, place: int) -> list[Part]:
        """The parts of a line, each with its style."""
        if self._lexer is None:
            return [(self._lines[place], None)]
        if place >= len(self._parts):
            self._parts, self._within = _highlight(self._lexer, self._lines)
        return self._parts[place]

    def preview(self, line: str) -> list[Part]:
        """The parts of the line that follows, before it is complete: by itself, or within a string that is open."""
        if self._lexer is None:
            return [(line, None)]
        if self._lines:
            self.parts(len(self._lines) - 1)
        return [(line, self._within)] if self._within else _highlight(self._lexer, [line])[0][0]


@lru_cache(maxsize=64)
def _lexer(language: str) -> Lexer | None:
    try:
        return get_lexer_by_name(language, stripnl=False, ensurenl=True) if language else None
    except ClassNotFound:
        return None


def _highlight(lexer: Lexer, lines: list[str]) -> tuple[list[list[Part]], Style | None]:
    """The parts of each line, and the style of the string or comment in which the last one ends."""
    rows: list[list[Part]] = [[]]
    within: Style | None = None
    for token, text in lexer.get_tokens("\n".join(lines)):
        style = _style(token)
        first, *others = text.split("\n")
        if first:
            rows[-1].append((first, style))
        for other in others:
            rows.append([(other, style)] if other else [])
            within = style if token in String or token in Comment.Multiline else None
    rows += [[] for _ in range(len(lines) - len(rows))]
    for n, line in enumerate(lines):
        if "".join(text for text, _ in rows[n]) != line:
            rows[n] = [(line, None)]
    return rows[: len(lines)], within


@lru_cache(maxsize=512)
def _style(token: _TokenType) -> Style | None:
    return _THEME.get_style_for_token(token) or None
