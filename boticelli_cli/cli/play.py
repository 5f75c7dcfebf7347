"""Playing a run to whoever watches: the view, the signals and the exit code that `run` and `stream` share."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager, nullcontext, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, TextIO

from boticelli_cli.cli.failures import FAILED, INTERRUPTED
from boticelli_cli.cli.options import GlobalOptions
from boticelli_cli.errors import SaveError, UsageError

if TYPE_CHECKING:
    from boticelli_cli.app import Prepared
    from boticelli_cli.events import Event
    from boticelli_cli.views.base import View
    from boticelli_cli.views.notes import Notes
    from boticelli_cli.views.record import Record

__all__ = ["play", "refuse_output"]


def refuse_output(output: Path | None) -> None:
    """Refuse a file that cannot take an answer, before anything is sent. Raises UsageError."""
    if output is not None and output.is_dir():
        raise UsageError(f"--output names a folder, '{output}'; name a file in it")


def play(
    prepared: "Prepared",
    *,
    options: GlobalOptions,
    shown_as: str,
    output: Path | None = None,
    max_parallel: int | None = None,
    streaming: bool = True,
    headings: bool = True,
) -> int:
    """Run what has been prepared, show it, and return the exit code."""
    from boticelli_cli import app
    from boticelli_cli.views.choose import choose_format, make_view
    from boticelli_cli.views.notes import Notes
    from boticelli_cli.views.record import Record

    notes = Notes(sys.stderr, quiet=options.quiet, verbose=options.verbose)
    for notice in prepared.notices:
        notes.say(notice)
    dumb = app.environment().get("TERM", "dumb" if os.name != "nt" else "") == "dumb"
    chosen = choose_format(shown_as, terminal=sys.stdout.isatty(), dumb=dumb)
    record = Record()
    stop = asyncio.Event()
    in_json = chosen in ("json", "jsonl")
    with _opened(output) if output and in_json else nullcontext() as file:
        view = make_view(chosen, sys.stdout, notes, record, headings=headings, file=file, to_file=output is not None)
        events = app.perform(prepared, max_parallel=max_parallel or app.MAX_PARALLEL, streaming=streaming, stop=stop)
        asyncio.run(_show(events, view, stop))
    if output is not None and not in_json:
        _write_output(output, record, notes)
    return _exit_code(record)


async def _show(events: "AsyncGenerator[Event, None]", view: "View", stop: asyncio.Event) -> None:
    with _stopping_on_signals(stop, view):
        try:
            async with aclosing(events):
                async for event in events:
                    view.show(event)
        finally:
            view.close()


@contextmanager
def _stopping_on_signals(stop: asyncio.Event, view: "View") -> Iterator[None]:
    """The first Ctrl-C (or SIGTERM) stops the run and keeps what has arrived; the second ends at once."""
    loop = asyncio.get_running_loop()

    def handle(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            with suppress(Exception):
                view.close()
            os._exit(INTERRUPTED)
        stop.set()
        loop.call_soon_threadsafe(lambda: None)  # wake the loop, so that it sees the stop now

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w", encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"--output: '{path}' cannot be written: {error.strerror}") from None
    with file:
        yield file


def _write_output(path: Path, record: "Record", notes: "Notes") -> None:
    """Write the answer, or if it cannot be written, tell it: it has been paid for."""
    from boticelli_cli.app import write_answer
    from boticelli_cli.events import RunFinished

    if not isinstance(record.end, RunFinished):
        notes.must_say(f"'{path}' was not written: there is no whole answer")
        return
    try:
        write_answer(path, record.end.output)
    except SaveError:
        notes.must_say(record.end.output)
        raise
    notes.say(f"answer written to {path}")


def _exit_code(record: "Record") -> int:
    from boticelli_cli.events import RunFailed, RunInterrupted

    match record.end:
        case RunInterrupted():
            return INTERRUPTED
        case RunFailed():
            return FAILED
    return 0
