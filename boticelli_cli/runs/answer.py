"""Answers on disk: written whole or not at all."""

import os
import secrets
from pathlib import Path

from boticelli_cli.errors import SaveError
from boticelli_cli.narrative.files import reason_of

__all__ = ["write_answer", "write_bytes"]


def write_answer(path: Path, text: str) -> None:
    """Write an answer to a file as UTF-8, ending in a newline; folders that are missing are made.

    The file is replaced in one step: whoever reads it sees the old answer or the new one. Raises SaveError.
    """
    if text and not text.endswith("\n"):
        text += "\n"
    write_bytes(path, text.encode("utf-8", errors="replace"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file as `write_answer` does. Raises SaveError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file():  # a device or a pipe is written to, not replaced
            path.write_bytes(data)
            return
        _replace(path.resolve(), data)
    except (OSError, ValueError) as error:
        raise SaveError(f"'{path}' cannot be written: {reason_of(error)}") from error


def _replace(target: Path, data: bytes) -> None:
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)  # less what the umask takes
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        if target.exists():
            temporary.chmod(target.stat().st_mode & 0o777)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
