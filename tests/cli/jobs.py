"""A program in a terminal of its own, started by a leader that acts like a shell (`leader.py`)."""

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.emulator import Emulator
from tests.process import PATIENCE, environment

LEADER = [sys.executable, str(Path(__file__).parent / "leader.py")]


class Job:
    """A program in a terminal of its own, started by a leader that acts like a shell."""

    def __init__(self, *command: str, columns: int = 40, lines: int = 10, env: Mapping[str, str] | None = None) -> None:
        self._handle, self.terminal = pty.openpty()
        self.before = termios.tcgetattr(self.terminal)
        self.emulator = Emulator(columns, lines)
        termios.tcsetwinsize(self._handle, (lines, columns))
        self._leader = subprocess.Popen(
            [*LEADER, str(self.terminal), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[self.terminal],
            bufsize=0,
            env=environment({"TERM": "xterm", **(env or {})}),
        )
        self._told = b""
        self.shown = b""
        self._fed = 0
        self.pid = int(self.hear().removeprefix("started "))

    def order(self, what: str) -> None:
        assert self._leader.stdin is not None
        self._leader.stdin.write(f"{what}\n".encode())

    def hear(self) -> str:
        """What the leader tells next."""
        self.until(lambda: b"\n" in self._told)
        line, _, self._told = self._told.partition(b"\n")
        return line.decode()

    def until(self, condition: Callable[[], object]) -> None:
        """Read what there is to read until something is so."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"it never was so; the screen is:\n{self.emulator.screen}"
            self._read(0.02)

    def _read(self, seconds: float) -> None:
        assert self._leader.stdout is not None
        ready, _, _ = select.select([self._handle, self._leader.stdout], [], [], seconds)
        if self._handle in ready:
            self.shown += os.read(self._handle, 65536)
            self.emulator.feed(self.shown[self._fed :])
            self._fed = len(self.shown)
        if self._leader.stdout in ready:
            self._told += os.read(self._leader.stdout.fileno(), 65536)

    def type(self, keys: bytes) -> None:
        os.write(self._handle, keys)

    def kill(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    @property
    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self.terminal)[3] & termios.ECHO)

    @property
    def is_as_before(self) -> bool:
        """Whether keys are seen, the cursor is, and text wraps, just as when the program was started."""
        emulator = self.emulator
        modes = emulator.cursor_is_visible and emulator.wraps and not emulator.is_synchronizing
        return modes and termios.tcgetattr(self.terminal) == self.before

    def others(self) -> set[int]:
        """The processes that hold the terminal, but for us, the leader and the program."""
        name = os.ttyname(self.terminal)
        known = {os.getpid(), self._leader.pid, self.pid}
        found = set()
        for process in Path("/proc").iterdir():
            with suppress(OSError, ValueError):
                if int(process.name) not in known and any(
                    str(fd.readlink()) == name for fd in process.joinpath("fd").iterdir()
                ):
                    found.add(int(process.name))
        return found

    def close(self) -> None:
        with suppress(OSError):
            os.kill(self.pid, signal.SIGKILL)
        self._leader.kill()
        with self._leader:
            pass
        os.close(self._handle)
        os.close(self.terminal)


@contextmanager
def job(*command: str, columns: int = 40, lines: int = 10, env: Mapping[str, str] | None = None) -> Iterator[Job]:
    """A program in the foreground of a terminal, for as long as a test needs it."""
    started = Job(*command, columns=columns, lines=lines, env=env)
    try:
        yield started
    finally:
        started.close()
