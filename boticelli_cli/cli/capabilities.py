"""Capabilities: what the terminal of a stream can show, by its size and by what the environment says of it."""

import os
from collections.abc import Callable, Mapping
from typing import TextIO

from boticelli_cli.cli.stdio import printable
from boticelli_cli.views.terminal import in_foreground, size

__all__ = ["can_be_drawn_on", "cleaner", "dimmer", "in_ascii", "speaks_utf8"]

_SMALLEST = (4, 2)
"""On fewer columns or lines nothing can be drawn."""


def cleaner(stream: TextIO, environ: Mapping[str, str]) -> Callable[[str], str]:
    """How a text is made fit to be shown, with no marks but ASCII on a terminal that has no others."""
    if speaks_utf8(environ) or not stream.isatty():
        return printable
    return lambda text: in_ascii(printable(text))


def can_be_drawn_on(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether panels can be drawn: there is room, the terminal can, it knows their frames, and nobody else uses it."""
    columns, lines = size(stream)
    enough = columns >= _SMALLEST[0] and lines >= _SMALLEST[1]
    return enough and not _is_dumb(environ) and speaks_utf8(environ) and in_foreground(stream)


def dimmer(stream: TextIO, environ: Mapping[str, str]) -> Callable[[str], str]:
    """How a text is made to step back, where the stream shows colours (no-color.org, force-color.org)."""
    wanted = bool(environ.get("FORCE_COLOR")) or (stream.isatty() and not _is_dumb(environ))
    if environ.get("NO_COLOR") or not wanted:
        return str
    return lambda text: f"\x1b[2m{text}\x1b[22m"


def _is_dumb(environ: Mapping[str, str]) -> bool:
    if os.name == "nt":
        from rich.console import detect_legacy_windows

        return detect_legacy_windows()
    return environ.get("TERM", "dumb") == "dumb"


def in_ascii(text: str) -> str:
    """A text with the marks that we write in ASCII, for a terminal that has no others. What is quoted stays."""
    return text.translate(_PLAIN_MARKS)


_PLAIN_MARKS = str.maketrans(
    {
        "✓": "ok",
        "✗": "failed",
        "▸": ">",
        "↻": "again",
        "…": "...",
        "·": "-",
        "─": "-",
        "—": "--",
        "–": "-",
        "“": '"',
        "”": '"',
        "‘": "'",
        "’": "'",
        "→": "->",
        "×": "x",
        "├": "|",
        "└": "`",
        "│": "|",
        "↓": "v",
        "★": "*",
        "▣": "=",
        "✻": "*",
    }
)


def speaks_utf8(environ: Mapping[str, str]) -> bool:
    """Whether the terminal shows UTF-8, as the locale says: LC_ALL, else LC_CTYPE, else LANG.

    One that says nothing is taken to, as is a locale that names no encoding. Python itself sets LC_CTYPE where it finds
    the C locale (PEP 538), or one that is not installed: what stands there then says nothing.
    """
    ctype = environ.get("LC_CTYPE", "")
    ctype = "" if ctype in ("C.UTF-8", "C.utf8", "UTF-8") else ctype
    locale = (environ.get("LC_ALL") or ctype or environ.get("LANG", "")).partition("@")[0]
    encoding = locale.partition(".")[2]
    if not encoding:
        return locale not in ("C", "POSIX")
    return encoding.lower().replace("-", "") == "utf8"
