"""Anthropic's driver against the fake, over both of its transports."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from boticelli_cli.catalog import Catalog
from boticelli_cli.drivers.access import Access
from boticelli_cli.drivers.anthropic import DIALECT, VERSION, anthropic_driver
from boticelli_cli.drivers.base import Dropped, Notice, listening
from boticelli_cli.drivers.dialect import HttpDriver
from boticelli_cli.drivers.http import Endpoint, Outgoing
from boticelli_cli.errors import RefusedError
from boticelli_cli.fitting import fit
from boticelli_cli.messages import (
    CachePoint,
    Finish,
    Media,
    Message,
    Request,
    Text,
    ThinkingDelta,
    Thought,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
)
from boticelli_cli.wire.anthropic import decode_error
from boticelli_cli.wire.listing import ListedModel
from tests.clock import in_virtual_time
from tests.drivers.dialects import ANTHROPIC, both_transports, both_ways
from tests.fakes.anthropic import FakeAnthropic
from tests.fakes.anthropic_models import MODELS
from tests.fakes.behaviours import Answer, Behaviour, Empty, Fail

MODEL = ANTHROPIC.model
NEW = "claude-sonnet-5-5"

claude = ANTHROPIC.talking
asking = ANTHROPIC.asking
ask = ANTHROPIC.ask
failure = ANTHROPIC.failure


# Answers


@both_transports
@both_ways
@in_virtual_time
async def test_gives_the_answer_and_all_that_is_known_of_it(wide: bool, whole: bool) -> None:
    async with claude(wide=wide) as (fake, driver):
        response = await ask(driver, asking("one two three", temperature=0.5, system="Be brief."), whole=whole)
    assert response.text == "You said: one two three"
    assert response.finish == Finish("stop", Usage(5, 5, cached_input=0, cache_write=0), MODEL, "end_turn")
    [asked] = fake.requests
    assert (asked.version, asked.headers["x-api-key"]) == ("2023-06-01", "test-key")
    assert asked.streams is not whole


@both_ways
@pytest.mark.parametrize(("model", "thinking"), [(MODEL, 1024), (NEW, True), (NEW, "low"), ("claude-opus-4-6", 2048)])
@in_virtual_time
async def test_tells_thoughts_apart(model: str, thinking: Any, whole: bool) -> None:
    async with claude(Answer("The lamp.", thoughts="It is dark.")) as (_, driver):
        response = await ask(driver, asking(model=model, thinking=thinking), whole=whole)
    thought, text = response.parts
    assert (thought.text, text) == ("It is dark.", Text("The lamp."))
    assert thought.signature
    assert response.finish.usage.thinking == 3


@in_virtual_time
async def test_what_is_made_to_fit_is_taken_by_each_model() -> None:
    catalog, tool = Catalog.builtin(), Tool("look", None, {"type": "object", "properties": {}})
    asked: list[dict[str, Any]] = [{"thinking": thinking} for thinking in (None, False, True, "minimal", "high", 8000)]
    asked += [{"temperature": 0.5, "top_p": 0.5}, {"tools": (tool,), "tool_choice": "required"}]
    async with claude() as (fake, driver):
        for model in MODELS:
            for settings in asked:
                request, _ = fit(asking(model=model.name, **settings), catalog.find(model.name))
                await ask(driver, request)
    assert len(fake.requests) == len(MODELS) * len(asked)


@in_virtual_time
async def test_a_thought_that_is_not_told_is_a_first_delta_too() -> None:
    request = asking(model=NEW, thinking=True, show_thoughts=False)
    async with claude(Answer("x", delay=9)) as (_, driver), driver.stream(request) as deltas:
        first = await anext(deltas)
    assert isinstance(first, ThinkingDelta)
    assert (first.text, bool(first.signature)) == ("", True)


@both_ways
@in_virtual_time
async def test_a_conversation_with_thoughts_and_tools_goes_on(whole: bool) -> None:
    tool = Tool("find", "Find.", {"type": "object"})
    settings: dict[str, Any] = {"tools": (tool, CachePoint()), "thinking": 1024}
    async with claude(Answer("Well:", tool_calls=(("find", {"city": "Köln"}),))) as (_, driver):
        first = await ask(driver, asking(**settings), whole=whole)
        [call] = first.tool_calls
        pieces = (Text("rain"), Media("image", "image/png", data=b"x"))
        result = ToolResult("find", pieces if whole else {"a": 1}, call.id)
        turns = (*asking().messages, Message("assistant", first.parts), Message("user", (result,)))
        second = await ask(driver, Request(MODEL, turns, **settings), whole=whole)
    assert first.finish.reason == "tool_call"
    assert isinstance(first.parts[0], Thought)
    assert call == ToolCall("find", {"city": "Köln"}, call.id)
    assert second.text == ("The tools said: find: rain" if whole else 'The tools said: find: {"a":1}')
    assert (second.finish.usage.cached_input, second.finish.usage.cache_write) == (1, 0)


@in_virtual_time
async def test_a_conversation_of_another_provider_goes_on() -> None:
    turns = (
        Message("user", (Text("Hello."), Media("document", "text/csv", data=b"a,b", name="a.csv"))),
        Message("assistant", (Thought("Hm."), ToolCall("f", {"a": 1}, None, "seal"), ToolCall("f", {}, "x.y"))),
        Message("user", (ToolResult("f", [1]),)),
        Message("user", (ToolResult("f", "", "x.y", is_error=True), Text(""))),
    )
    heard: list[Notice] = []

    async def listen(notice: Notice) -> None:
        heard.append(notice)

    async with claude() as (_, driver):
        with listening(listen):
            response = await ask(
                driver, Request(MODEL, turns, tools=(Tool("f"),), options={"seed": 1}, dialect="gemini")
            )
    assert response.text == "The tools said: f: [1]; f: It failed, and did not say why."
    assert heard == [Dropped("anthropic", ("unsigned thoughts", "thought signatures", "option seed"))]


@both_ways
@pytest.mark.parametrize(
    ("behaviour", "text", "reason", "word"),
    [
        (Empty(), "", "stop", "end_turn"),
        (Answer("Once upon", finish_reason="MAX_TOKENS"), "Once upon", "length", "max_tokens"),
        (Answer("Once", finish_reason="refusal"), "Once", "content_filter", "refusal"),
        (Answer("Once", finish_reason="pause_turn"), "Once", "other", "pause_turn"),
        (Answer("Once", finish_reason="never_heard_of"), "Once", "other", "never_heard_of"),
    ],
)
@in_virtual_time
async def test_says_how_an_answer_ended(behaviour: Behaviour, text: str, reason: str, word: str, whole: bool) -> None:
    async with claude(behaviour) as (_, driver):
        response = await ask(driver, whole=whole)
    assert response.text == text
    assert (response.finish.reason, response.finish.provider_reason) == (reason, word)


@in_virtual_time
async def test_options_go_to_the_provider_untouched() -> None:
    options = {"top_k": 3, "metadata": {"user_id": "x"}}
    async with claude() as (fake, driver):
        await ask(driver, asking(temperature=0.5, options=options))
    body = fake.requests[0].body
    assert (body["temperature"], body["top_k"], body["metadata"]) == (0.5, 3, {"user_id": "x"})


@in_virtual_time
async def test_counts_tokens_and_lists_the_models_of_all_pages() -> None:
    async with claude() as (fake, driver):
        assert await driver.count_tokens(asking("one two three", system="Be brief.", temperature=1.0)) == 5
        with pytest.raises(RefusedError):
            await driver.count_tokens(asking(model="claude-0"))
        fake.models |= {f"claude-x-{number}": fake.models[MODEL] for number in range(1500)}
        models = await driver.models()
    assert len(models) == len(fake.models)
    assert (models[0].name, models[0].input_limit) == (MODEL, 200_000)
    assert [asked.query.get("after_id") for asked in fake.requests[2:]] == [None, list(fake.models)[999]]


@in_virtual_time
async def test_a_list_whose_pages_are_followed_by_themselves_ends() -> None:
    dialect = replace(DIALECT, decode_models=lambda body: ([ListedModel(MODEL)], MODEL))
    async with claude() as (fake, _):
        driver = HttpDriver("proxy", dialect, Endpoint("proxy", fake.url, authorize=let_in, read_error=decode_error))
        assert [model.name for model in await driver.models()] == [MODEL, MODEL]
        await driver.aclose()


async def let_in(_: Outgoing) -> Mapping[str, str]:
    return {"x-api-key": "test-key", "anthropic-version": VERSION}


# Errors


@in_virtual_time
async def test_milliseconds_to_wait_are_more_precise() -> None:
    async with claude(Fail(529, retry_after_ms="1500", retry_after=2), Fail(529, retry_after_ms="?")) as (_, driver):
        assert [(await failure(driver)).retry_after for _ in range(2)] == [1.5, None]


# Other addresses


@in_virtual_time
async def test_asks_without_a_key_where_there_is_none() -> None:
    async with FakeAnthropic() as fake:
        driver = anthropic_driver(Access("local", None, f"{fake.url}/proxy/"))
        error = await failure(driver)
        await driver.aclose()
    assert (error.status, error.hint) == (401, "give another: boticelli keys set local")
    assert fake.requests[0].path == "/proxy/v1/messages"
    assert not {"x-api-key", "authorization"} & {name.lower() for name in fake.requests[0].headers}


# Leaving
