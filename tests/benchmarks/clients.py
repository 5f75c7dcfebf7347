"""Clients that cost next to nothing, for load: plain HTTP over sockets, one request after the other on a connection."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

from tests.benchmarks.upstream import WORD

__all__ = ["Asked", "Connection", "Timed", "asked", "connected", "together"]

_PATHS = {"anthropic": "/v1/messages", "openai": "/v1/chat/completions"}
_SENTENCE = "The keeper of the light writes down who passes, and when, and how the sea was. "


@dataclass(frozen=True)
class Timed:
    """One answer: seconds to the first word of its text and to its end, how many words, and whether it was whole."""

    first: float
    total: float
    words: int
    whole: bool


@dataclass(frozen=True)
class Asked:
    """A request: where it goes, and what it says."""

    path: str
    body: bytes


def asked(face: str, model: str, *, chunks: int, delay: float = 0.0, is_large: bool = False) -> Asked:
    """A request for a stream: a sentence, or as large as Claude Code's become (200 kB; tools, a long conversation)."""
    wanted = {"role": "user", "content": f"[[chunks={chunks} delay={delay}]]"}
    body: dict[str, Any] = {"model": model, "max_tokens": 1000, "stream": True, "messages": [wanted]}
    if is_large:
        body |= {"messages": [*_turns(), wanted], "tools": _tools(), "system": _system()}
    return Asked(_PATHS[face], json.dumps(body).encode())


def _system() -> list[dict[str, Any]]:
    texts = (_SENTENCE, _SENTENCE * 180)
    return [{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}} for text in texts]


def _tools() -> list[dict[str, Any]]:
    words = {f"word_{number}": {"type": "string", "description": _SENTENCE} for number in range(8)}
    schema = {"type": "object", "properties": words, "required": ["word_0"], "additionalProperties": False}
    return [{"name": f"Tool{each}", "description": _SENTENCE * 10, "input_schema": schema} for each in range(20)]


def _turns() -> list[dict[str, Any]]:
    """Forty calls of tools, and what each of them found."""
    turns: list[dict[str, Any]] = [{"role": "user", "content": [{"type": "text", "text": _SENTENCE}]}]
    for number in range(40):
        call = {"type": "tool_use", "id": f"toolu_{number}", "name": "Tool1", "input": {"word_0": "notes.md"}}
        found = {"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": _SENTENCE * 40}
        turns += [
            {"role": "assistant", "content": [{"type": "text", "text": _SENTENCE * 2}, call]},
            {"role": "user", "content": [found]},
        ]
    return turns


class Connection:
    """One connection of a client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, request: Asked) -> Timed:
        head = (
            f"POST {request.path} HTTP/1.1\r\nhost: localhost\r\nx-api-key: test-key\r\n"
            f"content-type: application/json\r\ncontent-length: {len(request.body)}\r\n\r\n"
        )
        began = perf_counter()
        self._writer.write(head.encode() + request.body)
        words, first, told = 0, 0.0, b""
        while not told.endswith(b"\r\n0\r\n\r\n"):
            more = await self._reader.read(1 << 20)
            if not more:
                break
            kept = told[-(len(WORD) - 1) :]
            words += (kept + more).count(WORD)
            if words and not first:
                first = perf_counter() - began
            told = (kept + more)[-64:] if words else told + more
        assert words, told
        return Timed(first, perf_counter() - began, words, told.endswith(b"\r\n0\r\n\r\n"))


@asynccontextmanager
async def connected(url: str, count: int = 1) -> AsyncIterator[list[Connection]]:
    """So many connections."""
    address = urlsplit(url)
    streams = [await asyncio.open_connection(address.hostname, address.port, limit=1 << 20) for _ in range(count)]
    try:
        yield [Connection(*each) for each in streams]
    finally:
        for _, writer in streams:
            writer.close()


async def together(url: str, request: Asked, *, clients: int, each: int = 1, within: float = 0.0) -> list[Timed]:
    """So many clients, with so many requests each, one after the other. All have connected before any asks.

    They begin in the same instant, or one after the other `within` so many seconds.
    """

    async def client(number: int, connection: Connection) -> list[Timed]:
        await asyncio.sleep(within * number / clients)
        return [await connection.ask(request) for _ in range(each)]

    async with connected(url, clients) as connections:
        answers = await asyncio.gather(*(client(*each) for each in enumerate(connections)))
    return [timed for many in answers for timed in many]
