"""An answer as its client gets it: over HTTP, in its face's words, with the headers that say who gave it."""

import math
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import quote

from boticelli_cli.errors import BoticelliError, ProviderError
from boticelli_cli.gateway.base import FaceName, Seals
from boticelli_cli.gateway.faces.base import Asked, Face
from boticelli_cli.gateway.record import Record
from boticelli_cli.gateway.seals import keep_seals, keep_seals_of
from boticelli_cli.messages import Delta, Forwarded, Response, Text, TextDelta, ThinkingDelta, Thought
from boticelli_cli.wire.body import Losses
from boticelli_cli.wire.stream import Writer

__all__ = ["Answer", "Send", "header", "send_whole"]

Send = Callable[[Any], Awaitable[None]]

_NOTHING: Final = b""
_PRINTABLE: Final = "".join(map(chr, range(0x20, 0x7F)))


class Answer:
    """Where a flow puts the pieces of an answer. Its head is sent with the first of them, or with a sign of life.

    `fail` says what went wrong: as a status while nothing was sent, as the face's event afterwards.
    """

    def __init__(self, face: Face, asked: Asked, record: Record, seals: Seals, send: Send) -> None:
        self._face = face
        self._asked = asked
        self._record = record
        self._seals = seals
        self._send = send
        self._losses = Losses()
        self._writer: Writer | None = None

    async def take(self, pieces: list[Delta | Response]) -> None:
        record = self._record
        if record.first_byte is None:
            record.first_byte = record.elapsed
        [first, *_] = pieces
        if isinstance(first, Response):
            await self._send_whole(first)
            return
        writer = self._writer or await self._begin()
        told = [writer.write(self._noted(piece)) for piece in pieces if not isinstance(piece, Response)]
        if data := b"".join(told):
            await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def hear_nothing(self) -> None:
        writer = self._writer or await self._begin()
        await self._send({"type": "http.response.body", "body": writer.keep_alive(), "more_body": True})

    async def end(self) -> None:
        """All has been told."""
        if self._asked.streamed:
            await self._send({"type": "http.response.body", "body": _NOTHING, "more_body": False})

    async def fail(self, error: BoticelliError) -> None:
        if self._writer is None:
            self._record.status, body = self._face.error(error)
            await send_whole(self._send, self._record.status, body, headers=(*self._headers(), *retry_after(error)))
            return
        told = error if isinstance(error, ProviderError) else ProviderError(error.message, status=500)
        body = self._writer.error(told)
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def _begin(self) -> Writer:
        record = self._record
        record.status = 200
        model = record.routed.model if record.routed is not None else record.model
        self._writer = writer = self._face.writer(self._asked, model, self._losses, record.expected)
        headers = [*self._headers(), ("content-type", self._face.content_type(self._asked)), *_UNCHANGED]
        await self._send({"type": "http.response.start", "status": 200, "headers": _encoded(headers)})
        return writer

    async def _send_whole(self, response: Response) -> None:
        record = self._record
        record.text += sum(len(part.text) for part in response.parts if isinstance(part, Text | Thought))
        body = response.forwarded
        if body is None:
            model = record.routed.model if record.routed is not None else record.model
            body = self._face.whole(keep_seals_of(response, self._seals), model, self._losses)
        record.status = 200
        kind = self._face.content_type(self._asked)
        await send_whole(self._send, 200, body, kind=kind, headers=self._headers())

    def _noted(self, delta: Delta) -> Delta:
        """A delta, with its length counted for the case that nobody says what it has cost."""
        match delta:
            case TextDelta(text) | ThinkingDelta(text):
                self._record.text += len(text)
            case Forwarded(data):
                self._record.text += 4 * data.count(b"\ndata:")
            case _:
                return keep_seals(delta, self._seals)
        return delta

    def _headers(self) -> list[tuple[str, str]]:
        record, routed = self._record, self._record.routed
        told = [("x-boticelli-request-id", record.id)]
        if (name := _REQUEST_IDS.get(self._face.name)) is not None:
            told.append((name, record.id))
        if routed is not None:
            told += [
                ("x-boticelli-model", routed.model),
                ("x-boticelli-provider", routed.provider),
                ("x-boticelli-account", routed.account),
                ("x-boticelli-route", routed.route),
                ("x-boticelli-reason", routed.reason),
            ]
        if dropped := dict.fromkeys((*record.dropped, *self._losses.names)):
            told.append(("x-boticelli-dropped", ", ".join(dropped)))
        if record.fitted:
            told.append(("x-boticelli-notice", "; ".join(record.fitted)))
        return told


_REQUEST_IDS: Final[dict[FaceName, str]] = {"anthropic": "request-id", "openai": "x-request-id"}
"""Where the vendors' clients look for a request's id."""

_UNCHANGED: Final = (("cache-control", "no-cache"), ("x-accel-buffering", "no"))
"""Nothing in between is to keep a stream: the second is nginx's word (nginx.org, ngx_http_proxy_module)."""


async def send_whole(
    send: Send, status: int, body: bytes, *, kind: str = "application/json", headers: Any = ()
) -> None:
    """Send a body in one piece."""
    told = [("content-type", kind), ("content-length", str(len(body))), *headers]
    await send({"type": "http.response.start", "status": status, "headers": _encoded(told)})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def header(value: str) -> str:
    """A value as a header can hold it: what is not printable ASCII is percent-encoded."""
    return quote(value[:1000], safe=_PRINTABLE)


def retry_after(error: BoticelliError) -> list[tuple[str, str]]:
    """The header that says when to come back, where that is known."""
    seconds = error.retry_after if isinstance(error, ProviderError) else None
    return [] if seconds is None else [("retry-after", str(max(1, math.ceil(seconds))))]


def _encoded(headers: Any) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), header(value).encode()) for name, value in headers]
