"""Playing a run to whoever watches: the view, the signals and the exit code that `run` and `stream` share."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import aclosing, contextmanager, nullcontext, suppress
from io import StringIO
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from boticelli_cli.cli.failures import INTERRUPTED, exit_code_of
from boticelli_cli.cli.options import Format, GlobalOptions
from boticelli_cli.cli.stdio import cleaned, in_ascii, printable, speaks_utf8
from boticelli_cli.errors import SaveError, UsageError
from boticelli_cli.views.terminal import give_back_at_once, in_foreground

if TYPE_CHECKING:
    from boticelli_cli.app import Prepared
    from boticelli_cli.cli.keeper import Keeper
    from boticelli_cli.events import Event
    from boticelli_cli.views.base import View
    from boticelli_cli.views.notes import Notes
    from boticelli_cli.views.record import Record

__all__ = ["play", "refuse_folder", "refuse_output", "wait_for"]

Result = TypeVar("Result")


def wait_for(work: Coroutine[Any, Any, Result]) -> Result:
    """Do something that takes its time and shows nothing meanwhile. Ctrl-C ends the program."""
    return asyncio.run(work)


def refuse_output(output: Path | None, taken: Iterable[Path] = (), *, option: str = "--output") -> None:
    """Refuse a file that cannot take an answer, or is taken, before anything is sent. Raises UsageError."""
    from boticelli_cli.app import why_not_writable

    if output is not None and (why := why_not_writable(output)):
        raise UsageError(f"{option}: '{output}' cannot be written: {why}")
    if output is not None and os.path.realpath(output) in {os.path.realpath(path) for path in taken}:
        other = "an act saves to it" if option == "--output" else "something else is written to it"
        raise UsageError(f"{option}: '{output}' is the narrative itself, or {other}")


def refuse_folder(folder: Path | None, *, option: str = "--save-media") -> None:
    """Refuse a folder that can take no files, before anything is sent. Raises UsageError."""
    from boticelli_cli.app import why_no_folder

    if folder is not None and (why := why_no_folder(folder)):
        raise UsageError(f"{option}: '{folder}' cannot be written to: {why}")


def play(
    prepared: "Prepared",
    *,
    options: GlobalOptions,
    shown_as: Format,
    output: Path | None = None,
    save_audio: Path | None = None,
    save_media: Path | None = None,
    max_parallel: int | None = None,
    streaming: bool = True,
    headings: bool = True,
) -> int:
    """Run what has been prepared, show it, and return the exit code."""
    from boticelli_cli import app
    from boticelli_cli.cli.keeper import Keeper
    from boticelli_cli.views.format import choose_format
    from boticelli_cli.views.make import make_view
    from boticelli_cli.views.notes import Notes
    from boticelli_cli.views.record import Record

    environ = app.environment()
    if environ.get("BOTICELLI_DEBUG") == "1":
        logging.basicConfig(stream=sys.stderr)
        logging.getLogger("boticelli_cli").setLevel(logging.DEBUG)
    notes = Notes(sys.stderr, quiet=options.quiet, clean=_clean(sys.stderr, environ), dim=_dim(sys.stderr, environ))
    for notice in prepared.notices:
        notes.say(notice)
    chosen = choose_format(shown_as, terminal=sys.stdout.isatty(), dumb=not _can_be_drawn_on(sys.stdout, environ))
    stdout = cleaned(sys.stdout) if sys.stdout.isatty() and chosen in (Format.plain, Format.text) else sys.stdout
    record = Record()
    carries_media = chosen is Format.jsonl and save_media is None
    keeper = None if carries_media else Keeper(record, named=save_media, but_the_sound=save_audio is not None)
    stop = asyncio.Event()
    with _opened(output) if output and chosen is Format.jsonl else nullcontext() as opened:
        file = StringIO() if output and chosen is Format.json else opened
        view = make_view(chosen, stdout, notes, record, headings=headings, file=file, to_file=output is not None)
        events = app.perform(prepared, max_parallel=max_parallel or app.MAX_PARALLEL, streaming=streaming, stop=stop)
        asyncio.run(_show(events, view, keeper, stop))
    for notice in prepared.late_notices():
        notes.say(notice)
    if isinstance(file, StringIO) and output is not None:
        _write(output, file.getvalue(), notes)
    elif output is not None and opened is None:
        _write_output(output, record, notes)
    if save_audio is not None:
        _write_audio(save_audio, record, keeper, notes)
    return _exit_code(record)


async def _show(
    events: "AsyncGenerator[Event, None]", view: "View", keeper: "Keeper | None", stop: asyncio.Event
) -> None:
    _stop_on_signals(stop)
    try:
        async with aclosing(events):
            async for event in events:
                if keeper is not None:
                    await keeper.keep(event)
                view.show(event)
    finally:
        view.close()


def _stop_on_signals(stop: asyncio.Event) -> None:
    """The first Ctrl-C (or SIGTERM, or SIGHUP) stops the run and keeps what has arrived; the second ends at once."""
    loop = asyncio.get_running_loop()
    asked = False

    def handle(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            give_back_at_once(sys.stdout)
            os._exit(INTERRUPTED)
        asked = True
        with suppress(RuntimeError):  # the loop is closed already
            loop.call_soon_threadsafe(stop.set)

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # nohup, and `&` in scripts
            signal.signal(number, handle)


def _clean(stream: TextIO, environ: Mapping[str, str]) -> Callable[[str], str]:
    """How a text is made fit to be shown, with no marks but ASCII on a terminal that has no others."""
    if speaks_utf8(environ) or not stream.isatty():
        return printable
    return lambda text: in_ascii(printable(text))


def _can_be_drawn_on(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether panels can be drawn: the terminal can, it knows their frames, and nobody else is using it."""
    return not _is_dumb(environ) and speaks_utf8(environ) and in_foreground(stream)


def _dim(stream: TextIO, environ: Mapping[str, str]) -> Callable[[str], str]:
    """How a text is made to step back, where the stream shows colours (no-color.org, force-color.org)."""
    wanted = bool(environ.get("FORCE_COLOR")) or (stream.isatty() and not _is_dumb(environ))
    if environ.get("NO_COLOR") or not wanted:
        return str
    return lambda text: f"\x1b[2m{text}\x1b[22m"


def _is_dumb(environ: Mapping[str, str]) -> bool:
    return environ.get("TERM", "dumb" if os.name != "nt" else "") == "dumb"


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
    from boticelli_cli.events import RunFinished

    if isinstance(record.end, RunFinished):
        _write(path, record.end.output, notes)
        notes.say(f"answer written to {path}")
    else:
        notes.must_say(f"'{path}' was not written: there is no whole answer")


def _write(path: Path, text: str, notes: "Notes") -> None:
    """Write what a run came to, or if it cannot be written, tell it: it has been paid for."""
    from boticelli_cli.app import write_answer

    try:
        write_answer(path, text)
    except SaveError:
        notes.must_say(text)
        raise


def _write_audio(path: Path, record: "Record", keeper: "Keeper | None", notes: "Notes") -> None:
    """Write what the run's answer sounded like: its own act's sound, or the last that there was."""
    from boticelli_cli.app import write_bytes
    from boticelli_cli.views.report import media_line

    acts = [act for act in record.in_order if act.sound is not None]
    act = next((each for each in acts if each.planned.act == record.output_act), acts[-1] if acts else None)
    if act is None or act.sound is None:
        notes.must_say(f"'{path}' was not written: no act has answered in sound")
        return
    try:
        write_bytes(path, act.sound.data or b"")
    except SaveError:
        if keeper is not None:
            notes.must_say(media_line(keeper.write(act.planned.act, act.sound)))
        raise
    notes.say(f"sound of {act.planned.act} written to {path}")


def _exit_code(record: "Record") -> int:
    from boticelli_cli.events import RunFailed, RunInterrupted

    match record.end:
        case RunInterrupted():
            return INTERRUPTED
        case RunFailed(error=error):
            return exit_code_of(error.kind)
    return 0
