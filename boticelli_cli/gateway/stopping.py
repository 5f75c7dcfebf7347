"""How a server ends: it takes nothing new, waits for what is under way, cuts what is left, and is over."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

__all__ = ["INTERRUPTED", "Stopping"]

INTERRUPTED = 130
"""The exit code of a process that Ctrl-C has ended."""


class Stopping:
    """What is known of a server's end. Each step includes those before it, and none is taken back.

    `drain` asks for nothing new to be accepted, `cut` for what is under way to end with an error, `end` for nothing
    to be waited for any more. `was_interrupted` tells Ctrl-C from SIGTERM.
    """

    def __init__(self) -> None:
        self._draining = asyncio.Event()
        self._is_cut = False
        self._over = asyncio.Event()
        self._when_cut: list[Callable[[], object]] = []
        self.was_interrupted = False

    @property
    def is_draining(self) -> bool:
        return self._draining.is_set()

    @property
    def is_cut(self) -> bool:
        return self._is_cut

    @property
    def is_over(self) -> bool:
        return self._over.is_set()

    def drain(self) -> None:
        self._draining.set()

    def cut(self) -> None:
        self.drain()
        if not self._is_cut:
            self._is_cut = True
            for each in self._when_cut:
                each()

    def when_cut(self, act: Callable[[], object]) -> None:
        """Have something done when the grace is over: streams that are still open end with their error event."""
        self._when_cut.append(act)

    def end(self) -> None:
        self.cut()
        self._over.set()

    async def wait_draining(self) -> None:
        await self._draining.wait()

    async def wait_over(self) -> None:
        await self._over.wait()

    @contextmanager
    def heeding_signals(self) -> Iterator[None]:
        """Drain on SIGTERM, SIGHUP or Ctrl-C, end on the second Ctrl-C, and leave the process on the third.

        To be entered in the main thread, in a running event loop, around all that is to be closed in peace. A signal
        that is ignored stays so: nohup, and `&` in scripts.
        """
        loop = asyncio.get_running_loop()

        def handle(number: int, _frame: FrameType | None) -> None:
            if number == signal.SIGINT and self.is_over:
                os._exit(INTERRUPTED)
            with suppress(RuntimeError):  # the loop is closed already
                loop.call_soon_threadsafe(self._take, number)

        known = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
        heeded = [number for number in known if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, handle) for number in heeded}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _take(self, number: int) -> None:
        if number != signal.SIGINT:
            self.drain()
        elif self.is_draining:
            self.was_interrupted = True
            self.end()
        else:
            self.was_interrupted = True
            self.drain()
