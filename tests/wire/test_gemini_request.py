"""Gemini's requests: what is written, what clients may send, and that nothing is lost between the two."""

import json
from contextlib import suppress
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boticelli_cli.errors import UsageError
from boticelli_cli.messages import Media, Message, Request, Text, Thinking, Thought, Tool, ToolCall, ToolResult
from boticelli_cli.wire.gemini import decode_count_request, decode_request, encode_count, encode_request
from tests.wire.spoken_gemini import requests

MODEL = "gemini-2.5-flash"
HELLO = (Message("user", (Text("Hello."),)),)


def body_of(**settings: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(encode_request(Request(MODEL, settings.pop("messages", HELLO), **settings)).body)
    return body


def decoded(body: Any) -> Request:
    return decode_request(json.dumps(body).encode(), MODEL)


def asked(**body: Any) -> Request:
    return decoded({"contents": [{"role": "user", "parts": [{"text": "Hello."}]}], **body})


@given(requests)
def test_understands_what_it_writes(request: Request) -> None:
    assert decode_request(encode_request(request).body, MODEL) == request
    assert decode_count_request(encode_count(request), MODEL) == request


def test_writes_only_what_was_set() -> None:
    assert body_of() == {"contents": [{"role": "user", "parts": [{"text": "Hello."}]}]}


def test_says_nothing_of_calls_where_there_is_no_function() -> None:
    search = [{"google_search": {}}]
    assert "toolConfig" not in body_of(tool_choice="auto", options={"tools": search})
    body = {"tools": [{"googleSearch": {}}], "toolConfig": {"functionCallingConfig": {"mode": "VALIDATED"}}}
    assert json.loads(encode_request(asked(**body)).body)["toolConfig"] == body["toolConfig"]


def test_writes_every_kind_of_part() -> None:
    parts = (
        Text("Look."),
        Media("image", "image/png", data=b"\xff\xfe\xfb", name="a.png"),
        Media("document", "application/pdf", url="https://example.com/a.pdf"),
        Thought("Hm.", "c2VhbA=="),
        ToolCall("look_up", {"some_key": 1}, "7", "c2VhbA=="),
        *(ToolCall("look_up", {}),) * 3,
    )
    results = (
        ToolResult("look_up", {"some_key": 2}, "7"),
        ToolResult("look_up", [1, 2]),
        ToolResult("look_up", "no such town", is_error=True),
        ToolResult("look_up", {"output": 1, "more": 2}),
    )
    content, answer = body_of(messages=(Message("assistant", parts), Message("user", results)))["contents"]
    assert content == {
        "role": "model",
        "parts": [
            {"text": "Look."},
            {"inlineData": {"mimeType": "image/png", "data": "//77"}},
            {"fileData": {"mimeType": "application/pdf", "fileUri": "https://example.com/a.pdf"}},
            {"text": "Hm.", "thought": True, "thoughtSignature": "c2VhbA=="},
            {
                "functionCall": {"id": "7", "name": "look_up", "args": {"some_key": 1}},
                "thoughtSignature": "c2VhbA==",
            },
            *[{"functionCall": {"name": "look_up", "args": {}}}] * 3,
        ],
    }
    assert answer == {
        "role": "user",
        "parts": [
            {"functionResponse": {"id": "7", "name": "look_up", "response": {"some_key": 2}}},
            {"functionResponse": {"name": "look_up", "response": {"output": [1, 2]}}},
            {"functionResponse": {"name": "look_up", "response": {"error": "no such town"}}},
            {"functionResponse": {"name": "look_up", "response": {"output": {"output": 1, "more": 2}}}},
        ],
    }


def test_writes_every_setting() -> None:
    schema = {"type": "object", "properties": {"a_b": {"type": "string"}}}
    body = body_of(
        system="Be brief.",
        temperature=0.5,
        top_p=0.9,
        max_tokens=100,
        stop=("END",),
        thinking=512,
        schema=schema,
        tools=(Tool("look_up", "Looks up.", schema), Tool("stop")),
        tool_choice=("look_up",),
    )
    del body["contents"]
    assert body == {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "generationConfig": {
            "temperature": 0.5,
            "topP": 0.9,
            "maxOutputTokens": 100,
            "stopSequences": ["END"],
            "thinkingConfig": {"thinkingBudget": 512, "includeThoughts": True},
            "responseMimeType": "application/json",
            "responseJsonSchema": schema,
        },
        "tools": [
            {
                "functionDeclarations": [
                    {"name": "look_up", "description": "Looks up.", "parametersJsonSchema": schema},
                    {"name": "stop"},
                ]
            }
        ],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["look_up"]}},
    }


@pytest.mark.parametrize(
    ("thinking", "config"),
    [
        (True, {"includeThoughts": True}),
        (False, {"thinkingBudget": 0}),
        (0, {"thinkingBudget": 0}),
        (1, {"thinkingBudget": 1, "includeThoughts": True}),
        ("low", {"thinkingLevel": "LOW", "includeThoughts": True}),
    ],
)
def test_asks_for_thinking(thinking: Thinking, config: dict[str, Any]) -> None:
    assert body_of(thinking=thinking)["generationConfig"] == {"thinkingConfig": config}
    assert asked(generationConfig={"thinkingConfig": config}).thinking == thinking


@pytest.mark.parametrize(
    ("config", "thinking"),
    [
        ({"thinking_budget": 512}, 512),
        ({"thinking_level": "high"}, "high"),
        ({"thinkingBudget": -1, "includeThoughts": True}, True),
        ({"thinkingBudget": -1}, None),
        ({"thinkingLevel": "XHIGH"}, None),
        ({"includeThoughts": False}, None),
        ({"thinkingBudget": 0, "includeThoughts": True}, False),
    ],
)
def test_puts_back_thinking_that_a_request_cannot_say(config: dict[str, Any], thinking: Thinking | None) -> None:
    request = asked(generationConfig={"thinkingConfig": config})
    assert request.thinking == thinking
    again = json.loads(encode_request(request).body)["generationConfig"]["thinkingConfig"]
    names = {"thinking_budget": "thinkingBudget", "thinking_level": "thinkingLevel"}
    expected = {
        names.get(key, key): value.upper() if isinstance(value, str) else value for key, value in config.items()
    }
    assert {"includeThoughts": False, **again} == {"includeThoughts": False, **expected}


def test_lays_options_over_the_body() -> None:
    options = {"generationConfig": {"topK": 3, "temperature": 1.5, "stopSequences": []}, "labels": {"a": "b"}}
    body = body_of(temperature=0.5, top_p=0.1, stop=("x",), options=MappingProxyType(options))
    assert body["generationConfig"] == {"temperature": 1.5, "topP": 0.1, "stopSequences": [], "topK": 3}
    assert body["labels"] == {"a": "b"}


def test_writes_mappings_of_any_kind_and_half_a_surrogate_pair() -> None:
    message = Message("assistant", (ToolCall("f", MappingProxyType({"a": "\ud83d"})), Text("\ud83d\ude42")))
    (content,) = body_of(messages=(message,))["contents"]
    assert content["parts"] == [{"functionCall": {"name": "f", "args": {"a": "\ufffd"}}}, {"text": "🙂"}]


def test_refuses_media_that_are_nowhere() -> None:
    with pytest.raises(UsageError, match=r"image 'a\.png' has neither data nor a url"):
        body_of(messages=(Message("user", (Media("image", "image/png", name="a.png"),)),))


EVERYTHING = {
    "model": "models/gemini-2.5-flash",
    "contents": [
        {"parts": [{"text": "Hello.", "thought": False, "thoughtSignature": "c2VhbA=="}]},
        {"role": "model", "parts": [{"executableCode": {"language": "PYTHON", "code": "1"}}, {"text": "One."}]},
        {
            "role": "function",
            "parts": [
                {"functionResponse": {"name": "f", "response": {"output": 1, "error": 2}, "scheduling": "SILENT"}}
            ],
        },
        {
            "role": "user",
            "parts": [{"fileData": {"fileUri": "u", "mimeType": "video/mp4"}, "videoMetadata": {"fps": 2}}],
        },
    ],
    "systemInstruction": {"parts": [{"text": "a"}, {"text": "b"}]},
    "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
    "cachedContent": "cachedContents/1",
    "store": False,
    "tools": [{"googleSearch": {}}, {"functionDeclarations": [{"name": "f", "behavior": "BLOCKING"}]}],
    "toolConfig": {"functionCallingConfig": {"mode": "VALIDATED"}, "retrievalConfig": {"languageCode": "de"}},
    "generationConfig": {
        "temperature": 1,
        "topK": 40.0,
        "seed": 3,
        "candidateCount": 2,
        "responseMimeType": "text/x.enum",
        "responseJsonSchema": {"type": "string", "enum": ["a_b", "c"]},
        "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}},
    },
}


def test_keeps_what_a_request_cannot_say() -> None:
    request = decoded(EVERYTHING)
    assert request.messages[1].parts == (Text("One."),)
    assert (request.system, request.temperature, request.tools) == ((Text("a"), Text("b")), 1, (Tool("f"),))
    again = json.loads(encode_request(request).body)
    expected: dict[str, Any] = json.loads(json.dumps(EVERYTHING))
    del expected["model"], expected["contents"][0]["parts"][0]["thought"]
    expected["tools"].reverse()
    expected["contents"][0]["role"] = expected["contents"][2]["role"] = "user"
    assert again == expected
    assert decoded(again) == request


def test_knows_keys_in_snake_case_and_leaves_what_users_named() -> None:
    request = decoded(
        {
            "contents": [
                {"role": "user", "parts": [{"inline_data": {"mime_type": "image/png", "data": "__77-g"}}]},
                {"role": "model", "parts": [{"function_call": {"name": "f", "args": {"my_key": {"mime_type": 1}}}}]},
                {"parts": [{"function_response": {"name": "f", "response": {"my_key": None}}}]},
            ],
            "system_instruction": {"parts": {"text": "Be brief."}},
            "generation_config": {"max_output_tokens": 5, "response_json_schema": {"properties": {"my_key": {}}}},
            "tools": {
                "function_declarations": [{"name": "f", "parameters_json_schema": {"properties": {"my_key": {}}}}]
            },
            "tool_config": {"function_calling_config": {"mode": "any", "allowed_function_names": ["f"]}},
        }
    )
    assert request.messages == (
        Message("user", (Media("image", "image/png", data=b"\xff\xfe\xfb\xfa"),)),
        Message("assistant", (ToolCall("f", {"my_key": {"mime_type": 1}}),)),
        Message("user", (ToolResult("f", {"my_key": None}),)),
    )
    assert (request.system, request.max_tokens) == ("Be brief.", 5)
    assert request.schema == {"properties": {"my_key": {}}}
    assert request.tools == (Tool("f", None, {"properties": {"my_key": {}}}),)
    assert request.tool_choice == ("f",)


@pytest.mark.parametrize(
    "contents",
    ["Hello.", {"parts": [{"text": "Hello."}]}, [{"parts": {"text": "Hello."}}], [{"role": "", "parts": ["Hello."]}]],
)
def test_knows_contents_in_short(contents: Any) -> None:
    assert decoded({"contents": contents, "systemInstruction": "Brief."}) == Request(MODEL, HELLO, system="Brief.")


def test_turns_googles_schemas_into_json_schema() -> None:
    schema = {
        "type": "OBJECT",
        "properties": {
            "nullable": {"type": "STRING", "nullable": True, "enum": ["OBJECT"]},
            "some_list": {"type": "ARRAY", "items": {"any_of": [{"type": "NUMBER"}]}, "max_items": "3"},
        },
        "required": ["some_list"],
    }
    expected = {
        "type": "object",
        "properties": {
            "nullable": {"type": ["string", "null"], "enum": ["OBJECT", None]},
            "some_list": {"type": "array", "items": {"anyOf": [{"type": "number"}]}, "maxItems": 3},
        },
        "required": ["some_list"],
    }
    request = asked(
        generationConfig={"responseSchema": schema, "responseMimeType": "application/json"},
        tools=[{"functionDeclarations": [{"name": "f", "parameters": schema}]}],
    )
    assert request.schema == expected
    assert request.tools == (Tool("f", None, expected),)
    assert request.options == {}


@pytest.mark.parametrize(
    ("choice", "config"), [("auto", "AUTO"), ("none", "NONE"), ("required", "ANY"), (None, "MODE_UNSPECIFIED")]
)
def test_knows_whether_tools_may_be_called(choice: str | None, config: str) -> None:
    assert asked(toolConfig={"functionCallingConfig": {"mode": config}}).tool_choice == choice


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"[" * 100_000, "not JSON"),
        (b"{}", "no contents"),
        (b'{"contents":[]}', "no contents"),
        (b'{"contents":[5]}', "objects with a role and parts"),
        (b'{"contents":[{"role":"assistant"}]}', "role is 'user' or 'model'"),
        (b'{"contents":[{"parts":[5]}]}', r"Expected `object`, got `int` - at `\$.contents"),
        (b'{"contents":[{"parts":[{"inlineData":{"data":"%"}}]}]}', "base64"),
        (b'{"contents":[{"parts":[{"functionCall":{}}]}]}', "missing required field `name`"),
        (b'{"contents":[{"parts":[{"functionCall":{"name":"f","args":[]}}]}]}', "Expected `object"),
        (b'{"contents":"x","generationConfig":{"temperature":"hot"}}', "Expected `float"),
        (b'{"contents":"x","generationConfig":[1]}', "Expected `object`"),
        (b'{"contents":"x","tools":[1]}', "Expected `object`"),
        (b'{"contents":"x","systemInstruction":5}', "objects with a role and parts"),
    ],
)
def test_refuses_what_is_not_a_request(body: bytes, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        decode_request(body, MODEL)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda below: (
            st.lists(below)
            | st.dictionaries(
                st.sampled_from(
                    (
                        "contents",
                        "parts",
                        "text",
                        "role",
                        "tools",
                        "generationConfig",
                        "inlineData",
                        "functionCall",
                        "functionDeclarations",
                        "systemInstruction",
                        "toolConfig",
                        "name",
                        "thinkingConfig",
                        "data",
                    )
                ),
                below,
            )
        ),
    )
)
def test_refuses_anything_else_with_a_sentence(body: Any) -> None:
    try:
        request = decoded(body)
    except UsageError:
        return
    written = encode_request(request).body
    with suppress(UsageError):  # of some, nothing is left to be said
        assert encode_request(decode_request(written, MODEL)).body == written


def test_counts_contents_alone() -> None:
    assert decode_count_request(b'{"contents":[{"parts":[{"text":"Hello."}],"role":"user"}]}', MODEL).messages == HELLO
    assert json.loads(encode_count(Request("m", HELLO)))["generateContentRequest"]["model"] == "models/m"
