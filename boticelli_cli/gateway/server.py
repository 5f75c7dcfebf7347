"""Serving an app over HTTP/1.1 with uvicorn's protocol, from the sockets to the last answer.

It keeps its own order of ending, which uvicorn's server has not: drain, grace, cut, close.
"""

import asyncio
import contextlib
import ssl
from asyncio import AbstractEventLoop
from collections.abc import Callable, Sequence
from email.utils import formatdate
from socket import socket
from typing import TYPE_CHECKING, Any

from uvicorn.config import Config
from uvicorn.server import ServerState

from boticelli_cli.gateway.bounds import closing_unread
from boticelli_cli.gateway.connection import Connection
from boticelli_cli.gateway.listening import Listening, address_of, bind, tls_context
from boticelli_cli.gateway.stopping import Stopping

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["new_loop", "serve"]

_LAST_WORDS = 2.0
"""Seconds in which streams may still say that they are cut."""

_CANCELLED = 1.0
"""Seconds in which what has been cancelled may give back what it holds."""

_LOOK = 0.02
"""Seconds after which is looked again whether all has ended."""

_HANDSHAKE = 10.0
"""Seconds for a TLS handshake."""

_FAREWELL = 1.0
"""Seconds for the other side of TLS to say goodbye. Clients that keep an idle connection do not look at it."""


async def serve(
    app: "ASGIApp",
    listening: Listening,
    *,
    stopping: Stopping | None = None,
    sockets: Sequence[socket] | None = None,
    on_ready: Callable[[str], None] = lambda url: None,
    on_draining: Callable[[int], None] = lambda under_way: None,
) -> None:
    """Serve until `stopping` says otherwise, or until cancelled; then every connection is closed.

    `on_ready` is told the URL once connections are taken, `on_draining` how many requests are under way when no more
    are. `sockets` are those of `bind`, and are closed. The app's lifespan is not run: whoever made it owns what it
    holds, around this call. Raises UsageError for what cannot be listened at.
    """
    sockets = list(sockets) if sockets is not None else bind(listening)
    try:
        server = _Server(app, listening, stopping or Stopping(), tls_context(listening))
        await server.run(sockets, on_ready, on_draining)
    finally:
        for each in sockets:
            each.close()


def new_loop() -> AbstractEventLoop:
    """An event loop for servers: uvloop's, where there is one."""
    try:
        import uvloop
    except ImportError:  # on Windows
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


class _Server:
    def __init__(self, app: "ASGIApp", listening: Listening, stopping: Stopping, secure: ssl.SSLContext | None) -> None:
        self._listening = listening
        self._stopping = stopping
        self._secure = secure
        self._state = ServerState()
        self._config = _config(self._undisturbed(closing_unread(app)), listening)

    async def run(
        self, sockets: list[socket], on_ready: Callable[[str], None], on_draining: Callable[[int], None]
    ) -> None:
        listeners: list[asyncio.Server] = []
        async with asyncio.TaskGroup() as tasks:
            date = tasks.create_task(self._keep_the_date(), name="date")
            try:
                for each in sockets:
                    listeners.append(await self._listen(each))
                await asyncio.sleep(0)  # a signal that came meanwhile is heard
                if not self._stopping.is_draining:
                    on_ready(address_of(self._listening, sockets))
                await self._stopping.wait_draining()
                _leave(listeners, sockets)
                on_draining(len(self._state.tasks))
                await self._drain()
            finally:
                date.cancel()
                _leave(listeners, sockets)
                await self._close()

    async def _listen(self, at: socket) -> asyncio.Server:
        return await asyncio.get_running_loop().create_server(
            lambda: Connection(self._config, self._state, self._listening, self._stopping),
            sock=at,
            backlog=self._listening.backlog,
            ssl=self._secure,
            ssl_handshake_timeout=_HANDSHAKE if self._secure is not None else None,
            ssl_shutdown_timeout=_FAREWELL if self._secure is not None else None,
        )

    async def _drain(self) -> None:
        for connection in self._connections():
            connection.shutdown()
        if not await self._all_ended(self._listening.grace, lambda: self._stopping.is_cut):
            self._stopping.cut()
            await self._all_ended(_LAST_WORDS, lambda: self._stopping.is_over)

    async def _all_ended(self, seconds: float, is_in_vain: Callable[[], bool]) -> bool:
        """Wait for all connections and requests to end. False when it took too long, or is not to be waited for."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + seconds
        while self._state.connections or self._state.tasks:
            if is_in_vain() or clock() >= deadline:
                return False
            await asyncio.sleep(_LOOK)
        return True

    async def _close(self) -> None:
        """Break off what is left. Clients are gone first: nothing is written, and nobody is told of a bug."""
        for connection in self._connections():
            connection.abort()
        await asyncio.sleep(_LOOK)  # those that were just being accepted are aborted, too
        if tasks := set(self._state.tasks):
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=_CANCELLED)

    async def _keep_the_date(self) -> None:
        """Have every answer carry its date (RFC 9110, 6.6.1), which changes once a second."""
        while True:
            self._state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
            await asyncio.sleep(1.0)

    def _connections(self) -> list[Connection]:
        return [each for each in self._state.connections if isinstance(each, Connection)]

    def _undisturbed(self, app: "ASGIApp") -> "ASGIApp":
        """The app, whose requests nobody but `_close` cancels: that is no error of theirs."""

        async def run(scope: "Scope", receive: "Receive", send: "Send") -> None:
            with contextlib.suppress(asyncio.CancelledError):
                await app(scope, receive, send)

        return run


def _leave(listeners: list[asyncio.Server], sockets: list[socket]) -> None:
    """Take no more connections; those that wait to be accepted are refused by the system."""
    for listener in listeners:
        listener.close()
    for each in sockets:
        each.close()


def _config(app: Any, listening: Listening) -> Config:
    """What uvicorn's protocol and middleware are told. Nothing is left to them that they would read elsewhere."""
    config = Config(
        app,
        http=Connection,
        ws="none",
        loop="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="error",  # clients that send nonsense are not told of
        access_log=False,
        server_header=False,
        proxy_headers=bool(listening.trusted_proxies),
        forwarded_allow_ips=list(listening.trusted_proxies),
        timeout_keep_alive=int(listening.keep_alive),
        workers=1,
    )
    config.load()
    return config
