"""Answers as they stream in, and what becomes of connections that do not end when the answer does."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from boticelli_cli.drivers.patience import Patience
from boticelli_cli.drivers.streamed import Streamed
from boticelli_cli.errors import StreamError
from boticelli_cli.messages import Delta, Finish, TextDelta
from boticelli_cli.wire import anthropic, openai
from boticelli_cli.wire.stream import EventBody
from tests.clock import in_virtual_time

Ending = Callable[[], AsyncIterator[bytes]]


async def held_open() -> AsyncIterator[bytes]:
    await asyncio.sleep(1000)
    yield b""


async def broken() -> AsyncIterator[bytes]:
    raise StreamError("the stream broke off before its end")
    yield b""


async def endless() -> AsyncIterator[bytes]:
    while True:
        await asyncio.sleep(0.1)
        yield b": still here\n\n"


OPENAI = b'data: {"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":"stop"}]}\n\n', b"data: [DONE]\n\n"
ANTHROPIC = (
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
    b'"content_block":{"type":"text","text":"hi"}}\n\n',
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{}}\n\n'
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
)
DIALECTS = [(openai.StreamReader, OPENAI), (anthropic.StreamReader, ANTHROPIC)]


async def heard(reader: openai.StreamReader | anthropic.StreamReader, *pieces: bytes, then: Ending) -> list[Delta]:
    async def chunks() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece
        async for piece in then():
            yield piece

    answer = Streamed(chunks(), EventBody(reader), Patience("somebody", None))
    await answer.read_first()
    return [delta async for delta in answer.deltas()]


@pytest.mark.parametrize("then", [held_open, broken, endless])
@pytest.mark.parametrize(("reader", "pieces"), DIALECTS)
@in_virtual_time
async def test_is_whole_once_it_says_so_whatever_the_connection_does(
    reader: type[openai.StreamReader], pieces: tuple[bytes, ...], then: Ending
) -> None:
    loop = asyncio.get_running_loop()
    for cut in (pieces, (b"".join(pieces),)):
        before = loop.time()
        [text, finish] = await heard(reader(), *cut, then=then)
        assert text == TextDelta("hi")
        assert isinstance(finish, Finish)
        assert finish.reason == "stop"
        assert loop.time() - before <= 1.1


@in_virtual_time
async def test_is_whole_when_it_is_over_before_it_has_begun() -> None:
    nothing = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    [finish] = await heard(openai.StreamReader(), nothing, then=held_open)
    assert isinstance(finish, Finish)


@pytest.mark.parametrize(("reader", "pieces"), DIALECTS)
@in_virtual_time
async def test_is_cut_when_it_breaks_off_before_it_says_so(
    reader: type[openai.StreamReader], pieces: tuple[bytes, ...]
) -> None:
    with pytest.raises(StreamError, match="broke off"):
        await heard(reader(), pieces[0], then=broken)
