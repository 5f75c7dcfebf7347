"""The view for a format."""

from typing import TextIO, assert_never

from boticelli_cli.views.base import View
from boticelli_cli.views.format import Format
from boticelli_cli.views.notes import Notes
from boticelli_cli.views.record import Record

__all__ = ["make_view"]


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
        case Format.live:
            from rich.console import Console

            from boticelli_cli.views.live import LiveView

            console: Console = Console(file=answer, highlight=False)
            if console.width < 4 or console.height < 2:  # nothing can be drawn here
                return make_view(Format.plain, stdout, notes, record, headings=headings, file=file, to_file=to_file)
            return LiveView(console, record, notes, headings=headings)
        case Format.plain:
            from boticelli_cli.views.plain import PlainView

            return PlainView(answer, notes, record, headings=headings)
        case Format.text:
            from boticelli_cli.views.text import TextView

            return TextView(None if to_file else answer, notes, record)
        case Format.json:
            from boticelli_cli.views.jsonl import JsonView

            return JsonView(answer, notes, record)
        case Format.jsonl:
            from boticelli_cli.views.jsonl import JsonLinesView

            return JsonLinesView(answer, notes, record)
        case Format.auto:
            raise ValueError("'auto' has to be chosen for first")
        case _:
            assert_never(chosen)
