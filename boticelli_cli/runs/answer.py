"""Answers: as they grow, once they are complete, and on disk, where they are written whole or not at all."""

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from boticelli_cli.errors import SaveError
from boticelli_cli.messages import Finish, Media, Part, Text, Usage
from boticelli_cli.narrative.files import reason_of
from boticelli_cli.narrative.template import ActText

__all__ = ["Answer", "Answered", "write_answer", "write_bytes"]

_PIECES = 1000
"""How many pieces of an answer are kept apart: small ones take ten times the room of their text."""


class Answer:
    """An answer as it grows."""

    def __init__(self, time: Callable[[], float]) -> None:
        self.time = time
        self.started = time()
        self.first_token_seconds: float | None = None
        self._text = ""
        self._pieces: list[str] = []
        self.media: list[Media] = []
        self.finish = Finish("other")

    def touch(self) -> None:
        if self.first_token_seconds is None:
            self.first_token_seconds = round(self.time() - self.started, 6)

    def add_text(self, text: str) -> None:
        self.touch()
        self._pieces.append(text)
        if len(self._pieces) == _PIECES:
            self._join()

    def add_media(self, media: Media) -> None:
        self.touch()
        self.media.append(media)

    def take_text(self) -> str:
        """All that was said, of which nothing is kept here."""
        self._join()
        text, self._text = self._text, ""
        return text

    def turn(self, text: str) -> tuple[Part, ...]:
        """What later acts are told of this answer: of one that was spoken, the words and not the sound of them."""
        silent = [each for each in self.media if each.kind != "audio" or not text]
        return (*((Text(text),) if text else ()), *silent)

    def _join(self) -> None:
        # To a string that nobody else holds, CPython adds in place: there is never a second copy of all.
        text, self._text = self._text, ""
        text += "".join(self._pieces)
        self._text = text
        self._pieces.clear()


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer that is complete. What templates see is a copy of its text, made only when one looks."""

    text: str
    model: str
    usage: Usage

    def for_templates(self) -> ActText:
        return ActText(self.text, model=self.model, usage=self.usage)


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
