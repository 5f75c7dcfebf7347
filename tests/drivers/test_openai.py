"""OpenAI's driver against the fake, over both of its transports."""

import asyncio
import io
import wave
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from boticelli_cli.drivers.access import Access
from boticelli_cli.drivers.base import Dropped, Notice, listening
from boticelli_cli.drivers.dialect import HttpDriver
from boticelli_cli.drivers.openai import openai_driver
from boticelli_cli.messages import (
    CachePoint,
    Finish,
    Media,
    Message,
    Request,
    Text,
    ThinkingDelta,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
)
from tests.clock import in_virtual_time
from tests.drivers.asking import hear
from tests.drivers.dialects import OPENAI, both_transports, both_ways
from tests.fakes.behaviours import Answer, Behaviour, Empty, InStreamError
from tests.fakes.material import dot, sine
from tests.fakes.openai import FakeOpenAI
from tests.fakes.openai_wire import Flavour

MODEL = OPENAI.model
FIND = Tool("find", "Find.", {"type": "object"})

asking = OPENAI.asking
ask = OPENAI.ask
failure = OPENAI.failure

every_way = pytest.mark.parametrize(
    ("wide", "whole"), [(False, False), (True, True)], ids=["stream-httpx", "generate-aiohttp"]
)


def openai(
    *answers: Behaviour | str, flavour: Flavour = "openai", **options: Any
) -> AbstractAsyncContextManager[tuple[FakeOpenAI, HttpDriver]]:
    """OpenAI's dialect, or a server that speaks it in its own manner."""
    return replace(OPENAI, fake=partial(FakeOpenAI, flavour=flavour)).talking(*answers, **options)


# Answers


@every_way
@in_virtual_time
async def test_gives_the_answer_and_all_that_is_known_of_it(wide: bool, whole: bool) -> None:
    async with openai(wide=wide) as (fake, driver):
        response = await ask(driver, asking("one two three"), whole=whole)
    assert response.text == "You said: one two three"
    assert response.finish == Finish("stop", Usage(3, 5, 0, 0, None, 8, 0, 0), MODEL, "stop")
    [asked] = fake.requests
    assert (asked.path, asked.model, asked.key, asked.streams) == ("/v1/chat/completions", MODEL, "test-key", not whole)


@both_ways
@in_virtual_time
async def test_calls_tools_and_brings_their_results(whole: bool) -> None:
    calls = Answer("", tool_calls=(("find", {"city": "Paris"}), ("find", {"city": "Ulm"})))
    async with openai(calls) as (_, driver):
        response = await ask(driver, asking(tools=(FIND,)), whole=whole)
        assert response.finish.reason == "tool_call"
        assert [call.arguments["city"] for call in response.tool_calls] == ["Paris", "Ulm"]
        results = tuple(ToolResult(call.name, {"n": at}, call.id) for at, call in enumerate(response.tool_calls))
        turns = (*asking().messages, Message("assistant", response.parts), Message("user", results))
        answer = await ask(driver, Request(MODEL, turns, tools=(FIND,)), whole=whole)
    assert answer.text == 'The tools said: find: {"n":0}; find: {"n":1}'


@in_virtual_time
async def test_takes_a_conversation_of_every_kind_that_it_can_say() -> None:
    picture = Media("image", "image/png", dot())
    seen: list[Notice] = []

    async def listen(notice: Notice) -> None:
        seen.append(notice)

    turns = (
        Message(
            "user", (Text("Look."), picture, Media("audio", "audio/wav", b"RIFF"), Media("video", "video/mp4", b"x"))
        ),
        Message("assistant", (Text("A dot."), ToolCall("find", {}, signature="seal"), CachePoint())),
        Message("user", (ToolResult("find", (Text("this"), picture)), Text("And?"))),
        Message("user", (Media("document", "application/pdf", b"%PDF"), Text("Well?"))),
    )
    async with openai() as (fake, driver):
        request = Request(MODEL, turns, system=(Text("a"), Text("b")), tools=(FIND, CachePoint()), thinking="low")
        with listening(listen):
            assert (await ask(driver, request)).text == "You said: Well?"
    assert seen == [Dropped("openai", ("video", "thought signatures", "cache marks"))]
    assert [each["role"] for each in fake.requests[0].messages] == [
        "system",
        "user",
        "assistant",
        "tool",
        "user",
        "user",
    ]


@both_ways
@pytest.mark.parametrize(
    ("behaviour", "text", "reason", "word"),
    [
        (Empty(), "", "stop", "stop"),
        (Empty("SAFETY"), "", "content_filter", "content_filter"),
        (Answer("Once upon", finish_reason="MAX_TOKENS"), "Once upon", "length", "length"),
        (Answer("Once", finish_reason="never_heard_of"), "Once", "other", "never_heard_of"),
    ],
)
@in_virtual_time
async def test_says_how_an_answer_ended(
    behaviour: Answer | Empty, text: str, reason: str, word: str, whole: bool
) -> None:
    async with openai(behaviour) as (_, driver):
        response = await ask(driver, whole=whole)
    assert response.text == text
    assert (response.finish.reason, response.finish.provider_reason) == (reason, word)


@in_virtual_time
async def test_settings_and_options_reach_the_model() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    async with openai() as (fake, driver):
        response = await ask(driver, asking("a b", max_tokens=4, options={"seed": 7}))
        assert (await ask(driver, asking("Ulm", schema=schema))).text == '{"city": "You said: Ulm"}'
        await ask(driver, asking(model="gpt-4o", temperature=0.5, stop=("x",)))
    assert (response.text, response.finish.reason) == ("You said: a b", "length")
    first, _, third = (asked.content for asked in fake.requests)
    assert (first["max_completion_tokens"], first["seed"]) == (4, 7)
    assert (third["temperature"], third["stop"]) == (0.5, ["x"])


@both_ways
@in_virtual_time
async def test_sound_is_a_file_that_can_be_played(whole: bool) -> None:
    samples = sine(0.1)
    async with openai(Answer("Hello.", media=(("audio/pcm", samples),))) as (_, driver):
        response = await ask(driver, whole=whole)
    [sound] = response.media
    assert sound.mime == "audio/wav"
    with wave.open(io.BytesIO(sound.data or b"")) as wav:
        assert (wav.getframerate(), wav.readframes(10_000)) == (24_000, samples)


@in_virtual_time
async def test_a_thought_is_a_first_delta_too() -> None:
    answer = Answer("x", thoughts="It is dark.", delay=9)
    request = asking(model="gpt-oss:20b")
    async with openai(answer, flavour="ollama", key=None) as (_, driver), driver.stream(request) as deltas:
        assert asyncio.get_running_loop().time() == 0
        assert isinstance(await anext(deltas), ThinkingDelta)


@in_virtual_time
async def test_gives_tool_calls_whole_as_deltas() -> None:
    async with openai(Answer("", tool_calls=(("find", {"city": "Paris"}),))) as (_, driver):
        deltas, _ = await hear(driver, asking(tools=(FIND,)))
    [call, finish] = deltas
    assert isinstance(call, ToolCallDelta)
    assert (call.call.name, call.call.arguments) == ("find", {"city": "Paris"})
    assert call.call.id
    assert isinstance(finish, Finish)


# Other servers


@both_ways
@in_virtual_time
async def test_asks_a_server_on_ones_own_machine_without_a_key(whole: bool) -> None:
    answers = (Answer("Yes.", thoughts="Hm."), Answer("", tool_calls=(("f", {"n": 1}), ("g", {}))))
    async with openai(*answers, flavour="ollama", key=None) as (fake, driver):
        model = "llama3.3:8b"
        response = await ask(driver, asking(model=model, max_tokens=50), whole=whole)
        assert (response.thinking, response.text, response.finish.served_model) == ("Hm.", "Yes.", model)
        assert response.finish.usage.output == (2 if whole else None)
        calls = (await ask(driver, asking(model=model), whole=whole)).tool_calls
        assert [(call.name, call.arguments) for call in calls] == [("f", {"n": 1}), ("g", {})]
        error = await failure(driver, asking(model="llama0"), whole=whole)
        assert (error.message, error.provider) == ("model 'llama0' not found", "ollama")
    assert "Authorization" not in fake.requests[0].headers
    assert fake.requests[0].content["max_tokens"] == 50


@both_ways
@in_virtual_time
async def test_asks_openrouter_with_its_headers_and_cache_marks(whole: bool) -> None:
    model = "anthropic/claude-sonnet-5"
    answers = (Answer("Yes.", thoughts="Hm.", media=(("image/png", dot()),)), InStreamError(502, after=0))
    options: dict[str, Any] = {"cache_marks": True, "headers": {"X-Title": "Boticelli"}}
    async with openai(*answers, flavour="openrouter", **options) as (fake, driver):
        request = asking(model=model, system=(Text("a"), CachePoint("1h")), max_tokens=50)
        response = await ask(driver, request, whole=whole)
        error = await failure(driver, asking(model=model), whole=whole)
    assert (response.thinking, response.text) == ("Hm.", "Yes.")
    assert response.media == (Media("image", "image/png", dot()),)
    assert response.finish.usage.total == 4
    asked = fake.requests[0]
    assert asked.headers["X-Title"] == "Boticelli"
    assert asked.messages[0]["content"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert asked.content["max_tokens"] == 50
    assert (error.message, error.provider) == ("Error 502.", "openrouter")


@in_virtual_time
async def test_the_limit_of_tokens_is_called_as_each_model_knows_it() -> None:
    names = {"gpt-4o": "max_tokens"}
    async with openai(max_tokens_name=lambda model: names.get(model, "max_completion_tokens")) as (fake, driver):
        for model in ("gpt-4o", MODEL):
            await ask(driver, asking(model=model, max_tokens=9))
    assert ["max_tokens" in asked.content for asked in fake.requests] == [True, False]


@both_transports
@in_virtual_time
async def test_lists_models(wide: bool) -> None:
    async with openai(wide=wide) as (fake, driver):
        assert [model.name for model in await driver.models()] == fake.models
    assert fake.requests[0].path == "/v1/models"


# Errors


@in_virtual_time
async def test_whose_key_was_refused_is_said_in_the_hint() -> None:
    async with FakeOpenAI(flavour="openrouter") as fake:
        hints = []
        for hint in (None, "it is the spare one's"):
            driver = openai_driver(Access("openrouter", "wrong", fake.base_url, hint))
            hints.append((await failure(driver)).hint)
            await driver.aclose()
    assert hints == [
        "set the key of 'openrouter' in the configuration",
        "it is the spare one's",
    ]


# Time
