"""Gemini's driver against the fake, over both of its transports."""

import asyncio
import io
import json
import wave

import pytest

from boticelli_cli.drivers.gemini import Gemini
from boticelli_cli.drivers.gemini_access import GeminiAccess
from boticelli_cli.errors import CredentialsError, NoAnswerError, RefusedError, StreamError
from boticelli_cli.messages import Finish, Media, TextDelta, ThinkingDelta, Tool, ToolCallDelta, Usage
from tests.clock import in_virtual_time
from tests.drivers.asking import MODEL, ask, asking, failure, gemini, hear, said, settle
from tests.drivers.dialects import both_transports, both_ways
from tests.fakes.behaviours import Answer, Empty, Silence
from tests.fakes.gemini import FakeGemini

SECRET = "AIzaSyRecognizable-0123456789abcdefghijk"


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


# Keys


@pytest.mark.parametrize("key", [f"{SECRET}\nx", f"“{SECRET}”", f"{SECRET}\0", f"é{SECRET}"])
def test_what_can_be_no_key_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(CredentialsError, match="characters in it that no key has") as raised:
        GeminiAccess(key)
    assert SECRET not in repr(raised.value)


# Time


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
async def test_an_error_of_the_reader_closes_the_connection(wide: bool) -> None:
    async with gemini(Answer(chunks=1000, delay=1), wide=wide) as (fake, driver):
        with pytest.raises(ZeroDivisionError):
            async with driver.stream(asking()) as deltas:
                async for _ in deltas:
                    raise ZeroDivisionError
        await settle()
        assert (fake.running, len(fake.gone)) == (0, 1)


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
