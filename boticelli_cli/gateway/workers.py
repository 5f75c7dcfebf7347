"""Several processes behind one socket: started, watched, started again when they die, and stopped together.

A worker is a command of its own that takes the sockets it inherits. It writes a line to its standard output once it
serves, and stops as on SIGTERM when its standard input ends: it never outlives whoever started it.
"""

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from socket import socket

from boticelli_cli.errors import UsageError
from boticelli_cli.gateway.stopping import Stopping

__all__ = ["METRICS_FOLDER", "SOCKETS", "draining_with_parent", "inherited", "supervise", "tell_parent"]

SOCKETS = "BOTICELLI_SERVE_SOCKETS"
"""The variable that names the descriptors of the sockets a worker inherits."""

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Where the workers' metrics are gathered: https://prometheus.github.io/client_python/multiprocess/."""

_LONG_LIVED = 30.0
"""Seconds after which a worker's death is a new one, rather than one more."""

_LONGEST_PAUSE = 30.0

_MARGIN = 5.0
"""Seconds after the grace that a worker has for its own end."""


async def supervise(
    command: Sequence[str],
    *,
    count: int,
    sockets: Sequence[socket],
    environ: Mapping[str, str],
    grace: float,
    stopping: Stopping,
    on_ready: Callable[[], None] = lambda: None,
    warn: Callable[[str], None] = lambda message: None,
) -> int:
    """Keep so many workers running until `stopping` says otherwise, and return the exit code.

    The sockets are closed. `on_ready` is called when the first worker serves. One that dies is started again, after a
    pause that grows while it keeps dying; where none has ever served, its exit code is returned: it would be the same
    again. On `drain` each gets SIGTERM; what is left after the grace, or on `end`, is killed.
    """
    if sys.platform == "win32":
        raise UsageError("several workers share a socket, which Windows has not", hint="leave --workers out")
    with tempfile.TemporaryDirectory(prefix="boticelli-metrics-") as folder:
        team = _Team(command, sockets, {**environ, METRICS_FOLDER: folder}, grace, stopping, on_ready, warn)
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(count):
                    tasks.create_task(team.keep_one(), name="worker")
        finally:
            for each in sockets:
                each.close()
    return team.exit_code


def inherited(environ: Mapping[str, str]) -> list[socket] | None:
    """The sockets that a worker is to serve; nothing in a process that is no worker."""
    named = environ.get(SOCKETS)
    return [socket(fileno=int(number)) for number in named.split(",")] if named else None


def tell_parent() -> None:
    """Say that this worker serves."""
    with contextlib.suppress(OSError):
        print("ready", flush=True)


@contextmanager
def draining_with_parent(stopping: Stopping) -> Iterator[None]:
    """Drain when whoever started this worker is gone: its end of our standard input is closed then."""
    loop = asyncio.get_running_loop()

    def look() -> None:
        if not os.read(0, 1024):
            loop.remove_reader(0)
            stopping.drain()

    loop.add_reader(0, look)
    try:
        yield
    finally:
        loop.remove_reader(0)


class _Team:
    """What the workers have in common."""

    def __init__(
        self,
        command: Sequence[str],
        sockets: Sequence[socket],
        environ: Mapping[str, str],
        grace: float,
        stopping: Stopping,
        on_ready: Callable[[], None],
        warn: Callable[[str], None],
    ) -> None:
        self.exit_code = 0
        self._command = command
        self._files = tuple(each.fileno() for each in sockets)
        self._environ = {**environ, SOCKETS: ",".join(map(str, self._files))}
        self._grace = grace
        self._stopping = stopping
        self._on_ready = on_ready
        self._warn = warn
        self._has_served = False

    async def keep_one(self) -> None:
        """Have one worker run, and another when it dies, until there are to be none."""
        clock = asyncio.get_running_loop().time
        deaths = 0
        while not self._stopping.is_draining:
            started = clock()
            code = await self._run_one()
            if self._stopping.is_draining:
                return
            if not self._has_served:
                self.exit_code = code if code > 0 else 1
                self._stopping.drain()
                return
            deaths = 0 if clock() - started > _LONG_LIVED else deaths + 1
            pause = 0.0 if deaths <= 1 else min(2.0 ** (deaths - 2), _LONGEST_PAUSE)
            self._warn(f"a worker died ({_how(code)}); another is started" + (f" in {pause:g} s" if pause else ""))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait_draining()

    async def _run_one(self) -> int:
        """Run one worker to its end, and return its exit code, which is negative for a signal."""
        process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=PIPE,
            stdout=PIPE,
            env=self._environ,
            pass_fds=self._files,
            start_new_session=True,  # Ctrl-C is for us: we tell them
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                listening = tasks.create_task(self._hear(process))
                ending = tasks.create_task(self._end_in_time(process))
                code = await process.wait()
                listening.cancel()
                ending.cancel()
        finally:
            if process.returncode is None:
                process.kill()
                await asyncio.shield(process.wait())
            self._forget(process.pid)
        return code

    async def _hear(self, process: Process) -> None:
        """Hear when it serves. What else it writes there is read and forgotten: it must not wait for a reader."""
        assert process.stdout is not None
        async for _ in process.stdout:
            if not self._has_served:
                self._has_served = True
                self._on_ready()

    async def _end_in_time(self, process: Process) -> None:
        await self._stopping.wait_draining()
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._grace + _MARGIN):
                await self._stopping.wait_over()
        with contextlib.suppress(ProcessLookupError):
            process.kill()

    def _forget(self, pid: int) -> None:
        """Have no gauge count what a dead worker had under way."""
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(pid, self._environ[METRICS_FOLDER])  # type: ignore[no-untyped-call]


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"
