"""OpenAI's answers: streamed and whole, read and written, and every way in which they end."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boticelli_cli.errors import BoticelliError, CredentialsError, ProviderError, QuotaError, RefusedError, StreamError
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
from boticelli_cli.wire.openai import (
    KEEP_ALIVE,
    SideReader,
    StreamReader,
    StreamWriter,
    decode_response,
    encode_response,
)
from tests.wire.spoken import cut
from tests.wire.spoken_openai import calls, deltas_of, responses, streams

DONE = b"[DONE]"


def event(finish: str | None = None, choice: dict[str, Any] | None = None, **delta: Any) -> bytes:
    choices = [{"index": 0, "delta": delta, "finish_reason": finish, **(choice or {})}]
    return json.dumps({"id": "1", "object": "chat.completion.chunk", "choices": choices}).encode()


def call(index: int | None, id: str | None, name: str | None, arguments: Any, **more: Any) -> bytes:  # noqa: A002
    said = {"index": index, "id": id, "function": {"name": name, "arguments": arguments}, **more}
    return event(tool_calls=[{key: value for key, value in said.items() if value is not None}])


def read(*events: bytes) -> list[Delta]:
    reader = StreamReader()
    return [*(delta for each in events for delta in reader.read(each)), reader.finish()]


def whole(message: dict[str, Any], finish: str | None = "stop", **more: Any) -> Response:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return decode_response(json.dumps({"object": "chat.completion", "choices": [choice], **more}).encode())


@settings(max_examples=40)
@given(streams(), st.integers(1, 400))
def test_reads_the_stream_it_writes_however_it_is_cut(deltas: list[Delta], size: int) -> None:
    writer = StreamWriter(include_usage=True)
    stream = KEEP_ALIVE.join(map(writer.write, deltas))
    assert deltas_of([stream]) == deltas
    assert deltas_of(cut(stream, size)) == deltas


def test_reads_a_stream_that_is_cut_at_any_byte() -> None:
    called = ToolCallDelta(ToolCall("f", {"ä": "🙂"}, "call_1"))
    deltas: list[Delta] = [ThinkingDelta("Hm."), TextDelta("Grüße 🙂"), called, Finish("tool_call", Usage(1, 2, total=3), "m", "tool_calls")]  # fmt: skip
    stream = b"".join(map(StreamWriter(include_usage=True).write, deltas))
    for at in range(len(stream)):
        assert deltas_of([stream[:at], stream[at:]]) == deltas


@settings(max_examples=60)
@given(responses())
def test_reads_the_answer_it_writes(response: Response) -> None:
    assert decode_response(encode_response(response)) == response


@settings(max_examples=60)
@given(streams(), st.data())
def test_nothing_but_errors_of_ours_come_of_bytes_that_were_changed(deltas: list[Delta], data: st.DataObject) -> None:
    stream = bytearray(b"".join(map(StreamWriter().write, deltas)))
    for _ in range(data.draw(st.integers(1, 4))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert isinstance(deltas_of([bytes(stream)])[-1], Finish)
    except BoticelliError as error:
        assert error.message


# What servers say in their own way


def test_reads_what_openai_sends() -> None:
    assert read(
        b'{"choices":[],"prompt_filter_results":[{"prompt_index":0}]}',  # Azure
        event(role="assistant", content="", refusal=None),
        event(content="Hello"),
        event(content=" there"),
        event("stop"),
        b'{"model":"gpt-6-2026","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}',
        DONE,
    ) == [TextDelta("Hello"), TextDelta(" there"), Finish("stop", Usage(3, 2, total=5), "gpt-6-2026", "stop")]


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning_content": "Hm.", "content": None},
        {"reasoning": "Hm.", "reasoning_content": None, "content": ""},
        {"reasoning": "Hm.", "reasoning_details": [{"type": "reasoning.text", "text": "Hm.", "signature": "x"}]},
        {"reasoning": "Hm.", "reasoning_content": "Hm."},
        {"reasoning_details": [{"type": "reasoning.summary", "summary": "Hm."}, {"type": "reasoning.encrypted", "data": "x"}]},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]},
        {"content": [{"type": "thinking", "thinking": "Hm."}]},
    ],
)  # fmt: skip
def test_reads_thoughts_by_every_name(delta: dict[str, Any]) -> None:
    done = event("stop", content=[{"type": "text", "text": "Yes."}])
    assert read(event(**delta), done) == [
        ThinkingDelta("Hm."),
        TextDelta("Yes."),
        Finish("stop", provider_reason="stop"),
    ]
    assert whole(delta).parts == (Thought("Hm."),)


F = ToolCall("f", {"a": 1}, "x")
G = ToolCall("g", {}, "y")


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ([call(0, "x", "f", ""), call(0, None, None, '{"a"'), call(0, None, None, ":1}"), call(1, "y", "g", "{}")], [F, G]),
        ([call(0, "x", "f", ""), call(1, "y", "g", ""), call(0, None, None, '{"a":1}'), call(1, None, None, "{}")], [F, G]),
        ([call(0, "x", "f", '{"a":1}'), call(0, "y", "g", "{}")], [F, G]),  # Ollama's, which are all number 0
        ([call(None, "x", "f", '{"a":1}'), call(None, "y", "g", "")], [F, G]),
        ([call(None, "x", "f", '{"a"'), call(None, None, None, ":1}"), call(None, "y", "g", "{}")], [F, G]),
        ([call(0, "x", "f", '{"a"'), call(0, "x", "f", ":1}")], [F]),
        ([call(None, "x", "f", '{"a"'), call(None, "x", None, ":1}")], [F]),
        ([call(0, "x", "f", '{"a"'), call(0, "", "", ":1}")], [F]),
        ([call(0, None, "f", {"a": 1}), call(0, None, "f", {"a": 2})], [ToolCall("f", {"a": 1}), ToolCall("f", {"a": 2})]),
        ([call(0, "x", "f", {"a": 1}, type="function"), call(1, "y", "g", "null")], [F, G]),
        ([call(0, "x", "f", '{"a":1}'), event(tool_calls=[{"index": 1, "type": "custom", "custom": {}}])], [F]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("end", [[event("tool_calls")], [event("tool_calls"), DONE], [event("stop"), DONE], [DONE]])
def test_puts_tool_calls_together_however_they_are_cut(
    events: list[bytes], told: list[ToolCall], end: list[bytes]
) -> None:
    *deltas, finish = read(*events, *end)
    assert deltas == [ToolCallDelta(each) for each in told]
    assert isinstance(finish, Finish)
    assert finish.reason == "tool_call"


@settings(max_examples=40)
@given(calls, st.integers(1, 30))
def test_puts_arguments_together_that_are_cut_anywhere(asked: ToolCall, size: int) -> None:
    arguments = json.dumps(asked.arguments)
    first, *more = (arguments[at : at + size] for at in range(0, len(arguments), size))
    pieces = [call(0, asked.id, asked.name, first), *(call(0, None, None, piece) for piece in more)]
    assert read(*pieces, event("tool_calls"))[0] == ToolCallDelta(asked)


def test_a_call_that_comes_with_the_end_or_after_it_is_given() -> None:
    said = [{"index": 0, "id": "x", "function": {"name": "f", "arguments": '{"a":1}'}}]
    for events in ([event("tool_calls", tool_calls=said)], [event("tool_calls"), event(tool_calls=said)]):
        assert read(*events) == [ToolCallDelta(F), Finish("tool_call", provider_reason="tool_calls")]


def test_leaves_out_a_call_that_the_limit_of_tokens_cut() -> None:
    cut_off = [event(content="I"), call(0, "x", "f", '{"a":1}'), call(1, "y", "g", '{"b'), event("length")]
    assert read(*cut_off) == [TextDelta("I"), ToolCallDelta(F), Finish("length", provider_reason="length")]


@pytest.mark.parametrize(("name", "arguments"), [("f", '{"a'), ("f", "[1]"), (None, "{}")])
def test_a_call_that_cannot_be_read_is_an_error(name: str | None, arguments: str) -> None:
    with pytest.raises(ProviderError, match="asks for a tool in a way that cannot be read") as early:
        read(call(0, "x", name, arguments), event("tool_calls"))
    assert not isinstance(early.value, StreamError)
    with pytest.raises(StreamError, match="asks for a tool"):
        read(event(content="a"), call(0, "x", name, arguments), event("tool_calls"))


def test_reads_a_refusal_as_text_that_was_filtered() -> None:
    refused = Finish("content_filter", provider_reason="refusal")
    assert read(event(refusal="I can"), event(refusal="not."), event("stop"), DONE) == [TextDelta("I can"), TextDelta("not."), refused]  # fmt: skip
    assert whole({"content": None, "refusal": "I cannot."}) == Response((Text("I cannot."),), refused)
    assert whole({"content": [{"type": "refusal", "refusal": "I cannot."}]}) == Response((Text("I cannot."),), refused)


def test_reads_pictures_and_sound() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,//77"}}
    assert read(event(images=[picture]), event("stop"))[0] == MediaDelta(Media("image", "image/png", b"\xff\xfe\xfb"))
    sound = [event(audio={"id": "a", "transcript": "Hel"}), event(audio={"data": "AAE="}), event(audio={"data": "AgM=", "expires_at": 1})]  # fmt: skip
    assert read(*sound, event("stop"))[:-1] == [
        TextDelta("Hel"),
        MediaDelta(Media("audio", "audio/pcm;rate=24000", b"\x00\x01\x02\x03")),
    ]
    for data, mime in (("UklGRg==", "audio/wav"), ("SUQz", "audio/mpeg"), ("AAE=", "audio/pcm;rate=24000")):
        assert whole({"content": None, "audio": {"transcript": "Hi.", "data": data}}).media[0].mime == mime


def test_takes_the_first_of_several_choices() -> None:
    two = {"choices": [{"index": 0, "delta": {"content": "a"}}, {"index": 1, "delta": {"content": "b"}}]}
    assert read(json.dumps(two).encode(), event("stop", {"index": 1}), event("stop"))[0] == TextDelta("a")


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("stop", "stop"),
        ("eos", "stop"),
        ("STOP", "stop"),
        ("length", "length"),
        ("max_tokens", "length"),
        ("content_filter", "content_filter"),
        ("tool_calls", "tool_call"),
        ("function_call", "tool_call"),
        ("insufficient_system_resource", "other"),
    ],
)
def test_says_why_it_ended(word: str, reason: Any) -> None:
    assert read(event(content="a"), event(word), DONE)[-1] == Finish(reason, provider_reason=word)


def test_a_server_that_gives_no_reason_but_says_that_it_is_done_has_stopped() -> None:
    assert read(event(content="a"), DONE) == [TextDelta("a"), Finish("stop")]
    assert whole({"content": "a"}, finish=None) == Response((Text("a"),), Finish("stop"))


def test_writes_its_own_words_for_the_end_only() -> None:
    for finish, word in (
        (Finish("stop", provider_reason="end_turn"), "stop"),
        (Finish("length", provider_reason="stop"), "length"),
        (Finish("content_filter", provider_reason="refusal"), "content_filter"),
        (Finish("tool_call", provider_reason="STOP"), "tool_calls"),
        (Finish("other", provider_reason="MALFORMED_FUNCTION_CALL"), "stop"),
    ):
        assert json.loads(encode_response(Response((Text("a"),), finish)))["choices"][0]["finish_reason"] == word


USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 50,
    "total_tokens": 150,
    "prompt_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 5, "audio_tokens": 10},
    "completion_tokens_details": {"reasoning_tokens": 30, "audio_tokens": 20, "accepted_prediction_tokens": 1},
}


@pytest.mark.parametrize(
    ("said", "usage"),
    [
        (USAGE, Usage(100, 50, 30, 40, 5, 150, 10, 20)),
        ({"prompt_tokens": 7, "prompt_cache_hit_tokens": 4, "completion_tokens_details": None}, Usage(7, cached_input=4)),
        ({"cache_read_input_tokens": 4, "cache_creation_input_tokens": 2}, Usage(cached_input=4, cache_write=2)),
        ({"prompt_tokens": "7"}, Usage(7)),
        ({"prompt_tokens": "many"}, Usage()),
        ({}, Usage()),
    ],
)  # fmt: skip
def test_counts_what_was_used_wherever_it_is_said(said: dict[str, Any], usage: Usage) -> None:
    told = {"usage": said}
    running = {"usage": {"prompt_tokens": 1}}
    for events in (
        [event("stop"), json.dumps({"choices": [], **told}).encode()],
        [json.dumps({**json.loads(event("stop")), **told}).encode()],
        [json.dumps({**json.loads(event(content="a")), **running}).encode(), json.dumps({**json.loads(event("stop")), **told}).encode(), event()],
        [event("stop", choice=told)],
        [event("stop"), json.dumps(told).encode(), b'{"choices":[],"usage":null}', DONE],
    ):  # fmt: skip
        assert read(*events)[-1] == Finish("stop", usage, provider_reason="stop")
    assert whole({"content": "a"}, **told).finish.usage == usage


# What goes wrong


def test_a_stream_that_is_cut_is_no_answer() -> None:
    for events in ([], [event(content="a")], [event(content="a"), call(0, "x", "f", "{}")]):
        with pytest.raises(StreamError, match="broke off before the answer was finished"):
            read(*events)


@pytest.mark.parametrize(
    ("said", "kind", "status"),
    [
        ({"error": {"message": "Overloaded.", "type": "server_error", "code": None}}, ProviderError, 500),
        ({"error": {"message": "Overloaded.", "code": 502, "metadata": {"provider_name": "x"}}}, ProviderError, 502),
        ({"error": {"message": "Overloaded.", "type": "overloaded_error"}}, ProviderError, 503),
        ({"error": {"message": "Overloaded.", "code": "rate_limit_exceeded"}}, ProviderError, 429),
        ({"error": {"message": "Overloaded.", "code": "insufficient_quota"}}, QuotaError, 429),
        ({"error": {"message": "Overloaded.", "code": "invalid_api_key"}}, CredentialsError, 401),
        ({"error": {"message": "Overloaded.", "type": "invalid_request_error"}}, RefusedError, 400),
        ({"error": "Overloaded."}, ProviderError, 500),
        ({"detail": "Overloaded."}, ProviderError, 500),
        ({"object": "error", "message": "Overloaded.", "code": 503}, ProviderError, 503),
        ({"message": "Overloaded.", "type": "server_error"}, ProviderError, 500),
        ({"error": {"message": "Overloaded.", "code": 502}, "choices": [{"delta": {"content": ""}, "finish_reason": "error"}]}, ProviderError, 502),
    ],
)  # fmt: skip
def test_an_error_in_the_stream_is_raised(said: Any, kind: type[ProviderError], status: int) -> None:
    data = json.dumps(said).encode()
    with pytest.raises(ProviderError, match=r"Overloaded\.") as early:
        read(data)
    assert type(early.value) is kind
    with pytest.raises(StreamError) as late:
        read(event(content="a"), data)
    for each in (early.value, late.value):
        assert (each.message, each.status, each.provider) == (early.value.message, status, "openai")


def test_no_error_is_no_error() -> None:
    assert read(b'{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}],"error":null}')[0] == TextDelta("a")
    assert read(b"", b"{}", event("stop"))[-1] == Finish("stop", provider_reason="stop")


@pytest.mark.parametrize(
    "data",
    [b"{", b"[]", b'{"choices":5}', b'{"choices":[{"delta":{"content":5}}]}', b'{"model":"\xff"}', b"<html>" + b"x" * 500,
     b'{"choices":[{"delta":{"images":[{"image_url":{"url":"data:image/png;base64,%"}}]}}]}', b"[" * 100_000],
)  # fmt: skip
def test_what_cannot_be_read_is_an_error_of_the_provider(data: bytes) -> None:
    with pytest.raises(ProviderError, match="cannot be read") as early:
        read(data)
    assert not isinstance(early.value, StreamError)
    assert "x" * 80 not in early.value.message
    with pytest.raises(StreamError, match="cannot be read"):
        read(event(content="a"), data)


WORDS = "choices delta message content finish_reason index usage tool_calls function arguments name error code type images audio data detail".split()  # fmt: skip


@settings(max_examples=60)
@given(st.binary() | st.recursive(st.none() | st.integers() | st.text(), lambda below: st.lists(below) | st.dictionaries(
    st.sampled_from(WORDS), below)).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_nothing_but_errors_of_the_provider_come_of_anything_else(data: bytes) -> None:
    for ask in (lambda: read(data), lambda: decode_response(data)):
        try:
            ask()
        except ProviderError as error:
            assert error.message


def test_whole_answers_that_hold_an_error_or_nothing_are_errors() -> None:
    with pytest.raises(QuotaError):
        decode_response(b'{"error":{"message":"no","code":"insufficient_quota"}}')
    for body in (b"{}", b'{"choices":[]}', b'{"choices":null}'):
        with pytest.raises(ProviderError, match="no choices"):
            decode_response(body)
    for body in (b"", b" ", b"<html>"):
        with pytest.raises(ProviderError, match="cannot be read"):
            decode_response(body)


@pytest.mark.parametrize("reason", ["", ',"finish_reason":null', ',"finish_reason":""'])
def test_takes_a_whole_answer_for_whole_whose_server_says_no_reason(reason: str) -> None:
    body = f'{{"choices":[{{"index":0,"message":{{"content":"a"}}{reason}}}]}}'
    assert decode_response(body.encode()) == Response((Text("a"),), Finish("stop"))


# What is written


def test_ends_a_failed_stream_with_its_error() -> None:
    writer = StreamWriter()
    stream = [writer.write(TextDelta("a")), writer.error(ProviderError("overloaded", status=503))]
    with pytest.raises(StreamError, match="overloaded") as error:
        deltas_of(stream)
    assert error.value.status == 503


def test_writes_events_as_openai_does() -> None:
    writer = StreamWriter("gpt-6", id="chatcmpl-1", created=7)
    head = b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":7,"model":"gpt-6","choices":[{"index":0,"delta":'
    assert writer.write(TextDelta("Hi\n")) == (
        head + b'{"role":"assistant","content":""},"finish_reason":null}]}\n\n' + head + b'{"content":"Hi\\n"},"finish_reason":null}]}\n\n'
    )  # fmt: skip
    assert writer.write(TextDelta("there")) == head + b'{"content":"there"},"finish_reason":null}]}\n\n'
    assert writer.write(ToolCallDelta(G)) == (
        head + b'{"tool_calls":[{"index":0,"id":"y","type":"function","function":{"name":"g","arguments":"{}"}}]},"finish_reason":null}]}\n\n'
    )  # fmt: skip
    assert b'"index":1,"id":"x"' in writer.write(ToolCallDelta(F))
    assert writer.write(MediaDelta(Media("audio", "audio/wav", b"x"))) == b""
    assert writer.write(Finish("stop", Usage(1, 2))) == head + b'{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


def test_says_the_usage_in_a_chunk_of_its_own_when_asked() -> None:
    closing = StreamWriter("m", include_usage=True).write(Finish("stop", Usage(1, 2, thinking=1), "m-2"))
    *_, usage, done = closing.split(b"\n\n")[:-1]
    assert done == b"data: [DONE]"
    said = json.loads(usage.removeprefix(b"data: "))
    assert (said["choices"], said["model"]) == ([], "m-2")
    assert said["usage"] == {
        "prompt_tokens": 1,
        "completion_tokens": 2,
        "total_tokens": 3,
        "completion_tokens_details": {"reasoning_tokens": 1},
    }
    assert b"usage" not in StreamWriter("m", include_usage=True).write(Finish("stop"))


def test_makes_ids_for_answers_and_calls_that_have_none() -> None:
    ids = set()
    for _ in range(2):
        body = json.loads(encode_response(Response((ToolCall("f", {}),), Finish("tool_call"))))
        ids |= {body["id"], body["choices"][0]["message"]["tool_calls"][0]["id"]}
    assert len(ids) == 4
    assert {each.split("-")[0].split("_")[0] for each in ids} == {"chatcmpl", "call"}


@pytest.mark.parametrize(
    "events", [[DONE], [b"{}", DONE], [event(), DONE], [event(role="assistant", content=""), DONE]]
)
def test_an_answer_that_says_only_that_it_is_done_has_broken_off(events: list[bytes]) -> None:
    with pytest.raises(StreamError):
        read(*events)
    side = SideReader()
    for each in events:
        side.read(each)
    assert side.finish(given=False) is None
