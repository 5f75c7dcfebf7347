"""The Live driver: what a session is set up with and told, and what becomes of its answers."""

import asyncio
import json
import tracemalloc
from typing import Any

import pytest

from boticelli_cli.drivers.base import fold
from boticelli_cli.errors import RefusedError
from boticelli_cli.messages import (
    Delta,
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
    ToolCallDelta,
    Usage,
)
from tests.clock import run_virtual
from tests.drivers.speaking import (
    IN_TEXT,
    MODEL,
    OLDER,
    TEXT_CATALOG,
    collect,
    driving,
    request,
    samples_of,
    sent_to,
    settle,
    sound_of,
    text_of,
)
from tests.fakes.behaviours import Events, Interrupted, Long
from tests.fakes.gemini import FakeGemini
from tests.fakes.material import long_text, sine

PIECE = sine(0.04)
PICTURE = Media("image", "image/png", data=b"png")


def heard(text: str) -> dict[str, Any]:
    return {"serverContent": {"outputTranscription": {"text": text}}}


def over(**content: Any) -> dict[str, Any]:
    return {"serverContent": {"turnComplete": True, **content}}


# Setup


async def test_sets_a_session_up_as_it_is_asked(fake: FakeGemini) -> None:
    asked = request("Hi.", system="Be brief.", temperature=0.5, top_p=0.9, max_tokens=99, options={"seed": 7})
    async with driving(fake) as driver:
        await driver.generate(asked)
    setup = fake.live.sessions[0].setup
    assert setup["model"] == f"models/{MODEL}"
    assert setup["generationConfig"] == {
        "responseModalities": ["AUDIO"],
        "temperature": 0.5,
        "topP": 0.9,
        "maxOutputTokens": 99,
        "seed": 7,
    }
    assert setup["systemInstruction"]["parts"] == [{"text": "Be brief."}]
    assert setup["outputAudioTranscription"] == {}
    assert setup["sessionResumption"] == {}
    assert setup["contextWindowCompression"] == {"slidingWindow": {}}
    assert "historyConfig" not in setup


@pytest.mark.parametrize(
    ("thinking", "sent"),
    [
        (None, None),
        (True, {"includeThoughts": True}),
        (False, {"thinkingBudget": 0}),
        (512, {"includeThoughts": True, "thinkingBudget": 512}),
        ("low", {"includeThoughts": True, "thinkingLevel": "LOW"}),
    ],
)
async def test_asks_for_thinking(fake: FakeGemini, thinking: Any, sent: Any) -> None:
    async with driving(fake) as driver:
        await driver.generate(request("Hi.", model=OLDER, thinking=thinking))
    assert fake.live.sessions[0].setup["generationConfig"].get("thinkingConfig") == sent


async def test_declares_tools(fake: FakeGemini) -> None:
    tools = (Tool("weather", "Tells the weather.", {"type": "object"}), Tool("time"))
    async with driving(fake) as driver:
        await driver.generate(request("Hi.", tools=tools))
        await driver.generate(request("Hi.", tools=tools, tool_choice="none"))
    first, second = (session.setup for session in fake.live.sessions)
    weather = {"name": "weather", "description": "Tells the weather.", "parametersJsonSchema": {"type": "object"}}
    assert first["tools"] == [{"functionDeclarations": [weather, {"name": "time"}]}]
    assert "tools" not in second


@pytest.mark.parametrize(("name", "value"), [("response_modalities", "TEXT"), ("responseModalities", "text")])
async def test_options_choose_the_modality(fake: FakeGemini, name: str, value: str) -> None:
    async with driving(fake) as driver:
        response = await driver.generate(request("Hi.", model=IN_TEXT, options={name: [value]}))
    assert (response.text, response.media) == ("You said: Hi.", ())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"warmth": 3}, "'options' does not fit a live session: warmth"),
        ({"temperature": "hot"}, "'options' does not fit a live session: temperature"),
        ({"http_options": {"base_url": "https://elsewhere.example"}}, "'options' may not hold 'http_options'"),
        ({"httpOptions": {"baseUrl": "https://elsewhere.example"}}, "'options' may not hold 'http_options'"),
    ],
)
async def test_options_that_do_not_fit_are_refused(fake: FakeGemini, options: dict[str, Any], said: str) -> None:
    async with driving(fake) as driver:
        with pytest.raises(RefusedError, match=said):
            await driver.generate(request("Hi.", options=options))
    assert fake.live.sessions == []


# What is said


@pytest.mark.parametrize("model", [MODEL, "gemini-3.1-flash-live-preview", "gemini-3.8-live-extended-thinking"])
async def test_seeds_the_history_with_its_roles(fake: FakeGemini, model: str) -> None:
    async with driving(fake) as driver:
        response = await driver.generate(request("I am Ada.", "Hello Ada.", "Who am I?", model=model))
    assert response.text == "You said: Who am I?"
    [session] = fake.live.sessions
    assert session.setup["historyConfig"] == {"initialHistoryInClientContent": True}
    assert sent_to(session) == ["clientContent", "realtimeInput"]
    assert session.texts[:3] == [("user", "I am Ada."), ("model", "Hello Ada."), ("user", "Who am I?")]


async def test_older_models_are_told_all_turns_at_once(fake: FakeGemini) -> None:
    async with driving(fake) as driver:
        await driver.generate(request("I am Ada.", "Hello Ada.", "Who am I?", model=OLDER))
    [session] = fake.live.sessions
    assert "historyConfig" not in session.setup
    assert sent_to(session) == ["clientContent"]
    assert [role for role, _ in session.texts] == ["user", "model", "user", "model"]


async def test_models_that_write_are_asked_for_text(fake: FakeGemini) -> None:
    async with driving(fake, catalog=TEXT_CATALOG) as driver:
        deltas, error = await collect(driver, request("one two three four", model=IN_TEXT))
    assert error is None
    assert text_of(deltas) == "You said: one two three four"
    assert [type(delta) for delta in deltas] == [TextDelta, TextDelta, Finish]
    setup = fake.live.sessions[0].setup
    assert setup["generationConfig"]["responseModalities"] == ["TEXT"]
    assert "outputAudioTranscription" not in setup


async def test_media_come_before_the_words(fake: FakeGemini) -> None:
    elsewhere = Media("image", "image/png", url="https://example.com/a.png")
    async with driving(fake) as driver:
        await driver.generate(request("See.", media=(PICTURE, elsewhere)))
    [session] = fake.live.sessions
    [inline, linked] = session.received[1]["clientContent"]["turns"][0]["parts"]
    assert inline["inlineData"]["mimeType"] == "image/png"
    assert linked["fileData"] == {"mimeType": "image/png", "fileUri": "https://example.com/a.png"}
    assert session.received[2] == {"realtimeInput": {"text": "See."}}


async def test_a_turn_without_words_is_refused_before_anything_is_opened(fake: FakeGemini) -> None:
    async with driving(fake) as driver:
        with pytest.raises(RefusedError, match="this turn has none"):
            await driver.generate(Request(MODEL, (Message("user", (PICTURE,)),)))
        assert fake.connections == 0
        older = Request(OLDER, (Message("user", (PICTURE,)),))
        assert (await driver.generate(older)).finish.reason == "stop"


async def test_parts_that_live_does_not_know_are_refused(fake: FakeGemini) -> None:
    turns = (Message("user", (Text("a"),)), Message("assistant", (Thought("b"),)), Message("user", (Text("c"),)))
    async with driving(fake) as driver:
        with pytest.raises(RefusedError, match="takes no Thought"):
            await driver.generate(Request(MODEL, turns))
    await settle(fake)


# Answers


async def test_streams_the_transcript_and_keeps_the_sound(fake: FakeGemini) -> None:
    async with driving(fake) as driver:
        deltas, error = await collect(driver, request("one two three four"))
    assert error is None
    assert [type(delta).__name__ for delta in deltas] == ["TextDelta", "TextDelta", "MediaDelta", "Finish"]
    assert text_of(deltas) == "You said: one two three four"
    assert sound_of(deltas) == (24_000, PIECE * 2)
    usage = Usage(input=4, output=6, total=10, output_audio=6)
    assert deltas[-1] == Finish("stop", usage, served_model=MODEL)


async def test_the_sound_has_the_rate_that_it_came_with(fake: FakeGemini) -> None:
    blob = {"mimeType": "audio/pcm;rate=16000", "data": "AAEAAQ=="}
    fake.script.append(Events(({"serverContent": {"modelTurn": {"parts": [{"inlineData": blob}]}}}, over())))
    async with driving(fake) as driver:
        response = await driver.generate(request("Hi."))
    assert samples_of(response.media[0]) == (16_000, b"\0\1\0\1")
    assert response.text == ""


@pytest.mark.parametrize("together", [True, False])
async def test_counts_all_tokens(fake: FakeGemini, together: bool) -> None:
    usage = {
        "promptTokenCount": 10,
        "toolUsePromptTokenCount": 2,
        "cachedContentTokenCount": 3,
        "responseTokenCount": 20,
        "thoughtsTokenCount": 5,
        "totalTokenCount": 37,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 4}, {"modality": "AUDIO", "tokenCount": 6}],
        "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 18}],
    }
    end = [{**over(), "usageMetadata": usage}] if together else [over(), {"usageMetadata": usage}]
    fake.script.append(Events((heard("Hello."), *end)))
    async with driving(fake) as driver:
        response = await driver.generate(request("Hi."))
    assert response.finish.usage == Usage(
        input=12, output=25, thinking=5, cached_input=3, total=37, input_audio=6, output_audio=18
    )


def test_an_answer_whose_tokens_are_never_counted_ends_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        async with FakeGemini([Events((heard("Hello."), over()))]) as fake:
            monkeypatch.setenv("SSL_CERT_FILE", fake.ca_file)
            async with driving(fake) as driver:
                began = asyncio.get_running_loop().time()
                response = await driver.generate(request("Hi."))
                assert asyncio.get_running_loop().time() - began < 0.5
        assert (response.text, response.finish.usage) == ("Hello.", Usage())

    run_virtual(run())


async def test_words_that_follow_the_end_are_kept(fake: FakeGemini) -> None:
    fake.script.append(Events((heard("Hel"), over(), heard("lo."), {"usageMetadata": {"totalTokenCount": 1}})))
    async with driving(fake) as driver:
        assert (await driver.generate(request("Hi."))).text == "Hello."


async def test_thoughts_are_told_apart(fake: FakeGemini) -> None:
    parts = [{"text": "Hm.", "thought": True}, {"text": "unspoken"}]
    fake.script.append(Events(({"serverContent": {"modelTurn": {"parts": parts}}}, heard("Yes."), over())))
    async with driving(fake) as driver:
        deltas, _ = await collect(driver, request("Hi."))
    assert deltas[:2] == [ThinkingDelta("Hm."), TextDelta("Yes.")]


async def test_an_answer_goes_on_while_the_model_is_at_work(fake: FakeGemini) -> None:
    working, idle = over(interactionStatus="IN_PROGRESS"), over(interactionStatus="IDLE")
    fake.script.append(Events((heard("Let me see. "), working, heard("Four."), idle)))
    async with driving(fake) as driver:
        assert (await driver.generate(request("Hi."))).text == "Let me see. Four."


async def test_an_empty_answer_is_one(fake: FakeGemini) -> None:
    fake.script.append(Events((over(),)))
    async with driving(fake) as driver:
        deltas, error = await collect(driver, request("Hi."))
    assert (deltas, error) == ([Finish("stop", Usage(), MODEL)], None)


@pytest.mark.parametrize(
    ("why", "reason"),
    [
        ("PROHIBITED_INPUT_CONTENT", "content_filter"),
        ("GENERATED_AUDIO_SAFETY", "content_filter"),
        ("RESPONSE_REJECTED", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "other"),
        ("SUNRISE", "other"),
    ],
)
async def test_tells_why_an_answer_ended_early(fake: FakeGemini, why: str, reason: str) -> None:
    fake.script.append(Events((heard("Well"), over(turnCompleteReason=why))))
    async with driving(fake) as driver:
        finish = (await driver.generate(request("Hi."))).finish
    assert (finish.reason, finish.provider_reason) == (reason, why)


async def test_an_interrupted_answer_is_not_gone_on_with(fake: FakeGemini) -> None:
    fake.script.append(Interrupted(after=2))
    async with driving(fake) as driver:
        response = await driver.generate(request("Hi."))
        assert (response.finish.reason, response.finish.provider_reason) == ("other", "INTERRUPTED")
        assert samples_of(response.media[0]) == (24_000, PIECE * 2)
        await driver.generate(request("Hi.", response.text, "Go on."))
    assert response.text == "piece 1 piece 2 "
    assert len(fake.live.sessions) == 2


async def test_a_tool_call_ends_an_answer(fake: FakeGemini) -> None:
    async with driving(fake) as driver:
        deltas, error = await collect(driver, request("[[call name=weather city=Paris]]"))
    assert error is None
    assert deltas[0] == ToolCallDelta(ToolCall("weather", {"city": "Paris"}, "call-1-1"))
    assert isinstance(deltas[-1], Finish)
    assert deltas[-1].reason == "tool_call"
    await settle(fake)


async def test_messages_that_nobody_knows_yet_are_passed_over(fake: FakeGemini) -> None:
    async with driving(fake) as driver:
        response = await driver.generate(request("Hi. [[unknown]]"))
        assert (response.text, response.finish.usage.total) == ("You said: Hi.", 5)
        await driver.generate(request("Hi. [[unknown]]", response.text, "And?"))
    assert len(fake.live.sessions) == 1


async def test_messages_may_be_larger_than_a_megabyte(fake: FakeGemini) -> None:
    async with driving(fake) as driver:
        response = await driver.generate(request("[[huge size=3000000]]"))
    assert response.text == "x" * 3_000_000


# A reader that takes its time


def test_a_reader_that_does_not_read_holds_the_service_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        async with FakeGemini([Long(100_000)]) as fake:
            monkeypatch.setenv("SSL_CERT_FILE", fake.ca_file)
            async with driving(fake) as driver, driver.stream(request("Hi.")) as deltas:
                await anext(deltas)
                tracemalloc.start()
                [session] = fake.live.sessions
                before = -1
                while session.sent != before:
                    before = session.sent
                    await asyncio.sleep(1)
                held, _ = tracemalloc.get_traced_memory()
                tracemalloc.stop()
                assert 0 < session.sent < 5_000
                assert held < 8_000_000
            await settle(fake)
            assert (session.close_code, session.closed_by) == (1000, "client")

    run_virtual(run())


def test_a_reader_may_pause_for_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> tuple[list[Delta], FakeGemini]:
        async with FakeGemini([Long(3_000)]) as fake:
            monkeypatch.setenv("SSL_CERT_FILE", fake.ca_file)
            async with driving(fake) as driver, driver.stream(request("Hi.")) as stream:
                deltas = [await anext(stream)]
                await asyncio.sleep(300)
                deltas += [delta async for delta in stream]
            return deltas, fake

    deltas, _ = run_virtual(run())
    assert text_of(deltas) == long_text(3_000)
    assert sound_of(deltas) == (24_000, PIECE * 3_000)


async def test_generate_is_the_stream_as_one(fake: FakeGemini) -> None:
    async with driving(fake) as driver:
        assert driver.supports_streaming(MODEL)
        async with driver.stream(request("Hi.")) as deltas:
            streamed = await fold(deltas)
        assert await driver.generate(request("Hi.")) == streamed
    assert json.dumps(fake.live.sessions[0].setup) == json.dumps(fake.live.sessions[1].setup)
