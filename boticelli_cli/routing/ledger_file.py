"""The ledger's file: one SQLite database that all processes of a machine share, and what its tables have become."""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path

__all__ = ["connect", "create", "is_missing"]

_APPLICATION = 0x626F7469
"""`boti`: the mark of our files in SQLite's header."""

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

_VERSION = len(_MIGRATIONS)

_BUSY_SECONDS = 2.0
"""How long another process may hold the file. Its transactions take less than a millisecond."""


def is_missing(path: Path) -> bool:
    """Whether there is no file; one that nobody lets us see is not missing."""
    try:
        return not path.exists()
    except OSError:
        return False


def create(path: Path) -> None:
    """Make an empty file that only its owner reads.

    One that exists is not even opened: closing it again would drop the locks that this process holds on it.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def connect(path: str) -> sqlite3.Connection:
    """Open a file, with all its tables. Raises sqlite3.Error for one that is not ours, or that is newer than we are."""
    db = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
    try:
        _prepare(db)
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA synchronous = NORMAL")
    if _version(db) < _VERSION:
        db.execute("BEGIN IMMEDIATE")
        for migration in _MIGRATIONS[_version(db) :]:
            for statement in migration.split(";"):
                db.execute(statement)
        db.execute(f"PRAGMA application_id = {_APPLICATION}")
        db.execute(f"PRAGMA user_version = {_VERSION}")
        db.execute("COMMIT")
    # Its mode stays with the file; where others hold it just now, one of them will switch it.
    with suppress(sqlite3.OperationalError):
        db.execute("PRAGMA journal_mode = WAL")


def _version(db: sqlite3.Connection) -> int:
    """The version of the schema, 0 for an empty file. Raises sqlite3.DatabaseError for a file that is not ours."""
    [application] = db.execute("PRAGMA application_id").fetchone()
    [version] = db.execute("PRAGMA user_version").fetchone()
    [tables] = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if (application, version, bool(tables)) == (0, 0, False):
        return 0
    if application != _APPLICATION:
        raise sqlite3.DatabaseError("it belongs to another program")
    if version > _VERSION:
        raise sqlite3.DatabaseError(f"it has version {version}, and this program knows {_VERSION}")
    return int(version)
