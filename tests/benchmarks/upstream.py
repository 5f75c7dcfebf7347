"""A provider that costs next to nothing, for load: Anthropic's and OpenAI's streams, as fast as they are taken, or paced.

`python -m tests.benchmarks.upstream` prints its address and serves until its stdin is closed. A prompt holds
`[[chunks=N delay=SECONDS]]`: N deltas, each after so many seconds, or all at once. As with the real ones, each event is
an HTTP chunk of its own.
"""

import asyncio
import json
import re
import sys
from typing import NamedTuple, cast

import uvloop

__all__ = ["WORD"]

WORD = b" a word"
"""What each delta says."""

_WANTED = re.compile(rb"\[\[chunks=(\d+) delay=([\d.]+)\]\]")
_BATCH = 50
"""Deltas that are written at once where there is no pace: as many as a busy provider's packets may hold."""


class _Stream(NamedTuple):
    """An answer, as HTTP chunks: what comes before the deltas, one of them, and what comes after."""

    begin: bytes
    delta: bytes
    end: bytes


def _chunk(event: str) -> bytes:
    data = event.encode()
    return b"%x\r\n%b\r\n" % (len(data), data)


def _named(*events: str) -> bytes:
    return b"".join(_chunk(f"event: {json.loads(each)['type']}\ndata: {each}\n\n") for each in events)


def _unnamed(*choices: str, usage: str = "") -> bytes:
    head = '{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-6.2-sol","choices":'
    return b"".join(_chunk(f"data: {head}{each}{usage}}}\n\n") for each in choices)


_ANTHROPIC = _Stream(
    _named(
        '{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-5-5",'
        '"content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":25,"output_tokens":1}}}',
        '{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}',
    ),
    _named('{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" a word"}}'),
    _named(
        '{"type":"content_block_stop","index":0}',
        '{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":500}}',
        '{"type":"message_stop"}',
    ),
)
_OPENAI = _Stream(
    _unnamed('[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]'),
    _unnamed('[{"index":0,"delta":{"content":" a word"},"finish_reason":null}]'),
    _unnamed('[{"index":0,"delta":{},"finish_reason":"stop"}]')
    + _unnamed("[]", usage=',"usage":{"prompt_tokens":25,"completion_tokens":500,"total_tokens":525}')
    + _chunk("data: [DONE]\n\n"),
)
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_END = b"0\r\n\r\n"


class Upstream(asyncio.Protocol):
    """One connection: requests one after the other."""

    def __init__(self) -> None:
        self._data = b""
        self._answering: asyncio.Task[None] | None = None
        self._may_write = asyncio.Event()
        self._may_write.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answering is not None:
            self._answering.cancel()

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, found, body = self._data.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        if not found or len(body) < int(length[1] if length else 0):
            return
        self._data = b""
        wanted = _WANTED.search(body)
        chunks, delay = (int(wanted[1]), float(wanted[2])) if wanted else (1, 0.0)
        stream = _ANTHROPIC if b"/messages" in head else _OPENAI
        self._answering = asyncio.get_running_loop().create_task(self._answer(stream, chunks, delay))

    async def _answer(self, stream: _Stream, chunks: int, delay: float) -> None:
        write = self._transport.write
        begin, delta, end = stream
        if delay:
            write(_HEAD + begin)
            for _ in range(chunks):
                await asyncio.sleep(delay)
                write(delta)
            write(end + _END)
            return
        write(_HEAD + begin + delta * min(chunks, _BATCH))
        for left in range(chunks - _BATCH, 0, -_BATCH):
            await self._may_write.wait()
            write(delta * min(left, _BATCH))
        write(end + _END)


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Upstream, "127.0.0.1", 0, backlog=4096)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(main())
