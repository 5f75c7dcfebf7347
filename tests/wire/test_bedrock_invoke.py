"""Claude on Bedrock: which models it is, Anthropic's events in frames, and what goes wrong within them."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boticelli_cli.errors import ProviderError, StreamError
from boticelli_cli.messages import (
    Delta,
    Finish,
    Media,
    Message,
    Original,
    Request,
    Response,
    Text,
    TextDelta,
    ThinkingDelta,
    ToolCall,
    ToolResult,
    Usage,
)
from boticelli_cli.wire.bedrock_frames import FrameReader, encode_event_frame, encode_exception_frame
from boticelli_cli.wire.bedrock_invoke import (
    InvokeBody,
    StreamWriter,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
    is_claude,
)
from tests.wire.spoken import cut
from tests.wire.spoken_anthropic import streams
from tests.wire.spoken_bedrock import deltas_of

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"


def chunk(event: object) -> bytes:
    return encode_event_frame("chunk", b'{"bytes":"%b"}' % base64.b64encode(json.dumps(event).encode()))


@pytest.mark.parametrize(
    ("model", "claude"),
    [
        ("anthropic.claude-3-haiku-20240307-v1:0", True),
        (MODEL, True),
        ("global.anthropic.claude-opus-5", True),
        ("us-gov.anthropic.claude-sonnet-5-v1:0", True),
        ("arn:aws:bedrock:us-east-1:123456789012:inference-profile/eu.anthropic.claude-sonnet-5-v1:0", True),
        ("arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-sonnet-5-v1:0", True),
        ("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123", False),
        ("amazon.nova-pro-v1:0", False),
        ("us.amazon.nova-pro-v1:0", False),
        ("notanthropic.claude", False),
    ],
)
def test_knows_claude_by_its_id(model: str, claude: bool) -> None:
    assert is_claude(model) is claude


def test_media_that_lie_elsewhere_are_left_out_and_named() -> None:
    picture = Media("image", "image/png", url="https://example.com/a.png")
    report = Media("document", "application/pdf", url="https://example.com/a.pdf")
    result = ToolResult("look", (Text("Seen."), picture), "1")
    asked = (Message("assistant", (ToolCall("look", {}, "1"),)), Message("user", (result, report, Text("What is it?"))))
    encoded = encode_request(Request(MODEL, asked))
    assert json.loads(encoded.body)["messages"][-1]["content"] == [
        {"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": "Seen."}]},
        {"type": "text", "text": "What is it?"},
    ]
    assert encoded.losses == ("image addresses", "document addresses")


@given(streams(), st.integers(1, 400))
@settings(max_examples=25)
def test_reads_the_stream_it_writes_however_it_is_cut(deltas: list[Delta], size: int) -> None:
    writer = StreamWriter("claude-sonnet-4-5")
    stream = b"".join(map(writer.write, deltas))
    assert deltas_of(cut(stream, size), InvokeBody()) == deltas_of([stream], InvokeBody())
    assert deltas_of([stream], InvokeBody())[:-1] == deltas[:-1]


def test_reads_a_stream_that_is_cut_at_any_byte() -> None:
    deltas: list[Delta] = [ThinkingDelta("Hm."), TextDelta("Grüße 🙂"), Finish("stop", Usage(1, 2, total=3), "m", "end_turn")]  # fmt: skip
    writer = StreamWriter("m")
    stream = b"".join(map(writer.write, deltas))
    for at in range(0, len(stream), 3):
        assert deltas_of([stream[:at], stream[at:]], InvokeBody())[:2] == deltas[:2]


def test_reads_what_bedrock_adds() -> None:
    usage = {"input_tokens": 7, "output_tokens": 1}
    stop = {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 7, "outputTokenCount": 2}}
    *deltas, finish = deltas_of(
        [
            chunk({"type": "message_start", "message": {"model": "claude-x", "content": [], "usage": usage}}),
            chunk({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
            chunk({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi."}}),
            chunk({"type": "ping"}),
            encode_event_frame("neverHeardOf", b"{}"),
            chunk({"type": "content_block_stop", "index": 0}),
            chunk({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}}),
            chunk(stop),
        ],
        InvokeBody(),
    )
    assert deltas == [TextDelta("Hi.")]
    assert isinstance(finish, Finish)
    assert (finish.reason, finish.served_model, finish.usage.input, finish.usage.output) == ("stop", "claude-x", 7, 2)


TEXT = chunk({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi."}})


@pytest.mark.parametrize(
    ("frame", "message", "status"),
    [
        (encode_exception_frame("modelStreamErrorException", b'{"message":"It broke."}'), "It broke.", 424),
        (encode_exception_frame("throttlingException", b'{"message":"Too many."}'), "Too many.", 429),
        (chunk({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}), "Overloaded", 529),
        (encode_event_frame("chunk", b'{"bytes":"%"}'), "cannot be read", None),
        (encode_event_frame("chunk", b"{}"), "cannot be read", None),
        (encode_event_frame("chunk", b"{"), "cannot be read", None),
        (chunk([1]), "cannot be read", None),
    ],
    ids=range(7),
)
def test_what_goes_wrong_within_is_raised(frame: bytes, message: str, status: int | None) -> None:
    with pytest.raises(ProviderError, match=message) as early:
        deltas_of([frame], InvokeBody())
    assert not isinstance(early.value, StreamError)
    with pytest.raises(StreamError, match=message) as late:
        deltas_of([TEXT + frame], InvokeBody())
    assert early.value.status == late.value.status == status


@pytest.mark.parametrize("stream", [b"", TEXT, TEXT + TEXT[:9]], ids=range(3))
def test_a_stream_that_is_cut_is_no_answer(stream: bytes) -> None:
    with pytest.raises(StreamError, match="broke off before the answer was finished"):
        deltas_of([stream], InvokeBody())


def test_asks_in_anthropics_words_without_model_and_stream() -> None:
    request = Request(MODEL, (Message("user", (Text("Hello."),)),), max_tokens=5, options={"top_k": 3})
    for streamed in (False, True):
        encoded = encode_request(request, streamed=streamed)
        assert json.loads(encoded.body) == {
            "anthropic_version": "bedrock-2023-05-31",
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello."}]}],
            "max_tokens": 5,
            "top_k": 3,
        }
        again = decode_request(encoded.body, MODEL)
        assert (again.model, again.messages, again.max_tokens) == (MODEL, request.messages, 5)
        assert json.loads(encode_request(again).body) == json.loads(encoded.body)


def test_reads_the_whole_answer_it_writes() -> None:
    response = Response((Text("Hi."),), Finish("stop", Usage(1, 2, total=3), "claude-x", "end_turn"))
    again = decode_response(encode_response(response))
    assert (again.parts, again.finish.reason) == (response.parts, "stop")


def test_ends_a_failed_stream_with_its_error() -> None:
    for error, status in ((ProviderError("late", status=504), 408), (ProviderError("full", status=529), 503)):
        writer = StreamWriter("m")
        stream = [writer.begin(), writer.write(TextDelta("a")), writer.keep_alive(), writer.error(error)]
        with pytest.raises(StreamError, match=error.message) as raised:
            deltas_of(stream, InvokeBody())
        assert raised.value.status == status
    assert [frame.name for frame in FrameReader().feed(b"".join(stream))][-1] == "serviceUnavailableException"


def with_betas(*headers: tuple[str, str], dialect: str = "anthropic", **settings: Any) -> Request:
    original = Original(dialect, None, headers)
    return Request(MODEL, (Message("user", (Text("Hi."),)),), dialect=dialect, original=original, **settings)


def test_takes_betas_along_that_bedrock_knows_and_names_the_others() -> None:
    header = "claude-code-20250219, context-1m-2025-08-07,context-1m-2025-08-07,,interleaved-thinking-2025-05-14"
    encoded = encode_request(with_betas(("Anthropic-Beta", header), ("anthropic-version", "2023-06-01")))
    said = json.loads(encoded.body)
    assert said["anthropic_beta"] == ["context-1m-2025-08-07", "interleaved-thinking-2025-05-14"]
    assert encoded.losses == ("anthropic-beta claude-code-20250219",)


def test_asks_for_no_beta_where_there_is_none() -> None:
    for request in (
        with_betas(),
        with_betas(("anthropic-beta", "")),
        with_betas(("anthropic-beta", "no name, \xe9\xe9," + "x" * 200)),
        with_betas(("anthropic-beta", "context-1m-2025-08-07"), dialect="openai"),
    ):
        encoded = encode_request(request)
        assert ("anthropic_beta" in json.loads(encoded.body), encoded.losses) == (False, ())
