"""The ledger: which requests went out when, kept in one SQLite file that all processes of a machine share.

SQLite is called directly, not in a thread. A call takes about a tenth of a millisecond, as much as handing it
to a thread would cost, and a call that nobody awaits cannot be cancelled between being made and being known.
"""

import logging
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from boticelli_cli.catalog import Limits
from boticelli_cli.routing.day import Day, Reset
from boticelli_cli.routing.ledger_file import connect, is_missing
from boticelli_cli.routing.window import MINUTE, SPAN, Lack, Sent, earliest
from boticelli_cli.sqlite_file import create, transaction

__all__ = ["Ledger", "Slot", "Spent", "Used"]

_SET_BACK = 1.0
"""Seconds by which a row may seem to come from the future before the clock is taken to have been set back."""

_KEPT = 7 * 86_400.0
"""Seconds for which a day that is over is kept, so that a clock that errs by days loses no count."""

_OWN_IDS = 1 << 40
"""Where the ids of a ledger in memory begin: those of the file it replaces mean nothing there."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Slot:
    """A request's place in the window. With `seconds` left it is reserved; with none the request has to go now."""

    id: int
    at: float
    seconds: float
    lacks: Lack


@dataclass(frozen=True, slots=True)
class Spent:
    """There is nothing left until then. `requests` were counted here; the provider may have counted more."""

    until: float
    seconds: float
    requests: int


@dataclass(frozen=True, slots=True)
class Used:
    """What went out: in the last 60 seconds and in the provider's day; `spent_until` when that is known to be spent."""

    requests: int
    tokens: int
    today: int
    spent_until: float | None


class Ledger:
    """What accounts have asked of models, for one thread of this process and for all other processes.

    The file is made on first use. Where it cannot be (a full disk, a foreign or damaged file, one that is
    locked for seconds), `warn` is told once, the file is left as it is, and this process counts for itself
    in memory. `clock` is the wall clock, since counts outlive processes: set back, it makes a request wait
    a minute at most; set forward, it lets a minute's requests go early.
    """

    def __init__(
        self, path: Path, *, clock: Callable[[], float] = time.time, warn: Callable[[str], None] | None = None
    ) -> None:
        self._path = path
        self._clock = clock
        self._warn = warn or logging.getLogger(__name__).warning
        self._db: sqlite3.Connection | None = None
        self._in_memory = False

    def now(self) -> float:
        return self._clock()

    def claim(
        self, account: str, model: str, limits: Limits, tokens: int, reset: Reset, *, held: int | None = None
    ) -> Slot | Spent:
        """Let a request go, and count it; or reserve the place where it may, for others to keep free.

        Whoever holds a reservation claims again with its id, until there are no seconds left, and is then
        checked against all that went out meanwhile; or gives it up with `release`. A reservation of a
        process that was killed counts as if it had been sent.
        """
        key = (account, model)

        def work(db: sqlite3.Connection) -> Slot | Spent:
            now = self._clock()
            day = reset(now)
            _tidy(db, now)
            if (spent := _spent(db, key, limits.rpd, day, now)) is not None:
                db.execute("DELETE FROM sent WHERE id = ?", (held,))
                return spent
            room = earliest(_ahead(db, key, held, now), tokens, rpm=limits.rpm, tpm=limits.tpm, now=now)
            if room.at <= now:
                _count(db, key, day)
            return Slot(_place(db, key, held, room.at, tokens, now), room.at, room.at - now, room.lacks)

        return self._transact(work)

    def release(self, slot: int) -> None:
        """Give up a reservation."""
        self._transact(lambda db: db.execute("DELETE FROM sent WHERE id = ?", (slot,)))

    def take_back(self, account: str, model: str, slot: Slot, reset: Reset) -> None:
        """Give up the place of a request that was let go and has not gone after all."""
        day = reset(slot.at)

        def work(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM sent WHERE id = ?", (slot.id,))
            db.execute(
                "UPDATE days SET requests = max(requests - 1, 0) WHERE account = ? AND model = ? AND start = ?",
                (account, model, day.start),
            )

        self._transact(work)

    def correct(self, slot: int, tokens: int) -> None:
        """Put what a request really used in the place of its estimate."""
        self._transact(lambda db: db.execute("UPDATE sent SET tokens = ? WHERE id = ?", (tokens, slot)))

    def mark_spent(self, account: str, model: str, day: Day, until: float) -> None:
        """Remember that a provider says there is nothing left of a day."""
        self._transact(
            lambda db: db.execute(
                "INSERT INTO days VALUES (?, ?, ?, ?, 0, ?)"
                " ON CONFLICT (account, model, start) DO UPDATE SET spent_until = excluded.spent_until",
                (account, model, day.start, day.end, until),
            )
        )

    def spent(self, account: str, model: str, rpd: int | None, reset: Reset) -> Spent | None:
        """Whether the day is spent, without counting anything."""

        def work(db: sqlite3.Connection) -> Spent | None:
            now = self._clock()
            return _spent(db, (account, model), rpd, reset(now), now)

        return self._read(work)

    def recent(self, account: str, model: str) -> list[Sent]:
        """What is in the window, reservations among it, in the order of time."""
        return self._read(lambda db: _ahead(db, (account, model), None, self._clock()))

    def usage(self, account: str, model: str, now: float) -> Used:
        """What went out. Makes no file where there is none."""
        if self._db is None and is_missing(self._path):
            return Used(0, 0, 0, None)

        def work(db: sqlite3.Connection) -> Used:
            place = "account = ? AND model = ?"
            requests, tokens = db.execute(
                f"SELECT count(*), coalesce(sum(tokens), 0) FROM sent WHERE {place} AND at > ? AND at <= ?",
                (account, model, now - MINUTE, now),
            ).fetchone()
            today, until = db.execute(
                "SELECT coalesce(sum(CASE WHEN end > ? THEN requests END), 0), coalesce(max(spent_until), 0)"
                f" FROM days WHERE {place} AND start <= ?",
                (now, account, model, now),
            ).fetchone()
            return Used(requests, tokens, today, until if until > now else None)

        return self._read(work)

    def close(self) -> None:
        """Let go of the file; the next use opens it again."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def _transact(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Do all of some work, or none of it, while no other process writes."""

        def whole(db: sqlite3.Connection) -> Result:
            with transaction(db):
                return work(db)

        return self._read(whole)

    def _read(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        try:
            return work(self._open())
        except (sqlite3.Error, OSError) as exc:
            if self._in_memory:
                raise
            self._fall_back(exc)
            return work(self._open())

    def _open(self) -> sqlite3.Connection:
        if self._db is None:
            if not self._in_memory:
                create(self._path)
            self._db = connect(":memory:" if self._in_memory else str(self._path))
        return self._db

    def _fall_back(self, why: Exception) -> None:
        """Go on in memory, with what can still be read from the file."""
        memory = connect(":memory:")
        memory.execute("INSERT INTO sqlite_sequence VALUES ('sent', ?)", (_OWN_IDS,))
        if self._db is not None:
            _copy(self._db, memory)
            self._db.close()
        self._db = memory
        self._in_memory = True
        self._warn(
            f"the counts of requests cannot be kept in {self._path} ({why}); until this process ends, "
            "limits are kept without those of other processes"
        )


def _copy(old: sqlite3.Connection, new: sqlite3.Connection) -> None:
    try:
        new.executemany("INSERT INTO sent VALUES (?, ?, ?, ?, ?, ?)", old.execute("SELECT * FROM sent").fetchall())
        new.executemany("INSERT INTO days VALUES (?, ?, ?, ?, ?, ?)", old.execute("SELECT * FROM days").fetchall())
    except sqlite3.Error:
        pass


def _tidy(db: sqlite3.Connection, now: float) -> None:
    """Drop what no longer counts. What was written after now, before the clock was set back, counts from now."""
    db.execute("UPDATE sent SET at = ?, written = ? WHERE written > ?", (now, now, now + _SET_BACK))
    db.execute("DELETE FROM sent WHERE at <= ?", (now - SPAN,))
    db.execute("DELETE FROM days WHERE max(end, spent_until) < ?", (now - _KEPT,))


def _spent(db: sqlite3.Connection, key: tuple[str, str], rpd: int | None, day: Day, now: float) -> Spent | None:
    """A day that has not begun does not count: it was written before the clock was set back."""
    requests, until = db.execute(
        "SELECT coalesce(sum(CASE WHEN start = ? THEN requests END), 0), coalesce(max(spent_until), 0)"
        " FROM days WHERE account = ? AND model = ? AND start <= ?",
        (day.start, *key, now),
    ).fetchone()
    if rpd is not None and requests >= rpd:
        until = max(until, day.end)
    return Spent(until, until - now, requests) if until > now else None


def _ahead(db: sqlite3.Connection, key: tuple[str, str], held: int | None, now: float) -> list[Sent]:
    """All that went out, and what is reserved before the holder of a place; for whoever holds none, all there is."""
    place = "account = ? AND model = ? AND at > ?"
    values: tuple[Any, ...] = (*key, now - SPAN)
    if held is not None:
        place += " AND id != ? AND (at <= ? OR (at, id) < (SELECT at, id FROM sent WHERE id = ?))"
        values += (held, now, held)
    return list(map(Sent._make, db.execute(f"SELECT at, tokens FROM sent WHERE {place} ORDER BY at, id", values)))


def _count(db: sqlite3.Connection, key: tuple[str, str], day: Day) -> None:
    db.execute(
        "INSERT INTO days VALUES (?, ?, ?, ?, 1, 0)"
        " ON CONFLICT (account, model, start) DO UPDATE SET requests = requests + 1",
        (*key, day.start, day.end),
    )


def _place(db: sqlite3.Connection, key: tuple[str, str], held: int | None, at: float, tokens: int, now: float) -> int:
    """Write a place down, in that of one already held where there is one, and return its id."""
    new = db.execute(
        "INSERT INTO sent VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET at = excluded.at, written = excluded.written",
        (held, *key, at, tokens, now),
    )
    return held if held is not None else int(new.lastrowid or 0)
