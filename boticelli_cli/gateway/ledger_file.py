"""The file of the gateway's ledger: a row a request, what its tables have become, and what is asked of them.

All of it is called with a connection, to a file or to memory, by the one thread that owns that connection.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import fields
from math import inf, isnan
from operator import attrgetter
from typing import Any

from boticelli_cli import sqlite_file
from boticelli_cli.gateway.base import Entry
from boticelli_cli.gateway.report import DAY, Cell, Totals
from boticelli_cli.messages import Usage
from boticelli_cli.sqlite_file import Schema
from boticelli_cli.wire.failure import without_secrets

__all__ = ["add", "cells", "connect", "move", "recent_errors", "shorten", "spent", "tidy"]

_MIGRATIONS = (
    """
    CREATE TABLE requests (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL, at REAL NOT NULL, face TEXT NOT NULL, model TEXT NOT NULL, streamed INTEGER NOT NULL,
        ending TEXT NOT NULL, status INTEGER NOT NULL, seconds REAL NOT NULL, key TEXT,
        served TEXT, provider TEXT, account TEXT, route TEXT, is_estimated INTEGER NOT NULL,
        cost_usd REAL, first_byte REAL, upstream REAL, overhead REAL, chunks INTEGER NOT NULL,
        error TEXT, message TEXT,
        input INTEGER, output INTEGER, thinking INTEGER, cached_input INTEGER, cache_write INTEGER,
        total INTEGER, input_audio INTEGER, output_audio INTEGER
    );
    CREATE INDEX requests_at ON requests (at);
    CREATE INDEX requests_of ON requests (key, at, cost_usd);
    CREATE INDEX requests_failed ON requests (at) WHERE ending IN ('failed', 'refused', 'cut');
    CREATE TABLE past (
        at INTEGER NOT NULL, key TEXT, provider TEXT, served TEXT,
        requests INTEGER NOT NULL, failed INTEGER NOT NULL, cost_usd REAL,
        input INTEGER, output INTEGER, thinking INTEGER, cached_input INTEGER, cache_write INTEGER,
        total INTEGER, input_audio INTEGER, output_audio INTEGER
    );
    CREATE INDEX past_of ON past (key, at);
    """,
    """
    ALTER TABLE requests ADD COLUMN reason TEXT;
    ALTER TABLE requests ADD COLUMN client TEXT;
    """,
)
"""What makes each version of the file of the one before it; the first makes it of an empty file.

`past` keeps the sums of days of which single requests are kept no longer.
"""

_SCHEMA = Schema(0x626F7467, _MIGRATIONS)
"""The mark is `botg`."""

_BUSY_SECONDS = 1.0
"""How long another process may hold the file. Its transactions take some milliseconds."""

_USAGE = tuple(each.name for each in fields(Usage))

_FACTS = tuple(each.name for each in fields(Entry) if each.name != "usage")

_COLUMNS = (*_FACTS, *_USAGE)

_VALUES = attrgetter(*_FACTS, *(f"usage.{name}" for name in _USAGE))

_INSERT = f"INSERT INTO requests ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"

_PAST = ("at", "key", "provider", "served", "requests", "failed", "cost_usd", *_USAGE)

_INSERT_PAST = f"INSERT INTO past ({', '.join(_PAST)}) VALUES ({', '.join('?' * len(_PAST))})"

_FAILED = "ending IN ('failed', 'refused', 'cut')"

_SUMS = ", ".join(f"sum({each})" for each in ("cost_usd", *_USAGE))

_LONGEST_TEXT = 500
"""Characters that are kept of any text: names are what clients and providers say they are."""

_MOST_COUNT = 2**40
"""The highest count that is believed: sums of many higher ones would not fit an integer of SQLite's."""


def connect(path: str) -> sqlite3.Connection:
    """Open a file, with all its tables. Raises sqlite3.Error for one that is not ours, or that is newer than we are."""
    return sqlite_file.connect(path, _SCHEMA, patience=_BUSY_SECONDS, any_thread=True)


def add(db: sqlite3.Connection, entries: Iterable[Entry]) -> None:
    """Write a row for each of some requests."""
    db.executemany(_INSERT, map(_row, entries))


def move(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Write all that one connection holds to another; it is not deleted where it was."""
    for insert, columns, table in ((_INSERT, _COLUMNS, "requests"), (_INSERT_PAST, _PAST, "past")):
        target.executemany(insert, source.execute(f"SELECT {', '.join(columns)} FROM {table}"))


def tidy(db: sqlite3.Connection, before: float, *, most: int) -> bool:
    """Keep only the sums, by day, of requests that came before a moment; whether there were `most` of them, or more."""
    old = "(SELECT number FROM requests WHERE at < ? ORDER BY at LIMIT ?)"
    sums = db.execute(
        f"SELECT CAST(at / {DAY} AS INTEGER) * {DAY}, key, provider, served, count(*), sum({_FAILED}), {_SUMS}"
        f" FROM requests WHERE number IN {old} GROUP BY 1, 2, 3, 4",
        (before, most),
    ).fetchall()
    for row in sums:
        _add_to_past(db, row)
    return db.execute(f"DELETE FROM requests WHERE number IN {old}", (before, most)).rowcount >= most


def shorten(db: sqlite3.Connection, most: int) -> None:
    """Keep only so many requests one by one, the last, and sums of those before them."""
    [count] = db.execute("SELECT count(*) FROM requests").fetchone()
    if count > most:
        tidy(db, inf, most=count - most)


def spent(db: sqlite3.Connection, key: str, since: float) -> float:
    """What a key's holder has spent from a moment on, in USD."""
    [now] = db.execute("SELECT total(cost_usd) FROM requests WHERE key = ? AND at >= ?", (key, since)).fetchone()
    [then] = db.execute("SELECT total(cost_usd) FROM past WHERE key = ? AND at >= ?", (key, since)).fetchone()
    return float(now + then)


def cells(db: sqlite3.Connection, *, key: str | None, since: float, until: float, step: int) -> list[Cell]:
    """The sums of what came in a time, by spans of so many seconds, key, provider and model."""
    where = "at >= ? AND at < ?" + (" AND key = ?" if key is not None else "")
    given = [since, until, *([key] if key is not None else [])]
    span = f"CAST(at / {step} AS INTEGER) * {step}"
    new = f"SELECT {span}, key, provider, served, count(*), sum({_FAILED}), {_SUMS} FROM requests WHERE {where}"
    old = f"SELECT {span}, key, provider, served, sum(requests), sum(failed), {_SUMS} FROM past WHERE {where}"
    rows = [row for query in (new, old) for row in db.execute(f"{query} GROUP BY 1, 2, 3, 4", given)]
    return [Cell(float(row[0]), row[1], row[2], row[3], _totals(row[4:])) for row in rows]


def recent_errors(db: sqlite3.Connection, most: int) -> list[Entry]:
    """The last requests that did not end well, the newest first; those whose clients went away are not among them."""
    rows = db.execute(
        f"SELECT {', '.join(_COLUMNS)} FROM requests WHERE {_FAILED} ORDER BY at DESC, number DESC LIMIT ?", (most,)
    )
    return [_entry(row) for row in rows]


def _row(entry: Entry) -> list[Any]:
    row = [_kept(value) for value in _VALUES(entry)]
    if entry.message is not None:
        row[_COLUMNS.index("message")] = _kept(without_secrets(entry.message))
    return row


def _kept(value: Any) -> Any:
    """A value that SQLite takes: no lone halves of characters, no counts beyond its integers, and no NaN, its NULL."""
    if value is None:
        return None
    if isinstance(value, str):
        return value[:_LONGEST_TEXT].encode(errors="replace").decode()
    if isinstance(value, float):
        return 0.0 if isnan(value) else value
    return max(-_MOST_COUNT, min(int(value), _MOST_COUNT))


def _entry(row: Sequence[Any]) -> Entry:
    split = len(_FACTS)
    facts = dict(zip(_FACTS, row[:split], strict=True))
    facts["streamed"], facts["is_estimated"] = bool(facts["streamed"]), bool(facts["is_estimated"])
    return Entry(**facts, usage=Usage(*row[split:]))


def _add_to_past(db: sqlite3.Connection, row: Sequence[Any]) -> None:
    """Add sums to those that are there of the same day, key and model."""
    where = "at = ? AND key IS ? AND provider IS ? AND served IS ?"
    known = db.execute(f"SELECT {', '.join(_PAST[4:])} FROM past WHERE {where}", row[:4]).fetchall()
    totals = sum((_totals(each) for each in known), _totals(row[4:]))
    db.execute(f"DELETE FROM past WHERE {where}", row[:4])
    counts = (getattr(totals.usage, name) for name in _USAGE)
    db.execute(_INSERT_PAST, (*row[:4], totals.requests, totals.failed, totals.cost_usd, *counts))


def _totals(sums: Sequence[Any]) -> Totals:
    requests, failed, cost, *usage = sums
    return Totals(requests, failed or 0, Usage(*usage), cost)
