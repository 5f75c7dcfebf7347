"""The media that acts make, each piece in a file of its own."""

import itertools
import mimetypes
import os
import re
from contextlib import suppress
from pathlib import Path

from boticelli_cli.errors import SaveError
from boticelli_cli.messages import Media
from boticelli_cli.narrative.files import reason_of
from boticelli_cli.runs.answer import write_bytes

__all__ = ["MediaFolder"]


class MediaFolder:
    """A folder that media are kept in, as `<act>-<n>.<ending>`. No file that is there is ever written over.

    A `private` one is made so that nobody else on this machine can look into it or its files; the rights of
    others are as their owner has them.
    """

    def __init__(self, path: Path, *, private: bool = False) -> None:
        self._path = path.absolute()
        self._private = private
        self._numbers: dict[str, int] = {}

    def keep(self, act: str, media: Media) -> Path:
        """Write a piece of media that has its bytes, and return the path of its file. Raises SaveError."""
        try:
            self._make()
            path = self._reserve(_stem_of(act), _ending_of(media.mime))
        except OSError as error:
            raise SaveError(f"'{error.filename or self._path}' cannot be made: {reason_of(error)}") from error
        try:
            write_bytes(path, media.data or b"")
        except SaveError:
            with suppress(OSError):
                path.unlink()
            raise
        return path

    def _make(self) -> None:
        if self._private:  # one by one: `parents=True` would make those between as anybody may read them
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path.mkdir(mode=0o700, exist_ok=True)
        else:
            self._path.mkdir(parents=True, exist_ok=True)

    def _reserve(self, stem: str, ending: str) -> Path:
        """Make an empty file under the next free number, which nobody else can take from then on."""
        if stem not in self._numbers:
            self._numbers[stem] = self._highest(stem)
        for number in itertools.count(self._numbers[stem] + 1):
            path = self._path / f"{stem}-{number}{ending}"
            try:
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600 if self._private else 0o666))
            except FileExistsError:
                continue
            self._numbers[stem] = number
            return path
        raise AssertionError("numbers never end")

    def _highest(self, stem: str) -> int:
        """The highest number that is taken, whatever the ending: what one run makes is not to look like another's."""
        numbered = re.compile(re.escape(stem) + r"-([0-9]{1,9})\.")
        found = [numbered.match(each.name) for each in self._path.iterdir()]
        return max((int(each[1]) for each in found if each), default=0)


_LONGEST = 120
"""Bytes of an act's name in that of a file. A file's name may have 255, and while it is written it has a few more."""


def _stem_of(act: str) -> str:
    safe = re.sub(r"[^\w-]", "_", act).lstrip("-")
    return safe.encode(errors="replace")[:_LONGEST].decode(errors="ignore") or "act"


_ENDINGS = {
    "application/json": ".json",
    "application/pdf": ".pdf",
    "audio/l16": ".pcm",
    "audio/mpeg": ".mp3",
    "audio/pcm": ".pcm",
    "audio/wav": ".wav",
    "image/gif": ".gif",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/webp": ".webp",
    "text/plain": ".txt",
    "video/mp4": ".mp4",
}
"""The usual ones; Python's own table differs from machine to machine."""


def _ending_of(mime: str) -> str:
    plain = mime.partition(";")[0].strip().lower()
    return _ENDINGS.get(plain) or mimetypes.guess_extension(plain, strict=False) or ".bin"
