"""Anthropic's requests: what is written, what clients may send, and that nothing is lost between the two."""

import json
from contextlib import suppress
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
    Request,
    Text,
    Thinking,
    Thought,
    Tool,
    ToolCall,
    ToolResult,
)
from boticelli_cli.wire import gemini
from boticelli_cli.wire.anthropic import (
    decode_count_request,
    decode_request,
    encode_count,
    encode_request,
    is_streamed,
)
from tests.wire.spoken import calls_of
from tests.wire.spoken_anthropic import MODEL, requests

HELLO = (Message("user", (Text("Hello."),)),)
SAID = [{"role": "user", "content": [{"type": "text", "text": "Hello."}]}]


def written(messages: tuple[Message, ...] = HELLO, **settings: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    encoded = encode_request(Request(MODEL, messages, **settings), streamed=False)
    body: dict[str, Any] = json.loads(encoded.body)
    return body, encoded.losses


def blocks_of(*parts: Any, role: Any = "user") -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Of one message, which what its calls gave back follows, or what asked for its results precedes."""
    before = calls_of(*parts)
    after = [ToolResult(part.name, "", part.id) for part in parts if isinstance(part, ToolCall)]
    first = (before,) if before.parts else ()
    body, losses = written((*first, Message(role, parts), Message("user", (*after, Text("Hello.")))))
    told = body["messages"][len(first) :]
    return (told[0]["content"] if len(told) > 1 else []), losses


def decoded(body: Any) -> Request:
    return decode_request(json.dumps(body).encode())


def asked(**body: Any) -> Request:
    return decoded({"model": MODEL, "max_tokens": 9, "messages": SAID, **body})


def again(request: Request) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(encode_request(request, streamed=False).body)
    return body


@given(requests())
@settings(max_examples=40)
def test_understands_what_it_writes(request: Request) -> None:
    encoded = encode_request(request, streamed=True)
    assert encoded.losses == ()
    assert decode_request(encoded.body) == request


def test_writes_only_what_was_set_and_a_limit() -> None:
    assert written() == ({"model": MODEL, "max_tokens": 16384, "messages": SAID}, ())


def test_says_in_the_body_whether_to_stream() -> None:
    streamed = encode_request(Request(MODEL, HELLO), streamed=True).body
    assert json.loads(streamed)["stream"] is True
    assert (is_streamed(streamed), is_streamed(b'{"stream":false}'), is_streamed(b"{}")) == (True, False, False)
    assert not is_streamed(b"<html>")


@pytest.mark.parametrize("streamed", [False, True])
def test_leaves_to_bedrocks_address_what_it_says(streamed: bool) -> None:
    body = encode_request(Request(MODEL, HELLO), streamed=streamed, bedrock=True).body
    assert json.loads(body) == {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 16384, "messages": SAID}
    assert decode_request(body, "anthropic.claude-v1:0") == Request("anthropic.claude-v1:0", HELLO, max_tokens=16384)


def test_writes_every_kind_of_part() -> None:
    blocks, losses = blocks_of(
        Text("Look."),
        CachePoint(),
        Media("image", "image/png", data=b"\xff\xfe\xfb", name="a.png"),
        Media("image", "image/jpeg", url="https://example.com/a.jpg"),
        Media("document", "application/pdf", data=b"%PDF", name="a.pdf"),
        Media("document", "text/markdown", data=b"# A"),
        Media("document", "application/pdf", url="https://example.com/a.pdf"),
        CachePoint("1h"),
    )
    assert losses == ()
    assert blocks == [
        {"type": "text", "text": "Look.", "cache_control": {"type": "ephemeral"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "//77"}},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.jpg"}},
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="},
            "title": "a.pdf",
        },
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "# A"}},
        {
            "type": "document",
            "source": {"type": "url", "url": "https://example.com/a.pdf"},
            "cache_control": {"type": "ephemeral", "ttl": "1h"},
        },
    ]
    blocks, losses = blocks_of(
        Thought("Hm.", "c2VhbA=="),
        Thought("", "b3BhcXVl", redacted=True),
        ToolCall("f", {"a": 1}, "7"),
        role="assistant",
    )
    assert losses == ()
    assert blocks == [
        {"type": "thinking", "thinking": "Hm.", "signature": "c2VhbA=="},
        {"type": "redacted_thinking", "data": "b3BhcXVl"},
        {"type": "tool_use", "id": "7", "name": "f", "input": {"a": 1}},
    ]


def test_writes_what_tools_gave_back_first() -> None:
    picture = Media("image", "image/png", data=b"\xff")
    blocks, losses = blocks_of(
        Text("So?"),
        ToolResult("f", "rain", "1"),
        ToolResult("f", (Text("Look:"), picture, Media("audio", "audio/wav", data=b"x")), "2"),
        ToolResult("f", {"a": [1]}, "3"),
        ToolResult("f", "no such town", "4", is_error=True),
        ToolResult("f", "", "5", is_error=True),
        ToolResult("f", "", "6"),
    )
    assert losses == ("audio",)
    results = [(block.get("content"), block.get("is_error")) for block in blocks if block["type"] == "tool_result"]
    assert results == [
        ("rain", None),
        (
            [
                {"type": "text", "text": "Look:"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "/w=="}},
            ],
            None,
        ),
        ('{"a":[1]}', None),
        ("no such town", True),
        ("It failed, and did not say why.", True),
        (None, None),
    ]
    assert [block.get("tool_use_id") for block in blocks] == ["1", "2", "3", "4", "5", "6", None]


def test_gives_calls_ids_that_anthropic_takes() -> None:
    body, losses = written(
        (
            Message("assistant", (ToolCall("f", {}), ToolCall("g", {}), ToolCall("f", {}), ToolCall("h", {}, "a.b/ü"))),
            Message(
                "user",
                (
                    ToolResult("g", "of g"),
                    ToolResult("f", "1"),
                    ToolResult("f", "2"),
                    ToolResult("h", "3", "a.b/ü"),
                    ToolResult("i", "of nobody", "x"),
                ),
            ),
        )
    )
    calls, results = (message["content"] for message in body["messages"])
    assert [block["id"] for block in calls] == ["call_1", "call_2", "call_3", "a_b__"]
    assert [block["tool_use_id"] for block in results] == ["call_2", "call_1", "call_3", "a_b__"]
    assert losses == ("results of no call",)


def test_says_what_it_leaves_out() -> None:
    for parts, role, loss in (
        ((Media("video", "video/mp4", data=b"x"),), "user", "video"),
        ((Media("image", "image/tiff", data=b"x"),), "user", "image/tiff"),
        ((Media("document", "application/msword", data=b"\0"),), "user", "application/msword"),
        ((Media("document", "text/plain", data=b"\xff"),), "user", "text/plain"),
        ((Thought("Hm."),), "assistant", "unsigned thoughts"),
        ((Media("image", "image/png", data=b"x"),), "assistant", "media in answers"),
        ((CachePoint(),), "user", "cache marks"),
    ):
        assert blocks_of(*parts, role=role) == ([], (loss,))
    (_, losses) = blocks_of(Thought("Hm.", "c2VhbA=="), CachePoint(), ToolCall("f", {}, "1", "seal"), role="assistant")
    assert losses == ("cache marks", "thought signatures")
    body, losses = written(tools=(CachePoint(), Tool("f"), Tool("g")), tool_choice=("f", "g"), stop=("a", "\n"))
    assert (body["tool_choice"], body["stop_sequences"]) == ({"type": "any"}, ["a"])
    assert losses == ("cache marks", "a choice between tools", "blanks as stop sequences")
    body, losses = written(options={"seed": 5}, dialect="gemini")
    assert (body.get("seed"), losses) == (None, ("option seed",))


def test_leaves_out_what_is_empty_and_blanks_at_the_end() -> None:
    body, losses = written(
        (
            Message("user", (Text(""), Text("Go."), Text(" \n"))),
            Message("assistant", (Text(" "),)),
            Message("assistant", (Text("Once "), Text("upon a \n"))),
        ),
        system="",
    )
    assert losses == ()
    assert "system" not in body
    assert body["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "Go."}]},
        {"role": "assistant", "content": [{"type": "text", "text": "Once "}, {"type": "text", "text": "upon a"}]},
    ]


def test_writes_every_setting() -> None:
    schema = {"properties": {"a": {"type": "string"}}, "type": "object"}
    body, losses = written(
        system=(Text("Be brief."), CachePoint(), Text("Be kind.")),
        temperature=0.5,
        top_p=0.9,
        max_tokens=100,
        stop=("END",),
        thinking="minimal",
        schema=schema,
        tools=(
            Tool("look_up", "Looks up.", schema),
            Tool("stop", None, {"required": []}),
            Tool("go"),
            CachePoint("5m"),
        ),
        tool_choice=("look_up",),
        options={"tool_choice": {"disable_parallel_tool_use": True}, "metadata": MappingProxyType({"user_id": "x"})},
    )
    del body["messages"], body["model"]
    assert losses == ()
    assert body == {
        "system": [
            {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}},
            {"type": "text", "text": "Be kind."},
        ],
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 100,
        "stop_sequences": ["END"],
        "thinking": {"type": "adaptive", "display": "summarized"},
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": schema}},
        "tools": [
            {"name": "look_up", "description": "Looks up.", "input_schema": schema},
            {"name": "stop", "input_schema": {"type": "object", "required": []}},
            {
                "name": "go",
                "input_schema": {"type": "object", "properties": {}},
                "cache_control": {"type": "ephemeral", "ttl": "5m"},
            },
        ],
        "tool_choice": {"type": "tool", "name": "look_up", "disable_parallel_tool_use": True},
        "metadata": {"user_id": "x"},
    }


@pytest.mark.parametrize(
    ("thinking", "shown", "said", "effort"),
    [
        (True, True, {"type": "adaptive", "display": "summarized"}, None),
        ("high", False, {"type": "adaptive", "display": "omitted"}, "high"),
        (False, True, {"type": "disabled"}, None),
        (0, True, {"type": "disabled"}, None),
        (2048, True, {"type": "enabled", "budget_tokens": 2048}, None),
        (2048, False, {"type": "enabled", "budget_tokens": 2048, "display": "omitted"}, None),
    ],
)
def test_asks_for_thinking(thinking: Thinking, shown: bool, said: dict[str, Any], effort: str | None) -> None:
    body, _ = written(thinking=thinking, show_thoughts=shown)
    assert body["thinking"] == said
    assert body.get("output_config", {}).get("effort") == effort
    request = decoded(body)
    assert (request.thinking, request.show_thoughts, request.options) == (thinking, shown, {})


def test_lets_a_model_decide_whose_budget_is_below_nothing() -> None:
    assert written(thinking=-1)[0]["thinking"] == {"type": "adaptive", "display": "summarized"}


@pytest.mark.parametrize(
    ("thinking", "limit"), [(None, 16384), (True, 16384), (1024, 16384), (20_000, 28_192), ("high", 16384)]
)
def test_leaves_room_to_speak_after_thinking(thinking: Thinking | None, limit: int) -> None:
    assert written(thinking=thinking)[0]["max_tokens"] == limit
    assert written(thinking=thinking, max_tokens=50)[0]["max_tokens"] == 50


@pytest.mark.parametrize(
    ("said", "thinking"),
    [
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, True),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}, "high"),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000, "display": "summarized"}}, 2000),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}, "output_config": {"effort": "low"}}, 2000),
        ({"thinking": {"type": "between_tools"}}, None),
        ({"output_config": {"effort": "low"}}, None),
    ],
)
def test_puts_back_thinking_that_a_request_cannot_say(said: dict[str, Any], thinking: Thinking | None) -> None:
    request = asked(**said)
    assert request.thinking == thinking
    body = again(request)
    assert {key: body[key] for key in said} == said


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ({"type": "adaptive"}, True),
        ({"type": "adaptive", "display": "summarized"}, True),
        ({"type": "adaptive", "display": "omitted"}, False),
        ({"type": "enabled", "budget_tokens": 2000}, True),
        ({"type": "enabled", "budget_tokens": 2000, "display": "omitted"}, False),
    ],
)
def test_others_show_thoughts_unless_the_client_hid_them(said: dict[str, Any], shown: bool) -> None:
    request = asked(thinking=said, output_config={"effort": "low"})
    assert request.show_thoughts is shown
    assert again(request)["thinking"] == said
    config = json.loads(gemini.encode_request(request).body)["generationConfig"]["thinkingConfig"]
    assert config.get("includeThoughts", False) is shown


EVERYTHING: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 100,
    "stream": True,
    "top_k": 5,
    "metadata": {"user_id": "user_1a_account_2b_session_0f3e-11", "unknown": None},
    "container": "c1",
    "system": [{"type": "text", "text": "a", "citations": []}],
    "messages": [
        {"role": "system", "content": "Mind the time."},
        {
            "role": "user",
            "content": [
                {"type": "document", "source": {"type": "file", "file_id": "f1"}, "context": "c"},
                {"type": "image", "source": {"type": "file", "file_id": "f2"}},
                {"type": "search_result", "source": "https://example.com", "title": "t", "content": [{"type": "text"}]},
                {"type": "text", "text": ""},
                {"type": "text", "text": "Hello.", "cache_control": {"type": "ephemeral", "ttl": "2h"}},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": None}},
                {"type": "web_search_tool_result", "tool_use_id": "s1", "content": {"type": "error"}},
                {
                    "type": "tool_use",
                    "id": "t1",
                    "name": "f",
                    "input": {"a": None},
                    "caller": {"type": "code_execution_20260120", "tool_id": "s1"},
                },
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "t1",
                    "content": [
                        {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}},
                        {"type": "tool_reference", "tool_name": "g"},
                    ],
                }
            ],
        },
    ],
    "tools": [{"type": "web_search_20250305", "name": "web_search"}, {"name": "f", "input_schema": {}, "strict": True}],
    "output_config": {"effort": "max", "task_budget": {"total": 5}},
}


def test_keeps_what_a_request_cannot_say() -> None:
    request = decoded(EVERYTHING)
    assert [message.parts for message in request.messages] == [
        (Text("Mind the time."),),
        (Text(""), Text("Hello."), CachePoint()),
        (ToolCall("f", {"a": None}, "t1"),),
        (ToolResult("f", (Text("x"),), "t1"),),
    ]
    assert (request.system, request.tools, request.session) == ((Text("a"),), (Tool("f", None, {}),), "0f3e-11")
    body = json.loads(encode_request(request, streamed=True).body)
    expected = json.loads(json.dumps(EVERYTHING))
    expected["messages"][0]["content"] = [{"type": "text", "text": "Mind the time."}]
    assert body == expected
    assert decoded(body) == request


@pytest.mark.parametrize(
    "said",
    [
        {"messages": [{"role": "user", "content": "Hello."}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hello.", "cache_control": None}]}]},
        {"system": None, "tools": [], "stop_sequences": None, "thinking": None, "stream": None},
        {"anthropic_version": "bedrock-2023-05-31", "system": ""},
    ],
)
def test_knows_the_same_said_otherwise(said: dict[str, Any]) -> None:
    assert asked(**said) == Request(MODEL, HELLO, max_tokens=9)


def test_knows_tool_results_and_tools_said_otherwise() -> None:
    result = {"type": "tool_result", "tool_use_id": "1", "content": [], "is_error": False, "cache_control": None}
    call = {"type": "tool_use", "id": "1", "name": "f", "caller": None}
    request = asked(
        messages=[
            {"role": "assistant", "content": [call, {**call, "id": "2", "caller": {"type": "direct"}}]},
            {"role": "user", "content": [result, {"type": "tool_result", "tool_use_id": "2", "content": "x"}]},
        ],
        tools=[{"type": "custom", "name": "f", "description": None, "input_schema": {"type": "object"}}],
    )
    assert request.messages == (
        Message("assistant", (ToolCall("f", {}, "1"), ToolCall("f", {}, "2"))),
        Message("user", (ToolResult("f", "", "1"), ToolResult("f", "x", "2"))),
    )
    assert (request.tools, request.options) == ((Tool("f", None, {"type": "object"}),), {})


@pytest.mark.parametrize(
    ("user", "session"),
    [
        ("user_1a_account_2b_session_c3-d4", "c3-d4"),
        ("user_1a_account__session_c3-d4", "c3-d4"),
        ('{"device_id":"1a","account_uuid":"","session_id":"c3-d4"}', "c3-d4"),
        ("somebody", "somebody"),
        ("", None),
        (None, None),
        (5, None),
    ],
)
def test_knows_the_conversation_by_its_user(user: Any, session: str | None) -> None:
    request = asked(metadata={"user_id": user})
    assert request.session == session
    assert again(request).get("metadata") == {"user_id": user}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "names no model"),
        (b'{"model":"m"}', "no messages"),
        (b'{"model":"m","messages":5}', "not a list"),
        (b'{"model":"m","messages":[5]}', "a role and a content"),
        (b'{"model":"m","messages":[{"role":"tool","content":"x"}]}', "role is 'user' or 'assistant'"),
        (b'{"model":"m","messages":[{"role":"user","content":5}]}', "Expected `array`"),
        (b'{"model":"m","messages":[{"role":"user","content":[5]}]}', "Expected `object`"),
        (b'{"model":"m","messages":[{"role":"user","content":[{"type":"text"}]}]}', "lacks its text"),
        (b'{"model":"m","messages":[{"role":"user","content":[{"type":"image"}]}]}', "lacks its source"),
        (
            b'{"model":"m","messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","data":"%"}}]}]}',
            "base64",
        ),
        (b'{"model":"m","messages":[{"role":"user","content":[{"type":"tool_result"}]}]}', "lacks its tool_use_id"),
        (b'{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":"hot"}', "Expected `float"),
        (b'{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[1]}', "Expected `object`"),
    ],
)
def test_refuses_what_is_not_a_request(body: bytes, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        decode_request(body)


WORDS = (
    *("messages", "role", "content", "type", "text", "tool_use", "tool_result", "source", "data", "input", "thinking"),
    *("system", "tools", "tool_choice", "cache_control", "output_config", "user", "metadata", "image", "name", "id"),
)


@given(
    st.recursive(
        st.none() | st.integers() | st.sampled_from(WORDS),
        lambda below: st.lists(below, max_size=4) | st.dictionaries(st.sampled_from(WORDS), below, max_size=4),
    )
)
@settings(max_examples=60)
def test_refuses_anything_else_with_a_sentence(body: Any) -> None:
    said = {"model": "m", "messages": [{"role": "user", "content": body}], **(body if isinstance(body, dict) else {})}
    try:
        request = decoded(said)
    except UsageError:
        return
    written = encode_request(request, streamed=False).body
    with suppress(UsageError):  # of some, nothing is left to be said
        assert encode_request(decode_request(written), streamed=False).body == written


@given(requests(), st.data())
@settings(max_examples=25)
def test_refuses_a_body_whose_bytes_are_changed_with_a_sentence(request: Request, data: st.DataObject) -> None:
    body = bytearray(encode_request(request, streamed=True).body)
    for at in data.draw(st.lists(st.integers(0, len(body) - 1), min_size=1, max_size=3)):
        body[at] = data.draw(st.integers(0, 255))
    try:
        changed = decode_request(bytes(body))
    except UsageError as error:
        assert str(error)
        return
    assert json.loads(encode_request(changed, streamed=True).body)["messages"]


def test_counts_what_counts() -> None:
    tool = {"name": "f", "input_schema": {"type": "object"}}
    request = asked(
        system="Be brief.",
        temperature=1,
        top_k=3,
        metadata={"user_id": "x"},
        tools=[tool],
        tool_choice={"type": "any"},
    )
    body = encode_count(request)
    assert json.loads(body) == {
        "model": MODEL,
        "system": "Be brief.",
        "messages": SAID,
        "tools": [tool],
        "tool_choice": {"type": "any"},
    }
    tools = (Tool("f", None, {"type": "object"}),)
    assert decode_count_request(body) == Request(MODEL, HELLO, system="Be brief.", tools=tools, tool_choice="required")
    foreign = encode_count(Request(MODEL, HELLO, options={"tools": [1]}, dialect="openai"))
    assert json.loads(foreign) == {"model": MODEL, "messages": SAID}


def test_refuses_media_that_are_nowhere() -> None:
    with pytest.raises(UsageError, match=r"image 'a\.png' has neither data nor a url"):
        written((Message("user", (Media("image", "image/png", name="a.png"),)),))
