"""Calls and results as Gemini wants them, in whatever words they came."""

import json
from dataclasses import replace
from typing import Any

import httpx
import pytest

from boticelli_cli.messages import Message, Part, Request, Text, Thought, Tool, ToolCall, ToolResult
from boticelli_cli.wire import anthropic, openai
from boticelli_cli.wire.gemini import decode_request, encode_request, may_be_forwarded
from tests.fakes.gemini import FakeGemini

SEAL = "c2VhbA=="
NO_SEAL = "skip_thought_signature_validator"
ASK = Message("user", (Text("Go."),))


def turn(*parts: Part) -> Message:
    return Message("user" if isinstance(parts[0], ToolResult) else "assistant", parts)


def contents(*messages: Message, model: str = "gemini-3-pro", dialect: str | None = "anthropic") -> list[Any]:
    encoded = encode_request(Request(model, messages, tools=(Tool("f"), Tool("g")), dialect=dialect))
    told: list[Any] = json.loads(encoded.body)["contents"]
    return told


def seals(told: list[Any]) -> list[str | None]:
    return [part.get("thoughtSignature") for each in told for part in each["parts"] if "functionCall" in part]


def test_seals_the_first_call_of_each_turn_that_another_model_made() -> None:
    first = (
        turn(ToolCall("f", {}, "1"), ToolCall("g", {}, "2")),
        turn(ToolResult("f", 1, "1"), ToolResult("g", 2, "2")),
    )
    second = (turn(Text("So."), ToolCall("f", {}, "3")), turn(ToolResult("f", 1, "3")))
    assert seals(contents(ASK, *first, *second)) == [NO_SEAL, None, NO_SEAL]


def test_leaves_a_seal_that_has_come_back() -> None:
    turns = (
        turn(ToolCall("f", {}, "1", SEAL), ToolCall("g", {}, "2")),
        turn(ToolResult("f", 1, "1"), ToolResult("g", 2, "2")),
    )
    assert seals(contents(ASK, *turns)) == [SEAL, None]


@pytest.mark.parametrize(
    ("model", "dialect", "sealed"),
    [
        ("gemini-3-flash-preview", "openai", True),
        ("gemini-4-hydrogen", "anthropic", True),
        ("gemini-10-pro", "anthropic", True),
        ("models/gemini-3.8-flash", "anthropic", True),
        ("gemini-flash-lite-latest", "anthropic", True),
        ("gemini-2.5-flash", "anthropic", False),
        ("gemma-3-27b-it", "anthropic", False),
        ("gemini-3-pro", "gemini", True),
        ("gemini-3-pro", None, False),
    ],
)
def test_seals_only_calls_of_clients_and_only_for_models_that_want_it(
    model: str, dialect: str | None, sealed: bool
) -> None:
    told = contents(ASK, turn(ToolCall("f", {}, "1")), turn(ToolResult("f", 1, "1")), model=model, dialect=dialect)
    assert seals(told) == [NO_SEAL if sealed else None]


def test_sends_no_body_as_it_came_that_has_a_call_without_a_seal() -> None:
    text = {"text": "So.", "thoughtSignature": SEAL}
    call, sealed = {"functionCall": {"name": "f"}}, {"functionCall": {"name": "f"}, "thoughtSignature": SEAL}
    result = {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}}] * 2}
    for first, taken in ((call, False), (sealed, True)):
        body = {"contents": [{"parts": [{"text": "Go."}]}, {"role": "model", "parts": [text, first, call]}, result]}
        request = replace(decode_request(json.dumps(body).encode(), "gemini-3-pro"), dialect="gemini")
        assert may_be_forwarded(request) is taken
        encoded = encode_request(request)
        assert seals(json.loads(encoded.body)["contents"]) == [SEAL if taken else NO_SEAL, None]
        assert encoded.losses == (() if taken else ("thought signatures",))
        assert may_be_forwarded(replace(request, model="gemini-2.5-pro"))


def test_drops_seals_of_others_thoughts_and_texts_that_are_empty() -> None:
    said = turn(Thought("Hm.", SEAL), Text(""), Text("Yes."))
    assert contents(ASK, said, ASK)[1]["parts"] == [{"text": "Hm.", "thought": True}, {"text": "Yes."}]


@pytest.mark.parametrize("dialect", ["anthropic", "gemini"])
def test_puts_results_behind_their_calls_and_gives_no_id_that_nobody_has_given(dialect: str) -> None:
    told = contents(
        ASK,
        turn(ToolCall("f", {}), ToolCall("g", {}, "2")),
        turn(Text("Wait.")),
        turn(ToolResult("g", 2, "2"), ToolResult("f", 1)),
        dialect=dialect,
    )
    parts = [[*part] for each in told for part in each["parts"] if part.keys() - {"thoughtSignature"}]
    assert [sorted(each)[0] for each in parts] == [
        *("text", "functionCall", "functionCall", "text", "functionResponse", "functionResponse"),
    ]
    assert [each["role"] for each in told] == ["user", "model", "user"]
    assert told[2]["parts"] == [
        {"functionResponse": {"id": "2", "name": "g", "response": {"output": 2}}},
        {"functionResponse": {"name": "f", "response": {"output": 1}}},
    ]


def test_names_results_after_their_calls() -> None:
    said = {
        "model": "claude",
        "messages": [
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "x"}]},
        ],
    }
    request = anthropic.decode_request(json.dumps(said).encode())
    nameless = replace(request, messages=(request.messages[0], turn(ToolResult("", "x", "t1"))))
    for asked in (request, nameless):
        (_, result) = contents(*asked.messages)
        assert result["parts"][0]["functionResponse"]["name"] == "f"


def test_names_what_it_leaves_out() -> None:
    messages = (ASK, turn(ToolCall("f", {}, "1")), ASK, turn(ToolResult("g", 1, "9")), ASK)
    encoded = encode_request(Request("gemini-2.5-flash", messages))
    assert set(encoded.losses) == {"calls without results", "results of no call"}
    assert "function" not in encoded.body.decode()


def test_names_stop_sequences_above_five() -> None:
    encoded = encode_request(Request("gemini-2.5-flash", (ASK,), stop=tuple("abcdef")))
    assert json.loads(encoded.body)["generationConfig"]["stopSequences"] == list("abcde")
    assert encoded.losses == ("stop sequences above 5",)
    openais = openai.encode_request(Request("gpt-5.2", (ASK,), stop=tuple("abcdef")), streamed=False)
    assert (json.loads(openais.body)["stop"], openais.losses) == (list("abcd"), ("stop sequences above 4",))


def test_goes_on_where_the_assistant_has_begun() -> None:
    begun = Request("m", (ASK, Message("assistant", (Text("{"),))), dialect="anthropic")
    assert json.loads(encode_request(begun).body)["contents"][-1] == {"role": "model", "parts": [{"text": "{"}]}
    told = json.loads(openai.encode_request(begun, streamed=False).body)["messages"]
    assert told[-1] == {"role": "assistant", "content": "{"}


def test_knows_functions_that_are_declared_in_several_groups() -> None:
    body = {
        "contents": "Hi.",
        "tools": [
            {"function_declarations": [{"name": "f"}]},
            {"functionDeclarations": [{"name": "g"}], "urlContext": {}},
        ],
    }
    request = decode_request(json.dumps(body).encode(), "gemini-3-pro")
    assert request.tools == (Tool("f"), Tool("g"))
    assert json.loads(encode_request(request).body)["tools"] == [
        {"functionDeclarations": [{"name": "f"}, {"name": "g"}]},
        {"urlContext": {}},
    ]
    assert encode_request(replace(request, dialect="openai")).losses == ("url context",)


async def test_gemini_takes_a_session_that_another_model_began() -> None:
    request = Request(
        "gemini-3-pro-preview",
        (
            ASK,
            turn(ToolCall("f", {}, "1"), ToolCall("g", {}, "2")),
            turn(ToolResult("g", "y", "2"), ToolResult("f", "x", "1")),
            turn(ToolCall("f", {}, "1")),
            turn(Text("And on.")),
            turn(ToolResult("f", "x", "1")),
        ),
        tools=(Tool("f"), Tool("g")),
        dialect="openai",
    )
    async with FakeGemini() as google, httpx.AsyncClient() as client:
        url = f"{google.url}/v1beta/models/{request.model}:generateContent"
        answer = await client.post(url, content=encode_request(request).body, headers={"x-goog-api-key": "test-key"})
    assert answer.status_code == 200, answer.text
