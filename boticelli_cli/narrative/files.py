"""Files: what is there, what can be read, what can be written, and why not."""

import os
from pathlib import Path

__all__ = ["MAX_BYTES", "is_folder", "is_regular", "read_bounded", "reason_of", "why_no_folder", "why_not_writable"]

MAX_BYTES = 256_000_000
"""The most that is read of a file, or of what is piped in."""


def reason_of(error: Exception) -> str:
    """Why the system refused something, in its own words."""
    return str(getattr(error, "strerror", None) or error)


def is_regular(path: Path) -> bool:
    """Whether there is an ordinary file. What the system refuses to look for is not there."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Whether there is a folder. What the system refuses to look for is not there."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def why_not_writable(path: Path) -> str | None:
    """Why no file can be written at a path, as far as can be told without trying; None if one can."""
    if is_folder(path):
        return "this is a folder"
    try:
        os.fsencode(path)
        path.stat()
    except FileNotFoundError:
        parent = next((each for each in path.parents if os.path.lexists(each)), None)
        return None if parent is None or is_folder(parent) else f"'{parent}' is no folder"
    except (OSError, ValueError) as error:
        return reason_of(error) if isinstance(error, OSError) else "no file can have this name"
    return None


def why_no_folder(path: Path) -> str | None:
    """Why no files can be put into a folder, which may have to be made first; None if they can, as far as is known."""
    if is_folder(path):
        return None if os.access(path, os.W_OK | os.X_OK) else "nothing may be written there"
    return "this is no folder" if os.path.lexists(path) else why_not_writable(path)


def read_bounded(path: Path) -> bytes:
    """The bytes of a file or a pipe. Raises OSError, and ValueError for more than anybody could send."""
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"it is larger than {MAX_BYTES // 1_000_000} MB")
    return data
