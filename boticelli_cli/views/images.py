"""Pictures in the terminal: which protocol it takes them by, and what has to be written for it to show one.

The protocols: kitty's (sw.kovidgoyal.net/kitty/graphics-protocol) and iTerm2's (iterm2.com/documentation-images.html).
A terminal is known by its environment alone: one that is asked would answer on stdin, which is not ours to read.
"""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from boticelli_cli.views.image_size import PNG, image_size

__all__ = ["ImageProtocol", "Picture", "encode", "protocol"]

_MAX_BYTES = 10_000_000
"""Larger pictures are not shown: the terminal may be at the other end of a slow line."""

_CELL_WIDTH, _CELL_HEIGHT = 10, 20
"""Pixels of a cell: twice as high as wide, as in most fonts. A small picture is not made larger than it is by this."""

_CHUNK = 4096
"""Bytes of base64 in one escape sequence of kitty's, by its documentation."""


class ImageProtocol(StrEnum):
    """How a terminal takes pictures."""

    kitty = "kitty"
    iterm = "iterm"


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture, ready to be shown: its escape `sequence`, and the cells that it covers from the cursor on."""

    sequence: str
    columns: int
    rows: int

    @property
    def block(self) -> str:
        """The picture as whole rows. To be written at the start of a line; it ends at the start of the line below.

        The rows are made first, so that the screen scrolls before the picture is placed and not after. Where a
        terminal leaves the cursor after a picture differs; so it is put back to where it was, and moved from there.
        """
        return "\n" * self.rows + f"\x1b[{self.rows}A\x1b7{self.sequence}\x1b8\x1b[{self.rows}B"


def protocol(environ: Mapping[str, str]) -> ImageProtocol | None:
    """How the terminal takes pictures; None where it takes none, or nobody knows.

    `BOTICELLI_IMAGES` has the last word: `0` or `never` shows none, `kitty` and `iterm` name the protocol. tmux,
    screen and Zellij are in between and keep pictures to themselves, whatever terminal they run in.
    """
    wanted = environ.get("BOTICELLI_IMAGES", "").lower()
    if wanted in list(ImageProtocol):
        return ImageProtocol(wanted)
    term = environ.get("TERM", "")
    between = any(environ.get(name) for name in ("TMUX", "STY", "ZELLIJ")) or term.startswith(("screen", "tmux"))
    if wanted in ("0", "never", "no", "off", "false") or between or term in ("", "dumb"):
        return None
    return _by_name(environ, term)


def encode(wanted: ImageProtocol, data: bytes, *, columns: int, rows: int) -> Picture | None:
    """A picture within so many columns and rows, in its own proportions and no larger than it is.

    None where it cannot be shown: it is larger than 10 MB, no PNG, GIF, JPEG or WebP whatever its media type says,
    or for kitty's protocol no PNG.
    """
    size = image_size(data) if len(data) <= _MAX_BYTES else None
    if size is None or columns < 1 or rows < 1:
        return None
    wide, high = _cells(size, columns, rows)
    match wanted:
        case ImageProtocol.kitty:
            return Picture("".join(_kitty(data, wide, high)), wide, high) if data.startswith(PNG) else None
        case ImageProtocol.iterm:
            return Picture(_iterm(data, wide, high), wide, high)
        case _:
            assert_never(wanted)


_PROGRAMS = {
    "ghostty": ImageProtocol.kitty,
    "iTerm.app": ImageProtocol.iterm,
    "WezTerm": ImageProtocol.iterm,
}
"""By `TERM_PROGRAM`. VS Code's terminal is not here: it takes iTerm's protocol only where its user has set
`terminal.integrated.enableImages`."""


def _by_name(environ: Mapping[str, str], term: str) -> ImageProtocol | None:
    """By the names that terminals give themselves, the surest first: a terminal inherits what its parent has set."""
    if term in ("xterm-kitty", "xterm-ghostty"):
        return ImageProtocol.kitty
    if term == "wezterm":
        return ImageProtocol.iterm
    if program := environ.get("TERM_PROGRAM"):
        return _PROGRAMS.get(program)
    if environ.get("LC_TERMINAL") == "iTerm2":  # which ssh passes on, other than TERM_PROGRAM
        return ImageProtocol.iterm
    return ImageProtocol.kitty if environ.get("KITTY_WINDOW_ID") else None


def _cells(size: tuple[int, int], columns: int, rows: int) -> tuple[int, int]:
    """The cells that a picture of so many pixels covers, at least one, at most those given."""
    wide, high = size[0] / _CELL_WIDTH, size[1] / _CELL_HEIGHT
    scale = min(1, columns / wide, rows / high)
    return max(1, round(wide * scale)), max(1, round(high * scale))


def _kitty(data: bytes, columns: int, rows: int) -> Iterator[str]:
    """Transmit and show (`a=T`) a PNG (`f=100`): no answer (`q=2`), the cursor stays (`C=1`), more follows (`m=1`)."""
    text = b64encode(data).decode("ascii")
    keys = f"a=T,f=100,q=2,C=1,c={columns},r={rows},"
    for at in range(0, len(text), _CHUNK):
        more = int(at + _CHUNK < len(text))
        yield f"\x1b_G{keys}m={more};{text[at : at + _CHUNK]}\x1b\\"
        keys = ""


def _iterm(data: bytes, columns: int, rows: int) -> str:
    """Width and height are in cells where they have no unit."""
    keys = f"inline=1;size={len(data)};width={columns};height={rows};preserveAspectRatio=1"
    return f"\x1b]1337;File={keys}:{b64encode(data).decode('ascii')}\x07"
