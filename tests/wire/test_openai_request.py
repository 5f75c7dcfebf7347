"""OpenAI's requests: what is written, what clients may send, and that nothing is lost between the two."""

import json
from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boticelli_cli.errors import UsageError
from boticelli_cli.messages import (
    CachePoint,
    Media,
    Message,
    Part,
    Request,
    Text,
    Thinking,
    Thought,
    Tool,
    ToolCall,
    ToolResult,
)
from boticelli_cli.wire import anthropic
from boticelli_cli.wire.openai import Manner, decode_manner, decode_request, encode_request
from tests.wire.spoken import calls_of
from tests.wire.spoken_openai import requests

MODEL = "gpt-6"
HELLO = (Message("user", (Text("Hello."),)),)


def written(*messages: Message, cache_marks: bool = False, **settings: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    request = Request(MODEL, messages or HELLO, **settings)
    encoded = encode_request(request, streamed=False, cache_marks=cache_marks)
    return json.loads(encoded.body), encoded.losses


def body_of(*messages: Message, **settings: Any) -> dict[str, Any]:
    return written(*messages, **settings)[0]


def messages_of(*parts: Part, role: Any = "user") -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Of one message, without what asked for its results."""
    before = calls_of(*parts)
    first = (before,) if before.parts else ()
    body, losses = written(*first, Message(role, parts))
    return body["messages"][len(first) :], losses


def decoded(body: Any) -> Request:
    return decode_request(json.dumps(body).encode())


def asked(*messages: dict[str, Any], **body: Any) -> Request:
    return decoded({"model": MODEL, "messages": messages or [{"role": "user", "content": "Hello."}], **body})


def again(body: dict[str, Any]) -> Any:
    return json.loads(encode_request(decoded(body), streamed=False, cache_marks=True).body)


@settings(max_examples=40)
@given(requests)
def test_understands_what_it_writes(request: Request) -> None:
    encoded = encode_request(request, streamed=True, cache_marks=True)
    assert encoded.losses == ()
    assert decode_request(encoded.body) == request


def test_writes_only_what_was_set() -> None:
    assert written() == ({"model": MODEL, "messages": [{"role": "user", "content": "Hello."}]}, ())


def test_asks_a_stream_for_its_usage() -> None:
    body = encode_request(Request(MODEL, HELLO, options={"seed": 1}), streamed=True).body
    assert {"stream": True, "stream_options": {"include_usage": True}, "seed": 1}.items() <= json.loads(body).items()
    assert decode_request(body) == Request(MODEL, HELLO, options={"seed": 1})
    assert decode_manner(body) == Manner(streamed=True, include_usage=True)
    assert decode_manner(b'{"stream":false,"stream_options":null}') == Manner()


def test_writes_every_setting() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    body = body_of(
        system="Be brief.",
        temperature=0.5,
        top_p=0.9,
        max_tokens=100,
        stop=("END",),
        thinking="low",
        schema=schema,
        tools=(Tool("look_up", "Looks up.", schema), Tool("stop")),
        tool_choice=("look_up",),
    )
    assert body.pop("messages")[0] == {"role": "system", "content": "Be brief."}
    assert body == {
        "model": MODEL,
        "temperature": 0.5,
        "top_p": 0.9,
        "max_completion_tokens": 100,
        "stop": ["END"],
        "reasoning_effort": "low",
        "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}},
        "tools": [
            {"type": "function", "function": {"name": "look_up", "description": "Looks up.", "parameters": schema}},
            {"type": "function", "function": {"name": "stop"}},
        ],
        "tool_choice": {"type": "function", "function": {"name": "look_up"}},
    }


def test_names_the_limit_of_tokens_as_it_is_told_and_reads_both_names() -> None:
    encoded = encode_request(Request(MODEL, HELLO, max_tokens=5), streamed=False, max_tokens_name="max_tokens")
    assert json.loads(encoded.body)["max_tokens"] == 5
    assert decode_request(encoded.body) == asked(max_completion_tokens=5) == Request(MODEL, HELLO, max_tokens=5)
    assert asked(max_completion_tokens=5, max_tokens=7).max_tokens == 5


def test_writes_every_kind_of_content() -> None:
    messages, losses = messages_of(
        Text("Look."),
        Media("image", "image/png", b"\xff\xfe\xfb", name="a.png"),
        Media("image", "image/png", url="https://example.com/a.png"),
        Media("audio", "audio/x-wav", b"RIFF"),
        Media("audio", "audio/mp3", b"ID3"),
        Media("document", "application/pdf", b"%PDF", name="a.pdf"),
        Media("document", "application/pdf", b"%PDF"),
    )
    assert losses == ()
    assert messages == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look."},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,//77"}},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
                {"type": "input_audio", "input_audio": {"data": "SUQz", "format": "mp3"}},
                {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERg==", "filename": "a.pdf"}},
                {
                    "type": "file",
                    "file": {"file_data": "data:application/pdf;base64,JVBERg==", "filename": "document.pdf"},
                },
            ],
        }
    ]


@pytest.mark.parametrize(
    "mime", ["text/plain", "text/markdown; charset=utf-8", "application/json", "application/ld+json"]
)
def test_tells_documents_of_text_as_text_for_files_are_pdfs_only(mime: str) -> None:
    messages, losses = messages_of(
        Text("Read."), Media("document", mime, "Ä".encode()), Media("document", mime, b"[1]", name="a.txt")
    )
    told = ["Read.", "Ä", '<document name="a.txt">\n[1]\n</document>']
    assert messages == [{"role": "user", "content": [{"type": "text", "text": text} for text in told]}]
    assert losses == ()


@pytest.mark.parametrize(
    ("part", "loss"),
    [
        (Media("video", "video/mp4", b"x"), "video"),
        (Media("audio", "audio/ogg", b"x"), "audio"),
        (Media("audio", "audio/wav", url="https://example.com/a.wav"), "audio"),
        (Media("document", "application/pdf", url="https://example.com/a.pdf"), "document addresses"),
        (Media("document", "application/msword", b"x", name="a.doc"), "document"),
        (Media("document", "text/plain", b"\xff"), "document"),
        (CachePoint(), "cache marks"),
    ],
)
def test_names_what_it_has_no_words_for(part: Part, loss: str) -> None:
    assert messages_of(Text("a"), part) == ([{"role": "user", "content": "a"}], (loss,))


def test_loses_thoughts_and_their_seals_and_media_of_the_assistant() -> None:
    messages, losses = messages_of(
        Thought("Hm.", "seal"),
        Thought("", "seal", redacted=True),
        Text("a"),
        Media("image", "image/png", b"x"),
        ToolCall("f", {}, "1", "seal"),
        CachePoint(),
        role="assistant",
    )
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert messages == [{"role": "assistant", "content": "a", "tool_calls": [call]}]
    assert losses == ("image of the assistant", "thought signatures", "cache marks", "thoughts")


def test_writes_results_of_tools_first_and_their_media_after_all_of_them() -> None:
    picture = Media("image", "image/png", b"x")
    messages, losses = messages_of(
        Text("Well?"),
        ToolResult("f", (Text("a"), picture, Text("b")), "1"),
        ToolResult("g", {"n": 1}, "2"),
        ToolResult("g", (picture,), "3", is_error=True),
    )
    shown = {"type": "image_url", "image_url": {"url": "data:image/png;base64,eA=="}}
    assert messages == [
        {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": each} for each in "ab"]},
        {"role": "tool", "tool_call_id": "2", "content": '{"n":1}'},
        {"role": "tool", "tool_call_id": "3", "content": ""},
        {"role": "user", "content": [shown, shown, {"type": "text", "text": "Well?"}]},
    ]
    assert losses == ("tool errors",)
    lost, losses = messages_of(ToolResult("f", "a", "1"), Media("video", "video/mp4", b"x"))
    assert (lost, losses) == ([{"role": "tool", "tool_call_id": "1", "content": "a"}], ("video",))


def test_gives_ids_to_calls_that_have_none_and_the_same_to_their_results() -> None:
    calls = (ToolCall("f", {"n": 1}), ToolCall("g", {}, "call_1"), ToolCall("f", {"n": 2}), ToolCall("g", {}))
    results = (ToolResult("g", "3"), ToolResult("f", "1"), ToolResult("g", "2", "call_1"), ToolResult("x", "2"))
    more = (ToolResult("lost", "4"),)
    body, losses = written(Message("assistant", calls), Message("user", results + more))
    messages = body["messages"]
    assert losses == ("results of no call",)
    assert [call["id"] for call in messages[0]["tool_calls"]] == ["call_2", "call_1", "call_3", "call_4"]
    assert [each["tool_call_id"] for each in messages[1:]] == ["call_4", "call_2", "call_1", "call_3"]


def test_results_know_the_names_of_their_calls_and_are_one_turn() -> None:
    turns = asked(
        {"role": "user", "content": "Go."},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{ "a": 1 }'}},
                {"id": "2", "function": {"name": "g", "arguments": ""}},
                {"id": "3", "type": "function", "function": {"name": "g", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "1", "content": "one"},
        {"role": "tool", "tool_call_id": "2", "content": [{"type": "text", "text": "two"}]},
        {"role": "tool", "tool_call_id": "3", "content": "three"},
        {"role": "user", "content": "And?"},
    )
    assert turns.options == {}
    assert turns.messages == (
        Message("user", (Text("Go."),)),
        Message("assistant", (ToolCall("f", {"a": 1}, "1"), ToolCall("g", {}, "2"), ToolCall("g", {}, "3"))),
        Message("user", (ToolResult("f", "one", "1"), ToolResult("g", "two", "2"), ToolResult("g", "three", "3"))),
        Message("user", (Text("And?"),)),
    )


def test_writes_cache_marks_where_they_are_understood() -> None:
    system = (Text("a"), CachePoint("1h"), Text("b"))
    turn = Message("user", (ToolResult("f", "x", "1"), CachePoint(), Text("c"), CachePoint("5m")))
    tools = (Tool("f"), CachePoint())
    said = (calls_of(*turn.parts), turn)
    body, losses = written(*said, system=system, tools=tools, cache_marks=True)
    mark = {"type": "ephemeral"}
    assert losses == ()
    del body["messages"][1]
    assert body["messages"] == [
        {
            "role": "system",
            "content": [
                {"type": "text", "text": "a", "cache_control": {**mark, "ttl": "1h"}},
                {"type": "text", "text": "b"},
            ],
        },
        {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "x", "cache_control": mark}]},
        {"role": "user", "content": [{"type": "text", "text": "c", "cache_control": {**mark, "ttl": "5m"}}]},
    ]
    assert body["tools"] == [{"type": "function", "function": {"name": "f"}, "cache_control": mark}]
    plain, losses = written(*said, system=system, tools=tools)
    assert losses == ("cache marks",)
    assert "cache_control" not in json.dumps(plain)


@pytest.mark.parametrize(
    ("thinking", "effort", "losses"),
    [
        (None, None, ()),
        (True, None, ()),
        (False, "none", ()),
        (0, "none", ()),
        (512, None, ("thinking budget",)),
        ("minimal", "minimal", ()),
    ],
)
def test_asks_for_thinking(thinking: Thinking | None, effort: str | None, losses: tuple[str, ...]) -> None:
    body, lost = written(thinking=thinking)
    assert (body.get("reasoning_effort"), lost) == (effort, losses)


@pytest.mark.parametrize("effort", ["xhigh", "max"])
def test_keeps_an_effort_that_a_request_cannot_say(effort: str) -> None:
    request = asked(reasoning_effort=effort)
    assert (request.thinking, request.options) == ("high", {"reasoning_effort": effort})
    assert json.loads(encode_request(request, streamed=False).body)["reasoning_effort"] == effort


@pytest.mark.parametrize(
    ("said", "choice"),
    [
        ("required", "required"),
        ({"type": "function", "function": {"name": "f"}}, ("f",)),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [{"type": "function", "function": {"name": name}} for name in "fg"],
                },
            },
            ("f", "g"),
        ),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}, None),
        ({"type": "custom", "custom": {"name": "f"}}, None),
    ],
)
def test_knows_whether_tools_may_be_called(said: Any, choice: Any) -> None:
    request = asked(tool_choice=said)
    assert request.tool_choice == choice
    assert json.loads(encode_request(request, streamed=False).body)["tool_choice"] == said


def test_knows_the_conversation_a_request_belongs_to() -> None:
    named = asked(metadata={"session_id": "s-1", "other": "x"}, prompt_cache_key="k", user="u")
    assert named.session == "s-1"
    assert named.options == {
        "metadata": {"session_id": "s-1", "other": "x"},
        "prompt_cache_key": "k",
        "user": "u",
    }
    assert asked(prompt_cache_key="k").session == "k"
    assert asked(user="u").session is None


def test_a_session_of_ours_is_no_business_of_the_providers() -> None:
    assert written(session="s-1") == written()


def test_lays_options_over_the_body_unless_they_are_anothers_words() -> None:
    options = {"temperature": 1.5, "response_format": {"json_schema": {"strict": True}}}
    schema = {"type": "object"}
    body = body_of(temperature=0.5, schema=schema, options=MappingProxyType(options))
    assert body["temperature"] == 1.5
    assert body["response_format"]["json_schema"] == {"name": "answer", "schema": schema, "strict": True}
    body, losses = written(options={"topK": 3}, dialect="gemini")
    assert ("topK" in body, losses) == (False, ("option topK",))


def test_writes_mappings_of_any_kind_and_half_a_surrogate_pair() -> None:
    (message,) = body_of(Message("assistant", (ToolCall("f", MappingProxyType({"a": "\ud83d"}), "1"), Text("\ud83d"))))[
        "messages"
    ]
    assert json.loads(message["tool_calls"][0]["function"]["arguments"]) == {"a": "\ufffd"}
    assert message["content"] == "\ufffd"


def test_refuses_media_that_are_nowhere() -> None:
    with pytest.raises(UsageError, match=r"image 'a\.png' has neither data nor a url"):
        body_of(Message("user", (Media("image", "image/png", name="a.png"),)))


@pytest.mark.parametrize(
    "content",
    ["Hello.", [{"type": "text", "text": "Hello."}], ["Hello."], [{"type": "text", "text": "Hello.", "name": None}]],
)
def test_knows_a_text_in_every_form(content: Any) -> None:
    assert asked({"role": "user", "content": content, "name": None}) == Request(MODEL, HELLO)


def test_brings_system_prompts_together_by_whatever_name() -> None:
    user = {"role": "user", "content": "Hello."}
    assert asked({"role": "developer", "content": "a"}, user) == Request(MODEL, HELLO, system="a")
    several = asked({"role": "system", "content": "a"}, {"role": "developer", "content": ["b"]}, user)
    assert several == Request(MODEL, HELLO, system=(Text("a"), Text("b")))
    late = asked(user, {"role": "system", "content": "a"})
    assert late.messages == (*HELLO, Message("user", (Text("a"),)))
    assert json.loads(encode_request(late, streamed=False).body)["messages"][1] == {"role": "system", "content": "a"}
    foreign = anthropic.encode_request(replace(late, dialect="openai"), streamed=False)
    assert foreign.losses == ("system prompts in between",)


def test_knows_media_as_clients_write_them() -> None:
    (message,) = asked(
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": "https://example.com/a.webp"},
                {"type": "image_url", "image_url": {"url": "https://example.com/a", "detail": "auto"}},
                {"type": "image_url", "image_url": {"url": "data:image/gif;charset=x;base64,__77"}},
                {"type": "file", "file": {"file_data": "JVBERg", "filename": "a.pdf"}},
                {"type": "file", "file": {"file_id": "file-1"}},
                {"type": "input_audio", "input_audio": {"data": "eA==", "format": "flac"}},
            ],
        }
    ).messages
    assert message.parts == (
        Media("image", "image/webp", url="https://example.com/a.webp"),
        Media("image", "image/*", url="https://example.com/a"),
        Media("image", "image/gif", data=b"\xff\xfe\xfb"),
        Media("document", "application/pdf", b"%PDF", name="a.pdf"),
        Media("audio", "audio/flac", b"x"),
    )


EVERYTHING = {
    "model": MODEL,
    "messages": [
        {"role": "system", "content": "Be brief.", "name": "boss"},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.com/a", "detail": "low"}}]},
        {
            "role": "assistant",
            "content": "One.",
            "refusal": "No.",
            "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{cut"}},
                {"id": "2", "type": "custom", "custom": {"name": "g", "input": "x"}},
            ],
        },
        {"role": "tool", "tool_call_id": "1", "content": "1"},
        {"role": "tool", "tool_call_id": "2", "content": "2"},
        {"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]},
    ],
    "temperature": 1,
    "n": 2,
    "seed": 3,
    "logit_bias": {"50256": -100},
    "logprobs": True,
    "modalities": ["text", "audio"],
    "audio": {"voice": "alloy", "format": "wav"},
    "prediction": {"type": "content", "content": "x"},
    "tools": [
        {"type": "function", "function": {"name": "f", "strict": True, "parameters": {"nullable": None}}},
        {"type": "custom", "custom": {"name": "g"}},
    ],
    "tool_choice": {"type": "custom", "custom": {"name": "g"}},
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "weather", "strict": True, "schema": {"default": None}},
    },
    "reasoning": {"max_tokens": 5},
    "verbosity": "low",
}  # fmt: skip


def test_keeps_what_a_request_cannot_say() -> None:
    request = decoded(EVERYTHING)
    assert (request.system, request.temperature) == ("Be brief.", 1)
    assert request.messages[1].parts == (Text("One."), Text("No."), ToolCall("f", {}, "1"))
    assert request.schema == {"default": None}
    assert request.tools == (Tool("f", None, {"nullable": None}),)
    assert again(EVERYTHING) == EVERYTHING
    assert decoded(again(EVERYTHING)) == request


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"[" * 100_000, "not JSON"),
        (b"{}", "no messages"),
        (b'{"messages":[]}', "no messages"),
        (b'{"messages":"x"}', "messages are a list"),
        (b'{"messages":[5]}', "objects with a role and a content"),
        (b'{"messages":[{"role":"model","content":"x"}]}', "role is 'system', 'developer'"),
        (b'{"messages":[{"role":"system","content":"x"}]}', "nothing to answer"),
        (b'{"messages":[{"role":"user","content":5}]}', r"Expected `str \| array \| null`, got `int`"),
        (b'{"messages":[{"role":"user","content":[5]}]}', "Expected `object`, got `int`"),
        (b'{"messages":[{"role":"user","content":[{"type":"image_url","image_url":"data:image/png;base64,%"}]}]}', "base64"),
        (b'{"messages":[{"role":"assistant","tool_calls":[{"function":{}}]}]}', "function with a name"),
        (b'{"messages":[{"role":"user","content":"x"}],"temperature":"hot"}', "Expected `float"),
        (b'{"messages":[{"role":"user","content":"x"}],"tools":[1]}', "Expected `object`"),
        (b'{"messages":[{"role":"user","content":"x"}],"stop":[1]}', "Expected `str`"),
    ],
)  # fmt: skip
def test_refuses_what_is_not_a_request(body: bytes, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        decode_request(body)


NAMES = (
    "messages role content text type image_url url tool_calls function name arguments id user tool assistant tools file"
)


@settings(max_examples=50)
@given(
    st.recursive(
        st.none() | st.integers() | st.sampled_from(NAMES.split()),
        lambda below: st.lists(below) | st.dictionaries(st.sampled_from(NAMES.split()), below),
    )
)
def test_refuses_anything_else_with_a_sentence(value: Any) -> None:
    for body in (value, {"messages": value}, {"messages": [{"role": "user", "content": value}]}):
        try:
            request = decoded(body)
        except UsageError:
            continue
        written = encode_request(request, streamed=False, cache_marks=True).body
        with suppress(UsageError):  # of some, nothing is left to be said
            assert encode_request(decode_request(written), streamed=False, cache_marks=True).body == written
