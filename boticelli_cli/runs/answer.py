"""Answers on disk: written whole or not at all."""

import os
import tempfile
from pathlib import Path

from boticelli_cli.errors import SaveError

__all__ = ["write_answer"]


def write_answer(path: Path, text: str) -> None:
    """Write an answer to a file as UTF-8, ending in a newline; folders that are missing are made.

    The file is replaced in one step: whoever reads it sees the old answer or the new one. Raises SaveError.
    """
    if text and not text.endswith("\n"):
        text += "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file():  # a device or a pipe is written to, not replaced
            path.write_text(text, encoding="utf-8", errors="replace", newline="")
            return
        target = path.resolve()
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask()
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", errors="replace", newline="") as file:
                file.write(text)
            Path(temporary).chmod(mode)
            Path(temporary).replace(target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SaveError(f"'{path}' cannot be written: {reason}") from error


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
