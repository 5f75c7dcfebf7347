"""Settings of clients in one dialect as models are told of them in another: from body to body."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from boticelli_cli.wire import anthropic, bedrock_invoke, gemini, openai

TEXT = "Answer as JSON."
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
BODIES: dict[str, dict[str, Any]] = {
    "openai": {"model": "m", "messages": [{"role": "user", "content": TEXT}]},
    "anthropic": {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": TEXT}]},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": TEXT}]}]},
}
TOOLS: dict[str, list[Any]] = {
    "openai": [{"type": "function", "function": {"name": "find", "parameters": SCHEMA}}],
    "anthropic": [{"name": "find", "input_schema": SCHEMA}],
}


def told(source: str, settings: Mapping[str, Any], target: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What a model's provider is told of a client's settings, and what is lost of them."""
    body = json.dumps({**BODIES[source], **settings}).encode()
    match source:
        case "gemini":
            request = gemini.decode_request(body, "m")
        case "anthropic":
            request = anthropic.decode_request(body)
        case _:
            request = openai.decode_request(body)
    encoded = ENCODERS[target](replace(request, dialect=source))
    plain = {"model", "messages", "contents", "tools"}
    return {key: value for key, value in json.loads(encoded.body).items() if key not in plain}, encoded.losses


ENCODERS: dict[str, Any] = {
    "openai": lambda request: openai.encode_request(request, streamed=False),
    "anthropic": lambda request: anthropic.encode_request(request, streamed=False),
    "gemini": gemini.encode_request,
    "bedrock": bedrock_invoke.encode_request,
}


@pytest.mark.parametrize(
    ("source", "settings", "target", "said", "lost"),
    [
        (
            "openai",
            {"seed": 7, "frequency_penalty": 0.5, "presence_penalty": 0, "response_format": {"type": "json_object"}},
            "gemini",
            {"generationConfig": {"seed": 7, "frequencyPenalty": 0.5, "responseMimeType": "application/json"}},
            (),
        ),
        (
            "gemini",
            {"generationConfig": {"seed": 7, "presence_penalty": -1, "responseMimeType": "application/json"}},
            "openai",
            {"seed": 7, "presence_penalty": -1, "response_format": {"type": "json_object"}},
            (),
        ),
        ("anthropic", {"top_k": 5}, "gemini", {"generationConfig": {"maxOutputTokens": 9, "topK": 5}}, ()),
        (
            "openai",
            {"parallel_tool_calls": False, "tools": TOOLS["openai"], "max_tokens": 9},
            "anthropic",
            {"max_tokens": 9, "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
            (),
        ),
        (
            "anthropic",
            {"tool_choice": {"type": "any", "disable_parallel_tool_use": True}, "tools": TOOLS["anthropic"]},
            "openai",
            {"max_completion_tokens": 9, "tool_choice": "required", "parallel_tool_calls": False},
            (),
        ),
        (
            "openai",
            {"user": "u1", "max_tokens": 9},
            "bedrock",
            {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "metadata": {"user_id": "u1"}},
            (),
        ),
        (
            "openai",
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "n", "strict": True, "schema": SCHEMA},
                }
            },
            "gemini",
            {"generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA}},
            (),
        ),
        (
            "gemini",
            {"generationConfig": {"temperature": 1, "responseModalities": ["TEXT"], "mediaResolution": "LOW"}},
            "openai",
            {"temperature": 1.0},
            ("option generationConfig.responseModalities", "option generationConfig.mediaResolution"),
        ),
        (
            "openai",
            {"reasoning_effort": "xhigh", "logprobs": True, "max_tokens": 9},
            "anthropic",
            {
                "max_tokens": 9,
                "thinking": {"type": "adaptive", "display": "summarized"},
                "output_config": {"effort": "high"},
            },
            ("option reasoning_effort", "option logprobs"),
        ),
    ],
)
def test_is_told_in_the_words_of_who_is_asked(
    source: str, settings: Mapping[str, Any], target: str, said: Any, lost: tuple[str, ...]
) -> None:
    assert told(source, settings, target) == (said, lost)
