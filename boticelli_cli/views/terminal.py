"""The modes of a terminal while a view draws on it: taken, given back on every way out, and taken again after `fg`."""

import asyncio
import os
import select
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TextIO

try:
    import termios
except ImportError:  # Windows: there is only the cursor to hide
    termios = None  # type: ignore[assignment]

__all__ = [
    "AUTOWRAP_OFF",
    "AUTOWRAP_ON",
    "ERASE_BELOW",
    "ERASE_LINE",
    "HIDE_CURSOR",
    "PLAIN_TEXT",
    "SHOW_CURSOR",
    "SYNCHRONIZED_OFF",
    "SYNCHRONIZED_ON",
    "Modes",
    "give_back_at_once",
    "in_foreground",
    "lead_nowhere",
    "size",
    "write",
]

SYNCHRONIZED_ON, SYNCHRONIZED_OFF = "\x1b[?2026h", "\x1b[?2026l"
AUTOWRAP_ON, AUTOWRAP_OFF = "\x1b[?7h", "\x1b[?7l"
SHOW_CURSOR, HIDE_CURSOR = "\x1b[?25h", "\x1b[?25l"
PLAIN_TEXT = "\x1b[0m"
ERASE_LINE = "\x1b[2K"
ERASE_BELOW = f"{ERASE_LINE} \x1b[J\r"
"""From a cursor in column 0: its row and all below are blank, and it is there again.

The blank comes first as tmux (`scroll-on-clear`) takes an erasure from the very first cell for a wish to keep what is
on the screen, and moves it to the scrollback.
"""
_SANE = SYNCHRONIZED_OFF + AUTOWRAP_ON + PLAIN_TEXT

_WATCH = r"""
read -r word && exit
printf '\033[?2026l\033[?7h\033[0m\0337 \033[J\0338\033[?25h'
[ $# -gt 0 ] || exit
exec <&1
sleep 0.1
set -f
case " "$(echo $(stty -a))" " in
*" -icanon "*) ;;
*" -echo "*) stty "$@" ;;
esac
"""
"""What a shell does when we are gone without a word: it writes what `Modes` would have, and has keys seen again.

Whoever started us may be quicker, have written a prompt and read keys its own way, without lines and echo, as shells
do. So the cursor is put back where it was, and after a moment only that is changed which still is as we have left it.
"""


@dataclass(frozen=True, slots=True)
class _Found:
    """The flags of a terminal that we turn, as they were found: echoes that were on, and NOFLSH where it was off."""

    on: int = 0
    off: int = 0


class Modes:
    """The terminal of a stream, as long as a view owns it: no cursor, and what is typed is not seen but kept.

    Nor does Ctrl-C or Ctrl-Z throw away what the terminal has yet to show, as it otherwise does: half a frame would
    stay, with text of an answer lost.

    `take` it, and `give_back` in the end; both do nothing the second time, or where the stream is no terminal. In
    between, Ctrl-Z calls `on_stop`, which is to clear the view away; once we are back in the foreground, `on_return`,
    which is to draw it all again. For that an event loop has to be running when it is taken, and both are called in it,
    never in the middle of something else. A stop that we cannot hear of (SIGSTOP) calls `on_loss` if somebody else
    has the terminal when we go on.

    A small shell watches over us, so that even `kill -9` leaves a terminal in which one can type.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        on_stop: Callable[[], object] = lambda: None,
        on_return: Callable[[], object] = lambda: None,
        on_loss: Callable[[], object] = lambda: None,
    ) -> None:
        self._stream = stream
        self._on_stop = on_stop
        self._on_return = on_return
        self._on_loss = on_loss
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watcher: subprocess.Popen[bytes] | None = None
        self._found = _Found()
        self._held = False

    def take(self) -> None:
        """Take the terminal, unless we are in its background."""
        if not self._stream.isatty() or self._loop is not None or self._held:
            return
        self._listen()
        if in_foreground(self._stream):
            self._hold()

    def give_back(self) -> None:
        """Leave the terminal as it was found. The cursor is where the view has left it."""
        self._unlisten()
        self._release()

    def may_draw(self) -> bool:
        """Whether the terminal is ours to draw on: not while we are in the background, where a shell may put us.

        Takes it again when it has become ours without a signal, as after `bg` and `fg`.
        """
        if not self._held and self._loop is not None and in_foreground(self._stream):
            self._come_back()
        return self._held or not self._stream.isatty()

    # Taking and giving back

    def _hold(self) -> None:
        global _holder
        if not self._held:
            self._found = _found_at(self._stream)
            self._watcher = _start_watcher(self._stream, self._found)
        _change(self._stream, on=self._found.off, off=self._found.on)
        self._held, _holder = True, self
        write(self._stream, HIDE_CURSOR)

    def _release(self) -> None:
        """Undo what `_hold` has done; flags only if they are still ours to change, or the system would stop us."""
        global _holder
        if not self._held:
            return
        write(self._stream, _SANE + SHOW_CURSOR)
        if in_foreground(self._stream):
            _change(self._stream, on=self._found.on, off=self._found.off)
        self._held, _holder = False, None
        self._dismiss_watcher()

    def give_back_at_once(self) -> None:
        """As `give_back`, from within a signal handler, for a process that ends now: what is drawn is erased."""
        _change(self._stream, on=self._found.on, off=self._found.off)
        descriptor = self._stream.fileno()
        if not select.select([], [descriptor], [], 0)[1]:
            return  # somebody has pressed Ctrl-S, and nobody should wait for Ctrl-Q: the watcher will
        with suppress(OSError):
            os.write(descriptor, (_SANE + ERASE_BELOW + SHOW_CURSOR).encode())
        self._dismiss_watcher()

    def _dismiss_watcher(self) -> None:
        watcher, self._watcher = self._watcher, None
        if watcher is None or watcher.stdin is None:
            return
        with suppress(OSError):
            watcher.stdin.write(b"done\n")
        watcher.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            watcher.wait(1)

    # Ctrl-Z, and back

    def _listen(self) -> None:
        """Hear of Ctrl-Z and `fg`, where that is for us to hear: a signal that is ignored stays so."""
        if termios is None or signal.getsignal(signal.SIGTSTP) is not signal.SIG_DFL:
            return
        with suppress(RuntimeError, ValueError):  # there is no loop, or not in the main thread
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGTSTP, self._stop)
            loop.add_signal_handler(signal.SIGCONT, self._continue)
            self._loop = loop

    def _unlisten(self) -> None:
        loop, self._loop = self._loop, None
        if loop is not None and not loop.is_closed():
            loop.remove_signal_handler(signal.SIGTSTP)
            loop.remove_signal_handler(signal.SIGCONT)

    def _stop(self) -> None:
        """Stop, as Ctrl-Z asks for. Where nobody could continue us (an orphan), the system does not let us stop."""
        if self._held:
            self._on_stop()
        self._release()
        self._unlisten()
        signal.raise_signal(signal.SIGTSTP)
        self._listen()
        self._come_back()

    def _continue(self) -> None:
        """Go on after a stop that we were not asked about (SIGSTOP)."""
        if in_foreground(self._stream):
            self._come_back()
        else:
            self._release()
            self._on_loss()

    def _come_back(self) -> None:
        if in_foreground(self._stream):
            self._hold()
            self._on_return()


_holder: Modes | None = None
"""Who owns the terminal: a process has but one, and a signal handler has nobody to ask."""


def give_back_at_once(stream: TextIO) -> None:
    """Leave the terminal of a stream usable, from within a signal handler, by a process that ends now."""
    if _holder is not None:
        _holder.give_back_at_once()
    elif stream.isatty():
        with suppress(OSError):
            os.write(stream.fileno(), f"{SHOW_CURSOR}\n".encode())


def in_foreground(stream: TextIO) -> bool:
    """Whether we may use the terminal of a stream; true also where nobody shares one out."""
    try:
        return os.tcgetpgrp(stream.fileno()) == os.getpgrp()
    except (AttributeError, OSError, ValueError):  # Windows, a pipe, a terminal that is not ours, no file at all
        return True


def write(stream: TextIO, text: str) -> None:
    """Write to a terminal at once. One that is gone takes it and everything after it, and keeps nothing."""
    try:
        stream.write(text)
        stream.flush()
    except (OSError, ValueError):
        lead_nowhere(stream)


def lead_nowhere(stream: TextIO) -> None:
    """Have a stream take everything from now on and keep nothing: not even Python's last flush complains."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def size(stream: TextIO) -> tuple[int, int]:
    """Columns and lines of the very terminal of a stream; 80 and 24 where there is none to ask."""
    try:
        columns, lines = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        columns = lines = 0
    return columns or 80, lines or 24


def _found_at(stream: TextIO) -> _Found:
    if termios is None:
        return _Found()
    with suppress(OSError, termios.error):
        flags = int(termios.tcgetattr(stream.fileno())[3])
        return _Found(on=flags & (termios.ECHO | termios.ECHONL), off=~flags & termios.NOFLSH)
    return _Found()


def _change(stream: TextIO, *, on: int, off: int) -> None:
    """Change these flags and nothing else. What has been typed stays, and nothing is waited for."""
    if termios is None or not (on or off):
        return
    with suppress(OSError, termios.error):
        attributes = termios.tcgetattr(stream.fileno())
        attributes[3] = attributes[3] & ~off | on
        termios.tcsetattr(stream.fileno(), termios.TCSANOW, attributes)


def _start_watcher(stream: TextIO, found: _Found) -> "subprocess.Popen[bytes] | None":
    """A shell that waits for our word or our end. Nothing where there is no shell, or no room for a process.

    It has a session of its own, so that no key and no hangup reaches it, and holds nothing open but the terminal and
    the pipe on which it waits.
    """
    if termios is None:
        return None
    words = [word for flag, word in ((termios.ECHO, "echo"), (termios.ECHONL, "echonl")) if found.on & flag]
    words += ["-noflsh"] * bool(found.off)
    with suppress(OSError, subprocess.SubprocessError):
        return subprocess.Popen(
            ["/bin/sh", "-c", _WATCH, "sh", *words],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=stream.fileno(),
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
    return None
