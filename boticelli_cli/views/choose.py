"""Which view fits: by the format that was asked for, and by what stdout is."""

from typing import TYPE_CHECKING, Literal, TextIO

from boticelli_cli.views.base import View
from boticelli_cli.views.notes import Notes
from boticelli_cli.views.record import Record

if TYPE_CHECKING:
    pass

__all__ = ["Format", "choose_format", "make_view"]

Format = Literal["live", "plain", "text", "json", "jsonl"]


def choose_format(asked: str, *, terminal: bool, dumb: bool) -> Format:
    """The format that `auto` means: live panels on a terminal that can, the answer alone in a pipe."""
    if asked in ("live", "plain", "text", "json", "jsonl"):
        if asked == "live" and (dumb or not terminal):
            return "plain"
        return asked  # type: ignore[return-value]
    if not terminal:
        return "text"
    return "plain" if dumb else "live"


def make_view(
    chosen: Format,
    stdout: TextIO,
    notes: Notes,
    record: Record,
    *,
    headings: bool,
    file: TextIO | None,
    to_file: bool,
) -> View:
    """A view of a run. Only the live one loads what it draws with.

    With `to_file`, the answer goes into a file: JSON into the open `file`, a text where the caller puts it.
    """
    answer = file or stdout
    match chosen:
        case "live":
            from rich.console import Console

            from boticelli_cli.views.live import LiveView

            console: Console = Console(file=answer, highlight=False)
            if console.width < 4 or console.height < 2:  # nothing can be drawn here
                return make_view("plain", stdout, notes, record, headings=headings, file=file, to_file=to_file)
            return LiveView(console, record, headings=headings, quiet=notes.quiet)
        case "plain":
            from boticelli_cli.views.plain import PlainView

            return PlainView(answer, notes, record, headings=headings)
        case "text":
            from boticelli_cli.views.text import TextView

            return TextView(None if to_file else answer, notes, record)
        case "json":
            from boticelli_cli.views.jsonl import JsonView

            return JsonView(answer, notes, record)
        case "jsonl":
            from boticelli_cli.views.jsonl import JsonLinesView

            return JsonLinesView(answer, notes, record)
