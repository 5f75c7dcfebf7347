"""Bedrock's driver against the fake, by both of its ways, over both transports."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from boticelli_cli.drivers.base import Dropped, listening
from boticelli_cli.drivers.bedrock import BedrockDriver, bedrock_driver
from boticelli_cli.drivers.bedrock_access import BedrockAccess
from boticelli_cli.errors import (
    CredentialsError,
    NoAnswerError,
    ProviderError,
    QuotaError,
    RefusedError,
    SilenceError,
    StreamError,
)
from boticelli_cli.messages import (
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
)
from tests.clock import in_virtual_time
from tests.drivers import asking as driving
from tests.drivers.asking import hear, said, settle
from tests.fakes.bedrock import ACCESS_KEY, SECRET_KEY, FakeBedrock
from tests.fakes.behaviours import (
    Answer,
    Behaviour,
    Blocked,
    Drop,
    Empty,
    Fail,
    Huge,
    InStreamError,
    Long,
    Malformed,
    NotJSON,
    OneByteAtATime,
    Script,
    Silence,
    TruncatedClean,
)
from tests.fakes.material import long_text

NOVA = "amazon.nova-pro-v1:0"
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
ARN = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/eu.anthropic.claude-sonnet-5-v1:0"

both_transports = pytest.mark.parametrize("wide", [False, True], ids=["httpx", "aiohttp"])
both_models = pytest.mark.parametrize("model", [NOVA, CLAUDE], ids=["converse", "invoke"])
both_ways = pytest.mark.parametrize("whole", [False, True], ids=["stream", "generate"])


def asking(prompt: str = "Hello.", *parts: Any, model: str = NOVA, **settings: Any) -> Request:
    return Request(model, (Message("user", (Text(prompt), *parts)),), **settings)


@asynccontextmanager
async def bedrock(
    *answers: Behaviour | str, wide: bool = False, secret: str = SECRET_KEY, **options: Any
) -> AsyncIterator[tuple[FakeBedrock, BedrockDriver]]:
    """A fake that gives these answers first, and a driver that asks it. Nothing of either is left afterwards."""
    async with FakeBedrock(answers) as fake:
        access = BedrockAccess(region="us-east-1", base_url=fake.url, access_key=ACCESS_KEY, secret_key=secret)
        driver = bedrock_driver(access, wide=wide, **options)
        try:
            yield fake, driver
        finally:
            await driver.aclose()
    await settle()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def ask(driver: Any, request: Request | None = None, *, whole: bool = False) -> Response:
    return await driving.ask(driver, request or asking(), whole=whole)


async def failure(driver: Any, request: Request | None = None, *, whole: bool = False) -> ProviderError:
    return await driving.failure(driver, request or asking(), whole=whole)


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
@in_virtual_time
async def test_entering_returns_at_the_first_delta(model: str) -> None:
    async with bedrock(Answer("a b c d", chunks=4, first_delay=7, delay=10)) as (_, driver):
        time = asyncio.get_running_loop().time
        async with driver.stream(asking(model=model)) as deltas:
            assert time() == pytest.approx(7)
            assert await anext(deltas) == TextDelta("a ")
            assert time() == pytest.approx(7)
            assert await anext(deltas) == TextDelta("b ")
            assert time() == pytest.approx(17)


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


@both_models
@in_virtual_time
async def test_a_cut_character_is_put_together(model: str) -> None:
    async with bedrock(OneByteAtATime()) as (_, driver):
        assert (await ask(driver, asking(model=model))).text == "a é 中 🎨 z"


@both_models
@in_virtual_time
async def test_takes_a_chunk_of_two_megabytes(model: str) -> None:
    async with bedrock(Huge(), wide=model == NOVA) as (_, driver):
        assert (await ask(driver, asking(model=model))).text == "x" * 2_000_000


@both_models
@in_virtual_time
async def test_takes_thousands_of_chunks(model: str) -> None:
    async with bedrock(Long(3500)) as (_, driver):
        response = await ask(driver, asking(model=model))
    assert response.text == long_text(3500)
    assert response.finish.usage.output == 3500


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


ERRORS = [
    (Fail(400, "Invalid value."), RefusedError, "Invalid value.", "change what is asked", None),
    (Fail(400, "Input is too long for requested model."), RefusedError, "the prompt is too long", "shorten it", None),
    (Fail(403), CredentialsError, "the credentials may not do this", "access to the model", None),
    (Fail(404), RefusedError, "Model not found.", "region", None),
    (Fail(408), ProviderError, "Model has timed out", "later", None),
    (Fail(424), ProviderError, "The model returned", "later", None),
    (Fail(429), ProviderError, "Too many requests", "later", None),
    (Fail(429, retry_after=5), ProviderError, "Too many requests", "later", 5),
    (Fail(429, quota="PerDay"), QuotaError, "the day's quota is spent", "", None),
    (Fail(500), ProviderError, "unexpected error", "later", None),
    (Fail(503, retry_after=30), ProviderError, "Bedrock is unable", "later", 30),
    (NotJSON(), ProviderError, "HTTP 502 Bad Gateway", "later", None),
]


@pytest.mark.parametrize(("behaviour", "kind", "message", "hint", "wait"), ERRORS, ids=range(len(ERRORS)))
@in_virtual_time
async def test_says_what_went_wrong_and_what_to_do(
    behaviour: Any, kind: type[ProviderError], message: str, hint: str, wait: float | None
) -> None:
    async with bedrock(behaviour, behaviour) as (fake, driver):
        error = await failure(driver, asking(model=CLAUDE))
        whole = await failure(driver, asking(model=NOVA), whole=True)
        assert (type(whole), whole.message, whole.hint) == (type(error), error.message, error.hint)
        assert (await ask(driver)).text == "You said: Hello."
    assert type(error) is kind
    assert message in error.message
    assert hint in (error.hint or "")
    assert error.retry_after == wait
    assert error.provider == "bedrock"
    assert fake.connections == 1


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
async def test_an_unknown_model_is_hinted_at(whole: bool) -> None:
    async with bedrock(unknown_hint=lambda model: f"not {model}, but this") as (_, driver):
        error = await failure(driver, asking(model="amazon.nova-0-v1:0"), whole=whole)
        profile = await failure(driver, asking(model=CLAUDE.removeprefix("us.")), whole=whole)
    assert (error.status, error.hint) == (404, "not amazon.nova-0-v1:0, but this")
    assert isinstance(profile, RefusedError)
    assert CLAUDE in (profile.hint or "")


# Streams that break


BREAKS = [
    (Drop(after=5), "the stream broke off before its end", None),
    (Drop(after=5, inside=True), "the stream broke off before its end", None),
    (TruncatedClean(after=5), "the stream broke off before the answer was finished", None),
    (Malformed(after=5), "what came cannot be read", None),
    (InStreamError(503, after=5), "Bedrock is unable", 503),
    (InStreamError(429, after=5), "Too many requests", 429),
    (InStreamError(424, after=5), "The model returned", 424),
]


@both_models
@pytest.mark.parametrize(("behaviour", "message", "status"), BREAKS, ids=range(len(BREAKS)))
@in_virtual_time
async def test_a_stream_that_breaks_keeps_what_had_come_and_is_not_repeated(
    behaviour: Any, message: str, status: int | None, model: str
) -> None:
    async with bedrock(behaviour, wide=model == CLAUDE) as (fake, driver):
        deltas, error = await hear(driver, asking(model=model))
    assert said(deltas) == "piece 1 piece 2 piece 3 piece 4 piece 5 "
    assert type(error) is StreamError
    assert message in error.message
    assert (error.status, error.hint) == (status, "what had come is kept; run it again")
    assert error.provider == "bedrock"
    assert len(fake.requests) == 1


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        (Drop(headers=False), "the connection broke before an answer came"),
        (Drop(after=0), "the connection broke before an answer came"),
        (Drop(after=0, inside=True), "the connection broke before an answer came"),
        (TruncatedClean(after=0), "the stream broke off before the answer was finished"),
        (Malformed(after=0), "what came cannot be read"),
        (InStreamError(503, after=0), "Bedrock is unable to process your request."),
        (NotJSON(status=200), "answers with a web page"),
    ],
)
@in_virtual_time
async def test_what_breaks_before_the_first_delta_is_raised_on_entering(behaviour: Any, message: str) -> None:
    async with bedrock(behaviour, behaviour) as (_, driver):
        for model in (NOVA, CLAUDE):
            error = await failure(driver, asking(model=model))
            assert message in error.message
            assert not isinstance(error, StreamError)
            assert error.hint
            assert "kept" not in error.hint
        assert (await ask(driver)).text == "You said: Hello."


@pytest.mark.parametrize("behaviour", [Drop(after=2), Drop(headers=False), Malformed(), NotJSON(status=200)])
@in_virtual_time
async def test_a_whole_answer_that_breaks_is_an_error_that_may_be_retried(behaviour: Any) -> None:
    async with bedrock(behaviour, behaviour) as (_, driver):
        for model in (NOVA, CLAUDE):
            error = await failure(driver, asking(model=model), whole=True)
            assert type(error) is ProviderError
            assert error.hint


# Time


@both_ways
@in_virtual_time
async def test_no_answer_within_five_minutes_is_an_error_of_its_own(whole: bool) -> None:
    async with bedrock(Silence(headers=False)) as (fake, driver):
        error = await failure(driver, whole=whole)
        assert asyncio.get_running_loop().time() == pytest.approx(300)
        await settle()
        assert len(fake.gone) == 1
    assert isinstance(error, NoAnswerError)


@both_models
@in_virtual_time
async def test_a_stream_that_falls_silent_ends_as_an_error_of_its_own(model: str) -> None:
    async with bedrock(Silence(after=3)) as (fake, driver):
        deltas, error = await hear(driver, asking(model=model))
        assert asyncio.get_running_loop().time() == pytest.approx(120)
        await settle()
        assert len(fake.gone) == 1
    assert said(deltas) == "piece 1 piece 2 piece 3 "
    assert isinstance(error, SilenceError)


# Leaving


@both_transports
@in_virtual_time
async def test_leaving_early_closes_the_connection_at_once(wide: bool) -> None:
    async with bedrock(Answer(chunks=1000, delay=1), wide=wide) as (fake, driver):
        async with driver.stream(asking()) as deltas:
            await anext(deltas)
        await settle()
        assert (fake.running, len(fake.gone)) == (0, 1)
        assert asyncio.get_running_loop().time() < 1
        assert (await ask(driver)).text == "You said: Hello."


@both_models
@in_virtual_time
async def test_cancelling_at_any_step_leaves_no_connection_and_no_task(model: str) -> None:
    async with bedrock() as (fake, driver):
        for steps in itertools.count():
            fake.script = Script()
            fake.script.append(Answer("a b c", chunks=3))
            task = asyncio.create_task(ask(driver, asking(model=model)))
            await settle(steps)
            if not task.cancel():
                break
            await asyncio.wait({task})
            await settle(50)
            assert fake.running == 0, f"after {steps} steps"
        assert steps > 10
        fake.script = Script()
        assert (await ask(driver)).text == "You said: Hello."


@both_transports
@in_virtual_time
async def test_ten_requests_in_a_row_use_one_connection(wide: bool) -> None:
    async with bedrock(wide=wide) as (fake, driver):
        for number in range(10):
            await ask(driver, asking(model=(NOVA, CLAUDE)[number % 2]), whole=number % 3 == 0)
        assert fake.connections == 1


@in_virtual_time
async def test_a_call_streams_whole() -> None:
    async with bedrock(Answer(text="", tool_calls=(("find", {"a": [1]}),))) as (_, driver):
        deltas, _ = await hear(driver, asking(tools=(Tool("find", None, {"type": "object"}),)))
    [call, finish] = deltas
    assert isinstance(call, ToolCallDelta)
    assert call.call == ToolCall("find", {"a": [1]}, call.call.id)
    assert isinstance(finish, Finish)
