"""The program as people start it: a real process, with pipes or a real terminal around it."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyte

COMMAND = [sys.executable, "-m", "boticelli_cli"]
PATIENCE = 30.0
"""Seconds after which a process is taken to hang."""


@dataclass(frozen=True)
class Finished:
    code: int
    out: str
    err: str


def boticelli(*arguments: str, stdin: bytes | str = b"", env: Mapping[str, str] | None = None) -> Finished:
    """Run the program with pipes for its three streams."""
    data = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run(
        [*COMMAND, *arguments], input=data, capture_output=True, timeout=PATIENCE, env=_environment(env), check=False
    )
    return Finished(done.returncode, done.stdout.decode(), done.stderr.decode())


def start(*arguments: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start the program with pipes for its streams, and leave it running."""
    return subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_environment(env),
    )


class Terminal:
    """The program in a terminal: `screen` is what a person sees, `history` what has scrolled out above it."""

    def __init__(
        self, *arguments: str, columns: int = 80, lines: int = 24, env: Mapping[str, str] | None = None
    ) -> None:
        self._history = pyte.HistoryScreen(columns, lines, history=10_000, ratio=0.5)
        self._stream = pyte.ByteStream(self._history)
        self.raw = b""
        self.pid, self._handle = pty.fork()
        if self.pid == 0:
            environment = _environment({"TERM": "xterm-256color", **(env or {})})
            os.execvpe(COMMAND[0], [*COMMAND, *arguments], environment)
        fcntl.ioctl(self._handle, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    @property
    def screen(self) -> str:
        return "\n".join(line.rstrip() for line in self._history.display).rstrip()

    @property
    def everything(self) -> str:
        """All lines, those above the screen first."""
        above = [
            "".join(line[x].data for x in range(self._history.columns)).rstrip() for line in self._history.history.top
        ]
        return "\n".join([*above, self.screen])

    @property
    def cursor_is_visible(self) -> bool:
        return not self._history.cursor.hidden

    def read_until(self, seen: Callable[["Terminal"], bool]) -> None:
        """Read what the program writes until `seen` says so."""
        deadline = time.monotonic() + PATIENCE
        while not seen(self):
            assert time.monotonic() < deadline, f"never seen; the screen is:\n{self.screen}"
            assert self._read(0.1), f"the program ended before it was seen; the screen is:\n{self.screen}"

    def read_for(self, seconds: float) -> None:
        """Read what the program writes within some time, or to its end."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and self._read(left):
            pass

    def finish(self) -> int:
        """Read to the end, and return the exit code."""
        deadline = time.monotonic() + PATIENCE
        while self._read(0.1):
            assert time.monotonic() < deadline, f"the program hangs; the screen is:\n{self.screen}"
        os.close(self._handle)
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)

    def type(self, keys: bytes) -> None:
        os.write(self._handle, keys)

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def _read(self, seconds: float) -> bool:
        """Read what there is; False once the program has closed the terminal."""
        ready, _, _ = select.select([self._handle], [], [], seconds)
        if not ready:
            return True
        try:
            data = os.read(self._handle, 65536)
        except OSError:
            return False
        self.raw += data
        self._stream.feed(data)
        return bool(data)


def _environment(more: Mapping[str, str] | None) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), **(more or {})}
