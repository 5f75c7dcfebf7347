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
        verbose: bool = False,
        clean: Callable[[str], str] = str,
    ) -> None:
        self._stream = stream
        self._clean = clean
        self.quiet = quiet
        self.verbose = verbose

    def say(self, text: str) -> None:
        """Tell something that a person may want to know."""
        if not self.quiet:
            self.must_say(text)

    def must_say(self, text: str) -> None:
        """Tell something that must not be lost. A reader that is gone is no reason to stop."""
        try:
            self._stream.write(f"{self._clean(text)}\n")
            self._stream.flush()
        except (OSError, ValueError):
            pass
