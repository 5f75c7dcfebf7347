"""OpenAI's driver against the fake, over both of its transports."""

import asyncio
import io
import itertools
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from boticelli_cli.drivers.access import Access
from boticelli_cli.drivers.base import Dropped, Notice, listening
from boticelli_cli.drivers.dialect import HttpDriver
from boticelli_cli.drivers.openai import openai_driver
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
    CachePoint,
    Finish,
    Media,
    Message,
    Request,
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
from tests.clock import in_virtual_time
from tests.drivers import asking as asked_for
from tests.drivers.asking import hear, said, settle
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
from tests.fakes.material import dot, long_text, sine
from tests.fakes.openai import FakeOpenAI
from tests.fakes.openai_wire import Flavour

MODEL = "gpt-5.2"
SECRET = "sk-proj-Recognizable0123456789"
FIND = Tool("find", "Find.", {"type": "object"})

both_transports = pytest.mark.parametrize("wide", [False, True], ids=["httpx", "aiohttp"])
both_ways = pytest.mark.parametrize("whole", [False, True], ids=["stream", "generate"])
every_way = pytest.mark.parametrize(
    ("wide", "whole"), [(False, False), (True, True)], ids=["stream-httpx", "generate-aiohttp"]
)


def asking(prompt: str = "Hello.", *media: Media, model: str = MODEL, **settings: Any) -> Request:
    return asked_for.asking(prompt, *media, model=model, **settings)


async def ask(driver: Any, request: Request | None = None, *, whole: bool = False) -> Response:
    return await asked_for.ask(driver, request or asking(), whole=whole)


async def failure(driver: Any, request: Request | None = None, *, whole: bool = False) -> ProviderError:
    return await asked_for.failure(driver, request or asking(), whole=whole)


@asynccontextmanager
async def openai(
    *answers: Behaviour | str, flavour: Flavour = "openai", key: str | None = "test-key", **options: Any
) -> AsyncIterator[tuple[FakeOpenAI, HttpDriver]]:
    """A fake that gives these answers first, and a driver that asks it. Nothing of either is left afterwards."""
    async with FakeOpenAI(answers, flavour=flavour) as fake:
        driver = openai_driver(Access(flavour, key, fake.base_url), **options)
        try:
            yield fake, driver
        finally:
            await driver.aclose()
    await settle()
    assert asyncio.all_tasks() == {asyncio.current_task()}


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


@both_transports
@in_virtual_time
async def test_entering_returns_at_the_first_delta(wide: bool) -> None:
    async with openai(Answer("a b c d", chunks=4, first_delay=7, delay=10), wide=wide) as (_, driver):
        time = asyncio.get_running_loop().time
        async with driver.stream(asking()) as deltas:
            assert time() == pytest.approx(7)
            assert await anext(deltas) == TextDelta("a ")
            assert await anext(deltas) == TextDelta("b ")
            assert time() == pytest.approx(17)


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


@every_way
@in_virtual_time
async def test_a_cut_character_is_put_together(wide: bool, whole: bool) -> None:
    async with openai(OneByteAtATime(), wide=wide) as (_, driver):
        assert (await ask(driver, whole=whole)).text == "a é 中 🎨 z"


@every_way
@in_virtual_time
async def test_takes_a_chunk_of_two_megabytes(wide: bool, whole: bool) -> None:
    async with openai(Huge(), wide=wide) as (_, driver):
        assert (await ask(driver, whole=whole)).text == "x" * 2_000_000


@both_transports
@in_virtual_time
async def test_takes_thousands_of_chunks(wide: bool) -> None:
    async with openai(Long(5000), wide=wide) as (_, driver):
        response = await ask(driver)
    assert response.text == long_text(5000)
    assert response.finish.usage.output == 5000


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


ERRORS = [
    (Fail(400, "Invalid value."), RefusedError, "Invalid value.", "change what is asked", None),
    (Fail(403, "Not allowed."), CredentialsError, "the key may not do this: Not allowed.", "OPENAI_API_KEY", None),
    (Fail(404, "Not there."), RefusedError, "Not there.", "check the model's name", None),
    (Fail(402, "Insufficient credits."), QuotaError, "the account's credit is spent", "add credit", None),
    (Fail(429), ProviderError, "a quota is spent for now", "later", None),
    (Fail(429, retry=17), ProviderError, "a quota is spent for now", "later", 17),
    (Fail(429, retry=17, retry_after=5), ProviderError, "a quota is spent for now", "later", 5),
    (Fail(429, quota="PerDay"), QuotaError, "the account's credit is spent: You exceeded", "add credit", None),
    (Fail(500), ProviderError, "The server had an error", "later", None),
    (Fail(503, retry_after=30), ProviderError, "The engine is currently overloaded", "later", 30),
    (NotJSON(), ProviderError, "HTTP 502 Bad Gateway", "later", None),
    (Blocked(), RefusedError, "the prompt was blocked: Invalid prompt", "reword it", None),
    (
        Fail(
            400,
            "This model's maximum context length is 128000 tokens. However, your messages resulted in 130000 tokens.",
        ),
        RefusedError,
        "the prompt is 2,000 tokens too long",
        "shorten it",
        None,
    ),
]


@pytest.mark.parametrize(
    ("behaviour", "kind", "message", "hint", "wait"), ERRORS, ids=[str(number) for number in range(len(ERRORS))]
)
@in_virtual_time
async def test_says_what_went_wrong_and_what_to_do(
    behaviour: Fail, kind: type[ProviderError], message: str, hint: str, wait: float | None
) -> None:
    async with openai(behaviour) as (fake, driver):
        error = await failure(driver)
        assert (await ask(driver)).text == "You said: Hello."
    assert type(error) is kind
    assert message in error.message
    assert hint in (error.hint or "")
    assert (error.retry_after, error.provider) == (wait, "openai")
    assert fake.connections == 1


@every_way
@in_virtual_time
async def test_a_bad_key_is_refused_and_never_told(wide: bool, whole: bool) -> None:
    async with openai(wide=wide, key=SECRET) as (_, driver):
        error = await failure(driver, whole=whole)
        assert SECRET not in repr(vars(driver))
    assert isinstance(error, CredentialsError)
    assert (error.status, error.hint) == (401, "set OPENAI_API_KEY to a key from https://platform.openai.com/api-keys")
    assert "Recogn" not in error.message
    assert "6789" not in error.message


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


@both_ways
@in_virtual_time
async def test_an_unknown_model_is_hinted_at(whole: bool) -> None:
    async with openai(unknown_hint="not {}, but this".format) as (_, driver):
        error = await failure(driver, asking(model="gpt-0"), whole=whole)
    assert (error.status, error.hint) == (404, "not gpt-0, but this")


@in_virtual_time
async def test_an_address_that_is_none_says_where_it_was_set() -> None:
    for provider, where in (("openai", "OPENAI_BASE_URL"), ("mine", "'base_url' of 'mine'")):
        driver = openai_driver(Access(provider, "key", "http://localhost:port/v1"))
        error = await failure(driver)
        assert where in (error.hint or "")
        await driver.aclose()


# Streams that break


BREAKS = [
    (Drop(after=5), "the stream broke off before its end", None),
    (Drop(after=5, inside=True), "the stream broke off before its end", None),
    (TruncatedClean(after=5), "the stream broke off before the answer was finished", None),
    (Malformed(after=5), "what came cannot be read", None),
    (InStreamError(503, after=5), "The engine is currently overloaded", 500),
    (InStreamError(429, after=5), "a quota is spent for now", 429),
]


@pytest.mark.parametrize(("behaviour", "message", "status"), BREAKS)
@in_virtual_time
async def test_a_stream_that_breaks_keeps_what_had_come_and_is_not_repeated(
    behaviour: Drop, message: str, status: int | None
) -> None:
    async with openai(behaviour) as (fake, driver):
        deltas, error = await hear(driver, asking())  # type: ignore[arg-type]
    assert said(deltas) == "piece 1 piece 2 piece 3 piece 4 piece 5 "
    assert type(error) is StreamError
    assert message in error.message
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
        (InStreamError(503, after=0), "The engine is currently overloaded, please try again later."),
        (NotJSON(status=200), "answers with a web page"),
    ],
)
@in_virtual_time
async def test_what_breaks_before_the_first_delta_is_raised_on_entering(
    behaviour: Drop | NotJSON, message: str
) -> None:
    async with openai(behaviour) as (_, driver):
        error = await failure(driver)
        assert (await ask(driver)).text == "You said: Hello."
    assert message in error.message
    assert type(error) is ProviderError
    assert error.hint
    assert "kept" not in error.hint


@pytest.mark.parametrize("behaviour", [Drop(after=2), Drop(headers=False), Malformed(), NotJSON(status=200)])
@in_virtual_time
async def test_a_whole_answer_that_breaks_is_an_error_that_may_be_retried(behaviour: Drop) -> None:
    async with openai(behaviour) as (_, driver):
        error = await failure(driver, whole=True)
    assert type(error) is ProviderError
    assert error.hint


# Time


@every_way
@pytest.mark.parametrize("headers", [False, True])
@in_virtual_time
async def test_no_answer_within_five_minutes_is_an_error_of_its_own(headers: bool, wide: bool, whole: bool) -> None:
    async with openai(Silence(headers=headers), wide=wide) as (fake, driver):
        error = await failure(driver, whole=whole)
        assert asyncio.get_running_loop().time() == pytest.approx(300)
        await settle()
        assert len(fake.gone) == 1
    assert isinstance(error, NoAnswerError)


@both_transports
@in_virtual_time
async def test_a_stream_that_falls_silent_ends_as_an_error_of_its_own(wide: bool) -> None:
    async with openai(Silence(after=3), wide=wide) as (fake, driver):
        deltas, error = await hear(driver, asking())  # type: ignore[arg-type]
        assert asyncio.get_running_loop().time() == pytest.approx(120)
        await settle()
        assert len(fake.gone) == 1
    assert said(deltas) == "piece 1 piece 2 piece 3 "
    assert isinstance(error, SilenceError)


@in_virtual_time
async def test_a_thought_is_a_first_delta_too() -> None:
    answer = Answer("x", thoughts="It is dark.", delay=9)
    request = asking(model="gpt-oss:20b")
    async with openai(answer, flavour="ollama", key=None) as (_, driver), driver.stream(request) as deltas:
        assert asyncio.get_running_loop().time() == 0
        assert isinstance(await anext(deltas), ThinkingDelta)


# Leaving


@both_transports
@in_virtual_time
async def test_leaving_early_closes_the_connection_at_once(wide: bool) -> None:
    async with openai(Answer(chunks=1000, delay=1), wide=wide) as (fake, driver):
        async with driver.stream(asking()) as deltas:
            await anext(deltas)
        await settle()
        assert (fake.running, len(fake.gone)) == (0, 1)
        assert asyncio.get_running_loop().time() < 1
        assert (await ask(driver)).text == "You said: Hello."


@both_transports
@in_virtual_time
async def test_cancelling_at_any_step_leaves_no_connection_and_no_task(wide: bool) -> None:
    calls = Answer("a b c", chunks=3, tool_calls=(("find", {}),))
    async with openai(wide=wide) as (fake, driver):
        for steps in itertools.count():
            fake.script = Script()
            fake.script.append(calls)
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


@both_transports
@in_virtual_time
async def test_requests_in_a_row_use_one_connection(wide: bool) -> None:
    async with openai(wide=wide) as (fake, driver):
        for number in range(6):
            await ask(driver, whole=number % 2 == 0)
        assert fake.connections == 1


@in_virtual_time
async def test_gives_tool_calls_whole_as_deltas() -> None:
    async with openai(Answer("", tool_calls=(("find", {"city": "Paris"}),))) as (_, driver):
        deltas, _ = await hear(driver, asking(tools=(FIND,)))  # type: ignore[arg-type]
    [call, finish] = deltas
    assert isinstance(call, ToolCallDelta)
    assert (call.call.name, call.call.arguments) == ("find", {"city": "Paris"})
    assert call.call.id
    assert isinstance(finish, Finish)
