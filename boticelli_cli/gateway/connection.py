"""A connection, bounded: so much for headers, so long until they are here, and no more than so many at once.

What httptools reads and uvicorn makes of it stands in `uvicorn.protocols.http.httptools_impl`.
"""

import asyncio
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from boticelli_cli.gateway.listening import Listening
from boticelli_cli.gateway.stopping import Stopping

__all__ = ["Connection"]

_LINGER = 2.0
"""Seconds in which a client that is still sending may read why it was refused."""


class Connection(HttpToolsProtocol):
    """One connection of a client.

    It is refused with 431 when its headers, trailers or what stands between chunks grow too long, also where they
    never end; with 408 when they do not come in time; with 503 when there are too many connections. Errors at this
    level are plain text: whose dialect is spoken is not known yet.
    """

    def __init__(self, config: Config, state: ServerState, listening: Listening, stopping: Stopping) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(config, state, {}, loop)
        self._listening = listening
        self._stopping = stopping
        self._outlet: _Outlet | None = None
        self._waiting: asyncio.TimerHandle | None = None
        self._has_begun = False
        self._head_bytes = 0
        self._untold_bytes = 0
        self._in_message = False
        self._refusal = HTTPStatus.BAD_REQUEST

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._outlet = _Outlet(transport, lambda: self._in_message)
        super().connection_made(cast(asyncio.Transport, self._outlet))
        most = self._listening.max_connections
        if self._stopping.is_draining or len(self.connections) > 2 * most:
            transport.abort()
        elif len(self.connections) > most:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "there are too many connections; try again soon")
        else:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        if self._outlet is not None:
            self._outlet.lost()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._outlet is None or self._outlet.is_closing():
            return
        self._has_begun = True
        if not self._in_message and self._waiting is None:
            self._await_head()
        self._untold_bytes += len(data)
        super().data_received(data if self._in_message else _without_upgrade(data))
        if self._untold_bytes > self._listening.header_bytes:
            self._refuse_length()

    def on_message_begin(self) -> None:
        self._in_message = True
        self._head_bytes = self._untold_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value) + 4)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        if self.parser.should_upgrade() and any(name in _BODY for name, _ in self.headers):
            raise ValueError(_NO_UPGRADE)  # the parser would take the body for another request
        super().on_headers_complete()

    def on_chunk_header(self) -> None:
        self._untold_bytes = 0

    def on_body(self, body: bytes) -> None:
        self._untold_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_message = False
        self._untold_bytes = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        if self._in_message:  # nobody has read the body: what is left of it is no business of the next request
            self.transport.close()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what could not be read, or what was refused while it was read."""
        self._refuse(self._refusal, msg if self._refusal == HTTPStatus.BAD_REQUEST else _TOO_LONG)

    def shutdown(self) -> None:
        """Close at once where nothing is under way, else once the answer is out."""
        if self._outlet is not None and self._outlet.is_closing():
            self._outlet.give_up()
        super().shutdown()

    def abort(self) -> None:
        if self._outlet is not None:
            self._outlet.abort()

    def _count(self, size: int) -> None:
        self._untold_bytes = 0
        self._head_bytes += size
        if self._head_bytes > self._listening.header_bytes:
            self._refusal = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            raise ValueError(_TOO_LONG)  # ends the parser, which has send_400_response called

    def _refuse_length(self) -> None:
        self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, _TOO_LONG)

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        """Say why, and close. An answer that is under way is broken off: nothing may be written into it."""
        self._stop_waiting()
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:
                self.abort()
                return
        body = message.encode()
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\n"
            f"content-type: text/plain; charset=utf-8\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self._in_message = True  # more may be on its way
        self.transport.write(head.encode() + body)
        self.transport.close()

    def _await_head(self) -> None:
        self._waiting = self.loop.call_later(self._listening.header_seconds, self._head_is_late)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _head_is_late(self) -> None:
        self._waiting = None
        if self.cycle is not None and not self.cycle.response_complete:
            self._await_head()  # the next request came early, and in part: first comes the answer to this one
        elif self._has_begun:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "the request's headers did not come in time")
        else:
            self.transport.close()


_TOO_LONG = "the request's headers are too long"


_NO_UPGRADE = "a request that asks for another protocol has no body here"

_BODY = (b"content-length", b"transfer-encoding")

_UPGRADE = re.compile(rb"^upgrade(?=[ \t]*:)", re.IGNORECASE | re.MULTILINE)


def _without_upgrade(data: bytes) -> bytes:
    """What begins with a request's head, without its wish for another protocol, which may be ignored (RFC 9110, 7.8).

    The parser leaves out the bodies of requests that have such a wish, and Java's client wishes for HTTP/2 each time.
    """
    head, end, rest = data.partition(b"\r\n\r\n")
    return _UPGRADE.sub(b"ignored", head) + end + rest if b"upgrade" in head.lower() else data


class _Outlet:
    """The transport, as uvicorn uses it, but for its end: a client that is still sending gets to read the answer.

    Closing a socket with unread bytes resets the connection, and the answer may be lost with it (RFC 9112, 9.6). So
    only our side is closed, and what still comes is read and forgotten for two seconds.
    """

    def __init__(self, transport: asyncio.Transport, is_receiving: Callable[[], bool]) -> None:
        self._transport = transport
        self._is_receiving = is_receiving
        self._lingering: asyncio.TimerHandle | None = None
        self.write: Callable[[bytes], None] = transport.write
        self.abort = transport.abort
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def is_closing(self) -> bool:
        return self._lingering is not None or self._transport.is_closing()

    def close(self) -> None:
        if self.is_closing():
            return
        if not self._is_receiving():
            self._transport.close()
            return
        self.write = _forget
        self._lingering = asyncio.get_running_loop().call_later(_LINGER, self.give_up)
        self._transport.resume_reading()
        if self._transport.can_write_eof():
            self._transport.write_eof()

    def give_up(self) -> None:
        self._transport.close()

    def lost(self) -> None:
        if self._lingering is not None:
            self._lingering.cancel()


def _forget(_data: bytes) -> None:
    pass
