"""The writers of the three dialects that clients speak: one shape, and nothing claimed that nobody knows."""

import json
from typing import Any

import anthropic as anthropic_client
import pytest

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
    deltas_of,
)
from boticelli_cli.wire import anthropic, gemini, openai
from boticelli_cli.wire.body import Losses
from boticelli_cli.wire.stream import Writer
from tests.wire.answering import Answering
from tests.wire.spoken import events_of

DIALECTS: dict[str, Any] = {"anthropic": anthropic, "gemini": gemini, "openai": openai}
every_dialect = pytest.mark.parametrize("name", DIALECTS)
SOUND = Media("audio", "audio/wav", b"RIFF")
ANSWER = Response((Thought("Hm.", "c2VhbA=="), Text("Hi."), SOUND), Finish("stop"))
NO_WORDS = {
    "anthropic": ("media in answers",),
    "gemini": ("thought signatures",),
    "openai": ("thought signatures", "audio in answers"),
}


def writer_of(name: str, **settings: Any) -> Writer:
    writer: Writer = DIALECTS[name].StreamWriter(**settings)
    return writer


def said(writer: Writer, *deltas: Delta) -> list[Any]:
    return [json.loads(event.data) for event in events_of([writer.write(delta) for delta in deltas]) if event.data != b"[DONE]"]  # fmt: skip


@every_dialect
def test_says_the_model_and_the_id_that_it_is_given(name: str) -> None:
    stream = json.dumps(said(writer_of(name, model="m-1", id="id-1"), TextDelta("Hi."), Finish("stop")))
    whole = DIALECTS[name].encode_response(Response((Text("Hi."),), Finish("stop")), model="m-1", id="id-1").decode()
    for text in (stream, whole):
        assert '"m-1"' in text
        assert '"id-1"' in text


@every_dialect
def test_names_what_its_dialect_has_no_words_for(name: str) -> None:
    streamed, whole = Losses(), Losses()
    said(writer_of(name, losses=streamed), *deltas_of(ANSWER))
    DIALECTS[name].encode_response(ANSWER, losses=whole)
    assert streamed.names == whole.names == NO_WORDS[name]


@every_dialect
def test_keeps_alive_in_a_way_that_says_nothing(name: str) -> None:
    writer = writer_of(name)
    deltas = (ThinkingDelta("Hm."), TextDelta("Hi."), TextDelta("!"), Finish("stop"))
    stream = [piece for delta in deltas for piece in (writer.keep_alive(), writer.write(delta))]
    reader = DIALECTS[name].StreamReader()
    assert [each for event in events_of(stream) for each in reader.read(event.data)] == [*deltas[:-1]]
    assert reader.finish().reason == "stop"


@pytest.mark.parametrize("name", ["anthropic", "openai"])
def test_gives_each_call_an_id_of_its_own(name: str) -> None:
    calls = [ToolCall("f", {}), ToolCall("f", {}, "a"), ToolCall("f", {"x": 1}, "a"), ToolCall("f", {}, "")]
    answer = Response((Text("So."), *calls), Finish("tool_call"))
    reader, writer = DIALECTS[name].StreamReader(), writer_of(name)
    streamed = [
        each for event in events_of([*map(writer.write, deltas_of(answer))]) for each in reader.read(event.data)
    ]
    whole = DIALECTS[name].decode_response(DIALECTS[name].encode_response(answer)).tool_calls
    for told in ([each.call for each in streamed if isinstance(each, ToolCallDelta)], whole):
        assert [call.arguments for call in told] == [{}, {}, {"x": 1}, {}]
        assert len({call.id for call in told} - {None, ""}) == 4
        assert told[1].id == "a"


def test_does_not_count_for_gemini_and_openai_what_nobody_has_counted() -> None:
    for name, word in (("gemini", "usageMetadata"), ("openai", "usage")):
        settings: Any = {"include_usage": True} if name == "openai" else {}
        assert word not in json.dumps(said(writer_of(name, **settings), TextDelta("Hi."), Finish("stop")))
        assert word not in json.loads(DIALECTS[name].encode_response(Response((Text("Hi."),), Finish("stop"))))


def test_puts_the_count_of_the_input_right_for_anthropic_at_the_end() -> None:
    writer = anthropic.StreamWriter("m", usage=Usage(input=40))
    start, *_, end, _ = said(writer, TextDelta("Hi."), Finish("stop", Usage(55, 7, cached_input=5)))
    assert start["message"]["usage"] == {"input_tokens": 40, "output_tokens": 0}
    assert end["usage"] == {"input_tokens": 50, "cache_read_input_tokens": 5, "output_tokens": 7}


def test_leaves_the_estimate_for_anthropic_where_the_end_does_not_count() -> None:
    writer = anthropic.StreamWriter("m", usage=Usage(input=40))
    *_, end, _ = said(writer, TextDelta("Hi."), Finish("stop"))
    assert end["usage"] == {"output_tokens": 0}
    with Answering() as server, anthropic_client.Anthropic(api_key="none", base_url=server.url) as client:
        writer = anthropic.StreamWriter("m", usage=Usage(input=40))
        body = b"".join(map(writer.write, (TextDelta("Hi."), Finish("stop"))))
        server.prepare(body, kind="text/event-stream")
        asked: Any = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi."}]}
        with client.messages.stream(**asked) as stream:
            assert stream.get_final_message().usage.input_tokens == 40


def test_counts_all_for_gemini() -> None:
    (_, end) = said(gemini.StreamWriter(), TextDelta("Hi."), Finish("stop", Usage(5, 7, thinking=3)))
    assert end["usageMetadata"] == {
        "promptTokenCount": 5,
        "candidatesTokenCount": 4,
        "thoughtsTokenCount": 3,
        "totalTokenCount": 12,
    }


def test_has_one_block_after_the_other_however_an_answer_is_mixed() -> None:
    deltas = (
        *(TextDelta("a"), ThinkingDelta("b"), ThinkingDelta("", "c2VhbA=="), ThinkingDelta("c"), TextDelta("d")),
        *(ToolCallDelta(ToolCall("f", {}, "1")), ToolCallDelta(ToolCall("f", {}, "2")), TextDelta("e"), TextDelta("f")),
        *(MediaDelta(SOUND), TextDelta("g"), ThinkingDelta("", "c2VhbA==", redacted=True), Finish("tool_call")),
    )
    told = said(anthropic.StreamWriter("m"), *deltas)
    assert [each["type"] for each in told[:1]] + [each["type"] for each in told[-2:]] == [
        *("message_start", "message_delta", "message_stop"),
    ]
    blocks = [each for each in told if "index" in each]
    assert [each["index"] for each in blocks] == sorted(each["index"] for each in blocks)
    for index in range(blocks[-1]["index"] + 1):
        kinds = [each["type"] for each in blocks if each["index"] == index]
        assert (kinds[0], kinds[-1]) == ("content_block_start", "content_block_stop")
        assert set(kinds[1:-1]) <= {"content_block_delta"}
    assert [each["content_block"]["type"] for each in blocks if "content_block" in each] == [
        *("text", "thinking", "thinking", "text", "tool_use", "tool_use", "text", "redacted_thinking"),
    ]


@every_dialect
def test_says_anthropics_own_word_for_a_stop_sequence_where_it_has_it(name: str) -> None:
    end = json.dumps(said(writer_of(name), Finish("stop", provider_reason="stop_sequence")))
    assert ('"stop_sequence"' in end.replace('"stop_sequence": null', "")) is (name == "anthropic")


def test_makes_media_for_gemini_and_pictures_for_openai() -> None:
    picture = MediaDelta(Media("image", "image/png", b"\x89PNG"))
    (chunk,) = said(gemini.StreamWriter(), MediaDelta(SOUND))
    assert chunk["candidates"][0]["content"]["parts"] == [{"inlineData": {"mimeType": "audio/wav", "data": "UklGRg=="}}]
    assert "iVBORw==" in json.dumps(said(openai.StreamWriter(), picture))
