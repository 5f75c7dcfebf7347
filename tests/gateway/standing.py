"""A server that stands: in a thread beside the test, or as a process of its own, with an app that does as it is asked.

As a process: python -m tests.gateway.standing '{"port": 0, "grace": 5}' [WORKERS]
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

from boticelli_cli.errors import ProviderError
from boticelli_cli.gateway.bounds import BodyBounds, read_body
from boticelli_cli.gateway.listening import Listening, bind
from boticelli_cli.gateway.server import new_loop, serve
from boticelli_cli.gateway.stopping import INTERRUPTED, Stopping
from boticelli_cli.gateway.workers import draining_with_parent, inherited, supervise, tell_parent
from boticelli_cli.wire.failure import status_of
from tests.process import PATIENCE, environment

BOUNDS = BodyBounds(most=1_000_000, silence=0.3)


class App:
    """`/who` tells who asks, `/body` the size of a body that is bounded, `/talk` says again what it hears until it is
    cut, `/deaf` never ends, whatever happens. `left` counts those who left `/talk`."""

    def __init__(self, stopping: Stopping) -> None:
        self.stopping = stopping
        self.left = 0
        self._cut = asyncio.Event()
        stopping.when_cut(self._cut.set)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        match scope["path"]:
            case "/talk":
                await self._talk(receive, send)
            case "/deaf":
                await _start(send)
                await _say(send, b"deaf")
                await asyncio.Event().wait()
            case "/die":
                os._exit(7)
            case "/body":
                await self._body(scope, receive, send)
            case _:
                who = {"client": scope["client"][0], "scheme": scope["scheme"], "pid": os.getpid()}
                await _answer(send, json.dumps(who).encode())

    async def _body(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            body = await read_body(scope, receive, BOUNDS)
        except ProviderError as error:
            await _answer(send, error.message.encode(), status=status_of(error))
        else:
            if body is not None:
                await _answer(send, str(len(body)).encode())

    async def _talk(self, receive: Any, send: Any) -> None:
        await _start(send)
        await _say(send, b"hello;")
        cut = asyncio.ensure_future(self._cut.wait())
        try:
            while True:
                heard = asyncio.ensure_future(receive())
                await asyncio.wait({cut, heard}, return_when=asyncio.FIRST_COMPLETED)
                if not heard.done():
                    heard.cancel()
                    await _say(send, b"cut", more=False)
                    return
                message = heard.result()
                if message["type"] == "http.disconnect":
                    self.left += 1
                    return
                await _say(send, message["body"], more=message["more_body"])
                if not message["more_body"]:
                    return
        finally:
            cut.cancel()


async def _start(send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})


async def _say(send: Any, body: bytes, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def _answer(send: Any, body: bytes, *, status: int = 200) -> None:
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@dataclass
class Standing:
    """A server in a thread. `stop` is called from outside of it."""

    url: str
    app: App
    loop: asyncio.AbstractEventLoop
    thread: threading.Thread

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def call(self, name: str) -> None:
        """Drain, cut or end."""
        self.loop.call_soon_threadsafe(getattr(self.app.stopping, name))

    @property
    def is_over(self) -> bool:
        return not self.thread.is_alive()


@contextlib.contextmanager
def standing(listening: Listening | None = None) -> Iterator[Standing]:
    """A server on a free port, from here to its end."""
    listening = replace(listening or Listening(), port=0)
    ready: Future[tuple[str, App, asyncio.AbstractEventLoop]] = Future()

    async def run() -> None:
        stopping = Stopping()
        app, loop = App(stopping), asyncio.get_running_loop()
        await serve(app, listening, stopping=stopping, on_ready=lambda url: ready.set_result((url, app, loop)))

    def work() -> None:
        try:
            with asyncio.Runner(loop_factory=new_loop) as runner:
                runner.run(run())
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)

    thread = threading.Thread(target=work, name="standing", daemon=True)
    thread.start()
    here = Standing(*ready.result(PATIENCE), thread)
    try:
        yield here
    finally:
        if not here.is_over:
            here.call("end")
        thread.join(PATIENCE)


class Client:
    """A client that says what it is told to, byte by byte."""

    def __init__(self, port: int, *, secure: ssl.SSLContext | None = None) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        if secure is not None:
            self.socket = secure.wrap_socket(self.socket, server_hostname="127.0.0.1")
        self.read = b""

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def say(self, data: str | bytes) -> None:
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def ask(self, path: str, *headers: str, method: str = "GET", body: str = "") -> None:
        lines = [f"{method} {path} HTTP/1.1", "host: localhost", *headers]
        if body:
            lines.append(f"content-length: {len(body)}")
        self.say("\r\n".join(lines) + "\r\n\r\n" + body)

    def talk(self) -> None:
        """Begin a talk: what is said with `chunk` is answered."""
        self.ask("/talk", "transfer-encoding: chunked", method="POST")
        self.hear("hello;")

    def chunk(self, text: str) -> None:
        self.say(f"{len(text):x}\r\n{text}\r\n" if text else "0\r\n\r\n")

    def hear(self, text: str) -> str:
        """Read until a text has come; it, and all before it."""
        wanted = text.encode()
        while wanted not in self.read:
            data = self.socket.recv(65536)
            assert data, f"it was closed before {text!r} came, after {self.read!r}"
            self.read += data
        before, _, self.read = self.read.partition(wanted)
        return (before + wanted).decode()

    def hear_all(self) -> str:
        """Read until the connection is closed."""
        while data := self.socket.recv(65536):
            self.read += data
        heard, self.read = self.read.decode(), b""
        return heard


def reply(port: int, path: str, *headers: str, method: str = "GET", body: str = "") -> tuple[int, str]:
    """The status and the body of an answer, by a connection of its own."""
    with Client(port) as client:
        client.ask(path, "connection: close", *headers, method=method, body=body)
        head, _, content = client.hear_all().partition("\r\n\r\n")
        return int(head.split()[1]), content


@contextlib.contextmanager
def standing_process(workers: int = 0, **listening: Any) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The server as a process, or as several, and its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.gateway.standing", json.dumps({"port": 0, **listening}), str(workers)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(None),
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()
        yield process, int(line.rpartition(b":")[2])
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=PATIENCE)


async def _main(given: str, workers: int) -> int:
    stopping = Stopping()
    listening = Listening(**json.loads(given))
    with stopping.heeding_signals():
        if (sockets := inherited(os.environ)) is not None:
            with draining_with_parent(stopping):
                await serve(App(stopping), listening, stopping=stopping, sockets=sockets, on_ready=_told)
            return 0
        if workers:
            sockets = bind(listening)
            port = sockets[0].getsockname()[1]
            command = [sys.executable, "-m", "tests.gateway.standing", given]
            code = await supervise(
                command,
                count=workers,
                sockets=sockets,
                environ=os.environ,
                grace=listening.grace,
                stopping=stopping,
                on_ready=lambda: print(f"ready:{port}", flush=True),
                warn=lambda message: print(message, file=sys.stderr, flush=True),
            )
            return code or _exit_code(stopping)
        await serve(App(stopping), listening, stopping=stopping, on_ready=lambda url: print(url, flush=True))
    return _exit_code(stopping)


def _exit_code(stopping: Stopping) -> int:
    return INTERRUPTED if stopping.was_interrupted else 0


def _told(_url: str) -> None:
    tell_parent()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with asyncio.Runner(loop_factory=new_loop) as runner:
        code = runner.run(_main(sys.argv[1], int((sys.argv[2:] or ["0"])[0])))
    sys.exit(code)
