"""Clients that cost next to nothing, for load: plain HTTP over sockets, one request after the other on a connection."""

import asyncio
import json
from dataclasses import dataclass
from time import perf_counter
from urllib.parse import urlsplit

__all__ = ["Connection", "Timed", "asked", "together"]


@dataclass(frozen=True)
class Timed:
    """One answer: seconds to its first byte and to its end, how many events it had, and whether it was whole."""

    first: float
    total: float
    events: int
    whole: bool


def asked(face: str, model: str, *, chunks: int, delay: float = 0.0) -> tuple[str, bytes]:
    """The path and the body of a request for a stream."""
    body = {
        "model": model,
        "max_tokens": 1000,
        "stream": True,
        "messages": [{"role": "user", "content": f"[[chunks={chunks} delay={delay}]]"}],
    }
    return {"anthropic": "/v1/messages", "openai": "/v1/chat/completions"}[face], json.dumps(body).encode()


class Connection:
    """One connection of a client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def to(cls, url: str) -> "Connection":
        address = urlsplit(url)
        return cls(*await asyncio.open_connection(address.hostname, address.port, limit=1 << 20))

    async def ask(self, path: str, body: bytes) -> Timed:
        head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\nx-api-key: test-key\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        began = perf_counter()
        self._writer.write(head.encode() + body)
        told = await self._reader.read(1 << 20)
        first = perf_counter() - began
        assert b" 200 " in told[:20], told
        events, tail = told.count(b"data: {"), told[-12:]
        while told and not tail.endswith(b"0\r\n\r\n"):
            told = await self._reader.read(1 << 20)
            events += (tail[-6:] + told).count(b"data: {")
            tail = (tail + told)[-12:]
        return Timed(first, perf_counter() - began, events, tail.endswith(b"0\r\n\r\n"))

    def close(self) -> None:
        self._writer.transport.abort()


async def together(url: str, path: str, body: bytes, *, clients: int, each: int = 1) -> list[Timed]:
    """So many clients at once, with so many requests each, one after the other."""

    async def client() -> list[Timed]:
        connection = await Connection.to(url)
        try:
            return [await connection.ask(path, body) for _ in range(each)]
        finally:
            connection.close()

    return [timed for many in await asyncio.gather(*(client() for _ in range(clients))) for timed in many]
