"""The bodies of requests, bounded: so many bytes, so long until they are here, and JSON."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from boticelli_cli.errors import ProviderError, RefusedError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["BodyBounds", "check_headers", "closing_unread", "read_body"]

_MIB = 1024 * 1024
_CLOSE = (b"connection", b"close")


@dataclass(frozen=True, slots=True)
class BodyBounds:
    """How much of a body is read: bytes, seconds without a byte of it, and seconds for all of it."""

    most: int = 64 * _MIB
    silence: float = 30.0
    whole: float = 600.0


def check_headers(scope: "Scope", bounds: BodyBounds) -> None:
    """Look at what a request says of its body, before any of it is read.

    It is JSON, or says nothing of what it is, and is not compressed: the vendors' clients never do that, and what grows
    while it is read has no bound that its sender knows. Raises RefusedError with the status 413 or 415.
    """
    headers = dict(scope["headers"])
    if not _has_body(headers):
        return
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower().decode("latin-1")
    if kind and kind not in ("application/json", "text/json") and not kind.endswith("+json"):
        raise RefusedError(
            f"a body of the type '{kind}' is not read; send 'content-type: application/json'", status=415
        )
    if headers.get(b"content-encoding", b"identity").strip().lower() not in (b"identity", b""):
        raise RefusedError("a compressed body is not read; send it without 'content-encoding'", status=415)
    length = headers.get(b"content-length", b"0")
    if length.isdigit() and int(length) > bounds.most:
        raise _too_large(bounds)


async def read_body(scope: "Scope", receive: "Receive", bounds: BodyBounds) -> bytes | None:
    """The whole body of a request; nothing when its client went away before its end.

    Nothing is read of a body that `check_headers` refuses, and a client that waits to be asked for it (`Expect:
    100-continue`) is not asked. Raises RefusedError with the status 413 or 415, ProviderError with 408. Whoever answers
    these closes the connection, by `connection: close`.
    """
    check_headers(scope, bounds)
    pieces: list[bytes] = []
    size = 0
    late = f"no byte of the body came for {bounds.silence:g} seconds"
    try:
        async with asyncio.timeout(bounds.whole):
            while True:
                async with asyncio.timeout(bounds.silence):
                    message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                pieces.append(message.get("body", b""))
                size += len(pieces[-1])
                if size > bounds.most:
                    raise _too_large(bounds)
                if not message.get("more_body", False):
                    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
    except TimeoutError:
        raise ProviderError(f"the request took too long to arrive: {late}", status=408) from None


def closing_unread(app: "ASGIApp") -> "ASGIApp":
    """An app whose answers say `connection: close` where it has not read the body of the request to its end.

    What is left of that body cannot be told from a next request, so the connection ends with the answer; a client that
    is not told so sends its next request there, and loses it (RFC 9112, 9.6).
    """

    async def run(scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] != "http" or not _has_body(dict(scope["headers"])):
            await app(scope, receive, send)
            return
        is_read = False

        async def read() -> "Message":
            nonlocal is_read
            message = await receive()
            is_read = is_read or not message.get("more_body", False)
            return message

        async def say(message: "Message") -> None:
            if message["type"] == "http.response.start" and not is_read and _CLOSE not in message["headers"]:
                message = {**message, "headers": [*message["headers"], _CLOSE]}
            await send(message)

        await app(scope, read, say)

    return run


def _has_body(headers: dict[bytes, bytes]) -> bool:
    return headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers


def _too_large(bounds: BodyBounds) -> RefusedError:
    return RefusedError(f"the body is larger than {bounds.most / _MIB:g} MiB, which is the most", status=413)
