"""Inline marks: the text of a paragraph, a heading or a cell, as it is shown, and how."""

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Self

from markdown_it import MarkdownIt
from markdown_it.common.normalize_url import normalizeLinkText
from markdown_it.token import Token
from rich.segment import Segment
from rich.style import Style

__all__ = ["Marked", "inline"]

_MARKDOWN = MarkdownIt("commonmark").enable("strikethrough").disable("text_join")

_DIM = Style(dim=True)
_CODE = Style(color="cyan")
_OPENING = {
    "strong_open": Style(bold=True),
    "em_open": Style(italic=True),
    "s_open": Style(strike=True),
}
_CLOSING = {"strong_close", "em_close", "s_close"}
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)

_DOUBTFUL = re.compile(
    r"`"
    r"|\*+(?![\s*])"
    r"|(?<!\w)_+(?![\s_])"
    r"|~~+(?![\s~])"
    r"|<(?:[A-Za-z/!?]|$)"
    r"|\[(?![^\[\]\\]*\](?:[^(]|$))"
)
"""What may still become a mark when more text follows, if it stands in text that holds no code and no link."""


@dataclass(frozen=True, slots=True)
class Marked:
    """Text as it is shown. Each part of it ends at one of `ends` and has the style of the same place in `styles`.

    From `doubt` on, it may become something else if more follows.
    """

    plain: str
    ends: tuple[int, ...]
    styles: tuple[Style | None, ...]
    doubt: int

    @classmethod
    def of(cls, parts: Iterable[tuple[str, Style | None]]) -> Self:
        """Text whose parts are known, with nothing in doubt."""
        plain = ""
        ends: list[int] = []
        styles: list[Style | None] = []
        for text, style in parts:
            plain += text
            if styles and styles[-1] == style:
                ends[-1] = len(plain)
            else:
                ends.append(len(plain))
                styles.append(style)
        return cls(plain, tuple(ends), tuple(styles), len(plain))

    def part(self, begin: int, end: int) -> list[Segment]:
        """The segments of a part of it."""
        segments = []
        n = bisect_right(self.ends, begin)
        while begin < end:
            stop = min(self.ends[n], end)
            segments.append(Segment(self.plain[begin:stop], self.styles[n]))
            begin = stop
            n += 1
        return segments

    def longer(self, text: str) -> "Marked":
        """With more text, in which nothing is a mark and which makes none of what stands before it."""
        plain = self.plain + text
        doubt = len(plain) if self.doubt == len(self.plain) else self.doubt
        if self.styles and self.styles[-1] is None:
            return Marked(plain, (*self.ends[:-1], len(plain)), self.styles, doubt)
        return Marked(plain, (*self.ends, len(plain)), (*self.styles, None), doubt)


@lru_cache(maxsize=1024)
def inline(source: str, base: Style | None = None) -> Marked:
    """The text of a source, its line feeds kept, and all of it in a style."""
    text = _Builder(base)
    for token in _MARKDOWN.parseInline(source)[0].children or ():
        text.add(token)
    return text.marked()


class _Builder:
    def __init__(self, base: Style | None) -> None:
        self._styles: list[Style | None] = [base]
        self._opened: list[int] = []
        self._links: list[tuple[int, str]] = []
        self._parts: list[tuple[str, Style | None]] = []
        self._length = 0
        self._doubt: int | None = None

    def add(self, token: Token) -> None:
        if token.type in _OPENING:
            self._styles.append(_with(self._styles[-1], _OPENING[token.type]))
            self._opened.append(self._length)
        elif token.type in _CLOSING:
            self._styles.pop()
            self._opened.pop()
        else:
            self._add_other(token)

    def marked(self) -> Marked:
        marked = Marked.of(self._parts)
        return marked if self._doubt is None else replace(marked, doubt=self._doubt)

    def _add_other(self, token: Token) -> None:
        match token.type:
            case "text":
                found = None if self._doubt is not None else _DOUBTFUL.search(token.content)
                if found:  # what is around it would be undone: links and code come before emphasis
                    self._doubt = self._opened[0] if self._opened else self._length + found.start()
                self._say(token.content)
            case "softbreak" | "hardbreak":
                self._break()
            case "code_inline":
                self._say(token.content, _CODE)
            case "link_open":
                self._links.append((len(self._parts), str(token.attrs["href"])))
            case "link_close":
                self._end_link()
            case "image":
                self._say(f"[image: {token.content}]" if token.content else "[image]")
                self._say_address(str(token.attrs["src"]), " ")
            case "html_inline" if _BREAK.fullmatch(token.content):
                self._break()
            case _:
                self._say(token.content)

    def _end_link(self) -> None:
        part, address = self._links.pop()
        text = "".join(text for text, _ in self._parts[part:])
        if text not in (address, normalizeLinkText(address)) and "mailto:" + text != address and address:
            self._say_address(address, " " if text else "")

    def _say_address(self, address: str, before: str) -> None:
        if address:
            self._say(before)
            self._say(f"({normalizeLinkText(address)})", _DIM)

    def _break(self) -> None:
        if self._length:
            self._say("\n")

    def _say(self, text: str, style: Style | None = None) -> None:
        if text:
            self._parts.append((text, _with(self._styles[-1], style)))
            self._length += len(text)


def _with(style: Style | None, other: Style | None) -> Style | None:
    return style + other if style and other else other or style
