"""Requests that no client of good will sends: each is answered, or refused in the words of its face, and at once."""

import asyncio
import copy
import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from boticelli_cli.errors import InputError
from boticelli_cli.messages import Delta, Request, TextDelta
from boticelli_cli.wire import anthropic, bedrock_converse, gemini, openai
from tests.gateway.judging import FACES, error_in, judged, path_of
from tests.gateway.serving import gateway
from tests.gateway.standing import Client
from tests.scripted import Scripted

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}

PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

BODIES: dict[str, dict[str, Any]] = {
    "anthropic": {
        "model": "m-1",
        "max_tokens": 500,
        "stream": True,
        "system": [{"type": "text", "text": "Be kind", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 5,
        "stop_sequences": ["END"],
        "metadata": {"user_id": "u_session_abc"},
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "tools": [
            {
                "name": "f",
                "description": "d",
                "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
                "cache_control": {"type": "ephemeral"},
            },
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 3},
        ],
        "tool_choice": {"type": "auto"},
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Hi"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}},
                    {
                        "type": "document",
                        "source": {"type": "text", "media_type": "text/plain", "data": "doc"},
                        "title": "t",
                        "citations": {"enabled": True},
                    },
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
                    {"type": "text", "text": "ok"},
                    {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"city": "Paris"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "toolu_1",
                        "content": [{"type": "text", "text": "rain"}],
                        "is_error": False,
                    },
                    {"type": "text", "text": "so?"},
                ],
            },
        ],
        "output_config": {
            "format": {
                "type": "json_schema",
                "schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
            }
        },
    },
    "openai": {
        "model": "m-1",
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_completion_tokens": 500,
        "temperature": 0.5,
        "top_p": 0.9,
        "n": 1,
        "stop": ["END"],
        "seed": 7,
        "user": "u",
        "reasoning_effort": "low",
        "response_format": {
            "type": "json_schema",
            "json_schema": {
                "name": "x",
                "schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
                "strict": True,
            },
        },
        "logit_bias": {"5": 1},
        "metadata": {"a": "b"},
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "f",
                    "description": "d",
                    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
                    "strict": True,
                },
            }
        ],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "messages": [
            {"role": "system", "content": "Be kind"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Hi"},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}", "detail": "low"}},
                    {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
                    {
                        "type": "file",
                        "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"},
                    },
                ],
            },
            {
                "role": "assistant",
                "content": "ok",
                "tool_calls": [
                    {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"city":"Paris"}'}}
                ],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
            {"role": "developer", "content": "x"},
            {"role": "user", "content": "so?", "name": "bob"},
        ],
    },
    "gemini": {
        "systemInstruction": {"parts": [{"text": "Be kind"}]},
        "contents": [
            {
                "role": "user",
                "parts": [
                    {"text": "Hi"},
                    {"inlineData": {"mimeType": "image/png", "data": PICTURE}},
                    {"fileData": {"mimeType": "application/pdf", "fileUri": "https://x.example/a.pdf"}},
                ],
            },
            {
                "role": "model",
                "parts": [
                    {"text": "hm", "thought": True, "thoughtSignature": "c2ln"},
                    {"functionCall": {"name": "f", "args": {"city": "Paris"}, "id": "c1"}, "thoughtSignature": "c2ln"},
                ],
            },
            {
                "role": "user",
                "parts": [{"functionResponse": {"name": "f", "response": {"result": "rain"}, "id": "c1"}}],
            },
            {"role": "user", "parts": [{"text": "so?"}]},
        ],
        "tools": [
            {
                "functionDeclarations": [
                    {
                        "name": "f",
                        "description": "d",
                        "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}},
                    }
                ]
            },
            {"googleSearch": {}},
        ],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        "generationConfig": {
            "temperature": 0.5,
            "topP": 0.9,
            "topK": 4,
            "maxOutputTokens": 500,
            "stopSequences": ["END"],
            "responseMimeType": "application/json",
            "responseSchema": {"type": "OBJECT"},
            "thinkingConfig": {"thinkingBudget": 512, "includeThoughts": True},
            "responseModalities": ["TEXT"],
            "seed": 3,
        },
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        "cachedContent": "cachedContents/x",
    },
}
"""A request in each dialect that says all there is to say."""

ODD = (
    *(None, True, 5, -1, 0.5, 1e308, 10**30, -(10**30), "", "x", "nan", "\x00", "é" * 1000, "x" * 100_000),
    *([], {}, [None], [[]], [{}], {"a": None}, {"type": "text"}, [{"type": 5}], {"role": "user"}, "../..", "a\r\nb: c"),
)

SPLICES = (
    *(b'"\\ud800"', b'"\\ud83c"', b"NaN", b"Infinity", b"1e999", b"-0", b"1" * 5000, b"tru", b'"\\u0000"', b'"\xff"'),
    *(b"[" * 1000 + b"]" * 1000, b"{" * 100_000, b'{"a":1,"a":2}', b"\x00", b"'x'", b"1.", b"\xef\xbb\xbf1"),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in JSON data."""
    yield path
    within = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in within:
        yield from places(each, (*path, key))


@st.composite
def spoiled(draw: st.DrawFn, face: str) -> bytes:
    """A body of a face, with parts left out, and others spoiled at random."""
    whole = BODIES["gemini" if face == "array" else face]
    kept = {key: each for key, each in whole.items() if key in ("model", "messages", "contents") or draw(st.booleans())}
    body: Any = copy.deepcopy(kept)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.sampled_from([*places(body)]))
        if not at:
            continue
        holder = body
        for key in at[:-1]:
            holder = holder[key]
        match draw(st.sampled_from(("other", "other", "gone", "twice"))):
            case "gone":
                del holder[at[-1]]
            case "twice" if isinstance(holder, list):
                holder.append(copy.deepcopy(holder[at[-1]]))
            case _:
                holder[at[-1]] = copy.deepcopy(draw(st.sampled_from(ODD)))
    data = json.dumps(body, ensure_ascii=draw(st.booleans())).encode()
    if draw(st.integers(0, 3)) == 0 and (spots := [*re.finditer(rb'(?<=: )("[^"]{0,80}"|\d+|true)', data)]):
        spot = draw(st.sampled_from(spots))
        data = data[: spot.start()] + draw(st.sampled_from(SPLICES)) + data[spot.end() :]
    return data


def told(request: Request) -> list[Delta | Exception]:
    """What the driver says, once it has put the request in the words of all dialects."""
    try:
        anthropic.encode_request(request, streamed=True)
        openai.encode_request(request, streamed=True, max_tokens_name="max_tokens")
        gemini.encode_request(request)
        bedrock_converse.encode_request(request)
    except InputError as error:
        return [error]
    return [TextDelta("hello"), TextDelta(" there")]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A gateway in a thread, around a driver that answers all it is asked."""
    ready: Future[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        driver = Scripted(lambda _: told(driver.requests.pop()))
        async with gateway(driver) as served:
            over = asyncio.Event()
            ready.set_result((int(served.url.rpartition(":")[2]), asyncio.get_running_loop(), over))
            await over.wait()
            assert (served.places.held, served.exchanges.in_flight()) == (0, [])

    thread = threading.Thread(target=asyncio.run, args=(serve(),), name="gateway", daemon=True)
    thread.start()
    number, loop, over = ready.result(10)
    yield number
    loop.call_soon_threadsafe(over.set)
    thread.join(10)


@pytest.fixture(scope="module")
def client(port: int) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as made:
        yield made


def check(client: httpx.Client, face: str, body: bytes) -> None:
    """Send a body, and judge what comes: an answer, or that it is the client's own fault."""
    path = path_of(face, "m-1", streamed=face == "array" or b"stream" in body)
    answer = client.post(path, content=body, headers={"content-type": "application/json"})
    streamed = face == "array" or answer.headers["content-type"].startswith("text/event-stream")
    verdict = judged(face, answer, streamed=streamed)
    assert (verdict.kind, verdict.status) == ("answer", 200) or 400 <= verdict.status < 500, (verdict, body[:2000])


@pytest.mark.parametrize("face", FACES)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_answers_or_refuses_whatever_it_is_asked(client: httpx.Client, face: str, data: st.DataObject) -> None:
    check(client, face, data.draw(spoiled(face)))


@pytest.mark.slow
@pytest.mark.parametrize("face", FACES)
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_answers_or_refuses_whatever_it_is_asked_at_length(
    client: httpx.Client, face: str, data: st.DataObject
) -> None:
    check(client, face, data.draw(spoiled(face)))


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[" * 1_000_000,
        b'{"a":' * 1_000_000,
        b'{"model": "m-1", "messages": ' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}",
        b'\xef\xbb\xbf{"model": "m-1"}',
        '{"model": "m-1"}'.encode("utf-16"),
        b'{"model": "m-1"}\x00',
        b'{"model": "m-1"} {"model": "m-2"}',
        b"\xff" * 100,
    ],
    ids=range(10),
)
def test_refuses_bodies_that_nobody_can_read(client: httpx.Client, face: str, body: bytes) -> None:
    answer = client.post(path_of(face, "m-1", streamed=True), content=body)
    assert judged(face, answer, streamed=True).status == 400


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "TRACE", "DELETE", "PATCH"])
@pytest.mark.parametrize("face", FACES)
def test_takes_no_other_method(client: httpx.Client, face: str, method: str) -> None:
    answer = client.request(method, path_of(face, "m-1", streamed=True), content=b"{}" if method == "PUT" else b"")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    if method != "HEAD":
        error_in(face, answer.json(), 405)


HELLO = json.dumps({"model": "m-1", "messages": [{"role": "user", "content": "Hello."}], "max_tokens": 5})


@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        ("http://127.0.0.1/v1/messages", (), 200),
        ("http://evil.example/v1/messages", (), 200),
        ("/v1/messages?key=x&key=%ff&&=", (), 200),
        ("/v1/%6dessages", (), 200),
        ("//v1/messages", (), 404),
        ("/v1/../v1/messages", (), 404),
        ("/v1/messages%00", (), 404),
        ("/v1/messages;x", (), 404),
        ("/v1beta/models/..%2F..%2Fx:streamGenerateContents", (), 404),
        ("/v1/messages", ("content-type: text/plain",), 415),
        ("/v1/messages", ("content-type: multipart/form-data; boundary=x",), 415),
        ("/v1/messages", ("content-encoding: gzip",), 415),
        ("/v1/messages", ("x-boticelli-route: " + "x" * 5000,), 200),
        ("/v1/messages", ("anthropic-beta: \xff\xfe",), 200),
    ],
)
def test_takes_addresses_and_headers_for_what_they_are(
    port: int, target: str, headers: tuple[str, ...], status: int
) -> None:
    with Client(port) as client:
        client.ask(target, *headers, method="POST", body=HELLO)
        assert client.hear("\r\n").split()[1] == str(status)


def test_answers_requests_that_come_before_they_are_due_in_their_order(port: int) -> None:
    paths = {"/v1/messages": '"type":"message"', "/nothing": "404", "/v1/chat/completions": "chat.completion"}
    with Client(port) as client:
        for path in paths:
            client.ask(path, method="POST", body=HELLO)
        for word in paths.values():
            client.hear(word)
