"""Notes: what is told beside the answer, on stderr."""

from collections.abc import Callable
from contextlib import suppress
from typing import TextIO

__all__ = ["Notes"]


class Notes:
    """Writes notes to a stream, each through `clean`. When `quiet`, only what must be said is said.

    `dim` is how a text steps back there.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        quiet: bool = False,
        clean: Callable[[str], str] = str,
        dim: Callable[[str], str] = str,
    ) -> None:
        self._stream = stream
        self._dim = dim
        self.clean = clean
        self.quiet = quiet

    @property
    def on_terminal(self) -> bool:
        """Whether the notes are read on a screen, rather than in a file."""
        return self._stream.isatty()

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
