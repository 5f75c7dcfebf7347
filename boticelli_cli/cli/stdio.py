"""Standard input, output and error: what the program may rely on, whatever it was started with."""

import io
import os
import sys
from contextlib import suppress
from typing import TextIO, cast

__all__ = ["cleaned", "leave_stdout", "prepare_streams", "printable"]


def prepare_streams() -> None:
    """Have three open streams, the two outputs in UTF-8.

    No answer is lost to a terminal's code page, or to half a character in it; a stream that was closed (`>&-`)
    takes everything and keeps nothing.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = getattr(sys, name)
        if stream is None:
            with suppress(OSError):
                os.fstat(number)
                continue  # open, but not for this: left alone
            descriptor = os.open(os.devnull, os.O_RDWR)
            stream = open(descriptor, "r" if number == 0 else "w", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None and number > 0:
            reconfigure(encoding="utf-8", errors="replace")


def leave_stdout() -> None:
    """Stop writing to a stream that takes nothing more."""
    from boticelli_cli.views.terminal import lead_nowhere

    lead_nowhere(sys.stdout)


def printable(text: str) -> str:
    """A text that only writes: what would move the cursor, ring the bell or rename the window is shown instead."""
    return text.translate(_SHOWN)


_SHOWN = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


def cleaned(terminal: TextIO) -> TextIO:
    """A terminal that shows what is written to it and is not commanded by it. Raw output is for pipes."""
    return cast(TextIO, _CleanWriter(terminal))


class _CleanWriter(io.TextIOBase):
    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal

    def write(self, text: str) -> int:
        self._terminal.write(printable(text))
        return len(text)

    def flush(self) -> None:
        self._terminal.flush()
