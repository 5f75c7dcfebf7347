"""Anthropic's answers: streamed and whole, read and written, and every way in which they end."""

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
from boticelli_cli.wire.anthropic import StreamReader, StreamWriter, decode_response, encode_response
from boticelli_cli.wire.body import Losses
from tests.wire.spoken import cut
from tests.wire.spoken_anthropic import MODEL, deltas_of, responses, streams


def event(kind: str, **fields: Any) -> bytes:
    return json.dumps({"type": kind, **fields}).encode()


def start(**usage: Any) -> bytes:
    said = {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": MODEL, "stop_reason": None}
    return event("message_start", message={**said, "usage": usage})


def opened(index: int, **block: Any) -> bytes:
    return event("content_block_start", index=index, content_block=block)


def delta(index: int, **said: Any) -> bytes:
    return event("content_block_delta", index=index, delta=said)


def closed(index: int) -> bytes:
    return event("content_block_stop", index=index)


def ended(reason: str | None, details: Any = None, **usage: Any) -> bytes:
    said = {"stop_reason": reason, "stop_sequence": None, "stop_details": details}
    return event("message_delta", delta=said, usage=usage)


STOP = event("message_stop")
HELLO = delta(0, type="text_delta", text="Hello")


def read(*events: bytes) -> list[Delta]:
    reader = StreamReader()
    return [*(delta for each in events for delta in reader.read(each)), reader.finish()]


@given(streams(), st.integers(1, 400))
@settings(max_examples=40)
def test_reads_the_stream_it_writes_however_it_is_cut(deltas: list[Delta], size: int) -> None:
    writer = StreamWriter(MODEL)
    stream = b"".join([writer.keep_alive(), *map(writer.write, deltas)])
    assert deltas_of([stream]) == deltas
    assert deltas_of(cut(stream, size)) == deltas


def test_reads_a_stream_that_is_cut_at_any_byte() -> None:
    deltas: list[Delta] = [
        ThinkingDelta("Hm."),
        ThinkingDelta("", "c2VhbA=="),
        TextDelta("Grüße 🙂"),
        ToolCallDelta(ToolCall("f", {"ü": "🙂"}, "1")),
        Finish("tool_call", Usage(1, 2), MODEL, "tool_use"),
    ]
    stream = b"".join(map(StreamWriter(MODEL).write, deltas))
    for at in range(len(stream)):
        assert deltas_of([stream[:at], stream[at:]]) == deltas


@given(streams(), st.data())
@settings(max_examples=40)
def test_nothing_but_errors_of_its_own_come_of_a_stream_whose_bytes_are_changed(
    deltas: list[Delta], data: st.DataObject
) -> None:
    stream = bytearray(b"".join(map(StreamWriter(MODEL).write, deltas)))
    for at in data.draw(st.lists(st.integers(0, len(stream) - 1), min_size=1, max_size=4)):
        stream[at] = data.draw(st.integers(0, 255))
    try:
        deltas_of([bytes(stream)])
    except BoticelliError as error:
        assert error.message


@given(responses(), st.data())
@settings(max_examples=25)
def test_nothing_but_errors_of_its_own_come_of_an_answer_whose_bytes_are_changed(
    response: Response, data: st.DataObject
) -> None:
    body = bytearray(encode_response(response))
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        decode_response(bytes(body))
    except BoticelliError as error:
        assert error.message


@given(responses())
@settings(max_examples=40)
def test_reads_the_answer_it_writes(response: Response) -> None:
    assert decode_response(encode_response(response)) == response


def test_reads_every_kind_of_block() -> None:
    deltas = read(
        start(input_tokens=3),
        event("ping"),
        opened(0, type="thinking", thinking="", signature=""),
        delta(0, type="thinking_delta", thinking="Hm."),
        delta(0, type="signature_delta", signature="c2VhbA=="),
        closed(0),
        opened(1, type="redacted_thinking", data="b3BhcXVl"),
        closed(1),
        opened(2, type="text", text="", citations=None),
        delta(2, type="text_delta", text=""),
        delta(2, type="text_delta", text="Look."),
        delta(2, type="citations_delta", citation={"type": "page_location"}),
        closed(2),
        opened(3, type="server_tool_use", id="s", name="web_search", input={}),
        delta(3, type="input_json_delta", partial_json='{"query": "a'),
        closed(3),
        opened(4, type="web_search_tool_result", tool_use_id="s", content=[{"type": "web_search_result"}]),
        closed(4),
        opened(5, type="tool_use", id="t", name="f", input={}),
        delta(5, type="input_json_delta", partial_json=""),
        delta(5, type="input_json_delta", partial_json='{"a": "'),
        delta(5, type="input_json_delta", partial_json='ü"}'),
        closed(5),
        opened(6, type="tool_use", id="u", name="g", input={"b": 1}),
        closed(6),
        event("unheard_of", delta=None),
        ended("tool_use", output_tokens=9),
        event("message_stop", **{"amazon-bedrock-invocationMetrics": {"inputTokenCount": 3}}),
    )
    assert deltas == [
        ThinkingDelta("Hm."),
        ThinkingDelta("", "c2VhbA=="),
        ThinkingDelta("", "b3BhcXVl", redacted=True),
        TextDelta("Look."),
        ToolCallDelta(ToolCall("f", {"a": "ü"}, "t")),
        ToolCallDelta(ToolCall("g", {"b": 1}, "u")),
        Finish("tool_call", Usage(3, 9), MODEL, "tool_use"),
    ]


def test_reads_a_whole_answer_of_every_kind_of_block() -> None:
    body = {
        "id": "msg_1",
        "type": "message",
        "model": MODEL,
        "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": "c2VhbA=="},
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "redacted_thinking", "data": "b3BhcXVl"},
            {"type": "text", "text": "It is ", "citations": [{"type": "char_location"}]},
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}},
            {"type": "web_search_tool_result", "tool_use_id": "s", "content": {"error_code": "unavailable"}},
            {"type": "text", "text": "raining."},
            {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
        ],
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 5, "output_tokens": 7, "service_tier": "standard"},
    }
    assert decode_response(json.dumps(body).encode()) == Response(
        (
            Thought("Hm.", "c2VhbA=="),
            Thought("", "b3BhcXVl", redacted=True),
            Text("It is raining."),
            ToolCall("f", {"a": 1}, "t"),
        ),
        Finish("tool_call", Usage(5, 7), MODEL, "tool_use"),
    )


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_call"),
        ("refusal", "content_filter"),
        ("pause_turn", "other"),
        ("something_new", "other"),
        (None, "other"),
    ],
)
def test_says_why_it_ended(word: str | None, reason: str) -> None:
    assert read(HELLO, ended(word), STOP)[-1] == Finish(reason, provider_reason=word)  # type: ignore[arg-type]


def test_writes_its_own_words_for_the_end_only() -> None:
    for finish, word in (
        (Finish("stop", provider_reason="STOP"), "end_turn"),
        (Finish("stop", provider_reason="stop_sequence"), "stop_sequence"),
        (Finish("length", provider_reason="end_turn"), "max_tokens"),
        (Finish("content_filter"), "refusal"),
        (Finish("tool_call", provider_reason="STOP"), "tool_use"),
        (Finish("other", provider_reason="pause_turn"), "pause_turn"),
        (Finish("other", provider_reason="OTHER"), "end_turn"),
        (Finish("other"), "end_turn"),
    ):
        assert json.loads(encode_response(Response((Text("a"),), finish)))["stop_reason"] == word


@pytest.mark.parametrize(
    ("first", "later", "usage"),
    [
        ({"input_tokens": 10, "output_tokens": 1}, [{"output_tokens": 7}], Usage(10, 7)),
        (
            {"input_tokens": 10, "cache_read_input_tokens": 40, "cache_creation_input_tokens": 5, "output_tokens": 1},
            [{"output_tokens": 3}, {"output_tokens": 9, "output_tokens_details": {"thinking_tokens": 4}}],
            Usage(55, 9, 4, 40, 5),
        ),
        (
            {"input_tokens": 0, "output_tokens": 0},
            [{"input_tokens": 20, "cache_read_input_tokens": 4, "output_tokens": 2}],
            Usage(24, 2, cached_input=4),
        ),
        ({"input_tokens": 10, "output_tokens": 1}, [{"output_tokens": None, "input_tokens": None}, {}], Usage(10, 1)),
        ({"input_tokens": 10}, [{"output_tokens": "many"}], Usage(10)),
        ({"output_tokens": 1}, [], Usage(None, 1)),
        ({}, [], Usage()),
    ],
)
def test_the_last_word_on_a_count_holds_and_silence_changes_none(
    first: dict[str, Any], later: list[dict[str, Any]], usage: Usage
) -> None:
    *_, finish = read(start(**first), HELLO, *(ended("end_turn", **each) for each in later), STOP)
    assert isinstance(finish, Finish)
    assert (finish.usage, finish.served_model) == (usage, MODEL)


def test_a_stream_without_its_last_event_is_no_answer() -> None:
    for events in ([], [start(), HELLO], [start(), HELLO, ended("end_turn")]):
        with pytest.raises(StreamError, match="broke off before the answer was finished"):
            read(*events)


def test_a_call_that_is_cut_is_left_out_of_an_answer_that_is_cut() -> None:
    call = [
        opened(0, type="tool_use", id="t", name="f", input={}),
        delta(0, type="input_json_delta", partial_json='{"a'),
    ]
    assert read(*call, closed(0), ended("max_tokens"), STOP) == [Finish("length", provider_reason="max_tokens")]
    with pytest.raises(ProviderError, match="cannot be read"):
        read(*call, closed(0), ended("tool_use"), STOP)
    with pytest.raises(StreamError, match="cannot be read"):
        read(HELLO, *call, closed(0), ended("tool_use"), STOP)


REFUSAL = {"type": "refusal", "category": "general_harms", "explanation": "Not this."}


def test_an_answer_refused_before_it_began_says_why() -> None:
    body = {"type": "message", "content": [], "stop_reason": "refusal", "stop_details": REFUSAL}
    for ask in (
        lambda: read(start(), ended("refusal", REFUSAL), STOP),
        lambda: decode_response(json.dumps(body).encode()),
    ):
        with pytest.raises(RefusedError) as refused:
            ask()
        assert refused.value.message == "the model refused to answer (general harms): Not this."
        assert refused.value.hint == "reword it, or ask another model"
        assert refused.value.provider == "anthropic"
    with pytest.raises(RefusedError, match=r"^the model refused to answer$"):
        read(ended("refusal", "x"), STOP)
    assert read(HELLO, ended("refusal", REFUSAL), STOP)[-1] == Finish("content_filter", provider_reason="refusal")


@pytest.mark.parametrize(
    ("kind", "status", "error"),
    [
        ("overloaded_error", 529, ProviderError),
        ("api_error", 500, ProviderError),
        ("rate_limit_error", 429, ProviderError),
        ("authentication_error", 401, CredentialsError),
        ("invalid_request_error", 400, RefusedError),
        ("billing_error", 402, QuotaError),
        ("never_heard_of", 500, ProviderError),
    ],
)
def test_an_error_in_the_stream_is_raised(kind: str, status: int, error: type[ProviderError]) -> None:
    data = event("error", error={"type": kind, "message": "Not now."})
    with pytest.raises(error, match=r"Not now\.") as early:
        read(start(), data)
    assert not isinstance(early.value, StreamError)
    with pytest.raises(StreamError) as late:
        read(HELLO, data)
    for each in (early.value, late.value):
        assert (each.message, each.status, each.provider) == (early.value.message, status, "anthropic")


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"{", b"[DONE]", b"[" * 100_000, b"<html>" + b"x" * 500, b'{"type":"ping","index":"x"}', b"{}"),
        b'{"type":"content_block_delta","delta":{"type":"text_delta","text":5}}',
        b'{"type":"content_block_delta","delta":{"type":"text_delta","text":"\xff"}}',
        b'{"type":"content_block_start","content_block":{"type":"tool_use","name":"f"}}',
        b'{"type":"message_start","message":5}',
    ],
)
def test_what_cannot_be_read_is_an_error_of_the_provider(data: bytes) -> None:
    with pytest.raises(ProviderError, match="cannot be read") as early:
        read(data)
    assert not isinstance(early.value, StreamError)
    assert "x" * 80 not in early.value.message
    with pytest.raises(StreamError, match="cannot be read"):
        read(HELLO, data)


WORDS = ("type", "content", "content_block", "delta", "text", "index", "message", "usage", "error", "input", "model")
KINDS = ("text", "tool_use", "message_start", "content_block_start", "content_block_delta", "message_delta", "error")


@given(
    st.recursive(
        st.none() | st.integers() | st.sampled_from(KINDS),
        lambda below: st.lists(below, max_size=4) | st.dictionaries(st.sampled_from(WORDS), below, max_size=6),
    ).map(lambda value: json.dumps(value).encode())
)
@settings(max_examples=60)
def test_nothing_but_errors_of_the_provider_come_of_anything_else(data: bytes) -> None:
    for ask in (lambda: read(data, STOP), lambda: decode_response(data)):
        try:
            ask()
        except ProviderError as error:
            assert error.message


def test_whole_answers_that_hold_an_error_or_nothing_are_errors() -> None:
    with pytest.raises(ProviderError, match="Overloaded") as raised:
        decode_response(b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}')
    assert raised.value.status == 529
    with pytest.raises(ProviderError, match="no content"):
        decode_response(b'{"type":"message"}')
    for more in (b"", b',"stop_reason":null'):
        with pytest.raises(ProviderError, match="was cut"):
            decode_response(b'{"content":[{"type":"text","text":"a"}]' + more + b"}")


def test_writes_events_as_anthropic_does() -> None:
    writer = StreamWriter(MODEL, id="msg_1", usage=Usage(input=5))
    stream = [
        *map(
            writer.write,
            (
                ThinkingDelta("Hm."),
                ThinkingDelta(""),
                TextDelta("Hi\n"),
                ToolCallDelta(ToolCall("f", {"a": 1}, "t")),
                Finish("tool_call", Usage(input=6, output=2, cached_input=4)),
            ),
        )
    ]
    assert stream[1] == b""
    events = [part.split(b"\n", 1) for part in b"".join(stream).split(b"\n\n") if part]
    told = [json.loads(data.removeprefix(b"data: ")) for _, data in events]
    assert [name.removeprefix(b"event: ").decode() for name, _ in events] == [each["type"] for each in told]
    assert [(each["type"], each.get("index")) for each in told] == [
        ("message_start", None),
        ("content_block_start", 0),
        ("content_block_delta", 0),
        ("content_block_stop", 0),
        ("content_block_start", 1),
        ("content_block_delta", 1),
        ("content_block_stop", 1),
        ("content_block_start", 2),
        ("content_block_delta", 2),
        ("content_block_delta", 2),
        ("content_block_stop", 2),
        ("message_delta", None),
        ("message_stop", None),
    ]
    assert told[0]["message"] == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 5, "output_tokens": 0},
    }
    assert told[-2] == {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use", "stop_sequence": None},
        "usage": {"input_tokens": 2, "cache_read_input_tokens": 4, "output_tokens": 2},
    }
    assert StreamWriter(MODEL).keep_alive() == b'event: ping\ndata: {"type":"ping"}\n\n'


def test_opens_its_answer_once() -> None:
    writer = StreamWriter(MODEL)
    assert writer.begin().startswith(b"event: message_start\n")
    assert writer.begin() == b""
    assert b"message_start" not in writer.write(TextDelta("a"))


def test_gives_ids_where_there_are_none() -> None:
    calls = [ToolCallDelta(ToolCall("f", {})), ToolCallDelta(ToolCall("f", {}))]
    writer = StreamWriter(MODEL)
    told = deltas_of([*map(writer.write, calls), writer.write(Finish("tool_call"))])
    ids = {each.call.id for each in told if isinstance(each, ToolCallDelta)}
    assert len(ids) == 2
    assert all(each and each.startswith("toolu_") for each in ids)
    body = json.loads(encode_response(Response((ToolCall("f", {}),), Finish("tool_call")), model="m"))
    assert (body["id"][:4], body["content"][0]["id"][:6], body["model"]) == ("msg_", "toolu_", "m")


def test_says_what_an_answer_lost() -> None:
    picture = Media("image", "image/png", data=b"x")
    losses = Losses()
    writer = StreamWriter(MODEL, losses=losses)
    assert deltas_of([writer.write(MediaDelta(picture)), writer.write(Finish("stop"))])[:-1] == []
    assert losses.names == ("media in answers",)
    losses = Losses()
    assert json.loads(encode_response(Response((picture,), Finish("stop")), losses=losses))["content"] == []
    assert losses.names == ("media in answers",)


def test_ends_a_failed_stream_with_its_error() -> None:
    writer = StreamWriter(MODEL)
    stream = [writer.write(TextDelta("a")), writer.error(ProviderError("overloaded", status=529))]
    assert stream[1].startswith(b"event: error\n")
    with pytest.raises(StreamError, match="overloaded") as error:
        deltas_of(stream)
    assert error.value.status == 529
