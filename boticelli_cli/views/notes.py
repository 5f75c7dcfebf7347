"""Notes: what is told beside the answer, on stderr."""

import os
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO

__all__ = ["Notes"]


class Notes:
    """Writes notes to a stream, each through `clean`. When `quiet`, only what must be said is said; when `verbose`,
    also what only the curious want to know.

    `dim` is how a text steps back there.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        quiet: bool = False,
        verbose: bool = False,
        clean: Callable[[str], str] = str,
        dim: Callable[[str], str] = str,
    ) -> None:
        self._stream = stream
        self._dim = dim
        self.clean = clean
        self.quiet = quiet
        self.verbose = verbose

    def are_seen_on(self, terminal: TextIO) -> bool:
        """Whether they are read on the same screen, rather than in a file or on another one."""
        if not self._stream.isatty():
            return False
        try:
            ours, its = os.fstat(self._stream.fileno()), os.fstat(terminal.fileno())
        except (OSError, ValueError):  # no files at all
            return True
        return ours.st_rdev == its.st_rdev

    def say(self, text: str) -> None:
        """Tell something that a person may want to know."""
        if not self.quiet:
            self.must_say(text)

    def must_say(self, text: str) -> None:
        """Tell something that must not be lost. A reader that is gone is no reason to stop."""
        self._write(f"{self.clean(text)}\n")

    def murmur(self, text: str) -> None:
        """Let a text be seen as it is, stepping back: no line of its own, and nothing that must be said."""
        if not self.quiet:
            self._write(self._dim(self.clean(text)))

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()
