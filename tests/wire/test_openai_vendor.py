"""OpenAI's own client, as it really is: what it sends is understood, and it understands what is sent to it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest
from aiohttp import web
from openai import AsyncOpenAI
from pydantic import BaseModel

from boticelli_cli.errors import ProviderError, QuotaError, RefusedError
from boticelli_cli.messages import (
    Delta,
    Finish,
    Media,
    Message,
    Response,
    Text,
    TextDelta,
    ThinkingDelta,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
)
from boticelli_cli.wire.openai import (
    KEEP_ALIVE,
    Manner,
    StreamWriter,
    decode_manner,
    decode_request,
    encode_error,
    encode_response,
)
from tests.fakes.serving import Served

MODEL = "gpt-6"
HELLO = Message("user", (Text("Hello?"),))
CALLS = (ToolCall("look_up", {"city": "Ulm"}, "call_1"), ToolCall("look_up", {"city": "Köln"}, "call_2"))
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
LOOK_UP: Any = {"type": "function", "function": {"name": "look_up", "parameters": PARAMETERS}}


class Server(Served):
    """Keeps what it was asked, and answers as it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[bytes] = []
        self.answers: list[tuple[int, str, bytes]] = []

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(await request.read())
        status, kind, body = self.answers.pop(0)
        return web.Response(status=status, body=body, content_type=kind)

    def will(self, answer: Response | list[Delta] | bytes, *, include_usage: bool = False) -> None:
        match answer:
            case Response():
                self.answers.append((200, "application/json", encode_response(answer)))
            case bytes():
                self.answers.append((200, "text/event-stream", answer))
            case _:
                writer = StreamWriter(MODEL, include_usage=include_usage)
                self.answers.append((200, "text/event-stream", KEEP_ALIVE.join(map(writer.write, answer))))


@asynccontextmanager
async def vendor() -> AsyncIterator[tuple[Server, AsyncOpenAI]]:
    async with Server() as server, AsyncOpenAI(api_key="none", base_url=f"{server.url}/v1", max_retries=0) as client:
        yield server, client


def asking(**more: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": "Hello?"}], **more}


async def test_understands_a_whole_answer() -> None:
    async with vendor() as (server, client):
        server.will(Response((Text("Hello."),), Finish("length", Usage(3, 2, thinking=1, cached_input=2), MODEL)))
        answer = await client.chat.completions.create(**asking())
    [choice] = answer.choices
    assert (choice.message.content, choice.finish_reason, answer.model) == ("Hello.", "length", MODEL)
    assert answer.usage
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (3, 2, 5)
    assert answer.usage.prompt_tokens_details
    assert answer.usage.prompt_tokens_details.cached_tokens == 2
    assert decode_manner(server.asked[0]) == Manner()


async def test_understands_a_stream_with_everything_in_it() -> None:
    calls = [ToolCallDelta(call) for call in CALLS]
    end = Finish("tool_call", Usage(3, 2))
    deltas: list[Delta] = [ThinkingDelta("Hm."), TextDelta("Grüße "), TextDelta("🙂\n"), *calls, end]
    async with vendor() as (server, client):
        server.will(deltas, include_usage=True)
        options: Any = {"include_usage": True}
        request = asking(tools=[LOOK_UP], stream_options=options)
        async with client.chat.completions.stream(**request) as stream:
            answer = await stream.get_final_completion()
    [choice] = answer.choices
    assert (choice.message.content, choice.finish_reason) == ("Grüße 🙂\n", "tool_calls")
    assert (choice.message.model_extra or {})["reasoning_content"] == "Hm."
    assert choice.message.tool_calls
    told = [(call.id, call.function.name, json.loads(call.function.arguments)) for call in choice.message.tool_calls]
    assert told == [(call.id, call.name, call.arguments) for call in CALLS]
    assert answer.usage
    assert answer.usage.total_tokens == 5
    assert decode_manner(server.asked[0]) == Manner(streamed=True, include_usage=True)


async def test_what_it_sends_over_two_turns_with_tools_is_understood() -> None:
    async with vendor() as (server, client):
        server.will(Response(CALLS, Finish("tool_call")))
        server.will(Response((Text("Rain."),), Finish("stop")))
        request = asking(tools=[LOOK_UP], parallel_tool_calls=True)
        message = (await client.chat.completions.create(**request)).choices[0].message
        assert message.tool_calls
        results = [{"role": "tool", "tool_call_id": each.id, "content": "rain"} for each in message.tool_calls]
        request["messages"] += [message, *results]
        await client.chat.completions.create(**request)
    asked = decode_request(server.asked[1])
    assert asked.messages == (
        HELLO,
        Message("assistant", CALLS),
        Message("user", tuple(ToolResult("look_up", "rain", call.id) for call in CALLS)),
    )
    assert asked.tools == (Tool("look_up", None, PARAMETERS),)
    assert asked.options == {"parallel_tool_calls": True}


class Weather(BaseModel):
    city: str
    degrees: int


async def test_a_structure_that_it_wants_is_understood_and_comes_back() -> None:
    async with vendor() as (server, client):
        server.will(Response((Text('{"city":"Ulm","degrees":3}'),), Finish("stop")))
        answer = await client.chat.completions.parse(**asking(), response_format=Weather)
    assert answer.choices[0].message.parsed == Weather(city="Ulm", degrees=3)
    asked = decode_request(server.asked[0])
    assert asked.schema
    assert asked.schema["required"] == ["city", "degrees"]
    assert asked.options == {"response_format": {"json_schema": {"name": "Weather", "strict": True}}}


async def test_pictures_that_it_sends_are_understood() -> None:
    parts = [
        {"type": "text", "text": "What?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,//77"}},
    ]
    async with vendor() as (server, client):
        server.will(Response((Text("A dot."),), Finish("stop")))
        await client.chat.completions.create(**asking(messages=[{"role": "user", "content": parts}]))
    asked = decode_request(server.asked[0])
    assert asked.messages == (Message("user", (Text("What?"), Media("image", "image/png", b"\xff\xfe\xfb"))),)
    assert asked.options == {}


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (ProviderError("slow down", status=429), openai.RateLimitError, "rate_limit_exceeded"),
        (QuotaError("spent"), openai.RateLimitError, "insufficient_quota"),
        (RefusedError("no such model", status=404, provider="x"), openai.NotFoundError, "model_not_found"),
        (ProviderError("overloaded", status=529), openai.InternalServerError, None),
    ],
)
async def test_raises_our_errors_as_its_own(
    error: ProviderError, kind: type[openai.APIError], code: str | None
) -> None:
    status, body = encode_error(error)
    async with vendor() as (server, client):
        server.answers.append((status, "application/json", body))
        with pytest.raises(kind, match=error.message) as caught:
            await client.chat.completions.create(**asking())
    assert caught.value.code == code


async def test_raises_an_error_that_ends_a_stream() -> None:
    writer = StreamWriter(MODEL)
    told = []
    async with vendor() as (server, client):
        server.will(writer.write(TextDelta("Hel")) + writer.error(ProviderError("overloaded", status=503)))
        with pytest.raises(openai.APIError, match="overloaded"):
            async for chunk in await client.chat.completions.create(**asking(stream=True)):
                told.append(chunk.choices[0].delta.content)
    assert told == ["", "Hel"]
