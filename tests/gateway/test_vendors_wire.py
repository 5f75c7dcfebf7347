"""What each face writes, byte by byte, as strict clients want it: whoever answers behind it."""

import json
from typing import Any

import httpx
import pytest
from anthropic import APIStatusError

from tests.fakes.behaviours import Answer
from tests.gateway.whole import CALLS, MODELS, Whole

ALL = {**MODELS, "rehearsal": "rehearsal/fast"}
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}

everyone = pytest.mark.parametrize("upstream", ALL)
every_upstream = pytest.mark.parametrize("upstream", MODELS)


def ask_anthropic(whole: Whole, upstream: str, prompt: str, **more: Any) -> httpx.Response:
    turns = [{"role": "user", "content": prompt}]
    asked = {"model": ALL[upstream], "max_tokens": 900, "stream": True, "messages": turns, **more}
    return whole.http.post("/v1/messages", json=asked, headers={"anthropic-version": "2023-06-01"})


def ask_openai(whole: Whole, upstream: str, prompt: str, **more: Any) -> httpx.Response:
    asked = {"model": ALL[upstream], "stream": True, "messages": [{"role": "user", "content": prompt}], **more}
    return whole.http.post("/v1/chat/completions", json=asked)


def ask_gemini(whole: Whole, upstream: str, prompt: str, *, query: str = "?alt=sse", **more: Any) -> httpx.Response:
    asked = {"contents": [{"role": "user", "parts": [{"text": prompt}]}], **more}
    return whole.http.post(f"/v1beta/models/{ALL[upstream]}:streamGenerateContent{query}", json=asked)


@everyone
def test_anthropics_events_are_named_and_in_order(whole: Whole, upstream: str) -> None:
    answer = ask_anthropic(whole, upstream, "Hello there, how are you?")
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = named_events(answer.text)
    assert [name for name, _ in events] == [data["type"] for _, data in events]
    shape = [name for name, _ in events if name not in ("ping", "content_block_delta")]
    assert shape[0] == "message_start"
    assert shape[1:-2] == ["content_block_start", "content_block_stop"] * ((len(shape) - 3) // 2)
    assert shape[-2:] == ["message_delta", "message_stop"]
    message = events[0][1]["message"]
    assert message["id"].startswith("msg_")
    assert (message["type"], message["role"], message["content"], message["stop_reason"]) == (
        "message",
        "assistant",
        [],
        None,
    )
    assert isinstance(message["usage"]["input_tokens"], int)
    assert isinstance(message["usage"]["output_tokens"], int)
    delta = next(data for name, data in events if name == "message_delta")
    assert delta["delta"]["stop_reason"] == "end_turn"
    assert delta["usage"]["output_tokens"] > 0


@every_upstream
def test_anthropics_blocks_are_numbered_one_after_the_other(whole: Whole, upstream: str) -> None:
    prompt = f"Number the blocks, {upstream}"
    whole.plays(upstream, Answer("Well.", thoughts="Let me think.", tool_calls=CALLS), prompt=prompt)
    tools = [{"name": "get_weather", "input_schema": PARAMETERS}]
    events = named_events(ask_anthropic(whole, upstream, prompt, tools=tools, thinking={"type": "adaptive"}).text)
    current, seen = None, 0
    for name, data in events:
        match name:
            case "content_block_start":
                assert (current, data["index"]) == (None, seen)
                current, seen = data["index"], seen + 1
                kind = data["content_block"]["type"]
                assert data["content_block"].get({"tool_use": "input"}.get(kind, kind)) in ("", {})
            case "content_block_delta":
                assert data["index"] == current
            case "content_block_stop":
                assert data["index"] == current
                current = None
    assert seen >= 3
    told = [data["delta"] for name, data in events if name == "content_block_delta"]
    said = "".join(each["partial_json"] for each in told if each["type"] == "input_json_delta")
    assert said.replace("\\u00f6", "ö").replace(" ", "") == '{"city":"Ulm"}{"city":"Köln"}'


@everyone
def test_openais_chunks_end_with_their_mark(whole: Whole, upstream: str) -> None:
    answer = ask_openai(whole, upstream, "Hello there, how are you?")
    assert answer.headers["content-type"].startswith("text/event-stream")
    *lines, end = [line for line in answer.text.split("\n") if line and not line.startswith(":")]
    assert all(line.startswith("data: {") for line in lines)
    assert end == "data: [DONE]"
    chunks = [json.loads(line[6:]) for line in lines]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({(chunk["id"], chunk["created"]) for chunk in chunks}) == 1
    assert all(len(chunk["choices"]) == 1 and chunk["choices"][0]["index"] == 0 for chunk in chunks)
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    reasons = [chunk["choices"][0].get("finish_reason") for chunk in chunks]
    assert reasons == [None] * (len(chunks) - 1) + ["stop"]
    assert not any(chunk.get("usage") for chunk in chunks)


@everyone
def test_geminis_events_hold_nothing_that_googles_client_fails_on(whole: Whole, upstream: str) -> None:
    answer = ask_gemini(whole, upstream, "Hello there, how are you?")
    assert answer.headers["content-type"].startswith("text/event-stream")
    lines = [line for line in answer.text.splitlines() if line]
    assert all(line.startswith("data: {") for line in lines)
    check_gemini([json.loads(line[6:]) for line in lines])


@everyone
def test_gemini_without_events_is_one_array(whole: Whole, upstream: str) -> None:
    answer = ask_gemini(whole, upstream, "Hello there, how are you?", query="")
    assert answer.headers["content-type"].startswith("application/json")
    check_gemini(answer.json())


def check_gemini(chunks: list[Any]) -> None:
    assert len({chunk["responseId"] for chunk in chunks}) == 1
    for chunk in chunks:  # google-genai's chats drop a turn with a chunk that has no parts
        assert chunk["candidates"][0]["content"]["role"] == "model"
        assert chunk["candidates"][0]["content"]["parts"]
    reasons = [chunk["candidates"][0].get("finishReason") for chunk in chunks]
    assert reasons == [None] * (len(chunks) - 1) + ["STOP"]
    usage = chunks[-1]["usageMetadata"]
    assert usage["totalTokenCount"] == usage["promptTokenCount"] + usage["candidatesTokenCount"]


@everyone
@pytest.mark.parametrize("ask", [ask_anthropic, ask_openai, ask_gemini])
def test_says_who_answered(whole: Whole, upstream: str, ask: Any) -> None:
    headers = ask(whole, upstream, "Hello").headers
    assert headers["x-boticelli-provider"] == {
        "invoke": "bedrock",
        "converse": "bedrock",
    }.get(upstream, upstream)
    assert headers["x-boticelli-model"] in ALL[upstream]
    assert headers["x-boticelli-request-id"].startswith("req_")
    assert headers["x-boticelli-route"] == "explicit"


def test_says_its_id_where_the_vendors_clients_look_for_it(whole: Whole) -> None:
    turns: Any = [{"role": "user", "content": "Hello"}]
    message = whole.anthropic.messages.create(model=MODELS["gemini"], max_tokens=9, messages=turns)
    assert str(message._request_id).startswith("req_")
    done = whole.openai.chat.completions.create(model=MODELS["gemini"], messages=turns)
    assert str(done._request_id).startswith("req_")
    with pytest.raises(APIStatusError) as caught:
        whole.anthropic.messages.create(model="nobodys-model", max_tokens=9, messages=turns)
    assert str(caught.value.request_id).startswith("req_")


@pytest.mark.parametrize("name", ["amazon.nova-pro-v1:0", "amazon.nova-pro-v1%3A0", "bedrock/amazon.nova-pro-v1:0"])
def test_takes_names_with_colons_and_slashes_in_geminis_paths(whole: Whole, name: str) -> None:
    asked = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}
    for path in (name, name.replace("/", "%2F")):
        answer = whole.http.post(f"/v1beta/models/{path}:generateContent", json=asked)
        assert answer.json()["candidates"][0]["content"]["parts"] == [{"text": "You said: Hello"}]


REFUSED = {
    "no JSON": b"{",
    "no object": b"[]",
    "half a character": b'{"model": "\xc3',
    "nothing": b"",
    "very deep": b"[" * 100_000,
    "words for lists": b'{"model": "gpt-5.2", "max_tokens": 9, "messages": 7, "contents": 7}',
    "no messages": b'{"model": "gpt-5.2", "max_tokens": 9, "messages": [], "contents": []}',
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize(
    "path", ["/v1/messages", "/v1/chat/completions", "/v1/models/gpt-5.2:streamGenerateContent?alt=sse"]
)
def test_refuses_bodies_that_are_not_of_the_dialect(whole: Whole, path: str, body: bytes) -> None:
    answer = whole.http.post(path, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["message"]
    if path == "/v1/messages":
        assert (answer.json()["type"], error["type"]) == ("error", "invalid_request_error")
    elif "chat" in path:
        assert error["type"] == "invalid_request_error"
    else:
        assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")


def named_events(text: str) -> list[tuple[str, Any]]:
    """The events of a stream, each of two lines: its name, and its data."""
    events = []
    for block in text.split("\n\n"):
        if not block:
            continue
        name, data = block.split("\n")
        assert name.startswith("event: ")
        assert data.startswith("data: ")
        events.append((name[7:], json.loads(data[6:])))
    return events
