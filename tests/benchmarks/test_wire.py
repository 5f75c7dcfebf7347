"""What a stream costs of our own time: from bytes to deltas, and back. Prints; fails only on errors.

python -m pytest -m benchmark -s
"""

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from boticelli_cli.messages import Forwarded, TextDelta
from boticelli_cli.wire import anthropic, bedrock_converse, bedrock_invoke, openai
from boticelli_cli.wire import gemini as gemini_wire
from boticelli_cli.wire.bedrock_frames import Frame, encode_event_frame
from boticelli_cli.wire.forward import ForwardBody, SideReader
from boticelli_cli.wire.gemini import StreamReader, StreamWriter
from boticelli_cli.wire.sse import EventReader, encode_event
from tests.wire.spoken import cut

pytestmark = pytest.mark.benchmark

COUNT = 50_000
BARE = b'{"candidates":[{"content":{"parts":[{"text":"Hello world, "}],"role":"model"}}]}'
FULL = (
    b'{"candidates": [{"content": {"parts": [{"text": "Hello world, and so on."}],"role": "model"},"index": 0}],'
    b'"usageMetadata": {"promptTokenCount": 8,"candidatesTokenCount": 26,"totalTokenCount": 34,'
    b'"promptTokensDetails": [{"modality": "TEXT","tokenCount": 8}]},'
    b'"modelVersion": "gemini-2.5-flash","responseId": "abcdefgh12345678"}'
)


def fastest(work: Callable[[], int], expected: int, tries: int = 5) -> float:
    """Seconds of the best of several tries."""
    times = []
    for _ in range(tries):
        start = time.perf_counter()
        assert work() == expected
        times.append(time.perf_counter() - start)
    return min(times)


@pytest.mark.parametrize("event", [BARE, FULL], ids=["bare", "full"])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
def test_from_bytes_to_deltas(event: bytes, newline: bytes) -> None:
    pieces = cut(encode_event(event, newline=newline) * COUNT, 65536)

    def events() -> int:
        feed = EventReader().feed
        return sum(len(feed(piece)) for piece in pieces)

    def deltas() -> int:
        feed, read = EventReader().feed, StreamReader().read
        return sum(len(read(each.data)) for piece in pieces for each in feed(piece))

    for what, work in (("events", events), ("events and deltas", deltas)):
        seconds = fastest(work, COUNT)
        print(
            f"{len(event)} bytes, {newline!r}: {what} {seconds / COUNT * 1e6:.2f} µs, {COUNT / seconds:,.0f} a second"
        )


@pytest.mark.parametrize("size", [1, 16, 1024, 65536])
def test_one_large_event_in_pieces(size: int) -> None:
    for length in (1_000_000, 2_000_000):
        pieces = cut(encode_event(b"x" * length), size)

        def events(pieces: list[bytes] = pieces) -> int:
            feed = EventReader().feed
            return sum(len(feed(piece)) for piece in pieces)

        print(f"{length:,} bytes in pieces of {size:,}: {fastest(events, 1, tries=1):.4f} s")


def test_from_deltas_to_bytes() -> None:
    delta = TextDelta("Hello world")

    def written() -> int:
        write = StreamWriter("gemini-2.5-flash").write
        return sum(1 for _ in range(COUNT) if write(delta))

    print(f"a delta written: {fastest(written, COUNT) / COUNT * 1e6:.2f} µs")


CLAUDE = b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello world, "}}'


OPENAI = (
    b'{"id":"chatcmpl-AbCdEf123","object":"chat.completion.chunk","created":1750000000,"model":"gpt-5.2-2025-12-11",'
    b'"service_tier":"default","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"content":" world"},'
    b'"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"x1Yz"}'
)


@pytest.mark.parametrize(
    ("reader", "event"),
    [(StreamReader, BARE), (anthropic.StreamReader, CLAUDE), (openai.StreamReader, OPENAI)],
    ids=["gemini", "anthropic", "openai"],
)
def test_a_delta_against_its_json(reader: Callable[[], Any], event: bytes) -> None:
    """A delta may cost twice its `json.loads`."""
    loads = json.loads
    parsed = fastest(lambda: sum(1 for _ in range(COUNT) if loads(event)), COUNT)

    def deltas() -> int:
        read = reader().read
        return sum(len(read(event)) for _ in range(COUNT))

    decoded = fastest(deltas, COUNT)
    print(f"a delta {decoded / COUNT * 1e6:.2f} µs, its JSON {parsed / COUNT * 1e6:.2f} µs: {decoded / parsed:.2f}")


NOVA = b'{"contentBlockIndex":0,"delta":{"text":"Hello world, "},"p":"abcdefghijklmnop"}'
CHUNK = b'{"bytes":"%b","p":"abcdefghijklmnop"}' % base64.b64encode(CLAUDE)


@pytest.mark.parametrize(
    ("body", "frame", "inner"),
    [
        (bedrock_converse.ConverseBody, Frame("contentBlockDelta", NOVA), None),
        (bedrock_invoke.InvokeBody, Frame("chunk", CHUNK), CLAUDE),
    ],
    ids=["converse", "invoke"],
)
def test_a_delta_of_bedrock_against_its_json(body: Callable[[], Any], frame: Frame, inner: bytes | None) -> None:
    """A delta may cost twice its `json.loads`: of InvokeModel's, both that of the frame and that of the event in it."""
    loads = json.loads
    parsed = fastest(lambda: sum(1 for _ in range(COUNT) if loads(frame.payload)), COUNT)
    if inner is not None:
        parsed += fastest(lambda: sum(1 for _ in range(COUNT) if loads(inner)), COUNT)
    pieces = [encode_event_frame(frame.name, frame.payload)] * COUNT

    def deltas() -> int:
        read = body()._reader.read
        return sum(len(read(frame)) for _ in range(COUNT))

    def framed() -> int:
        read = body().read
        return sum(1 for piece in pieces for _ in read(piece))

    decoded, unpacked = fastest(deltas, COUNT), fastest(framed, COUNT)
    for what, cost in (("decoded", decoded), ("decoded with its frame, which botocore reads,", unpacked)):
        print(
            f"a delta {what} {cost / COUNT * 1e6:.2f} µs, its JSON {parsed / COUNT * 1e6:.2f} µs: {cost / parsed:.2f}"
        )


CHUNK = (
    b'{"id":"chatcmpl-abc","object":"chat.completion.chunk","created":1790000000,"model":"gpt-6","service_tier":'
    b'"default","choices":[{"index":0,"delta":{"content":"Hello world, "},"logprobs":null,"finish_reason":null}],'
    b'"usage":null}'
)
DELTA = b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello world, "}}'


@pytest.mark.parametrize(
    ("side", "event"),
    [
        (openai.SideReader, encode_event(CHUNK)),
        (anthropic.FORWARDING.reader, encode_event(DELTA, "content_block_delta")),
        (gemini_wire.FORWARDING.reader, encode_event(FULL, newline=b"\r\n")),
    ],
    ids=["openai", "anthropic", "gemini"],
)
@pytest.mark.parametrize("size", [65536, None], ids=["large pieces", "an event a piece"])
def test_an_event_passed_on(side: Callable[[], SideReader], event: bytes, size: int | None) -> None:
    pieces = cut(event * COUNT, size or len(event))

    def passed() -> int:
        read = ForwardBody(side()).read
        return sum(len(delta.data) for piece in pieces for delta in read(piece) if isinstance(delta, Forwarded))

    seconds = fastest(passed, len(event) * COUNT)
    print(f"{len(event)} bytes passed on: {seconds / COUNT * 1e6:.2f} µs, {COUNT / seconds:,.0f} events a second")
