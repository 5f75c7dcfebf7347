"""Gemini's driver against the fake, over both of its transports."""

import asyncio
import io
import itertools
import json
import wave
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from boticelli_cli.drivers.gemini import Gemini
from boticelli_cli.drivers.gemini_access import GeminiAccess
from boticelli_cli.errors import (
    CredentialsError,
    NoAnswerError,
    ProviderError,
    QuotaError,
    RefusedError,
    SilenceError,
    StreamError,
)
from boticelli_cli.messages import Finish, Media, TextDelta, ThinkingDelta, Tool, ToolCallDelta, Usage
from tests.clock import in_virtual_time
from tests.drivers.asking import MODEL, ask, asking, failure, gemini, hear, said, settle
from tests.fakes.behaviours import (
    Answer,
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
from tests.fakes.gemini import FakeGemini
from tests.fakes.material import long_text

SECRET = "AIzaSyRecognizable-0123456789abcdefghijk"

both_transports = pytest.mark.parametrize("wide", [False, True], ids=["httpx", "aiohttp"])
both_ways = pytest.mark.parametrize("whole", [False, True], ids=["stream", "generate"])


# Answers


@both_transports
@both_ways
@in_virtual_time
async def test_gives_the_answer_and_all_that_is_known_of_it(wide: bool, whole: bool) -> None:
    async with gemini(wide=wide) as (fake, driver):
        response = await ask(driver, asking("one two three"), whole=whole)
    assert response.text == "You said: one two three"
    assert response.finish == Finish("stop", Usage(input=3, output=5, total=8), MODEL, "STOP")
    [asked] = fake.requests
    assert (asked.version, asked.model, asked.key) == ("v1beta", MODEL, "test-key")
    assert asked.action == ("generateContent" if whole else "streamGenerateContent")
    assert asked.sse is not whole


@both_transports
@in_virtual_time
async def test_entering_returns_at_the_first_delta(wide: bool) -> None:
    async with gemini(Answer("a b c d", chunks=4, first_delay=7, delay=10), wide=wide) as (_, driver):
        time = asyncio.get_running_loop().time
        async with driver.stream(asking()) as deltas:
            assert time() == pytest.approx(7)
            assert await anext(deltas) == TextDelta("a ")
            assert time() == pytest.approx(7)
            assert await anext(deltas) == TextDelta("b ")
            assert time() == pytest.approx(17)


@both_transports
@in_virtual_time
async def test_gives_each_delta_as_it_comes(wide: bool) -> None:
    async with gemini(Answer(chunks=20), wide=wide) as (_, driver):
        deltas, _ = await hear(driver, asking())
    assert [delta.text for delta in deltas[:-1] if isinstance(delta, TextDelta)] == [f"{n} " for n in range(1, 21)]


@both_transports
@both_ways
@in_virtual_time
async def test_tells_thoughts_apart(wide: bool, whole: bool) -> None:
    async with gemini(Answer("The lamp.", thoughts="It is dark."), wide=wide) as (fake, driver):
        response = await ask(driver, asking(thinking="low"), whole=whole)
    assert (response.thinking, response.text) == ("It is dark.", "The lamp.")
    assert response.finish.usage.thinking == 3
    assert fake.requests[0].config["thinkingConfig"] == {"thinkingLevel": "LOW", "includeThoughts": True}


@in_virtual_time
async def test_a_thought_is_a_first_delta_too() -> None:
    answer = Answer("x", thoughts="It is dark.", delay=9)
    async with gemini(answer) as (_, driver), driver.stream(asking(thinking=True)) as deltas:
        assert asyncio.get_running_loop().time() == 0
        assert isinstance(await anext(deltas), ThinkingDelta)


@both_transports
@in_virtual_time
async def test_gives_tool_calls_with_their_seals(wide: bool) -> None:
    async with gemini(Answer(text="", tool_calls=(("find", {"city": "Paris"}),)), wide=wide) as (_, driver):
        deltas, _ = await hear(driver, asking(tools=(Tool("find", "Find.", {"type": "object"}),)))
    [call] = [delta.call for delta in deltas if isinstance(delta, ToolCallDelta)]
    assert (call.name, call.arguments) == ("find", {"city": "Paris"})
    assert call.signature
    assert isinstance(deltas[-1], Finish)
    assert deltas[-1].reason == "tool_call"


@both_transports
@both_ways
@in_virtual_time
async def test_a_cut_character_is_put_together(wide: bool, whole: bool) -> None:
    async with gemini(OneByteAtATime(), wide=wide) as (_, driver):
        assert (await ask(driver, whole=whole)).text == "a é 中 🎨 z"


@both_transports
@both_ways
@in_virtual_time
async def test_takes_a_chunk_of_two_megabytes(wide: bool, whole: bool) -> None:
    async with gemini(Huge(), wide=wide) as (_, driver):
        assert (await ask(driver, whole=whole)).text == "x" * 2_000_000


@both_transports
@in_virtual_time
async def test_takes_thousands_of_chunks(wide: bool) -> None:
    async with gemini(Long(5000), wide=wide) as (_, driver):
        assert (await ask(driver)).text == long_text(5000)


@both_transports
@both_ways
@pytest.mark.parametrize(
    ("behaviour", "text", "reason", "word"),
    [
        (Empty(), "", "stop", "STOP"),
        (Empty("SAFETY"), "", "content_filter", "SAFETY"),
        (Answer("Once upon", finish_reason="MAX_TOKENS"), "Once upon", "length", "MAX_TOKENS"),
        (Answer("Once", finish_reason="RECITATION"), "Once", "content_filter", "RECITATION"),
        (Answer("Once", finish_reason="NEVER_HEARD_OF"), "Once", "other", "NEVER_HEARD_OF"),
    ],
)
@in_virtual_time
async def test_says_how_an_answer_ended(
    behaviour: Answer | Empty, text: str, reason: str, word: str, wide: bool, whole: bool
) -> None:
    async with gemini(behaviour, wide=wide) as (_, driver):
        response = await ask(driver, whole=whole)
    assert response.text == text
    assert (response.finish.reason, response.finish.provider_reason) == (reason, word)


@in_virtual_time
async def test_max_tokens_reach_the_model() -> None:
    async with gemini() as (_, driver):
        response = await ask(driver, asking("a b c d e", max_tokens=4))
    assert (response.text, response.finish.reason) == ("You said: a b ", "length")


@in_virtual_time
async def test_options_go_to_the_provider_untouched() -> None:
    options = {"generationConfig": {"seed": 7, "topK": 3}, "safetySettings": [{"category": "X", "threshold": "OFF"}]}
    async with gemini() as (fake, driver):
        await ask(driver, asking(temperature=0.5, options=options))
    assert fake.requests[0].config == {"temperature": 0.5, "seed": 7, "topK": 3}
    assert fake.requests[0].body["safetySettings"] == options["safetySettings"]


@in_virtual_time
async def test_a_model_is_called_whatever_is_in_its_name() -> None:
    name = "tuned:8b/v1?x=1#é"
    async with gemini() as (fake, driver):
        fake.models |= {name: fake.models[MODEL]}
        await ask(driver, asking(model=name))
    assert fake.requests[0].model == name


@both_transports
@in_virtual_time
async def test_counts_the_tokens_of_a_request(wide: bool) -> None:
    async with gemini(wide=wide) as (fake, driver):
        assert await driver.count_tokens(asking("one two three", system="Be brief.", temperature=1.0)) == 5
        assert (await failure_of_count(driver, "gemini-3.8-flahs")).status == 404
    assert fake.requests[0].action == "countTokens"


async def failure_of_count(driver: Gemini, model: str) -> RefusedError:
    with pytest.raises(RefusedError) as raised:
        await driver.count_tokens(asking(model=model))
    return raised.value


@both_transports
@in_virtual_time
async def test_lists_the_models_of_all_pages(wide: bool) -> None:
    async with gemini(wide=wide) as (fake, driver):
        fake.models |= {f"gemini-x-{number}": fake.models[MODEL] for number in range(1500)}
        models = await driver.models()
    assert len(models) == len(fake.models)
    [found] = [model for model in models if model.name == "gemini-3.8-live"]
    assert (found.methods, found.input_limit) == (("bidiGenerateContent",), 131_072)
    assert [asked.query.get("pageToken") for asked in fake.requests] == [None, "1000"]


# Errors


ERRORS = [
    (Fail(400, "Invalid value."), RefusedError, "Invalid value.", "change what is asked", None),
    (Fail(403, "Not allowed."), CredentialsError, "the key may not do this: Not allowed.", "GEMINI_API_KEY", None),
    (Fail(404, "Not there."), RefusedError, "Not there.", "check the model's name", None),
    (Fail(429), ProviderError, "a quota is spent for now", "later", None),
    (Fail(429, retry=17), ProviderError, "a quota is spent for now", "later", 17),
    (Fail(429, retry_after=5), ProviderError, "a quota is spent for now", "later", 5),
    (Fail(429, retry=17, retry_after=5), ProviderError, "a quota is spent for now", "later", 17),
    (Fail(429, quota="PerMinute", retry=2.5), ProviderError, "GenerateRequestsPerMinutePer", "later", 2.5),
    (Fail(429, quota="PerDay", retry=17), QuotaError, "the day's quota is spent: GenerateRequestsPerDay", "", None),
    (Fail(500), ProviderError, "An internal error has occurred", "later", None),
    (Fail(503), ProviderError, "The model is overloaded", "later", None),
    (Fail(503, retry_after=30), ProviderError, "The model is overloaded", "later", 30),
    (Fail(504), ProviderError, "The request timed out", "later", None),
    (NotJSON(), ProviderError, "HTTP 502 Bad Gateway", "later", None),
    (Blocked(), RefusedError, "the prompt was blocked (PROHIBITED_CONTENT)", "reword it", None),
    (Blocked("SAFETY"), RefusedError, "the prompt was blocked (SAFETY)", "safetySettings", None),
    (
        Fail(400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."),
        RefusedError,
        "the prompt is 151,424 tokens too long",
        "shorten it",
        None,
    ),
]


@both_transports
@both_ways
@pytest.mark.parametrize(
    ("behaviour", "kind", "message", "hint", "wait"), ERRORS, ids=[str(number) for number in range(len(ERRORS))]
)
@in_virtual_time
async def test_says_what_went_wrong_and_what_to_do(
    behaviour: Fail | NotJSON | Blocked,
    kind: type[ProviderError],
    message: str,
    hint: str,
    wait: float | None,
    wide: bool,
    whole: bool,
) -> None:
    async with gemini(behaviour, wide=wide) as (fake, driver):
        error = await failure(driver, whole=whole)
        assert (await ask(driver)).text == "You said: Hello."
    assert type(error) is kind
    assert message in error.message
    assert hint in (error.hint or "")
    assert error.retry_after == wait
    assert error.provider == "gemini"
    assert fake.connections == 1


@in_virtual_time
async def test_retry_after_may_be_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    async with gemini(Fail(503, retry_after=date)) as (_, driver):
        assert 80 < ((await failure(driver)).retry_after or 0) <= 90


@both_transports
@both_ways
@in_virtual_time
async def test_a_bad_key_is_refused_and_never_told(wide: bool, whole: bool) -> None:
    async with gemini(wide=wide, key=SECRET) as (_, driver):
        error = await failure(driver, whole=whole)
        assert SECRET not in repr(driver.__dict__)
    assert isinstance(error, CredentialsError)
    assert (error.status, error.message) == (
        400,
        "the key was refused: API key not valid. Please pass a valid API key.",
    )
    assert error.hint == "set GEMINI_API_KEY to a key from https://aistudio.google.com/apikey"


@pytest.mark.parametrize("key", [f"{SECRET}\nx", f"“{SECRET}”", f"{SECRET}\0", f"é{SECRET}"])
def test_what_can_be_no_key_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(CredentialsError, match="characters in it that no key has") as raised:
        GeminiAccess(key)
    assert SECRET not in repr(raised.value)


@both_transports
@both_ways
@in_virtual_time
async def test_an_unknown_model_is_hinted_at(wide: bool, whole: bool) -> None:
    def hint(model: str) -> str:
        return f"not {model}, but this"

    async with gemini(wide=wide, unknown_hint=hint) as (_, driver):
        error = await failure(driver, asking(model="gemini-3.8-flahs"), whole=whole)
        other = await failure(driver, asking("[[400]]"), whole=whole)
    assert (error.status, error.hint) == (404, "not gemini-3.8-flahs, but this")
    assert "gemini-3.8-flahs is not found" in error.message
    assert other.hint == "change what is asked: its settings, its 'options' or its media"


# Streams that break


BREAKS = [
    (Drop(after=5), "the stream broke off before its end", None),
    (Drop(after=5, inside=True), "the stream broke off before its end", None),
    (TruncatedClean(after=5), "the stream broke off before the answer was finished", None),
    (Malformed(after=5), "what came cannot be read", None),
    (InStreamError(503, after=5), "The model is overloaded", 503),
    (InStreamError(429, after=5), "a quota is spent for now", 429),
]


@both_transports
@pytest.mark.parametrize(("behaviour", "message", "status"), BREAKS)
@in_virtual_time
async def test_a_stream_that_breaks_keeps_what_had_come_and_is_not_repeated(
    behaviour: Drop, message: str, status: int | None, wide: bool
) -> None:
    async with gemini(behaviour, wide=wide) as (fake, driver):
        deltas, error = await hear(driver, asking())
    assert said(deltas) == "piece 1 piece 2 piece 3 piece 4 piece 5 "
    assert type(error) is StreamError
    assert message in error.message
    assert "\n" not in error.message
    assert (error.status, error.hint) == (status, "what had come is kept; run it again")
    assert len(fake.requests) == 1


@both_transports
@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        (Drop(headers=False), "the connection broke before an answer came: it was closed from the other side"),
        (Drop(after=0), "the connection broke before an answer came: it was closed from the other side"),
        (Drop(after=0, inside=True), "the connection broke before an answer came: it was closed from the other side"),
        (TruncatedClean(after=0), "the stream broke off before the answer was finished"),
        (Malformed(after=0), "what came cannot be read"),
        (InStreamError(503, after=0), "The model is overloaded. Please try again later."),
        (NotJSON(status=200), "answers with a web page"),
    ],
)
@in_virtual_time
async def test_what_breaks_before_the_first_delta_is_raised_on_entering(
    behaviour: Drop | NotJSON, message: str, wide: bool
) -> None:
    async with gemini(behaviour, wide=wide) as (_, driver):
        error = await failure(driver)
        assert (await ask(driver)).text == "You said: Hello."
    assert message in error.message
    assert error.hint
    assert "kept" not in error.hint


@both_transports
@pytest.mark.parametrize("behaviour", [Drop(after=2), Drop(headers=False), Malformed(), NotJSON(status=200)])
@in_virtual_time
async def test_a_whole_answer_that_breaks_is_an_error_that_may_be_retried(behaviour: Drop, wide: bool) -> None:
    async with gemini(behaviour, wide=wide) as (_, driver):
        error = await failure(driver, whole=True)
    assert type(error) is ProviderError
    assert error.hint


# Time


@both_transports
@both_ways
@pytest.mark.parametrize("headers", [False, True])
@in_virtual_time
async def test_no_answer_within_five_minutes_is_an_error_of_its_own(headers: bool, wide: bool, whole: bool) -> None:
    async with gemini(Silence(headers=headers), wide=wide) as (fake, driver):
        error = await failure(driver, whole=whole)
        assert asyncio.get_running_loop().time() == pytest.approx(300)
        await settle()
        assert len(fake.gone) == 1
    assert isinstance(error, NoAnswerError)
    assert error.message == "no answer came within 300 seconds"
    assert error.hint


@both_transports
@in_virtual_time
async def test_a_stream_that_falls_silent_ends_as_an_error_of_its_own(wide: bool) -> None:
    async with gemini(Silence(after=3), wide=wide) as (fake, driver):
        deltas, error = await hear(driver, asking())
        assert asyncio.get_running_loop().time() == pytest.approx(120)
        await settle()
        assert len(fake.gone) == 1
    assert said(deltas) == "piece 1 piece 2 piece 3 "
    assert isinstance(error, SilenceError)
    assert (error.message, error.hint) == (
        "the stream fell silent for 120 seconds",
        "what had come is kept; run it again",
    )


@both_transports
@both_ways
@in_virtual_time
async def test_timeout_ends_the_wait_for_the_first_word(wide: bool, whole: bool) -> None:
    async with gemini(Silence(headers=False), wide=wide) as (_, driver):
        error = await failure(driver, asking(timeout=30), whole=whole)
        assert asyncio.get_running_loop().time() == pytest.approx(30)
    assert isinstance(error, NoAnswerError)
    assert (error.message, error.hint) == (
        "no answer came within 30 seconds",
        "'timeout' gives an act more time",
    )


@both_transports
@in_virtual_time
async def test_timeout_holds_for_the_whole_answer(wide: bool) -> None:
    async with gemini(Answer(chunks=100, delay=10), wide=wide) as (_, driver):
        deltas, error = await hear(driver, asking(timeout=45))
        assert asyncio.get_running_loop().time() == pytest.approx(45)
    assert said(deltas) == "1 2 3 4 5 "
    assert type(error) is StreamError
    assert error.message == "the answer was not complete after 45 seconds"
    assert error.hint == "what had come is kept; 'timeout' gives an act more time"


@in_virtual_time
async def test_a_slow_stream_that_keeps_speaking_is_heard_for_ten_minutes() -> None:
    async with gemini(Answer(chunks=5, delay=119), Answer(chunks=7, delay=110)) as (_, driver):
        deltas, error = await hear(driver, asking())
        assert (said(deltas), error) == ("1 2 3 4 5 ", None)
        deltas, error = await hear(driver, asking())
        assert said(deltas) == "1 2 3 4 5 6 "
        assert error is not None
        assert "after 600 seconds" in error.message


@in_virtual_time
async def test_a_model_may_think_longer_than_it_may_be_silent() -> None:
    async with gemini(Answer("At last.", first_delay=290)) as (_, driver):
        assert (await ask(driver)).text == "At last."


# Leaving


@both_transports
@in_virtual_time
async def test_leaving_early_closes_the_connection_at_once(wide: bool) -> None:
    async with gemini(Answer(chunks=1000, delay=1), wide=wide) as (fake, driver):
        async with driver.stream(asking()) as deltas:
            await anext(deltas)
        await settle()
        assert (fake.running, len(fake.gone)) == (0, 1)
        assert asyncio.get_running_loop().time() < 1
        assert (await ask(driver)).text == "You said: Hello."


@both_transports
@in_virtual_time
async def test_an_error_of_the_reader_closes_the_connection(wide: bool) -> None:
    async with gemini(Answer(chunks=1000, delay=1), wide=wide) as (fake, driver):
        with pytest.raises(ZeroDivisionError):
            async with driver.stream(asking()) as deltas:
                async for _ in deltas:
                    raise ZeroDivisionError
        await settle()
        assert (fake.running, len(fake.gone)) == (0, 1)


@both_transports
@in_virtual_time
async def test_cancelling_at_any_step_leaves_no_connection_and_no_task(wide: bool) -> None:
    async with gemini(wide=wide) as (fake, driver):
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


@both_transports
@both_ways
@pytest.mark.parametrize("moment", [0.0, 0.5, 1.5, 3.2, 7.9])
@in_virtual_time
async def test_cancelling_at_any_time_leaves_no_connection_and_no_task(moment: float, wide: bool, whole: bool) -> None:
    async with gemini(Answer(chunks=9, delay=1, first_delay=1), wide=wide) as (fake, driver):
        task = asyncio.create_task(ask(driver, whole=whole))
        await asyncio.sleep(moment)
        task.cancel()
        await asyncio.wait({task})
        await settle()
        assert task.cancelled()
        assert fake.running == 0
        assert (await ask(driver, asking("[[answer text=ok]]"))).text


# Clients


@both_transports
@in_virtual_time
async def test_ten_requests_in_a_row_use_one_connection(wide: bool) -> None:
    async with gemini(wide=wide) as (fake, driver):
        for number in range(10):
            await ask(driver, whole=number % 2 == 0)
        assert fake.connections == 1


@both_transports
@in_virtual_time
async def test_a_hundred_requests_at_once_have_a_connection_each(wide: bool) -> None:
    async with gemini(*[Answer("x", first_delay=5)] * 100, wide=wide) as (fake, driver):
        await asyncio.gather(*(ask(driver) for _ in range(100)))
        assert (fake.most_running, fake.connections) == (100, 100)
        assert asyncio.get_running_loop().time() == pytest.approx(5)


@both_transports
@in_virtual_time
async def test_a_connection_that_was_closed_meanwhile_is_not_used(wide: bool) -> None:
    async with gemini(wide=wide) as (fake, driver):
        await ask(driver)
        for connection in fake._server.connections:
            assert isinstance(connection.transport, asyncio.Transport)
            connection.transport.close()
        await settle()
        await ask(driver)
        assert fake.connections == 2


@both_transports
@in_virtual_time
async def test_opens_nothing_before_it_is_asked_and_a_closed_driver_opens_again(wide: bool) -> None:
    async with gemini(wide=wide) as (fake, driver):
        await settle()
        await driver.aclose()
        assert fake.connections == 0
        await ask(driver)
        await driver.aclose()
        await driver.aclose()
        await settle()
        assert not fake._server.connections
        await ask(driver)
        assert fake.connections == 2


@both_transports
@in_virtual_time
async def test_an_address_may_have_a_path(wide: bool) -> None:
    async with FakeGemini() as fake:
        driver = Gemini(GeminiAccess("test-key", f"{fake.url}/proxy/"), wide=wide)
        await failure(driver)
        await driver.aclose()
    assert fake.requests[0].path == f"/proxy/v1beta/models/{MODEL}:streamGenerateContent"


@in_virtual_time
async def test_small_media_go_inline() -> None:
    async with gemini() as (fake, driver):
        await ask(driver, asking("What is this?", Media("image", "image/png", b"picture")))
    [_, part] = fake.requests[0].content["contents"][0]["parts"]
    assert part == json.loads('{"inlineData": {"mimeType": "image/png", "data": "cGljdHVyZQ=="}}')


RAW = "audio/L16;codec=pcm;rate=16000"


@both_ways
@in_virtual_time
async def test_raw_sound_in_pieces_is_one_file_that_can_be_played(whole: bool) -> None:
    pieces = tuple((RAW, bytes([number, 0]) * 100) for number in range(3))
    async with gemini(Answer("Hello.", media=(*pieces, ("image/png", b"PNG")))) as (_, driver):
        response = await ask(driver, whole=whole)
    picture, sound = response.media
    assert (picture.mime, sound.mime) == ("image/png", "audio/wav")
    with wave.open(io.BytesIO(sound.data or b"")) as wav:
        assert (wav.getframerate(), wav.getsampwidth(), wav.getnchannels()) == (16_000, 2, 1)
        assert wav.readframes(1000) == b"".join(samples for _, samples in pieces)


@in_virtual_time
async def test_a_key_of_the_configuration_that_is_refused_is_named_by_its_account() -> None:
    async with FakeGemini() as fake:
        driver = Gemini(GeminiAccess("not-a-key", fake.url, key_hint="it is the spare one's"))
        error = await failure(driver)
        await driver.aclose()
    assert isinstance(error, CredentialsError)
    assert error.hint == "it is the spare one's"


@in_virtual_time
async def test_what_breaks_off_before_its_first_word_is_no_broken_stream() -> None:
    async with gemini(TruncatedClean(after=0)) as (_, driver):
        error = await failure(driver)
    assert type(error) is ProviderError
    assert "broke off" in error.message
