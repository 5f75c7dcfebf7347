"""SQLite files of ours, which all processes of a machine share: made, marked, and brought to their newest version."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Schema", "connect", "create", "transaction"]


@dataclass(frozen=True, slots=True)
class Schema:
    """What a file holds: its mark in SQLite's header, and what makes each version of it of the one before.

    The first migration makes it of an empty file. Migrations are statements, with a `;` between them.
    """

    application: int
    migrations: tuple[str, ...]

    @property
    def version(self) -> int:
        return len(self.migrations)


def create(path: Path) -> None:
    """Make an empty file that only its owner reads, unless there is one.

    One that exists is not even opened: closing it again would drop the locks that this process holds on it.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def connect(path: str, schema: Schema, *, patience: float, any_thread: bool = False) -> sqlite3.Connection:
    """Open a file, with all its tables. Raises sqlite3.Error for one that is not ours, or that is newer than we are.

    `patience` is how many seconds another process may hold the file. With `any_thread` the connection belongs to
    whichever thread uses it, one at a time; else to the one that has opened it.
    """
    db = sqlite3.connect(path, timeout=patience, isolation_level=None, check_same_thread=not any_thread)
    try:
        _prepare(db, schema)
    except BaseException:
        db.close()
        raise
    return db


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Do all of something or nothing of it, while no other process writes."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise


def _prepare(db: sqlite3.Connection, schema: Schema) -> None:
    db.execute("PRAGMA synchronous = NORMAL")
    if _version(db, schema) < schema.version:
        with transaction(db):
            for migration in schema.migrations[_version(db, schema) :]:
                for statement in migration.split(";"):
                    db.execute(statement)
            db.execute(f"PRAGMA application_id = {schema.application}")
            db.execute(f"PRAGMA user_version = {schema.version}")
    # Its mode stays with the file; where others hold it just now, one of them will switch it.
    with suppress(sqlite3.OperationalError):
        db.execute("PRAGMA journal_mode = WAL")


def _version(db: sqlite3.Connection, schema: Schema) -> int:
    """The version of a file, 0 for an empty one. Raises sqlite3.DatabaseError for a file that is not ours."""
    [application] = db.execute("PRAGMA application_id").fetchone()
    [version] = db.execute("PRAGMA user_version").fetchone()
    [tables] = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if (application, version, bool(tables)) == (0, 0, False):
        return 0
    if application != schema.application:
        raise sqlite3.DatabaseError("it belongs to another program")
    if version > schema.version:
        raise sqlite3.DatabaseError(f"it has version {version}, and this program knows {schema.version}")
    return int(version)
