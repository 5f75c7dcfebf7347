"""The view for a format."""

from functools import partial
from typing import TextIO, assert_never

from boticelli_cli.views.base import View
from boticelli_cli.views.format import Format
from boticelli_cli.views.gauges import Gauges
from boticelli_cli.views.manner import Manner
from boticelli_cli.views.notes import Notes
from boticelli_cli.views.record import Record

__all__ = ["make_view"]


def make_view(
    chosen: Format,
    stdout: TextIO,
    notes: Notes,
    record: Record,
    manner: Manner = Manner(),  # noqa: B008  (a value)
    *,
    file: TextIO | None = None,
    to_file: bool = False,
    gauges: Gauges = Gauges(),  # noqa: B008  (a value)
) -> View:
    """A view of a run. Only the live one loads what it draws with.

    With `to_file`, the answer goes into a file: JSON into the open `file`, a text where the caller puts it. The live
    view measures with `gauges`.
    """
    answer = file or stdout
    match chosen:
        case Format.live:
            from rich.console import Console

            from boticelli_cli.views.live import LiveView
            from boticelli_cli.views.terminal import size

            console = Console(file=answer, highlight=False)
            return LiveView(answer, console, record, notes, gauges, manner, size=partial(size, answer))
        case Format.plain:
            from boticelli_cli.views.plain import PlainView

            return PlainView(answer, notes, record, headings=manner.headings)
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
