"""A Redis of a test's own, on a free port of this machine, and gateways that share it."""

import asyncio
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import redis.asyncio

from boticelli_cli.sharing.gateways import Gateways

PATIENCE = 10.0
"""Seconds after which what is waited for is taken never to come."""


class RedisServer:
    """A process that a test starts, kills, and starts again on the same port; then it is empty."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder = folder
        self._options = options
        self._process: subprocess.Popen[str] | None = None
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> "RedisServer":
        self._folder.mkdir(parents=True, exist_ok=True)
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
        self._process = subprocess.Popen(
            [*command, "--save", "", "--appendonly", "no", *self._options], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        said = []
        for line in self._process.stdout:
            said.append(line)
            if "Ready to accept connections" in line:
                return self
        raise AssertionError("redis-server does not start:\n" + "".join(said))

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def fall_silent(self) -> None:
        """Take connections and requests, and answer none."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def speak(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Any]:
        """What a test sees of it, beside any gateway."""
        async with redis.asyncio.Redis(port=self.port, decode_responses=True, protocol=2) as client:
            yield client


def is_installed() -> bool:
    return shutil.which("redis-server") is not None


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


async def until(condition: Callable[[], Any]) -> Any:
    """Wait until something holds, or what it awaits does, and return it."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = condition()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.005)


@asynccontextmanager
async def gateways(url: str, number: int, *, prefix: str, **options: Any) -> AsyncIterator[list[Gateways]]:
    """So many gateways, joined."""
    async with AsyncExitStack() as stack:
        found = [Gateways(url, prefix=prefix, **{"pause": 0.05, **options}) for _ in range(number)]
        for each in found:
            await stack.enter_async_context(each.joined())
        yield found
