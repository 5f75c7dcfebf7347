"""The ledger: every request that the gateway has had to do with, in one SQLite file that all its processes share.

One thread writes and reads; the event loop only hands over. Requests are written in batches, at most a moment after
they are over, so that a process that is killed loses those of that moment and nothing else.
"""

import asyncio
import logging
import sqlite3
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from boticelli_cli.gateway import ledger_file
from boticelli_cli.gateway.base import Entry
from boticelli_cli.gateway.report import DAY, HOUR, Cell, Report, report_of
from boticelli_cli.sqlite_file import create, transaction

__all__ = ["KEPT_DAYS", "RequestLedger"]

KEPT_DAYS = 90
"""For how many days single requests are kept by default; the sums of a day are kept for ever."""

_BATCH_SECONDS = 0.2
_BATCH_ENTRIES = 500
"""How long an entry waits for others, and how many do not wait any longer."""

_MOST_WAITING = 100_000
"""Entries that may wait for the thread; only a disk that hangs makes so many wait."""

_MOST_SPARE = 10_000
"""Requests that are kept one by one in memory while there is no file; of older ones there are sums."""

_RETRY_SECONDS = 5.0
"""How long a file that failed is left alone."""

_PASSING = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY)
"""Errors that say nothing against the file: it stays open, and is read."""

_TIDY_SECONDS = 6 * 3600.0
_TIDY_ENTRIES = 2_000
"""How often old rows are looked for, and how many go in one transaction, which others wait for."""

Result = TypeVar("Result")


class RequestLedger:
    """Writes down each request that is over, from `async with` to its end, and says what they come to.

    `ended` is called in the event loop's thread and never waits. What has ended before a reading began is part of it.
    Where the file cannot be used (a full disk, a foreign or damaged file, one that is locked for seconds), `warn` is
    told once, the file is left as it is, and this process counts for itself in memory; it tries again now and then,
    and writes what it has counted once it can. `clock` is the wall clock; `kept_days` how long single rows are kept.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], float] = time.time,
        warn: Callable[[str], None] | None = None,
        kept_days: float = KEPT_DAYS,
    ) -> None:
        self._waiting: deque[Entry] = deque(maxlen=_MOST_WAITING)
        self._book = _Book(path, clock, warn or logging.getLogger(__name__).warning, kept_days)
        self._loop: asyncio.AbstractEventLoop
        self._thread: ThreadPoolExecutor | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_called = False

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._write_soon()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Write what is there, and close the file."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._disarm()
        try:
            await asyncio.shield(self._loop.run_in_executor(thread, self._close))
        finally:
            # Whoever is cancelled here waits all the same: what there is has to be written.
            thread.shutdown(wait=True)

    @property
    def is_kept(self) -> bool:
        """Whether what ends is written to the file, and not in memory for want of one."""
        return not self._book.is_failing

    def ended(self, entry: Entry) -> None:
        """Write down a request, soon."""
        self._waiting.append(entry)
        if len(self._waiting) == _MOST_WAITING:
            self._book.tell("the disk does not keep up: requests are no longer written down, nor counted")
        self._write_soon()

    async def spent(self, key: str, since: float) -> float:
        """What the holder of a key has spent from a moment on (seconds of the epoch), in USD.

        Of days before those that are kept, only whole ones are counted that begin after the moment.
        """
        return sum(await self._ask(lambda db: ledger_file.spent(db, key, since)))

    async def usage(self, key: str | None, since: float, until: float, *, step: int = DAY) -> Report:
        """What the holder of a key, or with `None` anybody, has used from one moment up to another."""
        cells = await self._cells(key, since, until, step)
        return report_of(cells, key=key, since=since, until=until, step=step)

    async def series(self, since: float, until: float, *, step: int = HOUR) -> tuple[Cell, ...]:
        """What was used over time, by key and model, in spans of `step` seconds; the earliest first."""
        cells = await self._cells(None, since, until, step)
        return tuple(sorted(cells, key=lambda cell: (cell.at, cell.key or "", cell.provider or "", cell.model or "")))

    async def recent_errors(self, most: int) -> tuple[Entry, ...]:
        """The last requests that failed, were refused, or were cut; the newest first."""
        found = await self._ask(lambda db: ledger_file.recent_errors(db, most))
        return tuple(sorted((entry for entries in found for entry in entries), key=lambda entry: -entry.at)[:most])

    async def _cells(self, key: str | None, since: float, until: float, step: int) -> list[Cell]:
        found = await self._ask(lambda db: ledger_file.cells(db, key=key, since=since, until=until, step=step))
        return [cell for cells in found for cell in cells]

    async def _ask(self, question: Callable[[sqlite3.Connection], Result]) -> list[Result]:
        """The answers of the file and of what is in memory for want of it, with all that ended before."""
        if self._thread is None:
            raise RuntimeError("the ledger is closed")

        def ask() -> list[Result]:
            self._write()
            return self._book.ask(question)

        return await self._loop.run_in_executor(self._thread, ask)

    def _write_soon(self) -> None:
        """Have the thread write: at once when there is a batch, else when a moment has passed."""
        if self._thread is None or self._is_called:
            return
        if len(self._waiting) >= _BATCH_ENTRIES:
            self._call()
        elif self._timer is None:
            self._timer = self._loop.call_later(_BATCH_SECONDS, self._call)

    def _call(self) -> None:
        self._disarm()
        if self._thread is not None:
            self._is_called = True
            self._thread.submit(self._write)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _write(self) -> None:
        # Told first, so that what ends from here on calls again.
        self._is_called = False
        batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
        self._book.write(batch)

    def _close(self) -> None:
        self._write()
        self._book.close()


class _Book:
    """The file, and what stands in for it while it fails; for one thread, but for `is_failing` and `tell`."""

    def __init__(self, path: Path, clock: Callable[[], float], warn: Callable[[str], None], kept_days: float) -> None:
        self._path = path
        self._clock = clock
        self._warn = warn
        self._kept_seconds = kept_days * DAY
        self._file: sqlite3.Connection | None = None
        self._spare: sqlite3.Connection | None = None
        self._next_try = 0.0
        self._next_tidying = 0.0
        self._told: set[str] = set()
        self.is_failing = False

    def tell(self, message: str) -> None:
        """Warn, of the same thing only once."""
        if message not in self._told:
            self._told.add(message)
            self._warn(message)

    def write(self, entries: list[Entry]) -> None:
        """Write requests to the file, or to memory where that fails; and now and then, make room."""
        if not self._try(lambda file: self._write_to(file, entries)):
            self._keep(entries)
        self._try(self._tidy)

    def ask(self, question: Callable[[sqlite3.Connection], Result]) -> list[Result]:
        """The answers of the file, where it can be read, and of what is in memory."""
        answers: list[Result] = []
        # One that cannot be written to just now may well be read.
        if self._file is not None:
            try:
                answers.append(question(self._file))
            except sqlite3.Error as exc:
                self._fail(exc)
        return answers if self._spare is None else [*answers, question(self._spare)]

    def close(self) -> None:
        """Try a last time to write what is in memory, and close all."""
        self._next_try = 0.0
        if self._spare is not None and not self._try(lambda file: self._write_to(file, [])):
            self._warn(f"the last requests could not be written to {self._path}, and are lost")
        for db in (self._file, self._spare):
            if db is not None:
                db.close()
        self._file = self._spare = None

    def _write_to(self, file: sqlite3.Connection, entries: list[Entry]) -> None:
        if not entries and self._spare is None:
            return
        with transaction(file):
            if self._spare is not None:
                ledger_file.move(self._spare, file)
            ledger_file.add(file, entries)
        if self._spare is not None:
            self._spare.close()
            self._spare = None

    def _tidy(self, file: sqlite3.Connection) -> None:
        now = self._clock()
        if now < self._next_tidying:
            return
        # Whole days go: what began with a day is then counted as it was.
        before = (now - self._kept_seconds) // DAY * DAY
        with transaction(file):
            is_more = ledger_file.tidy(file, before, most=_TIDY_ENTRIES)
        self._next_tidying = now if is_more else now + _TIDY_SECONDS

    def _keep(self, entries: list[Entry]) -> None:
        if not entries:
            return
        if self._spare is None:
            self._spare = ledger_file.connect(":memory:")
        with transaction(self._spare):
            ledger_file.add(self._spare, entries)
            ledger_file.shorten(self._spare, _MOST_SPARE)

    def _try(self, work: Callable[[sqlite3.Connection], None]) -> bool:
        """Do something with the file, opened where it is not; whether that went well."""
        # A clock that is set back does not make the wait longer.
        if self.is_failing and 0 < self._next_try - self._clock() <= _RETRY_SECONDS:
            return False
        try:
            if self._file is None:
                create(self._path)
                self._file = ledger_file.connect(str(self._path))
            work(self._file)
        except (sqlite3.Error, OSError) as exc:
            self._fail(exc)
            return False
        self.is_failing = False
        return True

    def _fail(self, exc: Exception) -> None:
        self.is_failing = True
        self._next_try = self._clock() + _RETRY_SECONDS
        if self._file is not None and getattr(exc, "sqlite_errorcode", None) not in _PASSING:
            self._file.close()
            self._file = None
        if not self._told:
            self.tell(f"requests cannot be written to {self._path} ({exc}); they are counted in memory meanwhile")
