"""Notes: what is told beside the answer, on stderr."""

from collections.abc import Callable
from typing import TextIO

__all__ = ["Notes"]


class Notes:
    """Writes notes to a stream, each through `clean`. When `quiet`, only what must be said is said."""

    def __init__(
        self,
        stream: TextIO,
        *,
        quiet: bool = False,
        clean: Callable[[str], str] = str,
    ) -> None:
        self._stream = stream
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
        try:
            self._stream.write(f"{self.clean(text)}\n")
            self._stream.flush()
        except (OSError, ValueError):
            pass
