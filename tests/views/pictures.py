"""Pictures of the live view for the documentation. Drawn anew by: python -m tests.views.pictures"""

import io
import re
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from rich.console import Console
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from tests.emulator import Emulator
from tests.views.watching import Watched, watch

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "pictures"


def _colours(hexes: str) -> list[tuple[int, int, int]]:
    return [(code >> 16, code >> 8 & 255, code & 255) for code in (int(each, 16) for each in hexes.split())]


_THEME = TerminalTheme(
    *_colours("181a1f d6dbe5"),
    _colours("3c4048 e06c75 98c379 e5c07b 61afef c678dd 56b6c2 d6dbe5"),
    _colours("7f848e e06c75 98c379 e5c07b 61afef c678dd 56b6c2 ffffff"),
)


def picture(watched: Watched, title: str, lines: int | None = None) -> str:
    """What is on a screen as SVG; with `lines`, the last so many of all that there is."""
    emulator = Emulator(watched.terminal.columns, lines or watched.terminal.lines)
    emulator.feed(_FAINT.sub(_as_grey, watched.file.getvalue()).encode())
    console = Console(
        record=True, width=emulator.columns, file=io.StringIO(), force_terminal=True, legacy_windows=False
    )
    for row in emulator.cells[: len(emulator.screen.splitlines())]:
        text = Text(end="\n")
        for (colour, bold, italic, underline), cells in groupby(
            row, key=attrgetter("fg", "bold", "italics", "underscore")
        ):
            text.append("".join(cell.data for cell in cells), _style(colour, bold, italic, underline))
        console.print(text, no_wrap=True, overflow="crop")
    return console.export_svg(title=title, theme=_THEME)


_FAINT = re.compile(r"\x1b\[([\d;]*)m")


def _as_grey(codes: re.Match[str]) -> str:
    """Faint text as grey: the emulator knows no faint."""
    return f"\x1b[{';'.join('90' if code == '2' else code for code in codes[1].split(';'))}m"


def _style(colour: str, bold: bool, italic: bool, underline: bool) -> Style:
    name = {"default": None, "brightblack": "bright_black", "brown": "yellow"}.get(colour, colour)
    return Style(color=name, bold=bold, italic=italic, underline=underline)


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    critics, lighthouse = ROOT / "narratives" / "critics.yaml", ROOT / "narratives" / "lighthouse.yaml"
    title = "boticelli run narratives/critics.yaml"
    (FOLDER / "parallel.svg").write_text(picture(watch(critics, 80, 24, until=9.2), title))
    (FOLDER / "summary.svg").write_text(picture(watch(critics, 80, 24, again=f"{title} -m rehearsal/slow"), title))
    title = "boticelli run narratives/lighthouse.yaml"
    (FOLDER / "live.svg").write_text(picture(watch(lighthouse, 80, 18, model="rehearsal", until=5.0), title))


if __name__ == "__main__":
    main()
