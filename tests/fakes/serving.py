"""Serving a fake: in the test's own event loop, in a thread beside it, or as a process of its own."""

import argparse
import asyncio
import contextlib
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import trustme
from aiohttp import web

_BACKLOG = 4096


class Served:
    """A service on two ports of this machine, one of them with TLS, from `async with` to its end.

    `connections` counts those that were accepted, `running` the requests under way, `most_running` the most at once.
    A client that leaves while it is being answered cancels the answer. `loop` is where a test in another thread has to
    run what it wants done: `asyncio.run_coroutine_threadsafe(session.close(1011), fake.loop).result()`.
    """

    loop: asyncio.AbstractEventLoop

    def __init__(self, *, port: int = 0, tls_port: int = 0) -> None:
        self._ports = (port, tls_port)
        self.connections = 0
        self.running = 0
        self.most_running = 0
        self.url = ""
        self.tls_url = ""
        self.ca_file = ""
        self._ending = False

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="fake-")
        self.ca_file = str(Path(self._folder.name, "ca.pem"))
        authority, secure = _certificate()
        authority.cert_pem.write_to_path(self.ca_file)
        self._server = web.Server(
            self._counted, request_factory=_request, handler_cancellation=True, access_log=None, lingering_time=0
        )
        plain, tls = (socket.create_server(("127.0.0.1", port), backlog=_BACKLOG) for port in self._ports)
        self.url = f"http://127.0.0.1:{plain.getsockname()[1]}"
        self.tls_url = f"https://127.0.0.1:{tls.getsockname()[1]}"
        self.loop = asyncio.get_running_loop()
        self._listeners = [
            await self.loop.create_server(self._accept, sock=plain, backlog=_BACKLOG),
            await self.loop.create_server(self._accept, sock=tls, backlog=_BACKLOG, ssl=secure),
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ending = True
        for listener in self._listeners:
            listener.close()
        transports = [connection.transport for connection in self._server.connections]
        await self._server.shutdown(0.001)
        for transport in transports:
            if isinstance(transport, asyncio.Transport):
                transport.abort()
        for listener in self._listeners:
            await listener.wait_closed()
        for _ in range(3):
            await asyncio.sleep(0)
        self._folder.cleanup()

    def _accept(self) -> asyncio.Protocol:
        self.connections += 1
        return self._server()

    async def _counted(self, request: web.BaseRequest) -> web.StreamResponse:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            return await self.handle(request)
        finally:
            self.running -= 1


def _request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=2**31)


@cache
def _certificate() -> tuple[trustme.CA, ssl.SSLContext]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return authority, context


Fake = TypeVar("Fake", bound=Served)
Made = TypeVar("Made")


def serving(fake: Fake) -> AbstractContextManager[Fake]:
    """Serve from a thread, for tests that start real processes."""
    return in_thread(fake)


@contextlib.contextmanager
def in_thread(context: AbstractAsyncContextManager[Made]) -> Iterator[Made]:
    """What an asynchronous context makes, in an event loop beside the test's own thread, which may block."""
    ready: Future[tuple[Made, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        async with context as made:
            end = asyncio.Event()
            ready.set_result((made, asyncio.get_running_loop(), end))
            await end.wait()

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)

    thread = threading.Thread(target=run, name="served", daemon=True)
    thread.start()
    made, loop, end = ready.result()
    try:
        yield made
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join()


def until(condition: Callable[[], object], *, patience: float = 10.0) -> None:
    """Wait in a test for what happens in the thread that serves."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)


@contextlib.contextmanager
def own_process(module: str, *arguments: str) -> Iterator[tuple[str, str, str]]:
    """Serve from a process, for benchmarks: its URL, its TLS URL and its authority's file."""
    command = [sys.executable, "-m", module, *arguments]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root) as process:
        assert process.stdout is not None
        try:
            url, tls_url, ca_file = (process.stdout.readline().decode().strip() for _ in range(3))
            yield url, tls_url, ca_file
        finally:
            process.terminate()


async def serve_until_stopped(fake: Served) -> None:
    """Print the URL, the TLS URL and the authority's file, a line each, and serve until a signal comes."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with fake:
        print(fake.url, fake.tls_url, fake.ca_file, sep="\n", flush=True)
        await stop.wait()


def port_arguments(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tls-port", type=int, default=0)
    return parser
