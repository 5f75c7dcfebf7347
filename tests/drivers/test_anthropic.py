"""Anthropic's driver against the fake, over both of its transports."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from typing import Any

import pytest

from boticelli_cli.catalog import Catalog
from boticelli_cli.drivers.access import Access
from boticelli_cli.drivers.anthropic import DIALECT, VERSION, AnthropicDriver, anthropic_driver
from boticelli_cli.drivers.base import Dropped, Notice, listening
from boticelli_cli.drivers.dialect import HttpDriver
from boticelli_cli.drivers.http import Endpoint, Outgoing
from boticelli_cli.errors import (
    CredentialsError,
    NoAnswerError,
    ProviderError,
    QuotaError,
    RefusedError,
    SilenceError,
    StreamError,
)
from boticelli_cli.fitting import fit
from boticelli_cli.messages import (
    CachePoint,
    Finish,
    Media,
    Message,
    Request,
    Text,
    TextDelta,
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
from tests.drivers import asking as driving
from tests.drivers.asking import hear, said, settle
from tests.fakes.anthropic import FakeAnthropic
from tests.fakes.anthropic_models import MODELS
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

MODEL = "claude-haiku-4-5"
NEW = "claude-sonnet-5-5"
SECRET = "sk-ant-api03-Recognizable-0123456789"

both_transports = pytest.mark.parametrize("wide", [False, True], ids=["httpx", "aiohttp"])
both_ways = pytest.mark.parametrize("whole", [False, True], ids=["stream", "generate"])

asking: Callable[..., Request] = partial(driving.asking, model=MODEL)


@asynccontextmanager
async def claude(
    *answers: Behaviour | str, wide: bool = False, key: str = "test-key", **options: Any
) -> AsyncIterator[tuple[FakeAnthropic, AnthropicDriver]]:
    """A fake that gives these answers first, and a driver that asks it. Nothing of either is left afterwards."""
    async with FakeAnthropic(answers) as fake:
        driver = anthropic_driver(Access("anthropic", key, fake.url), wide=wide, **options)
        try:
            yield fake, driver
        finally:
            await driver.aclose()
    await settle()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def ask(driver: Any, request: Request | None = None, *, whole: bool = False) -> Any:
    return await driving.ask(driver, request or asking(), whole=whole)


async def failure(driver: Any, request: Request | None = None, *, whole: bool = False) -> ProviderError:
    return await driving.failure(driver, request or asking(), whole=whole)


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


@in_virtual_time
async def test_entering_returns_at_the_first_delta() -> None:
    async with claude(Answer("a b c d", chunks=4, first_delay=7, delay=10)) as (_, driver):
        time = asyncio.get_running_loop().time
        async with driver.stream(asking()) as deltas:
            assert time() == pytest.approx(7)
            assert await anext(deltas) == TextDelta("a ")
            assert await anext(deltas) == TextDelta("b ")
            assert time() == pytest.approx(17)


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


@both_transports
@both_ways
@in_virtual_time
async def test_a_cut_character_is_put_together(wide: bool, whole: bool) -> None:
    async with claude(OneByteAtATime(), wide=wide) as (_, driver):
        assert (await ask(driver, whole=whole)).text == "a é 中 🎨 z"


@both_ways
@in_virtual_time
async def test_takes_a_chunk_of_two_megabytes(whole: bool) -> None:
    async with claude(Huge()) as (_, driver):
        assert (await ask(driver, whole=whole)).text == "x" * 2_000_000


@in_virtual_time
async def test_takes_thousands_of_chunks() -> None:
    async with claude(Long(5000)) as (_, driver):
        assert (await ask(driver)).text == long_text(5000)


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


ERRORS = [
    (Fail(400, "top_k: no."), RefusedError, "top_k: no.", "change what is asked", None),
    (Fail(403), CredentialsError, "the key may not do this: Your API key", "ANTHROPIC_API_KEY", None),
    (Fail(404, "Not there."), RefusedError, "Not there.", "check the model's name", None),
    (Fail(413), RefusedError, "the request is too large", "shorten it", None),
    (Fail(429), ProviderError, "a limit is reached for now: This request would exceed", "later", None),
    (Fail(429, retry_after=5), ProviderError, "a limit is reached for now", "later", 5),
    (Fail(402), QuotaError, "what may be used is spent", "billing", None),
    (Fail(400, quota="PerDay"), QuotaError, "You will regain access on 2026-12-01", "billing", None),
    (Fail(500), ProviderError, "Internal server error", "later", None),
    (Fail(503, retry_after=30), ProviderError, "Error 503.", "later", 30),
    (Fail(529), ProviderError, "Overloaded", "later", None),
    (NotJSON(), ProviderError, "HTTP 502 Bad Gateway", "later", None),
    (Blocked("Not this."), RefusedError, "the model refused to answer (cyber): Not this.", "reword it", None),
    (
        Fail(400, "prompt is too long: 210000 tokens > 200000 maximum"),
        RefusedError,
        "the prompt is 10,000 tokens too long",
        "shorten it",
        None,
    ),
]


@both_ways
@pytest.mark.parametrize(
    ("behaviour", "kind", "message", "hint", "wait"), ERRORS, ids=[str(number) for number in range(len(ERRORS))]
)
@in_virtual_time
async def test_says_what_went_wrong_and_what_to_do(
    behaviour: Behaviour, kind: type[ProviderError], message: str, hint: str, wait: float | None, whole: bool
) -> None:
    async with claude(behaviour) as (fake, driver):
        error = await failure(driver, whole=whole)
        assert (await ask(driver)).text == "You said: Hello."
    assert type(error) is kind
    assert message in error.message
    assert hint in (error.hint or "")
    assert (error.retry_after, error.provider, fake.connections) == (wait, "anthropic", 1)


@in_virtual_time
async def test_milliseconds_to_wait_are_more_precise() -> None:
    async with claude(Fail(529, retry_after_ms="1500", retry_after=2), Fail(529, retry_after_ms="?")) as (_, driver):
        assert [(await failure(driver)).retry_after for _ in range(2)] == [1.5, None]


@in_virtual_time
async def test_retry_after_may_be_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    async with claude(Fail(529, retry_after=date)) as (_, driver):
        assert 80 < ((await failure(driver)).retry_after or 0) <= 90


@both_ways
@in_virtual_time
async def test_a_bad_key_is_refused_and_never_told(whole: bool) -> None:
    async with claude(key=SECRET) as (_, driver):
        error = await failure(driver, whole=whole)
        assert SECRET not in repr(driver.__dict__)
    assert isinstance(error, CredentialsError)
    assert (error.status, error.message) == (401, "the key was refused: invalid x-api-key")
    assert error.hint == "set ANTHROPIC_API_KEY to a key from https://platform.claude.com/settings/keys"


@in_virtual_time
async def test_a_key_of_the_configuration_that_is_refused_is_named_by_its_account() -> None:
    async with FakeAnthropic() as fake:
        driver = anthropic_driver(Access("proxy", "not-a-key", fake.url, key_hint="it is the spare one's"))
        error = await failure(driver)
        await driver.aclose()
    assert (error.provider, error.hint) == ("proxy", "it is the spare one's")


@in_virtual_time
async def test_asks_without_a_key_where_there_is_none() -> None:
    async with FakeAnthropic() as fake:
        driver = anthropic_driver(Access("local", None, f"{fake.url}/proxy/"))
        error = await failure(driver)
        await driver.aclose()
    assert (error.status, error.hint) == (401, "give another: boticelli keys set local")
    assert fake.requests[0].path == "/proxy/v1/messages"
    assert not {"x-api-key", "authorization"} & {name.lower() for name in fake.requests[0].headers}


@pytest.mark.parametrize(
    ("provider", "named"), [("anthropic", "ANTHROPIC_BASE_URL"), ("proxy", "'base_url' of 'proxy'")]
)
@in_virtual_time
async def test_an_address_that_is_none_is_hinted_at(provider: str, named: str) -> None:
    driver = anthropic_driver(Access(provider, "test-key", "http://localhost:no-port"))
    error = await failure(driver)
    await driver.aclose()
    assert isinstance(error, RefusedError)
    assert named in (error.hint or "")


@both_ways
@in_virtual_time
async def test_an_unknown_model_is_hinted_at(whole: bool) -> None:
    async with claude(unknown_hint=lambda model: f"not {model}, but this") as (_, driver):
        error = await failure(driver, asking(model="claude-soonet"), whole=whole)
        other = await failure(driver, asking("[[400]]"), whole=whole)
    assert (error.status, error.hint) == (404, "not claude-soonet, but this")
    assert error.message == "there is no model 'claude-soonet' for this key"
    assert other.hint == "change what is asked: its settings, its 'options' or its media"


# Streams that break


@pytest.mark.parametrize(
    ("behaviour", "message", "status"),
    [
        (Drop(after=5), "the stream broke off before its end", None),
        (Drop(after=5, inside=True), "the stream broke off before its end", None),
        (TruncatedClean(after=5), "the stream broke off before the answer was finished", None),
        (Malformed(after=5), "what came cannot be read", None),
        (InStreamError(529, after=5), "Overloaded", 529),
        (InStreamError(429, after=5), "a limit is reached for now", 429),
    ],
)
@in_virtual_time
async def test_a_stream_that_breaks_keeps_what_had_come_and_is_not_repeated(
    behaviour: Behaviour, message: str, status: int | None
) -> None:
    async with claude(behaviour) as (fake, driver):
        deltas, error = await hear(driver, asking())  # type: ignore[arg-type]
    assert said(deltas) == "piece 1 piece 2 piece 3 piece 4 piece 5 "
    assert type(error) is StreamError
    assert message in error.message
    assert "\n" not in error.message
    assert (error.status, error.hint) == (status, "what had come is kept; run it again")
    assert len(fake.requests) == 1


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        (Drop(headers=False), "the connection broke before an answer came: it was closed from the other side"),
        (Drop(after=0), "the connection broke before an answer came: it was closed from the other side"),
        (Drop(after=0, inside=True), "the connection broke before an answer came: it was closed from the other side"),
        (TruncatedClean(after=0), "the stream broke off before the answer was finished"),
        (Malformed(after=0), "what came cannot be read"),
        (InStreamError(529, after=0), "Overloaded"),
        (NotJSON(status=200), "answers with a web page"),
    ],
)
@in_virtual_time
async def test_what_breaks_before_the_first_delta_is_raised_on_entering(behaviour: Behaviour, message: str) -> None:
    async with claude(behaviour) as (_, driver):
        error = await failure(driver)
        assert (await ask(driver)).text == "You said: Hello."
    assert not isinstance(error, StreamError)
    assert message in error.message
    assert error.hint
    assert "kept" not in error.hint


@pytest.mark.parametrize("behaviour", [Drop(after=2), Drop(headers=False), Malformed(), NotJSON(status=200)])
@in_virtual_time
async def test_a_whole_answer_that_breaks_is_an_error_that_may_be_retried(behaviour: Behaviour) -> None:
    async with claude(behaviour) as (_, driver):
        error = await failure(driver, whole=True)
    assert type(error) is ProviderError
    assert error.hint


# Time


@both_ways
@pytest.mark.parametrize("headers", [False, True])
@in_virtual_time
async def test_no_answer_within_five_minutes_is_an_error_of_its_own(headers: bool, whole: bool) -> None:
    async with claude(Silence(headers=headers)) as (fake, driver):
        error = await failure(driver, whole=whole)
        assert asyncio.get_running_loop().time() == pytest.approx(300)
        await settle()
        assert len(fake.gone) == 1
    assert isinstance(error, NoAnswerError)


@in_virtual_time
async def test_a_stream_that_falls_silent_ends_as_an_error_of_its_own() -> None:
    async with claude(Silence(after=3)) as (fake, driver):
        deltas, error = await hear(driver, asking())  # type: ignore[arg-type]
        assert asyncio.get_running_loop().time() == pytest.approx(120)
        await settle()
        assert len(fake.gone) == 1
    assert said(deltas) == "piece 1 piece 2 piece 3 "
    assert isinstance(error, SilenceError)


# Leaving


@in_virtual_time
async def test_leaving_early_closes_the_connection_at_once() -> None:
    async with claude(Answer(chunks=1000, delay=1)) as (fake, driver):
        async with driver.stream(asking()) as deltas:
            await anext(deltas)
        await settle()
        assert (fake.running, len(fake.gone)) == (0, 1)
        assert asyncio.get_running_loop().time() < 1
        assert (await ask(driver)).text == "You said: Hello."


@in_virtual_time
async def test_cancelling_at_any_step_leaves_no_connection_and_no_task() -> None:
    async with claude() as (fake, driver):
        for steps in itertools.count():
            fake.script = Script()
            fake.script.append(Answer("a b c d e f", chunks=6))
            task = asyncio.create_task(ask(driver))
            await settle(steps)
            if not task.cancel():
                break
            await asyncio.wait({task})
            await settle(50)
            assert fake.running == 0, f"after {steps} steps"
        assert steps > 10
        fake.script = Script()
        assert (await ask(driver)).text == "You said: Hello."
