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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.emulator import Emulator

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
        [*COMMAND, *arguments], input=data, capture_output=True, timeout=PATIENCE, env=environment(env), check=False
    )
    return Finished(done.returncode, done.stdout.decode(), done.stderr.decode())


def start(*arguments: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start the program with pipes for its streams, and leave it running."""
    return subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(env),
    )


class Terminal:
    """The program in a terminal: `screen` is what a person sees, `everything` all lines, those above it first.

    With `reflow` it wraps its lines anew when it is resized, as most terminals do; without, it cuts them, as xterm.
    """

    def __init__(
        self,
        *arguments: str,
        columns: int = 80,
        lines: int = 24,
        env: Mapping[str, str] | None = None,
        reflow: bool = True,
        command: Sequence[str] = COMMAND,
    ) -> None:
        self.emulator = Emulator(columns, lines, reflow=reflow)
        self.raw = b""
        self.pid, self._handle = pty.fork()
        if self.pid == 0:
            env = environment({"TERM": "xterm-256color", **(env or {})})
            os.execvpe(command[0], [*command, *arguments], env)
        self._tell_size()

    @property
    def screen(self) -> str:
        return self.emulator.screen

    @property
    def everything(self) -> str:
        return self.emulator.everything

    @property
    def cursor_is_visible(self) -> bool:
        return self.emulator.cursor_is_visible

    def resize(self, columns: int, lines: int) -> None:
        """Give the terminal another size, and let the program know."""
        self.emulator.resize(columns, lines)
        self._tell_size()

    def _tell_size(self) -> None:
        size = struct.pack("HHHH", self.emulator.lines, self.emulator.columns, 0, 0)
        fcntl.ioctl(self._handle, termios.TIOCSWINSZ, size)

    def read_until(self, seen: Callable[["Terminal"], bool]) -> None:
        """Read what the program writes until `seen` says so."""
        deadline = time.monotonic() + PATIENCE
        while self.emulator.is_synchronizing or not seen(self):  # half a frame is seen by nobody
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
        self.emulator.feed(data)
        return bool(data)


def environment(more: Mapping[str, str] | None) -> dict[str, str]:
    """Our environment for another Python that is to find what we do, and `more`."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), **(more or {})}
