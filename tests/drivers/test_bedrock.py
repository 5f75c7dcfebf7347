"""Bedrock's driver against the fake, by both of its ways, over both transports."""

import asyncio
import itertools
import json
from typing import Any

import pytest

from boticelli_cli.drivers.base import Dropped, listening
from boticelli_cli.errors import CredentialsError, RefusedError
from boticelli_cli.messages import (
    Finish,
    Media,
    Message,
    Request,
    Text,
    ThinkingDelta,
    Thought,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
)
from tests.clock import in_virtual_time
from tests.drivers.asking import hear
from tests.drivers.dialects import CONVERSE, INVOKE, both_transports, both_ways
from tests.fakes.behaviours import Answer, Blocked, Empty

NOVA = CONVERSE.model
CLAUDE = INVOKE.model
ARN = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/eu.anthropic.claude-sonnet-5-v1:0"

both_models = pytest.mark.parametrize("model", [NOVA, CLAUDE], ids=["converse", "invoke"])


bedrock = CONVERSE.talking
asking = CONVERSE.asking
ask = CONVERSE.ask
failure = CONVERSE.failure


# Answers


@both_transports
@both_models
@both_ways
@in_virtual_time
async def test_gives_the_answer_and_all_that_is_known_of_it(model: str, wide: bool, whole: bool) -> None:
    async with bedrock(wide=wide) as (fake, driver):
        response = await ask(driver, asking("one two three", model=model), whole=whole)
    assert response.text == "You said: one two three"
    served = None if model == NOVA else "claude-sonnet-4-5-20250929-v1:0"
    usage = response.finish.usage
    assert (usage.input, usage.output) == (3, 5)
    assert (response.finish.reason, response.finish.provider_reason) == ("stop", "end_turn")
    assert response.finish.served_model == served
    action = {NOVA: "converse", CLAUDE: "invoke"}[model]
    stream = {NOVA: "converse-stream", CLAUDE: "invoke-with-response-stream"}[model]
    assert fake.requests[0].path == f"/model/{model}/{action if whole else stream}"


@both_transports
@pytest.mark.parametrize("model", [ARN, "a.b:c/d e+f%3A(é)~"])
@in_virtual_time
async def test_signs_the_path_as_it_is_sent_whatever_is_in_the_models_name(model: str, wide: bool) -> None:
    async with bedrock(wide=wide) as (fake, driver):
        fake.models.add(model)
        for whole in (False, True):
            assert (await ask(driver, asking(model=model), whole=whole)).text == "You said: Hello."
    assert [asked.model for asked in fake.requests] == [model, model]
    assert "%2F" in fake.requests[0].path


@both_models
@both_ways
@in_virtual_time
async def test_tells_thoughts_apart(model: str, whole: bool) -> None:
    async with bedrock(Answer("The lamp.", thoughts="It is dark.")) as (_, driver):
        request = asking(model=model, thinking=2000 if model == CLAUDE else "low", max_tokens=4000)
        response = await ask(driver, request, whole=whole)
    assert response.parts == (Thought("It is dark.", "c2VhbGVkIGJ5IHRoZSBmYWtl"), Text("The lamp."))


@both_models
@both_ways
@in_virtual_time
async def test_calls_tools_over_two_turns(model: str, whole: bool) -> None:
    tools = (Tool("find", "Find.", {"type": "object"}),)
    async with bedrock(Answer(text="", tool_calls=(("find", {"city": "Malmö"}),))) as (_, driver):
        first = await ask(driver, asking(model=model, tools=tools), whole=whole)
        [call] = first.tool_calls
        assert (call.name, call.arguments, first.finish.reason) == ("find", {"city": "Malmö"}, "tool_call")
        turns = (
            *asking().messages,
            Message("assistant", first.parts),
            Message("user", (ToolResult("find", {"found": 1}, call.id),)),
        )
        second = await ask(driver, Request(model, turns, tools=tools), whole=whole)
    assert second.text.startswith("The tools said: ")
    assert "found" in second.text


@in_virtual_time
async def test_a_call_streams_whole() -> None:
    async with bedrock(Answer(text="", tool_calls=(("find", {"a": [1]}),))) as (_, driver):
        deltas, _ = await hear(driver, asking(tools=(Tool("find", None, {"type": "object"}),)))
    [call, finish] = deltas
    assert isinstance(call, ToolCallDelta)
    assert call.call == ToolCall("find", {"a": [1]}, call.call.id)
    assert isinstance(finish, Finish)


@in_virtual_time
async def test_answers_in_the_shape_that_is_asked_for() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    async with bedrock() as (_, driver):
        for model, whole in itertools.product((NOVA, CLAUDE), (False, True)):
            assert json.loads((await ask(driver, asking(model=model, schema=schema), whole=whole)).text) == {"n": 1}


async def test_signs_large_pictures_in_a_thread() -> None:
    async with bedrock() as (fake, driver):
        await ask(driver, asking("Look.", Media("image", "image/png", b"x" * 1_500_000)), whole=True)
    assert len(fake.requests[0].data) > 1_500_000


@in_virtual_time
async def test_a_thought_is_a_first_delta_too() -> None:
    answer = Answer("x", thoughts="It is dark.", delay=9)
    async with bedrock(answer) as (_, driver), driver.stream(asking(thinking="high")) as deltas:
        assert asyncio.get_running_loop().time() == 0
        assert isinstance(await anext(deltas), ThinkingDelta)


@pytest.mark.parametrize(
    ("behaviour", "reason", "word"),
    [
        (Empty("end_turn"), "stop", "end_turn"),
        (Blocked(), "content_filter", "guardrail_intervened"),
        (Answer("Once", finish_reason="SAFETY"), "content_filter", "content_filtered"),
        (Answer("Once upon", finish_reason="MAX_TOKENS"), "length", "max_tokens"),
        (Answer("Once", finish_reason="never_heard_of"), "other", "never_heard_of"),
    ],
)
@in_virtual_time
async def test_says_how_an_answer_ended(behaviour: Any, reason: str, word: str) -> None:
    async with bedrock(behaviour, behaviour) as (_, driver):
        for whole in (False, True):
            finish = (await ask(driver, whole=whole)).finish
            assert (finish.reason, finish.provider_reason) == (reason, word)


@in_virtual_time
async def test_what_is_in_the_cache_is_part_of_the_input() -> None:
    usage = {"inputTokens": 1, "outputTokens": 2, "totalTokens": 33, "cacheReadInputTokens": 30}
    async with bedrock(Answer("x", usage=usage)) as (_, driver):
        assert (await ask(driver)).finish.usage == Usage(31, 2, cached_input=30, total=33)


@in_virtual_time
async def test_options_go_to_the_model_in_the_words_of_the_way_it_is_asked() -> None:
    async with bedrock() as (fake, driver):
        await ask(driver, asking(options={"additionalModelRequestFields": {"topK": 3}}))
        await ask(driver, asking(model=CLAUDE, options={"top_k": 3}))
        await ask(driver, asking(model=CLAUDE, options={"requestMetadata": {"a": "b"}}, dialect="bedrock"))
    converse, invoke, spoken = fake.requests
    assert converse.content["additionalModelRequestFields"] == {"topK": 3}
    assert (invoke.action, invoke.content["top_k"]) == ("invoke-with-response-stream", 3)
    assert (spoken.action, spoken.content["requestMetadata"]) == ("converse-stream", {"a": "b"})


@in_virtual_time
async def test_tells_what_it_cannot_say() -> None:
    heard: list[Any] = []

    async def hear_of(notice: Any) -> None:
        heard.append(notice)

    async with bedrock() as (_, driver):
        with listening(hear_of):
            await ask(driver, asking("Look.", Media("image", "image/tiff", b"II")))
    assert heard == [Dropped("bedrock", ("image/tiff",))]


@both_transports
@in_virtual_time
async def test_lists_the_models(wide: bool) -> None:
    async with bedrock(wide=wide) as (fake, driver):
        models = await driver.models()
    assert {model.name for model in models} == fake.models
    assert [asked.path.partition("?")[0] for asked in fake.requests] == ["/foundation-models", "/inference-profiles"]


@in_virtual_time
async def test_counts_the_tokens_of_a_request() -> None:
    async with bedrock() as (fake, driver):
        for model in (NOVA, CLAUDE):
            request = asking("one two three", model=model, system="Be brief.", max_tokens=5, temperature=1.0)
            assert await driver.count_tokens(request) == 5
        with pytest.raises(RefusedError):
            await driver.count_tokens(asking(model="amazon.nova-0-v1:0"))
    assert [asked.model for asked in fake.requests[:2]] == [NOVA, CLAUDE.removeprefix("us.")]


# Errors


@both_transports
@both_ways
@in_virtual_time
async def test_a_bad_secret_is_refused_and_never_told(wide: bool, whole: bool) -> None:
    async with bedrock(wide=wide, secret="not/the+secret") as (_, driver):
        error = await failure(driver, whole=whole)
        assert "not/the+secret" not in repr(driver.__dict__) + error.message
    assert isinstance(error, CredentialsError)
    assert "signature we calculated does not match" in error.message
    assert "Canonical" not in error.message


@both_ways
@in_virtual_time
async def test_a_model_that_is_asked_by_its_profile_only_is_hinted_at(whole: bool) -> None:
    async with bedrock() as (_, driver):
        error = await failure(driver, asking(model=CLAUDE.removeprefix("us.")), whole=whole)
    assert isinstance(error, RefusedError)
    assert CLAUDE in (error.hint or "")
