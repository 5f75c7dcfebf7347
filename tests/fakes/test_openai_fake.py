"""The fake OpenAI service, as OpenAI's own client sees it."""

import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from pydantic import BaseModel

from tests.fakes.behaviours import Answer, Blocked, Drop, Empty, Fail, InStreamError, OneByteAtATime, TruncatedClean
from tests.fakes.material import dot
from tests.fakes.openai import FakeOpenAI

MODEL = "gpt-5.2"


@asynccontextmanager
async def vendor(fake: FakeOpenAI, *, key: str = "test-key") -> AsyncIterator[AsyncOpenAI]:
    """OpenAI's own client, which tries once only."""
    async with AsyncOpenAI(api_key=key, base_url=fake.base_url, max_retries=0) as client:
        yield client


@pytest.fixture
async def fake() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI() as fake:
        yield fake


def said(prompt: Any, **more: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": prompt}], **more}


async def test_answers_what_it_was_asked(fake: FakeOpenAI) -> None:
    async with vendor(fake) as client:
        answer = await client.chat.completions.create(**said("one two three four"))
    [choice] = answer.choices
    assert (choice.message.content, choice.finish_reason) == ("You said: one two three four", "stop")
    assert (answer.model, answer.object) == (MODEL, "chat.completion")
    assert answer.usage
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (4, 6, 10)
    [asked] = fake.requests
    assert (asked.method, asked.path, asked.model, asked.prompt, asked.key) == (
        "POST",
        "/v1/chat/completions",
        MODEL,
        "one two three four",
        "test-key",
    )


async def test_streams_in_chunks_and_counts_when_asked(fake: FakeOpenAI) -> None:
    async with vendor(fake) as client:
        options = {"include_usage": True}
        chunks = [
            each
            async for each in await client.chat.completions.create(**said("a b c", stream=True, stream_options=options))
        ]
        silent = [each async for each in await client.chat.completions.create(**said("a b c", stream=True))]
    assert [each.choices[0].delta.content for each in chunks[:-1]] == ["You said: a ", "b c", None]
    assert [each.choices[0].finish_reason for each in chunks[:-1]] == [None, None, "stop"]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices == []
    assert [each.usage and each.usage.total_tokens for each in chunks] == [None, None, None, 8]
    assert len({each.id for each in chunks}) == 1
    assert all(each.choices and not each.usage for each in silent)


async def test_lists_its_models(fake: FakeOpenAI) -> None:
    async with vendor(fake) as client:
        assert [each.id async for each in client.models.list()] == fake.models


WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


@pytest.mark.parametrize("streams", [False, True])
async def test_calls_tools_and_takes_their_results(fake: FakeOpenAI, streams: bool) -> None:
    messages: list[Any] = [{"role": "user", "content": "[[call name=weather city=Paris]]"}]
    async with vendor(fake) as client:
        if streams:
            async with client.chat.completions.stream(model=MODEL, messages=messages, tools=[WEATHER]) as stream:
                message = (await stream.get_final_completion()).choices[0].message
        else:
            message = (
                (await client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER]))
                .choices[0]
                .message
            )
        assert message.tool_calls
        [call] = message.tool_calls
        assert call.type == "function"
        assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "Paris"})
        reply = message.model_dump(
            include={"role", "content", "tool_calls"}, exclude={"tool_calls": {"__all__": {"index"}}}
        )
        for each in reply["tool_calls"]:
            each["function"] = {name: each["function"][name] for name in ("name", "arguments")}
        messages += [reply, {"role": "tool", "tool_call_id": call.id, "content": "rain"}]
        second = await client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER])
    assert second.choices[0].message.content == "The tools said: weather: rain"


async def test_wants_every_call_answered_at_once(fake: FakeOpenAI) -> None:
    calls = [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    turn = {"role": "assistant", "content": None, "tool_calls": calls}
    async with vendor(fake) as client:
        for messages, says in (
            ([turn, {"role": "user", "content": "Well?"}], "did not have response messages: call_1"),
            ([turn], "did not have response messages"),
            (
                [{"role": "tool", "tool_call_id": "call_1", "content": "x"}],
                "must be a response to a preceeding message",
            ),
        ):
            with pytest.raises(openai.BadRequestError, match=says):
                await client.chat.completions.create(model=MODEL, messages=messages)  # type: ignore[arg-type]


async def test_takes_pictures_sound_and_files(fake: FakeOpenAI) -> None:
    data = base64.b64encode(dot()).decode()
    parts = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}},
        {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{data}", "filename": "a.pdf"}},
    ]
    async with vendor(fake) as client:
        assert (await client.chat.completions.create(**said(parts))).choices[
            0
        ].message.content == "You said: What is it?"
        for part, says in (
            ({"type": "image_url", "image_url": {"url": "a.png"}}, "Expected a base64-encoded data URL"),
            ({"type": "image_url", "image_url": {"url": "data:image/png;base64,%"}}, "not valid base64"),
            (
                {"type": "input_audio", "input_audio": {"data": data, "format": "ogg"}},
                "Supported values are: 'mp3', 'wav'",
            ),
            ({"type": "file", "file": {"file_data": f"data:application/pdf;base64,{data}"}}, "file.filename"),
            (
                {"type": "file", "file": {"file_data": f"data:text/plain;base64,{data}", "filename": "a"}},
                "unsupported MIME type 'text/plain'",
            ),
            ({"type": "video_url", "video_url": {"url": "x"}}, "Unknown parameter"),
        ):
            with pytest.raises(openai.BadRequestError, match=says):
                await client.chat.completions.create(**said([part]))


class Weather(BaseModel):
    city: str
    degrees: int
    winds: list[str]


async def test_answers_in_the_structure_asked_for(fake: FakeOpenAI) -> None:
    async with vendor(fake) as client:
        answer = await client.chat.completions.parse(**said("Paris"), response_format=Weather)
        loose = await client.chat.completions.create(**said("Paris", response_format={"type": "json_object"}))
    parsed = answer.choices[0].message.parsed
    assert parsed == Weather(city="You said: Paris", degrees=1, winds=["You said: Paris"])
    assert json.loads(loose.choices[0].message.content or "") == {"answer": "You said: Paris"}


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"extra_body": {"top_k": 3}}, "Unknown parameter: 'top_k'"),
    ({"max_tokens": 5}, "Use 'max_completion_tokens' instead"),
    ({"temperature": 0.5}, "Only the default"),
    ({"model": "gpt-4o", "reasoning_effort": "low"}, "Unrecognized request argument supplied: reasoning_effort"),
    ({"reasoning_effort": "extreme"}, "Invalid value: 'extreme'"),
    ({"stream_options": {"include_usage": True}}, "only allowed when 'stream' is enabled"),
    ({"metadata": {"a": "b"}}, "only allowed when 'store' is enabled"),
    ({"tool_choice": "auto"}, "only allowed when 'tools' are specified"),
    ({"stop": list("abcde")}, "array too long"),
    ({"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}}, "json_schema.name"),
    ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "does not match pattern"),
    ({"messages": []}, "empty array"),
    ({"messages": [{"role": "model", "content": "x"}]}, "Invalid value: 'model'"),
    ({"messages": [{"role": "user", "content": None}]}, "expected one of a string or array"),
    ({"messages": [{"role": "user", "content": "x", "cache_control": {}}]}, "Unknown parameter: 'messages"),
]


async def test_refuses_what_openai_refuses(fake: FakeOpenAI) -> None:
    async with vendor(fake) as client:
        for settings, says in REFUSED:
            with pytest.raises(openai.BadRequestError, match=says):
                await client.chat.completions.create(**{**said("Hello."), **settings})


@pytest.mark.parametrize(
    ("behaviour", "kind", "says"),
    [
        (Fail(401), openai.AuthenticationError, "Error 401"),
        (Fail(403), openai.PermissionDeniedError, "Error 403"),
        (Fail(429, retry=17, retry_after=20), openai.RateLimitError, "Please try again in 17s"),
        (Fail(429, quota="PerDay"), openai.RateLimitError, "exceeded your current quota"),
        (Fail(500), openai.InternalServerError, "The server had an error"),
        (Fail(422), openai.UnprocessableEntityError, "Error 422"),
        (Blocked(), openai.BadRequestError, "flagged as potentially violating"),
        (Drop(headers=False), openai.APIConnectionError, "Connection error"),
    ],
)
async def test_fails_as_openai_does(
    fake: FakeOpenAI, behaviour: Fail | Blocked | Drop, kind: type[openai.APIError], says: str
) -> None:
    fake.script.append(behaviour)
    async with vendor(fake) as client:
        with pytest.raises(kind, match=says) as caught:
            await client.chat.completions.create(**said("hi"))
        assert (await client.chat.completions.create(**said("hi"))).choices[0].message.content == "You said: hi"
    if isinstance(behaviour, Fail) and behaviour.quota:
        assert caught.value.code == "insufficient_quota"
    if isinstance(behaviour, Fail) and behaviour.retry_after and isinstance(caught.value, openai.APIStatusError):
        assert caught.value.response.headers["retry-after"] == "20"


async def test_wants_a_good_key_and_a_model_that_there_is(fake: FakeOpenAI) -> None:
    async with vendor(fake, key="wrong") as client:
        with pytest.raises(openai.AuthenticationError, match="Incorrect API key provided") as caught:
            await client.chat.completions.create(**said("hi"))
    assert caught.value.code == "invalid_api_key"
    async with vendor(fake) as client:
        with pytest.raises(openai.NotFoundError, match="The model `gpt-0` does not exist") as unknown:
            await client.chat.completions.create(**said("hi", model="gpt-0"))
    assert unknown.value.code == "model_not_found"


async def test_breaks_streams_as_it_is_told(fake: FakeOpenAI) -> None:
    fake.script.extend(
        [InStreamError(503, after=2), TruncatedClean(2), OneByteAtATime(), Empty(), Drop(after=2, inside=True)]
    )
    told: list[str] = []

    async def hear(client: AsyncOpenAI) -> None:
        told.append("")
        async for chunk in await client.chat.completions.create(**said("hi", stream=True)):
            told[-1] += chunk.choices[0].delta.content or ""

    async with vendor(fake) as client:
        with pytest.raises(openai.APIError, match="overloaded"):
            await hear(client)
        for _ in range(3):
            await hear(client)
        with pytest.raises(openai.APIConnectionError):
            await hear(client)
    assert told == ["piece 1 piece 2 ", "piece 1 piece 2 ", "a é 中 🎨 z", "", "piece 1 piece 2 "]


async def test_stops_at_the_limit_of_tokens(fake: FakeOpenAI) -> None:
    async with vendor(fake) as client:
        [choice] = (await client.chat.completions.create(**said("a b c d", max_completion_tokens=4))).choices
    assert (choice.message.content, choice.finish_reason) == ("You said: a b ", "length")


async def test_obeys_keywords_and_model_names(fake: FakeOpenAI) -> None:
    async with vendor(fake) as client:
        with pytest.raises(openai.InternalServerError):
            await client.chat.completions.create(**said("hi [[503]]"))
        with pytest.raises(openai.RateLimitError):
            await client.chat.completions.create(**said("hi", model="fake-429"))
        assert (await client.chat.completions.create(**said("hi [[503]]"))).choices[0].message.content == "You said: hi"


def thinking_of(name: str) -> Callable[[Any], str]:
    return lambda message: (message.model_extra or {}).get(name) or ""


async def test_speaks_as_ollama_without_a_key() -> None:
    answers = [
        Answer("Yes.", thoughts="Hm."),
        Answer("Yes.", thoughts="Hm."),
        Answer("", tool_calls=(("f", {}), ("g", {}))),
    ]
    async with FakeOpenAI(answers, flavour="ollama") as fake, vendor(fake, key="anything") as client:
        model = fake.models[0]
        whole = (
            (await client.chat.completions.create(**said("a", model=model, max_tokens=50, temperature=0.3)))
            .choices[0]
            .message
        )
        options: Any = {"include_usage": True}
        chunks = [
            each
            async for each in await client.chat.completions.create(
                **said("a", model=model, stream=True, stream_options=options)
            )
        ]
        calls = (await client.chat.completions.create(**said("a", model=model))).choices[0].message.tool_calls
        with pytest.raises(openai.NotFoundError, match="model 'llama0' not found"):
            await client.chat.completions.create(**said("a", model="llama0"))
    assert (whole.content, thinking_of("reasoning")(whole)) == ("Yes.", "Hm.")
    assert "".join(thinking_of("reasoning")(each.choices[0].delta) for each in chunks) == "Hm."
    assert not any(each.usage for each in chunks)
    assert calls
    assert len(calls) == 2


async def test_speaks_as_openrouter() -> None:
    answers = [Answer("Yes.", thoughts="Hm.", media=(("image/png", dot()),)), InStreamError(502)]
    async with FakeOpenAI(answers, flavour="openrouter") as fake, vendor(fake) as client:
        model = fake.models[0]
        chunks = [each async for each in await client.chat.completions.create(**said("a", model=model, stream=True))]
        with pytest.raises(openai.APIError, match="Error 502"):
            async for _ in await client.chat.completions.create(**said("a", model=model, stream=True)):
                pass
        with pytest.raises(openai.AuthenticationError):
            await client.with_options(api_key="wrong").models.list()
    deltas = [each.choices[0].delta for each in chunks]
    assert "".join(map(thinking_of("reasoning"), deltas)) == "Hm."
    assert any((delta.model_extra or {}).get("images") for delta in deltas)
    assert chunks[-1].usage
