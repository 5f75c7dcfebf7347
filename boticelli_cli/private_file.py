"""Files that only their owner reads, replaced in one step, and written by one process at a time."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from boticelli_cli.errors import ConfigError, Problem, SaveError
from boticelli_cli.narrative.files import reason_of

__all__ = ["close_to_others", "locked", "write_private"]


def close_to_others(path: Path) -> bool:
    """See to it that nobody else can read a file: whether that had to be mended.

    Raises OSError for one that cannot be looked at, and ConfigError where it cannot be mended.
    """
    if os.name != "posix" or not path.stat().st_mode & 0o077:
        return False
    try:
        path.chmod(0o600)
    except OSError:
        message = "others can read the keys in this file, and it is not yours to change; they are not used"
        raise ConfigError([Problem(message, str(path))]) from None
    return True


def write_private(path: Path, data: bytes) -> None:
    """Replace a file in one step, by one that only its owner can read. Raises SaveError."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        target = path.resolve()
        temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        try:
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(data)
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise SaveError(f"'{path}' cannot be written: {reason_of(error)}") from None


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold what other processes wait for that want to change a file. Raises SaveError.

    The lock is on a file beside it, which stays: the file itself is replaced with every change.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path.resolve().with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise SaveError(f"'{path}' cannot be written: {reason_of(error)}") from None
    try:
        try:
            _lock(handle)
        except OSError as error:
            raise SaveError(f"'{path}' cannot be locked: {reason_of(error)}") from None
        yield
    finally:
        os.close(handle)  # which gives the lock back


if os.name == "nt":

    def _lock(handle: int) -> None:
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined,unused-ignore]

else:

    def _lock(handle: int) -> None:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX)
