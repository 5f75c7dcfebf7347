"""Playing a run to whoever watches: the view, the signals and the exit code that `run` and `stream` share."""

import asyncio
import logging
import os
import shlex
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Mapping
from contextlib import aclosing, contextmanager, nullcontext, redirect_stderr, suppress
from io import StringIO
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

from boticelli_cli.cli.capabilities import can_be_drawn_on, cleaner, dimmer
from boticelli_cli.cli.failures import INTERRUPTED, exit_code_of
from boticelli_cli.cli.options import Format, GlobalOptions
from boticelli_cli.cli.outputs import opened_for, write_audio, write_output
from boticelli_cli.cli.stdio import cleaned
from boticelli_cli.views.terminal import give_back_at_once

if TYPE_CHECKING:
    from boticelli_cli.app import Prepared
    from boticelli_cli.cli.keeper import Keeper
    from boticelli_cli.events import Event
    from boticelli_cli.views.base import Moving, View
    from boticelli_cli.views.manner import Manner
    from boticelli_cli.views.record import Record

__all__ = ["play", "wait_for"]

_TICK = 1 / 24
"""Seconds after which a view is asked whether there is something to draw."""

_READABLE = 200
"""Characters of a command that is told again."""

Result = TypeVar("Result")


def wait_for(
    work: Coroutine[Any, Any, Result], *, loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
) -> Result:
    """Do something that takes its time and shows nothing meanwhile. Ctrl-C ends the program."""
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(work)


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
    from boticelli_cli.views.gauges import Gauges
    from boticelli_cli.views.make import make_view
    from boticelli_cli.views.notes import Notes
    from boticelli_cli.views.record import Record

    environ = app.environment()
    notes = Notes(
        sys.stderr,
        quiet=options.quiet,
        verbose=options.verbose,
        clean=cleaner(sys.stderr, environ),
        dim=dimmer(sys.stderr, environ),
    )
    for notice in prepared.notices:
        notes.say(notice)
    chosen = choose_format(shown_as, terminal=sys.stdout.isatty(), dumb=not can_be_drawn_on(sys.stdout, environ))
    record = Record()
    carries_media = chosen is Format.jsonl and save_media is None
    keeper = None if carries_media else Keeper(record, named=save_media, but_the_sound=save_audio is not None)
    stop = asyncio.Event()
    events = app.perform(
        prepared,
        max_parallel=max_parallel or app.MAX_PARALLEL,
        streaming=streaming,
        expecting=chosen is Format.live,
        stop=stop,
    )
    with opened_for(output, chosen) as file:
        view = make_view(
            chosen,
            cleaned(sys.stdout) if sys.stdout.isatty() and chosen in (Format.plain, Format.text) else sys.stdout,
            notes,
            record,
            _manner(options, headings),
            file=file,
            to_file=output is not None,
            gauges=Gauges(app.text_tokens, prepared.cost_so_far),
        )
        try:
            with _held_back() if chosen is Format.live and notes.are_seen_on(sys.stdout) else nullcontext():
                _log_if_asked(environ)
                asyncio.run(_show(events, view, keeper, stop))
        finally:  # what has been paid for goes where it was to go, whatever became of the view
            for notice in prepared.late_notices():
                notes.say(notice)
            if output is not None and chosen is not Format.jsonl:
                write_output(output, file, record, notes)
            if save_audio is not None:
                write_audio(save_audio, record, keeper, notes)
    return _exit_code(record)


def _manner(options: GlobalOptions, headings: bool) -> "Manner":
    from boticelli_cli.app import environment
    from boticelli_cli.views.images import protocol
    from boticelli_cli.views.manner import Manner

    pictures = protocol(environment())
    return Manner(headings=headings, verbose=options.verbose, again=_command(), pictures=pictures)


async def _show(
    events: "AsyncGenerator[Event, None]", view: "View", keeper: "Keeper | None", stop: asyncio.Event
) -> None:
    """Show events until there are no more, or until they cannot be shown."""
    _stop_on_signals(stop)
    tasks = {asyncio.create_task(_follow(events, view, keeper), name="events")}
    if view.moving is not None:
        tasks.add(asyncio.create_task(_keep_drawing(view.moving), name="frames"))
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            await task
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        view.close()


async def _follow(events: "AsyncGenerator[Event, None]", view: "View", keeper: "Keeper | None") -> None:
    async with aclosing(events):
        async for event in events:
            if keeper is not None:
                await keeper.keep(event)
            view.show(event)


async def _keep_drawing(view: "Moving") -> None:
    """Have a view draw what has changed, and all anew when the terminal has another size."""
    resized = asyncio.Event()
    if hasattr(signal, "SIGWINCH"):
        asyncio.get_running_loop().add_signal_handler(signal.SIGWINCH, resized.set)
    while True:
        if resized.is_set():
            resized.clear()
            view.redraw()
        else:
            view.tick()
        with suppress(TimeoutError):
            async with asyncio.timeout(_TICK):
                await resized.wait()


def _log_if_asked(environ: Mapping[str, str]) -> None:
    if environ.get("BOTICELLI_DEBUG") == "1":
        logging.basicConfig(handlers=[_ToStderr()])
        logging.getLogger("boticelli_cli").setLevel(logging.DEBUG)


class _ToStderr(logging.Handler):
    """Writes to what stderr is by then."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr)


@contextmanager
def _held_back() -> Iterator[None]:
    """Keep what anybody writes to stderr while the screen has an owner, and write it afterwards."""
    held = StringIO()
    try:
        with redirect_stderr(held):
            yield
    finally:
        with suppress(OSError):  # the terminal is gone
            cleaned(sys.stderr).write(held.getvalue())


def _command() -> str:
    """The command that was typed, unless it is too long to be read, or is not all: something was piped in."""
    if not sys.stdin.isatty():
        return ""
    command = shlex.join(["boticelli", *sys.argv[1:]])
    return command if len(command) <= _READABLE and "\n" not in command else ""


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


def _exit_code(record: "Record") -> int:
    from boticelli_cli.events import RunFailed, RunInterrupted

    match record.end:
        case RunInterrupted():
            return INTERRUPTED
        case RunFailed(error=error):
            return exit_code_of(error.kind)
    return 0
