"""Converse's requests, both ways."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boticelli_cli.errors import BoticelliError, UsageError
from boticelli_cli.messages import (
    CachePoint,
    Media,
    Message,
    Request,
    Text,
    Thought,
    Tool,
    ToolCall,
    ToolResult,
)
from boticelli_cli.wire.bedrock_converse import decode_request, encode_request
from tests.wire.spoken import calls_of
from tests.wire.spoken_bedrock import requests

MODEL = "amazon.nova-pro-v1:0"


HELLO = Message("user", (Text("Hello."),))


def test_the_system_may_speak_in_between() -> None:
    said = [{"role": role, "content": [{"text": text}]} for role, text in (("user", "Hello."), ("system", "Be brief."))]
    request = decode_request(json.dumps({"messages": said}).encode(), MODEL)
    assert request.messages == (HELLO, Message("user", (Text("Be brief."),)))
    assert body_of(request)["messages"] == said


def asking(*parts: Any, **settings: Any) -> Request:
    """Of one message, behind what asked for its results."""
    before = calls_of(*parts)
    first = (HELLO, before) if before.parts else ()
    role: Any = "assistant" if any(isinstance(part, ToolCall) for part in parts) else "user"
    return Request(MODEL, (*first, Message(role, parts or (Text("Hello."),))), **settings)


def body_of(request: Request) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(encode_request(request).body)
    return body


@given(requests())
@settings(max_examples=80)
def test_reads_the_request_it_writes(request: Request) -> None:
    encoded = encode_request(request)
    assert decode_request(encoded.body, MODEL) == request
    assert encoded.losses == ()


FULL = {
    "messages": [
        {
            "role": "user",
            "content": [
                {"text": "Look."},
                {"image": {"format": "jpeg", "source": {"bytes": "/9j/"}}},
                {"document": {"format": "pdf", "name": "Report 1", "source": {"s3Location": {"uri": "s3://b/a.pdf"}}}},
                {"video": {"format": "mp4", "source": {"bytes": "AAAA"}}},
                {"cachePoint": {"type": "default", "ttl": "1h"}},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2VhbA=="}}},
                {"reasoningContent": {"redactedContent": "c2VjcmV0"}},
                {"toolUse": {"toolUseId": "t-1", "name": "find", "input": {"city": "Malmö", "nothing": None}}},
                {"toolUse": {"toolUseId": "t-2", "name": "look", "input": {}}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"toolResult": {"toolUseId": "t-1", "content": [{"json": {"found": 1}}], "status": "error"}},
                {"toolResult": {"toolUseId": "t-2", "content": [{"text": "a"}, {"image": {"format": "png", "source": {"bytes": "AA=="}}}]}},
            ],
        },
    ],
    "system": [{"text": "Be brief."}, {"cachePoint": {"type": "default"}}],
    "inferenceConfig": {"maxTokens": 100, "temperature": 0.5, "topP": 0.9, "stopSequences": ["END"]},
    "toolConfig": {
        "tools": [
            {"toolSpec": {"name": "find", "description": "Find.", "inputSchema": {"json": {"type": "object"}}}},
            {"cachePoint": {"type": "default"}},
        ],
        "toolChoice": {"tool": {"name": "find"}},
    },
    "outputConfig": {"effort": "low"},
}  # fmt: skip


def test_says_every_part_in_its_own_words() -> None:
    request = decode_request(json.dumps(FULL).encode(), MODEL)
    assert request == Request(
        MODEL,
        (
            Message(
                "user",
                (
                    Text("Look."),
                    Media("image", "image/jpeg", b"\xff\xd8\xff"),
                    Media("document", "application/pdf", url="s3://b/a.pdf", name="Report 1"),
                    Media("video", "video/mp4", b"\0\0\0"),
                    CachePoint("1h"),
                ),
            ),
            Message(
                "assistant",
                (
                    Thought("Hm.", "c2VhbA=="),
                    Thought("", "c2VjcmV0", redacted=True),
                    ToolCall("find", {"city": "Malmö", "nothing": None}, "t-1"),
                    ToolCall("look", {}, "t-2"),
                ),
            ),
            Message(
                "user",
                (
                    ToolResult("find", {"found": 1}, "t-1", is_error=True),
                    ToolResult("look", (Text("a"), Media("image", "image/png", b"\0")), "t-2"),
                ),
            ),
        ),
        system=(Text("Be brief."), CachePoint()),
        temperature=0.5,
        top_p=0.9,
        max_tokens=100,
        stop=("END",),
        thinking="low",
        tools=(Tool("find", "Find.", {"type": "object"}), CachePoint()),
        tool_choice=("find",),
    )
    assert body_of(request) == FULL


def test_keeps_what_it_has_no_words_for() -> None:
    body = {
        "messages": [
            {"role": "user", "content": [{"guardContent": {"text": {"text": "Safe?"}}}, {"text": "Hello."}]},
        ],
        "inferenceConfig": {"maxTokens": 5},
        "additionalModelRequestFields": {"top_k": 3, "nothing": None},
        "toolConfig": {"tools": [{"systemTool": {"name": "nova_grounding"}}]},
        "outputConfig": {"effort": "max"},
    }
    request = decode_request(json.dumps(body).encode(), MODEL)
    assert request.max_tokens == 5
    assert request.options["additionalModelRequestFields"] == {"top_k": 3, "nothing": None}
    assert body_of(request) == body


def test_success_and_null_are_as_good_as_nothing() -> None:
    result = {"toolUseId": "t-1", "content": [{"text": "a"}], "status": "success"}
    call = {"toolUse": {"toolUseId": "t-1", "name": "f", "input": {}}}
    messages = [
        {"role": "user", "content": [{"text": "Hello."}]},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [{"toolResult": result}]},
    ]
    tools = [{"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}]
    body = {"messages": messages, "system": None, "toolConfig": {"tools": tools}}
    assert decode_request(json.dumps(body).encode(), MODEL) == asking(
        ToolResult("f", "a", "t-1"), tools=(Tool("f", None, {"type": "object"}),)
    )


def test_messages_of_one_role_become_one() -> None:
    request = Request(MODEL, tuple(Message(role, (Text(role),)) for role in ("user", "user", "assistant", "user")))
    assert [(each["role"], len(each["content"])) for each in body_of(request)["messages"]] == [
        ("user", 2),
        ("assistant", 1),
        ("user", 1),
    ]


def test_messages_of_nothing_are_not_sent() -> None:
    said = (Message("user", (Text("a"),)), Message("assistant", (Text(" "),)), Message("user", (Text("b"),)))
    assert body_of(Request(MODEL, said))["messages"] == [{"role": "user", "content": [{"text": "a"}, {"text": "b"}]}]


def test_blank_texts_which_are_refused_are_not_sent() -> None:
    assert body_of(asking(Text(" \n"), Text("a")))["messages"][0]["content"] == [{"text": "a"}]


def test_calls_without_an_id_are_given_one_that_their_results_share() -> None:
    request = Request(
        MODEL,
        (
            Message("assistant", (ToolCall("find", {}), ToolCall("read", {}), ToolCall("find", {}))),
            Message("user", (ToolResult("find", "1"), ToolResult("read", "2"), ToolResult("find", "3"))),
        ),
    )
    _, calls, results = (message["content"] for message in body_of(request)["messages"])
    called = [each["toolUse"]["toolUseId"] for each in calls]
    assert called == ["call_1", "call_2", "call_3"]
    assert [each["toolResult"]["toolUseId"] for each in results] == called


def test_what_a_tool_gave_that_is_no_object_is_told_as_text() -> None:
    outputs = ([1, None], 3, None, {"a": 1}, "text")
    request = asking(*(ToolResult("f", output, str(at)) for at, output in enumerate(outputs)))
    contents = [block["toolResult"]["content"] for block in body_of(request)["messages"][-1]["content"]]
    assert contents == [[{"text": "[1,null]"}], [{"text": "3"}], [{"text": "null"}], [{"json": {"a": 1}}], [{"text": "text"}]]  # fmt: skip


def test_each_document_has_a_name_of_its_own_in_the_characters_that_there_are() -> None:
    names = ["År_2026.pdf", None, None, "Plan (b)", "x" * 300]
    encoded = encode_request(asking(*(Media("document", "application/pdf", b"%PDF", name=name) for name in names)))
    content = json.loads(encoded.body)["messages"][0]["content"]
    assert [block["document"]["name"] for block in content if "document" in block] == [
        "-r-2026-pdf",
        "document",
        "document (2)",
        "Plan (b)",
        "x" * 190,
    ]
    assert encoded.losses == ("document names",)


TOOL = Tool("find", None, {"type": "object"})


@pytest.mark.parametrize(
    ("request_", "losses"),
    [
        (asking(Media("image", "image/tiff", b"II")), ("image/tiff",)),
        (asking(Media("image", "image/png", url="https://example.com/a.png")), ("image addresses",)),
        (asking(ToolCall("f", {}, "1", signature="c2VhbA=="), tools=(TOOL,)), ("thought signatures",)),
        (
            asking(ToolResult("f", (Text("a"), Media("audio", "audio/wav", b"")), "1"), tools=(TOOL,)),
            ("tool result media",),
        ),
        (asking(thinking=1000), ("thinking",)),
        (asking(thinking=True), ("thinking",)),
        (asking(thinking="low"), ()),
        (asking(tools=(TOOL,), tool_choice=("find", "read")), ("a choice between tools",)),
        (asking(ToolCall("find", {}, "1"), tools=(TOOL,), tool_choice="none"), ("tool choice",)),
        (asking(tools=(TOOL,), tool_choice="none"), ()),
        (asking(options={"generationConfig": {}}, dialect="gemini"), ("option generationConfig",)),
        (asking(options={"requestMetadata": {}}, dialect="bedrock"), ()),
    ],
    ids=range(12),
)
def test_what_it_cannot_say_is_left_out_and_named(request_: Request, losses: tuple[str, ...]) -> None:
    assert encode_request(request_).losses == losses


def test_who_may_call_no_tool_is_told_of_none() -> None:
    assert "toolConfig" not in body_of(asking(tools=(TOOL,), tool_choice="none"))
    assert "toolConfig" in body_of(asking(ToolCall("find", {}, "1"), tools=(TOOL,), tool_choice="none"))


def test_the_least_effort_that_there_is_is_low() -> None:
    assert body_of(asking(thinking="minimal"))["outputConfig"] == {"effort": "low"}


def test_a_tool_takes_an_object_whatever_is_said_of_it() -> None:
    tools = (Tool("a"), Tool("b", "", {"properties": {"x": {}}}), Tool("c", "C.", {"type": "object"}))
    assert [each["toolSpec"] for each in body_of(asking(tools=tools))["toolConfig"]["tools"]] == [
        {"name": "a", "inputSchema": {"json": {"type": "object", "properties": {}}}},
        {"name": "b", "inputSchema": {"json": {"type": "object", "properties": {"x": {}}}}},
        {"name": "c", "description": "C.", "inputSchema": {"json": {"type": "object"}}},
    ]


def test_a_schema_of_the_answer_is_told_as_text() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    request = asking(schema=schema)
    said = body_of(request)["outputConfig"]["textFormat"]
    assert said["type"] == "json_schema"
    assert json.loads(said["structure"]["jsonSchema"]["schema"]) == schema


def test_media_of_nothing_are_an_error_of_the_caller() -> None:
    with pytest.raises(UsageError, match="neither data nor a url"):
        encode_request(asking(Media("image", "image/png")))


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"messages":[]}', b'{"messages":[{"role":"tool","content":[]}]}', b"[" * 100_000,
     b'{"messages":[{"role":"user","content":[{"image":{"format":"png","source":{"bytes":"%"}}}]}]}',
     b'{"messages":[{"role":"user","content":[]}],"outputConfig":{"textFormat":{"structure":{"jsonSchema":{"schema":"{"}}}}}'],
    ids=range(8),
)  # fmt: skip
def test_what_is_no_request_is_an_error_of_the_caller(body: bytes) -> None:
    with pytest.raises(UsageError):
        decode_request(body, MODEL)


@given(st.data())
@settings(max_examples=150)
def test_changed_bytes_give_a_request_or_an_error_of_the_caller(data: st.DataObject) -> None:
    body = bytearray(json.dumps(FULL).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.sampled_from(b'{}[]",:0an\xff '))
    try:
        encode_request(decode_request(bytes(body), MODEL))
    except BoticelliError as error:
        assert isinstance(error, UsageError)
