"""A provider that costs next to nothing, for load: Anthropic's and OpenAI's streams, as fast as they are taken, or paced.

`python -m tests.benchmarks.upstream` prints its address and serves until its stdin is closed. A prompt holds
`[[chunks=N delay=SECONDS]]`: N deltas, each after so many seconds, or all at once.
"""

import asyncio
import re
import sys

import uvloop

_WANTED = re.compile(rb"\[\[chunks=(\d+) delay=([\d.]+)\]\]")
_BATCH = 50
"""Deltas that are written at once where there is no pace: as many as a busy provider's packets may hold."""


def _event(name: str, data: str) -> bytes:
    return f"event: {name}\ndata: {data}\n\n".encode()


_USAGE = '{"input_tokens":25,"output_tokens":1}'
ANTHROPIC = (
    _event(
        "message_start",
        '{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-5-5","content":[],"stop_reason":null,"stop_sequence":null,"usage":'
        + _USAGE
        + "}}",
    )
    + _event(
        "content_block_start", '{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}'
    ),
    _event(
        "content_block_delta", '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" a word"}}'
    ),
    _event("content_block_stop", '{"type":"content_block_stop","index":0}')
    + _event(
        "message_delta",
        '{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":500}}',
    )
    + _event("message_stop", '{"type":"message_stop"}'),
)
_CHUNK = '{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-6.2-sol","choices":'
OPENAI = (
    f'data: {_CHUNK}[{{"index":0,"delta":{{"role":"assistant","content":""}},"finish_reason":null}}]}}\n\n'.encode(),
    f'data: {_CHUNK}[{{"index":0,"delta":{{"content":" a word"}},"finish_reason":null}}]}}\n\n'.encode(),
    f'data: {_CHUNK}[{{"index":0,"delta":{{}},"finish_reason":"stop"}}]}}\n\ndata: {_CHUNK}[],"usage":{{"prompt_tokens":25,"completion_tokens":500,"total_tokens":525}}}}\n\ndata: [DONE]\n\n'.encode(),
)
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


class Upstream(asyncio.Protocol):
    """One connection: requests one after the other."""

    def __init__(self) -> None:
        self._data = b""
        self._answering: asyncio.Task[None] | None = None
        self._may_write = asyncio.Event()
        self._may_write.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

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
        parts = ANTHROPIC if b"/messages " in head else OPENAI
        chunks, delay = (int(wanted[1]), float(wanted[2])) if wanted else (1, 0.0)
        self._answering = asyncio.get_running_loop().create_task(self._answer(parts, chunks, delay))

    async def _answer(self, parts: tuple[bytes, bytes, bytes], chunks: int, delay: float) -> None:
        begin, delta, end = parts
        self._transport.write(_HEAD)
        if delay:
            for number in range(chunks):
                await asyncio.sleep(delay)
                self._write(begin + delta if number == 0 else delta)
        else:
            self._write(begin)
            for left in range(chunks, 0, -_BATCH):
                self._write(delta * min(left, _BATCH))
                await self._may_write.wait()
        self._write(end)
        self._transport.write(b"0\r\n\r\n")

    def _write(self, data: bytes) -> None:
        self._transport.write(b"%x\r\n%b\r\n" % (len(data), data))


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Upstream, "127.0.0.1", 0, backlog=4096)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(main())
