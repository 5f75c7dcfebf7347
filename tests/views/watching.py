"""A run in the live view, in virtual time, on an emulated terminal of any size."""

import asyncio
import io
from collections.abc import Callable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

from rich.console import Console

from boticelli_cli import app
from boticelli_cli.cli.stdio import printable
from boticelli_cli.drivers.rehearsal import Rehearsal
from boticelli_cli.views.gauges import Gauges
from boticelli_cli.views.live import FRAMES_A_SECOND, LiveView
from boticelli_cli.views.manner import Manner
from boticelli_cli.views.notes import Notes
from boticelli_cli.views.record import Record
from tests.clock import run_virtual
from tests.emulator import Emulator

_TICK = 0.1
"""Seconds: long enough for another frame."""


class _Terminal(io.StringIO):
    """What stderr is for somebody who sits before the same screen."""

    def isatty(self) -> bool:
        return True


class Watched:
    """A view, and the terminal on which it is seen. Its clock, `now`, goes on with every tick."""

    def __init__(self, columns: int, lines: int, *, reflow: bool = True, **options: Any) -> None:
        self.terminal = Emulator(columns, lines, reflow=reflow)
        self.file = io.StringIO()
        self.now = 100.0
        self._seen = 0
        console = Console(file=io.StringIO(), force_terminal=True, color_system="standard", highlight=False)
        self.record = Record()
        quiet = options.pop("quiet", False)
        self.view = LiveView(
            self.file,
            console,
            self.record,
            Notes(_Terminal(), quiet=quiet, clean=printable),
            options.pop("gauges", Gauges()),
            now=options.pop("now", lambda: self.now),
            size=lambda: (self.terminal.columns, self.terminal.lines),
            manner=Manner(**options),
        )

    def look(self) -> None:
        """See what has been written since."""
        self.terminal.feed(self.file.getvalue()[self._seen :].encode("utf-8", "replace"))
        self._seen = len(self.file.getvalue())

    def tick(self) -> None:
        self.now += _TICK
        self.view.tick()
        self.look()

    @property
    def screen(self) -> str:
        return self.terminal.screen

    @property
    def everything(self) -> str:
        return self.terminal.everything


def watch(
    story: Path,
    columns: int,
    lines: int,
    *,
    model: str = "rehearsal/slow",
    until: float | None = None,
    at: Mapping[float, Callable[[Watched], None]] | None = None,
    **options: Any,
) -> Watched:
    """Run a narrative and watch it, to its end or `until` so many seconds have gone by.

    `at` says what to do meanwhile, and when.
    """

    async def run() -> Watched:
        time = asyncio.get_running_loop().time
        watched = Watched(columns, lines, now=time, **options)
        prepared = app.prepare(story, driver=Rehearsal(), model=model)
        watching = asyncio.create_task(_keep_looking(watched, until, dict(at or {}), time))
        async with aclosing(app.perform(prepared, expecting=True)) as events:
            async for event in events:
                if watching.done():
                    return watched
                watched.view.show(event)
        watching.cancel()
        watched.view.close()
        watched.look()
        return watched

    return run_virtual(run())


async def _keep_looking(
    watched: Watched,
    until: float | None,
    at: dict[float, Callable[[Watched], None]],
    time: Callable[[], float],
) -> None:
    start = time()
    while until is None or time() - start < until:
        watched.tick()
        for moment in [moment for moment in at if time() - start >= moment]:
            at.pop(moment)(watched)
        await asyncio.sleep(1 / FRAMES_A_SECOND)
