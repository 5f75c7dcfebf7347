"""Anthropic's own client, as it really is: what it sends is understood, and it understands what is sent to it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic
from anthropic.types import Message as VendorMessage
from hypothesis import given, settings

from boticelli_cli.errors import CredentialsError, ProviderError, QuotaError, RefusedError
from boticelli_cli.messages import (
    CachePoint,
    Delta,
    Finish,
    Media,
    Message,
    Request,
    Response,
    Text,
    TextDelta,
    ThinkingDelta,
    Thought,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
    parts_of,
)
from boticelli_cli.wire.anthropic import (
    StreamWriter,
    decode_count_request,
    decode_request,
    encode_count_response,
    encode_error,
    encode_request,
    encode_response,
    is_streamed,
)
from tests.wire.answering import Answering
from tests.wire.spoken_anthropic import MODEL, responses, streams

HELLO = Message("user", (Text("Hello?"),))
END = Finish("stop", Usage(6, 2, cached_input=4), MODEL)
ASKED: dict[str, Any] = {"model": MODEL, "max_tokens": 99, "messages": [{"role": "user", "content": "Hello?"}]}


@pytest.fixture(scope="module")
def server() -> Iterator[Answering]:
    with Answering() as server:
        yield server


@contextmanager
def client_of(
    server: Answering, *answers: bytes | tuple[int, bytes], kind: str = "application/json"
) -> Iterator[Anthropic]:
    server.prepare(*answers, kind=kind)
    with Anthropic(api_key="none", base_url=server.url, max_retries=0) as client:
        yield client


def request_of(server: Answering) -> Request:
    """What was asked, which has to say the same when it is written again."""
    [(_, body)] = server.asked
    request = decode_request(body)
    assert decode_request(encode_request(request, streamed=False).body) == request
    return request


def test_a_conversation_is_understood(server: Answering) -> None:
    first = Response((Thought("Hm.", "c2VhbA=="), Text("Well:"), ToolCall("f", {"a": 1}, "t1")), END)
    with client_of(server, encode_response(first), encode_response(Response((Text("Done."),), END))) as client:
        answer = client.messages.create(**ASKED)
        server.asked.clear()
        picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "//77"}}
        result = {"type": "tool_result", "tool_use_id": "t1", "content": [picture], "is_error": True}
        client.messages.create(
            **ASKED | {"messages": [*ASKED["messages"], {"role": "assistant", "content": answer.content}, {"role": "user", "content": [result]}]},
            system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
            tools=[{"name": "f", "input_schema": {"type": "object", "properties": {}}}],
            tool_choice={"type": "auto", "disable_parallel_tool_use": True},
            thinking={"type": "adaptive", "display": "summarized"},
            output_config={"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}},
            metadata={"user_id": "user_1_account_2_session_3"},
        )  # fmt: skip
    assert request_of(server) == Request(
        MODEL,
        (
            HELLO,
            Message("assistant", first.parts),
            Message("user", (ToolResult("f", (Media("image", "image/png", b"\xff\xfe\xfb"),), "t1", True),)),
        ),
        system=(Text("Be brief."), CachePoint()),
        max_tokens=99,
        thinking="low",
        schema={"type": "object"},
        tools=(Tool("f", None, {"type": "object", "properties": {}}),),
        tool_choice="auto",
        session="3",
        options={
            "tool_choice": {"disable_parallel_tool_use": True},
            "metadata": {"user_id": "user_1_account_2_session_3"},
        },
    )


def test_an_answer_is_understood(server: Answering) -> None:
    with client_of(server, encode_response(Response((Text("Hello."),), END))) as client:
        answer = client.messages.create(**ASKED)
    assert (answer.content[0].text, answer.stop_reason, answer.model) == ("Hello.", "end_turn", MODEL)
    usage = answer.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (2, 4, 2)


def test_a_stream_is_understood(server: Answering) -> None:
    deltas: list[Delta] = [
        ThinkingDelta("Hm."),
        ThinkingDelta("", "c2VhbA=="),
        TextDelta("Grüße "),
        TextDelta("🙂"),
        ToolCallDelta(ToolCall("f", {"a": [1]}, "t1")),
        Finish("tool_call", Usage(6, 2, thinking=1), MODEL),
    ]
    writer = StreamWriter(MODEL)
    stream = b"".join([writer.keep_alive(), writer.begin(), *map(writer.write, deltas)])
    with client_of(server, stream, kind="text/event-stream") as client, client.messages.stream(**ASKED) as events:
        answer = events.get_final_message()
    assert is_streamed(server.asked[0][1])
    thought, text, call = answer.content
    assert (thought.thinking, thought.signature, text.text) == ("Hm.", "c2VhbA==", "Grüße 🙂")
    assert (call.id, call.name, call.input, answer.stop_reason) == ("t1", "f", {"a": [1]}, "tool_use")
    assert (answer.usage.input_tokens, answer.usage.output_tokens_details.thinking_tokens) == (6, 1)


@pytest.mark.parametrize(
    ("error", "kind", "status"),
    [
        (CredentialsError("x"), anthropic.AuthenticationError, 401),
        (QuotaError("x"), anthropic.PaymentRequiredError, 402),
        (RefusedError("x", status=404), anthropic.NotFoundError, 404),
        (ProviderError("x", status=429), anthropic.RateLimitError, 429),
        (ProviderError("x", status=529), anthropic.OverloadedError, 529),
    ],
)
def test_errors_are_raised_by_the_client(server: Answering, error: ProviderError, kind: Any, status: int) -> None:
    with client_of(server, encode_error(error)) as client, pytest.raises(kind) as raised:
        client.messages.create(**ASKED)
    assert raised.value.status_code == status


def test_an_error_within_a_stream_is_raised_by_the_client(server: Answering) -> None:
    writer = StreamWriter(MODEL)
    stream = writer.write(TextDelta("a")) + writer.error(ProviderError("Not now.", status=529))
    with (
        client_of(server, stream, kind="text/event-stream") as client,
        client.messages.stream(**ASKED) as events,
        pytest.raises(anthropic.APIStatusError, match=r"Not now\.") as raised,
    ):
        events.get_final_message()
    assert raised.value.type == "overloaded_error"


def test_tokens_are_counted(server: Answering) -> None:
    with client_of(server, encode_count_response(17)) as client:
        counted = client.messages.count_tokens(model=MODEL, messages=ASKED["messages"], system="Be brief.")
    assert counted.input_tokens == 17
    assert decode_count_request(server.asked[0][1]) == Request(MODEL, (HELLO,), system="Be brief.")


@given(responses())
@settings(max_examples=25)
def test_the_clients_types_accept_every_answer(response: Response) -> None:
    said = json.loads(encode_response(response))
    assert json.loads(VendorMessage.model_validate(said, strict=True).to_json(exclude_unset=True)) == said


@given(deltas=streams())
@settings(max_examples=10, deadline=None)
def test_the_client_hears_every_stream(server: Answering, deltas: list[Delta]) -> None:
    stream = b"".join(map(StreamWriter(MODEL).write, deltas))
    with client_of(server, stream, kind="text/event-stream") as client, client.messages.stream(**ASKED) as events:
        content = events.get_final_message().content
    texts = [block.text for block in content if block.type == "text"]
    assert texts == [part.text for part in parts_of(deltas) if isinstance(part, Text)]
    calls = [(block.id, block.name, block.input) for block in content if block.type == "tool_use"]
    told = [delta.call for delta in deltas if isinstance(delta, ToolCallDelta)]
    assert calls == [(call.id, call.name, call.arguments) for call in told]
