"""Converse's answers: streamed and whole, read and written, and every way in which they end."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boticelli_cli.errors import CredentialsError, ProviderError, QuotaError, RefusedError, StreamError
from boticelli_cli.messages import (
    Delta,
    Finish,
    Media,
    MediaDelta,
    Response,
    Text,
    TextDelta,
    ThinkingDelta,
    Thought,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from boticelli_cli.wire.bedrock_converse import ConverseBody, StreamWriter, decode_response, encode_response
from boticelli_cli.wire.bedrock_frames import FrameReader, encode_event_frame, encode_exception_frame
from tests.wire.spoken import cut
from tests.wire.spoken_bedrock import deltas_of, responses, streams

STOP = ("messageStop", {"stopReason": "end_turn"})


def event(name: str, payload: Any) -> bytes:
    return encode_event_frame(name, json.dumps(payload).encode())


def text(said: str) -> bytes:
    return event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": said}, "p": "abcdefgh"})


def read(*events: bytes | tuple[str, Any]) -> list[Delta]:
    return deltas_of([each if isinstance(each, bytes) else event(*each) for each in events])


@given(streams(), st.integers(1, 400))
@settings(max_examples=60)
def test_reads_the_stream_it_writes_however_it_is_cut(deltas: list[Delta], size: int) -> None:
    writer = StreamWriter()
    stream = b"".join(map(writer.write, deltas))
    assert deltas_of([stream]) == deltas
    assert deltas_of(cut(stream, size)) == deltas


def test_reads_a_stream_that_is_cut_at_any_byte() -> None:
    finish = Finish("stop", Usage(1, 2, total=3), "m", "end_turn")
    deltas: list[Delta] = [ThinkingDelta("Hm."), TextDelta("Grüße 🙂"), finish]
    stream = b"".join(map(StreamWriter().write, deltas))
    for at in range(len(stream)):
        assert deltas_of([stream[:at], stream[at:]]) == deltas


@given(responses())
@settings(max_examples=60)
def test_reads_the_answer_it_writes(response: Response) -> None:
    assert decode_response(encode_response(response)) == response


def test_reads_every_kind_of_block() -> None:
    def delta(said: dict[str, Any]) -> tuple[str, Any]:
        return "contentBlockDelta", {"contentBlockIndex": 0, "delta": said}

    stop = ("contentBlockStop", {"contentBlockIndex": 0})
    assert read(
        ("messageStart", {"role": "assistant"}),
        delta({"reasoningContent": {"text": "Hm."}}),
        delta({"reasoningContent": {"signature": "c2VhbA=="}}),
        stop,
        delta({"reasoningContent": {"redactedContent": "c2VjcmV0"}}),
        stop,
        delta({"text": ""}),
        delta({"text": "Look: "}),
        delta({"citation": {"title": "A book"}}),
        stop,
        ("contentBlockStart", {"contentBlockIndex": 3, "start": {"toolUse": {"toolUseId": "t-1", "name": "find"}}}),
        delta({"toolUse": {"input": ""}}),
        delta({"toolUse": {"input": '{"city": "Mal'}}),
        delta({"toolUse": {"input": 'mö"}'}}),
        stop,
        ("contentBlockStart", {"contentBlockIndex": 4, "start": {"toolUse": {"toolUseId": "t-2", "name": "now"}}}),
        stop,
        ("contentBlockStart", {"start": {"toolUse": {"toolUseId": "t-3", "name": "web", "type": "server_tool_use"}}}),
        delta({"toolUse": {"input": "{}"}}),
        stop,
        ("contentBlockStart", {"contentBlockIndex": 5, "start": {"image": {"format": "png"}}}),
        delta({"image": {"source": {"bytes": "//4="}}}),
        delta({"image": {"source": {"bytes": "+w=="}}}),
        stop,
        ("neverHeardOf", {"new": [1]}),
        ("messageStop", {"stopReason": "tool_use"}),
        ("metadata", {"usage": {"inputTokens": 7, "outputTokens": 9, "totalTokens": 16}, "metrics": {"latencyMs": 5}}),
    ) == [
        ThinkingDelta("Hm."),
        ThinkingDelta("", "c2VhbA=="),
        ThinkingDelta("", "c2VjcmV0", redacted=True),
        TextDelta("Look: "),
        ToolCallDelta(ToolCall("find", {"city": "Malmö"}, "t-1")),
        ToolCallDelta(ToolCall("now", {}, "t-2")),
        MediaDelta(Media("image", "image/png", b"\xff\xfe\xfb")),
        Finish("tool_call", Usage(7, 9, total=16), provider_reason="tool_use"),
    ]


def test_writes_events_as_amazon_does() -> None:
    writer = StreamWriter()
    deltas: list[Delta] = [
        ThinkingDelta("Hm.", "c2VhbA=="),
        TextDelta("a"),
        TextDelta("b"),
        ToolCallDelta(ToolCall("find", {"a": 1}, "t-1")),
        Finish("tool_call", Usage(5, 2, cached_input=3, total=7)),
    ]
    stream = b"".join([writer.begin(), *map(writer.write, deltas)])
    assert [(frame.name, json.loads(frame.payload)) for frame in FrameReader().feed(stream)] == [
        ("messageStart", {"role": "assistant"}),
        ("contentBlockDelta", {"delta": {"reasoningContent": {"text": "Hm."}}, "contentBlockIndex": 0}),
        ("contentBlockDelta", {"delta": {"reasoningContent": {"signature": "c2VhbA=="}}, "contentBlockIndex": 0}),
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("contentBlockDelta", {"delta": {"text": "a"}, "contentBlockIndex": 1}),
        ("contentBlockDelta", {"delta": {"text": "b"}, "contentBlockIndex": 1}),
        ("contentBlockStop", {"contentBlockIndex": 1}),
        ("contentBlockStart", {"start": {"toolUse": {"toolUseId": "t-1", "name": "find"}}, "contentBlockIndex": 2}),
        ("contentBlockDelta", {"delta": {"toolUse": {"input": '{"a":1}'}}, "contentBlockIndex": 2}),
        ("contentBlockStop", {"contentBlockIndex": 2}),
        ("messageStop", {"stopReason": "tool_use"}),
        (
            "metadata",
            {
                "usage": {"inputTokens": 2, "outputTokens": 2, "totalTokens": 7, "cacheReadInputTokens": 3},
                "metrics": {"latencyMs": 0},
            },
        ),
    ]


def test_gives_a_call_that_has_no_id_one() -> None:
    [call, _] = deltas_of([*map(StreamWriter().write, [ToolCallDelta(ToolCall("f", {})), Finish("tool_call")])])
    assert isinstance(call, ToolCallDelta)
    assert call.call.id


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("tool_use", "tool_call"),
        ("malformed_model_output", "other"),
        ("something_new", "other"),
    ],
)
def test_says_why_it_ended(word: str, reason: Any) -> None:
    assert read(text("a"), ("messageStop", {"stopReason": word}))[-1] == Finish(reason, provider_reason=word)


def test_writes_its_own_words_for_the_end_only() -> None:
    for finish, word in (
        (Finish("stop", provider_reason="STOP"), "end_turn"),
        (Finish("length", provider_reason="end_turn"), "max_tokens"),
        (Finish("tool_call", provider_reason="end_turn"), "end_turn"),
        (Finish("content_filter"), "content_filtered"),
        (Finish("other", provider_reason="OTHER"), "malformed_model_output"),
    ):
        assert json.loads(encode_response(Response((Text("a"),), finish)))["stopReason"] == word


@pytest.mark.parametrize(
    ("said", "usage"),
    [
        ({"inputTokens": 7, "outputTokens": 3, "totalTokens": 10}, Usage(7, 3, total=10)),
        (
            {"inputTokens": 7, "outputTokens": 3, "totalTokens": 60, "cacheReadInputTokens": 40, "cacheWriteInputTokens": 10},
            Usage(57, 3, cached_input=40, cache_write=10, total=60),
        ),
        ({"outputTokens": 3}, Usage(output=3)),
        ({"inputTokens": "many"}, Usage()),
        (None, Usage()),
    ],
)  # fmt: skip
def test_counts_what_was_used(said: Any, usage: Usage) -> None:
    assert read(text("a"), STOP, ("metadata", {"usage": said}))[-1] == Finish("stop", usage, provider_reason="end_turn")


def test_tells_who_served_it_if_a_prompt_router_does() -> None:
    trace = {"promptRouter": {"invokedModelId": "arn:aws:bedrock:::foundation-model/x"}}
    finish = read(text("a"), STOP, ("metadata", {"trace": trace}))[-1]
    assert isinstance(finish, Finish)
    assert finish.served_model == "arn:aws:bedrock:::foundation-model/x"


@pytest.mark.parametrize("stream", [b"", text("a"), text("a")[:-1], text("a") + event(*STOP)[:20]], ids=range(4))
def test_a_stream_that_is_cut_is_no_answer(stream: bytes) -> None:
    with pytest.raises(StreamError, match="broke off before the answer was finished"):
        read(stream)


EXCEPTIONS = [
    ("throttlingException", "Too many requests, please wait before trying again.", ProviderError, 429),
    ("throttlingException", "Too many tokens per day, please wait before trying again.", QuotaError, 429),
    ("serviceUnavailableException", "Bedrock is unable to process your request.", ProviderError, 503),
    ("internalServerException", "The system encountered an unexpected error.", ProviderError, 500),
    ("modelStreamErrorException", "The model stopped.", ProviderError, 424),
    ("modelTimeoutException", "The model took too long.", ProviderError, 408),
    ("validationException", "Input is too long for requested model.", RefusedError, 400),
    ("accessDeniedException", "Not allowed.", CredentialsError, 403),
    ("neverHeardOfException", "Something new.", ProviderError, 500),
]


@pytest.mark.parametrize(("name", "message", "kind", "status"), EXCEPTIONS)
def test_an_exception_in_the_stream_is_raised(name: str, message: str, kind: type, status: int) -> None:
    frame = encode_exception_frame(name, json.dumps({"message": message}).encode())
    with pytest.raises(ProviderError) as early:
        read(("messageStart", {"role": "assistant"}), frame)
    assert type(early.value) is kind
    with pytest.raises(StreamError) as late:
        read(text("a"), frame)
    for each in (early.value, late.value):
        assert message in each.message
        assert (each.status, each.provider) == (status, "bedrock")


def test_what_came_before_an_exception_in_the_same_piece_is_given() -> None:
    body = ConverseBody()
    stream = body.read(text("a") + encode_exception_frame("throttlingException", b"{}"))
    assert next(stream) == TextDelta("a")
    with pytest.raises(StreamError, match="HTTP 429 Too Many Requests"):
        next(stream)


@pytest.mark.parametrize(
    "payload",
    [b"", b"{", b"[]", b'{"delta":5}', b'{"delta":{"text":5}}', b'{"delta":{"text":"\xff"}}', b"[" * 100_000],
    ids=range(7),
)
def test_what_cannot_be_read_is_an_error_of_the_provider(payload: bytes) -> None:
    frame = encode_event_frame("contentBlockDelta", payload)
    with pytest.raises(ProviderError, match="cannot be read") as early:
        read(frame)
    assert not isinstance(early.value, StreamError)
    with pytest.raises(StreamError, match="cannot be read"):
        read(text("a"), frame)


def called(arguments: str, reason: str) -> list[Delta]:
    return read(
        ("contentBlockStart", {"start": {"toolUse": {"toolUseId": "1", "name": "f"}}}),
        ("contentBlockDelta", {"delta": {"toolUse": {"input": arguments}}}),
        ("contentBlockStop", {}),
        ("messageStop", {"stopReason": reason}),
    )


def test_arguments_that_are_no_object_are_an_error_of_the_provider() -> None:
    for told in ('{"half', "[1]"):
        with pytest.raises(ProviderError, match="cannot be read"):
            called(told, "tool_use")


def test_a_call_that_was_cut_for_want_of_tokens_is_left_out() -> None:
    assert called('{"half', "max_tokens") == [Finish("length", provider_reason="max_tokens")]


NAMES = ("contentBlockDelta", "contentBlockStart", "contentBlockStop", "messageStop", "metadata", "x")
KEYS = (
    "delta start toolUse text input image source bytes reasoningContent usage stopReason output message content".split()
)
odd = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(KEYS), below, max_size=4),
    max_leaves=10,
)


@given(st.lists(st.tuples(st.sampled_from(NAMES), odd), max_size=4))
def test_nothing_but_errors_of_the_provider_come_of_anything_else(events: list[tuple[str, Any]]) -> None:
    for ask in (lambda: read(*events), lambda: decode_response(json.dumps(events[0][1] if events else 0).encode())):
        try:
            ask()
        except ProviderError as error:
            assert error.message


def test_reads_a_whole_answer() -> None:
    body = {
        "output": {
            "message": {
                "role": "assistant",
                "content": [
                    {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2VhbA=="}}},
                    {"text": "Hello."},
                    {"neverHeardOf": {}},
                    {"toolUse": {"toolUseId": "1", "name": "nova_grounding", "input": {}, "type": "server_tool_use"}},
                    {"toolResult": {"toolUseId": "1", "content": [], "type": "nova_grounding_result"}},
                    {
                        "citationsContent": {
                            "content": [{"text": " It "}, {"text": "is."}],
                            "citations": [{"title": "A"}],
                        }
                    },
                ],
            }
        },
        "stopReason": "end_turn",
        "usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3, "serverToolUsage": {}},
        "metrics": {"latencyMs": 300},
    }
    assert decode_response(json.dumps(body).encode()) == Response(
        (Thought("Hm.", "c2VhbA=="), Text("Hello."), Text(" It is.")),
        Finish("stop", Usage(1, 2, total=3), provider_reason="end_turn"),
    )


def test_ends_a_failed_stream_with_its_error() -> None:
    for given_, status in (
        (ProviderError("overloaded", status=529), 503),
        (ProviderError("too fast", status=429), 429),
        (RefusedError("no", status=400), 400),
        (ProviderError("broken", status=500), 500),
        (ProviderError("late", status=504), 503),
        (ProviderError("upstream", status=424), 424),
    ):
        writer = StreamWriter()
        stream = [writer.write(TextDelta("a")), writer.error(given_)]
        with pytest.raises(StreamError, match=given_.message) as error:
            deltas_of(stream)
        assert error.value.status == status


def test_is_kept_alive_by_what_is_no_delta() -> None:
    writer = StreamWriter()
    stream = [writer.keep_alive(), writer.write(TextDelta("a")), writer.keep_alive(), writer.write(Finish("stop"))]
    assert deltas_of(stream)[0] == TextDelta("a")
    assert len(deltas_of(stream)) == 2
