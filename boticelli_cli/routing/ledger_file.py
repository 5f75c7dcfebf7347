"""The ledger's file: one SQLite database that all processes of a machine share, and what its tables have become."""

import sqlite3
from pathlib import Path

from boticelli_cli import sqlite_file
from boticelli_cli.sqlite_file import Schema

__all__ = ["connect", "is_missing"]

_MIGRATIONS = (
    """
    CREATE TABLE sent (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        account TEXT NOT NULL, model TEXT NOT NULL,
        at REAL NOT NULL, tokens INTEGER NOT NULL, written REAL NOT NULL
    );
    CREATE INDEX sent_to ON sent (account, model, at, id, tokens);
    CREATE INDEX sent_at ON sent (at);
    CREATE INDEX sent_written ON sent (written);
    CREATE TABLE days (
        account TEXT NOT NULL, model TEXT NOT NULL,
        start REAL NOT NULL, end REAL NOT NULL, requests INTEGER NOT NULL, spent_until REAL NOT NULL,
        PRIMARY KEY (account, model, start)
    ) WITHOUT ROWID;
    """,
    """
    CREATE TABLE accounts (
        account TEXT NOT NULL, model TEXT NOT NULL,
        until REAL NOT NULL, kind TEXT NOT NULL, reason TEXT NOT NULL, refusals INTEGER NOT NULL,
        PRIMARY KEY (account, model)
    ) WITHOUT ROWID;
    """,
)
"""What makes each version of the file of the one before it; the first makes it of an empty file."""

_SCHEMA = Schema(0x626F7469, _MIGRATIONS)
"""The mark is `boti`."""

_BUSY_SECONDS = 2.0
"""How long another process may hold the file. Its transactions take less than a millisecond."""


def is_missing(path: Path) -> bool:
    """Whether there is no file; one that nobody lets us see is not missing."""
    try:
        return not path.exists()
    except OSError:
        return False


def connect(path: str) -> sqlite3.Connection:
    """Open a file, with all its tables. Raises sqlite3.Error for one that is not ours, or that is newer than we are."""
    return sqlite_file.connect(path, _SCHEMA, patience=_BUSY_SECONDS)
