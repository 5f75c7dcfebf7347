"""What Claude Code sends, replayed: all that matters reaches every other service, and the rest is named."""

import base64
import json
from dataclasses import replace
from typing import Any

import httpx

from boticelli_cli.messages import CachePoint, Media, Request, Text, Thought, Tool, ToolCall, ToolResult
from boticelli_cli.wire import anthropic, gemini, openai
from boticelli_cli.wire.body import Encoded
from boticelli_cli.wire.tool_names import RULES, ToolNames
from tests.fakes.anthropic import FakeAnthropic
from tests.fakes.gemini import FakeGemini
from tests.fakes.openai import FakeOpenAI

PICTURE = b"\x89PNG\r\n\x1a\n"
EPHEMERAL = {"type": "ephemeral"}
SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {"file_path": {"type": "string"}, "limit": {"type": "number", "exclusiveMinimum": 0}},
    "required": ["file_path"],
    "additionalProperties": False,
}


def body(**more: Any) -> dict[str, Any]:
    """A turn in the middle of a session: a file was read, and a picture."""
    picture = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PICTURE).decode()}
    said = {
        "model": "claude-opus-4-7",
        "max_tokens": 32000,
        "stream": True,
        "system": [
            {"type": "text", "text": "You are Claude Code.", "cache_control": EPHEMERAL},
            {"type": "text", "text": "Be brief.", "cache_control": {**EPHEMERAL, "ttl": "1h"}},
        ],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "<system-reminder>Mind the time.</system-reminder>"},
                    {"type": "text", "text": "What is in a.txt?", "cache_control": EPHEMERAL},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "I had better look.", "signature": ""},
                    {"type": "text", "text": "I look."},
                    {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"file_path": "a.txt"}},
                    {"type": "tool_use", "id": "toolu_2", "name": "mcp__disk__read.image", "input": {"file_path": "b.png"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "1\tHello."}]},
                    {
                        "type": "tool_result",
                        "tool_use_id": "toolu_2",
                        "content": [{"type": "text", "text": "b.png"}, {"type": "image", "source": picture}],
                        "cache_control": EPHEMERAL,
                    },
                ],
            },
        ],
        "tools": [
            {"name": "Read", "description": "Reads a file.", "input_schema": SCHEMA, "eager_input_streaming": True},
            {"name": "mcp__disk__read.image", "input_schema": SCHEMA},
        ],
        "metadata": {"user_id": json.dumps({"device_id": "d", "session_id": "0f3e-11"})},
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "medium"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    }  # fmt: skip
    return {**said, **more}


def decoded(**more: Any) -> Request:
    return replace(anthropic.decode_request(json.dumps(body(**more)).encode()), dialect="anthropic")


def to_gemini(request: Request) -> Encoded:
    return gemini.encode_request(replace(request, model="gemini-3-pro-preview"))


def to_openai(request: Request) -> Encoded:
    return openai.encode_request(replace(request, model="gpt-5.2"), streamed=True)


def test_says_all_that_matters() -> None:
    request = decoded()
    assert request.system == (Text("You are Claude Code."), CachePoint(), Text("Be brief."), CachePoint("1h"))
    assert (request.thinking, request.session, request.max_tokens) == ("medium", "0f3e-11", 32000)
    assert [tool.name for tool in request.declared_tools] == ["Read", "mcp__disk__read.image"]
    assert request.declared_tools[0] == Tool("Read", "Reads a file.", SCHEMA)
    assert request.messages[1].parts == (
        Thought("I had better look."),
        Text("I look."),
        ToolCall("Read", {"file_path": "a.txt"}, "toolu_1"),
        ToolCall("mcp__disk__read.image", {"file_path": "b.png"}, "toolu_2"),
    )
    assert request.messages[2].parts == (
        ToolResult("Read", (Text("1\tHello."),), "toolu_1"),
        ToolResult("mcp__disk__read.image", (Text("b.png"), Media("image", "image/png", PICTURE)), "toolu_2"),
        CachePoint(),
    )


def test_knows_thinking_by_a_budget() -> None:
    assert decoded(thinking={"type": "enabled", "budget_tokens": 31999}, output_config={}).thinking == 31999


def test_is_written_for_gemini() -> None:
    encoded = to_gemini(decoded())
    assert set(encoded.losses) == {
        *("cache marks", "eager input streaming", "option metadata.user_id", "option context_management"),
    }
    said = json.loads(encoded.body)
    assert said["systemInstruction"] == {"parts": [{"text": "You are Claude Code.\nBe brief."}]}
    assert said["generationConfig"] == {
        "maxOutputTokens": 32000,
        "thinkingConfig": {"thinkingLevel": "MEDIUM", "includeThoughts": True},
    }
    _, calls, results = (content["parts"] for content in said["contents"])
    assert calls[0] == {"text": "I had better look.", "thought": True}
    assert [part.get("thoughtSignature") for part in calls[2:]] == ["skip_thought_signature_validator", None]
    assert [part["functionResponse"]["name"] for part in results if "functionResponse" in part] == [
        *("Read", "mcp__disk__read.image"),
    ]
    assert results[-1]["inlineData"]["mimeType"] == "image/png"


def test_is_written_for_openai() -> None:
    encoded = to_openai(decoded())
    assert set(encoded.losses) == {
        *("cache marks", "thoughts", "eager input streaming", "option context_management"),
    }
    said = json.loads(encoded.body)
    assert said["reasoning_effort"] == "medium"
    assert [message["role"] for message in said["messages"]] == ["system", "user", "assistant", "tool", "tool", "user"]
    assert said["messages"][-1]["content"][0]["type"] == "image_url"


async def test_every_service_takes_it() -> None:
    async with FakeGemini() as google, FakeAnthropic() as claude, FakeOpenAI() as gpt, httpx.AsyncClient() as client:
        request = decoded(thinking={"type": "enabled", "budget_tokens": 31999}, output_config={})
        for url, headers, dialect, encoded in (
            (f"{google.url}/v1beta/models/gemini-3-pro-preview:generateContent", {"x-goog-api-key": "test-key"}, "gemini", to_gemini),
            (f"{gpt.url}/v1/chat/completions", {"authorization": "Bearer test-key"}, "openai", to_openai),
            (f"{claude.url}/v1/messages", {"x-api-key": "test-key", "anthropic-version": "2023-06-01"}, "anthropic", to_claude),
        ):  # fmt: skip
            fitted = ToolNames.of(request, RULES[dialect]).fit(request)
            answer = await client.post(url, content=encoded(fitted).body, headers=headers)
            assert answer.status_code == 200, (dialect, answer.text)


def to_claude(request: Request) -> Encoded:
    return anthropic.encode_request(replace(request, model="claude-sonnet-4-6"), streamed=False)
