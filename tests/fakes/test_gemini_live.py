"""The fake Gemini service's Live sessions, as Google's own client and a bare WebSocket see them."""

import asyncio
import json
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from google.genai import errors, types
from google.genai.live import AsyncSession
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedError

from tests.clock import run_virtual
from tests.fakes.behaviours import Answer, Close, Fail, GoAway, Interrupted, Long, Silence
from tests.fakes.gemini import FakeGemini
from tests.fakes.google import google, google_cloud, google_tls

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

SPOKEN: dict[str, Any] = {"response_modalities": ["AUDIO"], "output_audio_transcription": {}}
RESUMED: dict[str, Any] = {**SPOKEN, "session_resumption": {}}
SEEDED: dict[str, Any] = {**SPOKEN, "history_config": {"initial_history_in_client_content": True}}
HISTORY: list[types.Content | types.ContentDict] = [
    types.Content(role="user", parts=[types.Part(text="My name is Ada.")]),
    types.Content(role="model", parts=[types.Part(text="Hello Ada.")]),
]


@pytest.fixture
async def fake() -> AsyncIterator[FakeGemini]:
    async with FakeGemini() as fake:
        yield fake


@asynccontextmanager
async def session(
    fake: FakeGemini, model: str, config: dict[str, Any], key: str = "test-key"
) -> AsyncIterator[AsyncSession]:
    async with (
        google_tls(fake, key=key) as client,
        client.live.connect(model=model, config=types.LiveConnectConfig.model_validate(config)) as session,
    ):
        yield session


async def hear(session: AsyncSession) -> tuple[str, bytes, list[types.LiveServerMessage]]:
    """One turn: its transcript or text, its sound, and all of its messages."""
    messages = [message async for message in session.receive()]
    contents = [message.server_content for message in messages if message.server_content]
    said = "".join(content.output_transcription.text or "" for content in contents if content.output_transcription)
    parts = [part for content in contents if content.model_turn for part in content.model_turn.parts or []]
    said += "".join(part.text or "" for part in parts)
    sound = b"".join(part.inline_data.data or b"" for part in parts if part.inline_data)
    return said, sound, messages


@pytest.mark.parametrize(
    "model", ["gemini-3.8-live", "gemini-3.8-live-extended-thinking", "gemini-3.1-flash-live-preview"]
)
async def test_answers_realtime_text_in_sound_with_a_transcript(fake: FakeGemini, model: str) -> None:
    async with session(fake, model, SPOKEN) as live:
        await live.send_realtime_input(text="one two three four")
        said, sound, messages = await hear(live)
    assert said == "You said: one two three four"
    samples = struct.unpack(f"<{len(sound) // 2}h", sound)
    assert 0 < max(samples) < 1000
    assert messages[-2].server_content
    assert messages[-2].server_content.generation_complete
    assert messages[-1].server_content
    assert messages[-1].server_content.turn_complete
    assert messages[-1].server_content.model_turn is None
    usage = messages[-1].usage_metadata
    assert usage
    assert (usage.prompt_token_count, usage.response_token_count, usage.total_token_count) == (4, 6, 10)
    assert usage.response_tokens_details
    assert usage.response_tokens_details[0].modality == types.MediaModality.AUDIO
    [seen] = fake.live.sessions
    assert seen.texts == [("user", "one two three four"), ("model", said)]
    assert (seen.close_code, seen.closed_by) == (1000, "client")


async def test_seeds_a_history_without_answering_it(fake: FakeGemini) -> None:
    async with session(fake, "gemini-3.8-live", SEEDED) as live:
        await live.send_client_content(turns=HISTORY, turn_complete=True)
        await live.send_realtime_input(text="Who am I?")
        said, _, _ = await hear(live)
    assert said == "You said: Who am I?"
    assert fake.live.sessions[0].texts[:3] == [
        ("user", "My name is Ada."),
        ("model", "Hello Ada."),
        ("user", "Who am I?"),
    ]


@pytest.mark.parametrize("config", [SPOKEN, SEEDED])
async def test_closes_on_client_content_after_the_history(fake: FakeGemini, config: dict[str, Any]) -> None:
    async with session(fake, "gemini-3.8-live", config) as live:
        await live.send_realtime_input(text="hi")
        await hear(live)
        await live.send_client_content(turns=HISTORY, turn_complete=True)
        with pytest.raises(errors.APIError) as caught:
            await hear(live)
    assert caught.value.code == 1007
    assert (fake.live.sessions[0].close_code, fake.live.sessions[0].closed_by) == (1007, "server")


async def test_answers_client_content_where_the_model_takes_it(fake: FakeGemini) -> None:
    async with session(fake, "gemini-2.5-flash-native-audio-latest", SPOKEN) as live:
        await live.send_client_content(
            turns=[*HISTORY, types.Content(role="user", parts=[types.Part(text="Who am I?")])]
        )
        said, sound, _ = await hear(live)
    assert said == "You said: Who am I?"
    assert sound
    assert len(fake.live.sessions[0].context) == 4


async def test_answers_in_text_where_the_model_does(fake: FakeGemini) -> None:
    async with session(fake, "legacy-live-text", {"response_modalities": ["TEXT"]}) as live:
        for prompt in ("one", "two"):
            await live.send_client_content(turns=types.Content(role="user", parts=[types.Part(text=prompt)]))
            said, sound, _ = await hear(live)
            assert (said, sound) == (f"You said: {prompt}", b"")


@pytest.mark.parametrize(
    ("model", "config", "code", "reason"),
    [
        ("gemini-3.8-live", {"response_modalities": ["TEXT"]}, 1007, "Request contains an invalid argument."),
        ("gemini-2.5-flash-native-audio-latest", {"response_modalities": ["TEXT"]}, 1007, "Cannot extract voices"),
        ("gemini-2.0-flash-live-001", SPOKEN, 1008, "models/gemini-2.0-flash-live-001 is not found for API version v1"),
        ("gemini-2.0-flash-live", SPOKEN, 1008, "models/gemini-2.0-flash-live is not found"),
        ("gemini-3.8-live", {**SPOKEN, "thinking_config": {"thinking_level": "LOW"}}, 1007, "Thinking level"),
        ("gemini-3.8-live", {**SPOKEN, "session_resumption": {"handle": "unheard-of"}}, 1008, "session not found"),
    ],
)
async def test_refuses_a_setup(fake: FakeGemini, model: str, config: dict[str, Any], code: int, reason: str) -> None:
    with pytest.raises(errors.APIError, match=reason) as caught:
        async with session(fake, model, config):
            pass
    assert caught.value.code == code


async def test_refuses_a_bad_key(fake: FakeGemini) -> None:
    with pytest.raises(errors.APIError, match="API key not valid") as caught:
        async with session(fake, "gemini-3.8-live", SPOKEN, key="wrong"):
            pass
    assert caught.value.code == 1007


async def test_refuses_a_handshake(fake: FakeGemini) -> None:
    fake.live.refusals.append(Fail(503))
    with pytest.raises(Exception, match="HTTP 503"):
        async with session(fake, "gemini-3.8-live", SPOKEN):
            pass
    assert fake.live.sessions == []


async def test_thinks_at_a_level_where_the_model_does(fake: FakeGemini) -> None:
    config = {**SPOKEN, "thinking_config": {"thinking_level": "LOW"}}
    async with session(fake, "gemini-3.8-live-extended-thinking", config) as live:
        await live.send_realtime_input(text="hi")
        assert (await hear(live))[0] == "You said: hi"


async def test_continues_a_conversation_with_a_handle(fake: FakeGemini) -> None:
    async with session(fake, "gemini-3.8-live", RESUMED) as live:
        await live.send_realtime_input(text="I am Ada.")
        await hear(live)
        update = await live._receive()
        assert update.session_resumption_update
        assert update.session_resumption_update.resumable
        handle = update.session_resumption_update.new_handle
    async with session(fake, "gemini-3.8-live", {**SPOKEN, "session_resumption": {"handle": handle}}) as live:
        await live.send_realtime_input(text="Who am I?")
        await hear(live)
    first, second = fake.live.sessions
    assert first.handles == [handle]
    assert second.handle == handle
    assert [role for role, _ in second.texts] == ["user", "model", "user", "model"]
    assert second.texts[0] == ("user", "I am Ada.")


async def test_calls_functions(fake: FakeGemini) -> None:
    async with session(fake, "gemini-3.8-live", SPOKEN) as live:
        await live.send_realtime_input(text="[[call name=weather city=Paris]]")
        message = await live._receive()
        assert message.tool_call
        assert message.tool_call.function_calls
        [call] = message.tool_call.function_calls
        assert (call.name, call.args) == ("weather", {"city": "Paris"})
        answer = types.FunctionResponse(id=call.id, name=call.name, response={"result": "rain"})
        await live.send_tool_response(function_responses=[answer])
        said, _, _ = await hear(live)
    assert said == 'The tools said: weather: {"result": "rain"}'


async def test_speaks_as_vertex_with_a_token(fake: FakeGemini) -> None:
    config = types.LiveConnectConfig.model_validate(SPOKEN)
    model = "gemini-2.5-flash-native-audio-latest"
    async with google_cloud(fake) as client, client.live.connect(model=model, config=config) as live:
        await live.send_client_content(turns=HISTORY[0])
        assert (await hear(live))[0] == "You said: My name is Ada."
    assert fake.live.sessions[0].setup["model"].startswith("projects/project/locations/global/publishers/google/")


async def test_hears_sound(fake: FakeGemini) -> None:
    async with session(fake, "gemini-3.8-live", {**SPOKEN, "input_audio_transcription": {}}) as live:
        await live.send_realtime_input(audio=types.Blob(data=bytes(960), mime_type="audio/pcm;rate=16000"))
        await live.send_realtime_input(audio_stream_end=True)
        said, _, _ = await hear(live)
    assert said == "You said: 960 bytes of sound"


async def test_says_what_no_client_knows_yet(fake: FakeGemini) -> None:
    async with session(fake, "gemini-3.8-live", SPOKEN) as live:
        await live.send_realtime_input(text="hi [[unknown messages=false]]")
        assert (await hear(live))[0] == "You said: hi"


async def test_is_interrupted_when_the_user_speaks(fake: FakeGemini) -> None:
    fake.script.append(Silence(after=2))
    async with session(fake, "gemini-3.8-live", SPOKEN) as live:
        await live.send_realtime_input(text="hi")
        for _ in range(4):
            await live._receive()
        await live.send_realtime_input(text="stop")
        _, _, messages = await hear(live)
        assert messages[0].server_content
        assert messages[0].server_content.interrupted
        assert (await hear(live))[0] == "You said: stop"
    assert fake.live.sessions[0].texts[1] == ("model", "piece 1 piece 2 ")


@pytest.mark.parametrize(
    ("behaviour", "code"), [(Close(1011, after=2), 1011), (Close(1008, "Policy"), 1008), (GoAway(1), 1001)]
)
async def test_closes_in_the_middle_of_a_turn(fake: FakeGemini, behaviour: Close | GoAway, code: int) -> None:
    fake.script.append(behaviour)
    async with session(fake, "gemini-3.8-live", SPOKEN) as live:
        await live.send_realtime_input(text="one two three four")
        with pytest.raises(errors.APIError) as caught:
            while True:
                await live._receive()
    assert caught.value.code == code
    assert (fake.live.sessions[0].close_code, fake.live.sessions[0].closed_by) == (code, "server")


# What no client of today says or shows is tried on a bare WebSocket, in virtual time.

PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
SETUP = {
    "model": "models/gemini-3.8-live",
    "generationConfig": {"responseModalities": ["AUDIO"]},
    "outputAudioTranscription": {},
    "sessionResumption": {},
}


@asynccontextmanager
async def bare(fake: FakeGemini, *, tls: bool = False) -> AsyncIterator[ClientConnection]:
    """A session that is set up; over TLS or without it."""
    url = (fake.tls_url if tls else fake.url).replace("http", "ws", 1) + f"{PATH}?key=test-key"
    trusted = ssl.create_default_context(cafile=fake.ca_file) if tls else None
    async with connect(url, ssl=trusted, proxy=None, max_queue=4, compression=None) as ws:
        await ws.send(json.dumps({"setup": SETUP}))
        assert await ws.recv() == b'{"setupComplete": {}}'
        yield ws


async def say(ws: ClientConnection, text: str) -> None:
    await ws.send(json.dumps({"realtimeInput": {"text": text}}))


async def rest(ws: ClientConnection) -> tuple[list[str], ConnectionClosed | None]:
    """The kinds of what comes, to the handle of the turn or to the end of the session."""
    kinds: list[str] = []
    try:
        while "sessionResumptionUpdate" not in kinds[-1:]:
            data = await ws.recv()
            assert isinstance(data, bytes)
            for name, content in json.loads(data).items():
                kinds.append(next(iter(content)) if name == "serverContent" else name)
    except ConnectionClosed as closed:
        return kinds, closed
    return kinds, None


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize(
    ("keyword", "kinds", "code"),
    [
        (
            "[[goaway]]",
            "goAway modelTurn outputTranscription generationComplete turnComplete usageMetadata sessionResumptionUpdate",
            None,
        ),
        ("[[goaway after=1 more=0 code=1006]]", "modelTurn outputTranscription goAway", 1006),
        ("[[drop after=1]]", "modelTurn outputTranscription", 1006),
        ("[[1011 after=0]]", "", 1011),
        (
            "[[interrupted]]",
            "modelTurn outputTranscription interrupted turnComplete usageMetadata sessionResumptionUpdate",
            None,
        ),
        (
            "[[unknown]]",
            "sunriseReport modelTurn outputTranscription generationComplete turnComplete usageMetadata sessionResumptionUpdate",
            None,
        ),
        ("[[429]]", "", 1011),
    ],
)
def test_breaks_as_it_is_told(tls: bool, keyword: str, kinds: str, code: int | None) -> None:
    async def run() -> None:
        async with FakeGemini() as fake, bare(fake, tls=tls) as ws:
            await say(ws, keyword)
            seen, closed = await rest(ws)
            assert seen == kinds.split()
            if code == 1006:
                assert isinstance(closed, ConnectionClosedError)
                assert closed.rcvd is None
            elif code:
                assert closed is not None
                assert closed.rcvd is not None
                assert closed.rcvd.code == code

    run_virtual(run())


def test_waits_between_pieces_in_virtual_time() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        async with FakeGemini([Answer("a b c d e f", delay=60)]) as fake, bare(fake) as ws:
            began = loop.time()
            await say(ws, "hi")
            await rest(ws)
            assert 119 < loop.time() - began < 200

    run_virtual(run())


async def test_is_held_back_by_a_client_that_does_not_read(fake: FakeGemini) -> None:
    fake.script.append(Long(5000))
    async with bare(fake) as ws:
        await say(ws, "hi")
        seen = fake.live.sessions[0]
        before = -1
        while seen.sent != before:
            before = seen.sent
            await asyncio.sleep(0.02)
        assert 0 < seen.sent < 5000
        kinds, _ = await rest(ws)
    assert kinds.count("outputTranscription") == 5000


async def test_sees_a_client_leave_without_a_word(fake: FakeGemini) -> None:
    fake.script.append(Interrupted())
    async with bare(fake) as ws:
        await say(ws, "hi")
        await rest(ws)
        ws.transport.abort()
    await fake.live.sessions[0].over.wait()
    assert (fake.live.sessions[0].close_code, fake.live.sessions[0].closed_by) == (1006, "client")


async def test_is_told_by_the_name_of_the_model(fake: FakeGemini) -> None:
    async with session(fake, "fake-1011_after=0", SPOKEN) as live:
        await live.send_realtime_input(text="hi")
        with pytest.raises(errors.APIError) as caught:
            await hear(live)
    assert caught.value.code == 1011


async def test_lets_a_test_speak_for_the_service(fake: FakeGemini) -> None:
    async with bare(fake) as ws:
        [seen] = fake.live.sessions
        await seen.send({"goAway": {"timeLeft": "1s"}})
        assert json.loads(await ws.recv()) == {"goAway": {"timeLeft": "1s"}}
        closing = asyncio.ensure_future(seen.close(1011, "x" * 500))
        _, closed = await rest(ws)
        await closing
    assert closed is not None
    assert closed.rcvd is not None
    assert (closed.rcvd.code, len(closed.rcvd.reason)) == (1011, 123)


async def test_refuses_what_is_no_message(fake: FakeGemini) -> None:
    for message in (
        "no json",
        '{"clientContent": {"turns": ["hi"]}}',
        '{"unheardOf": {}}',
        '{"realtimeInput": {"txt": "hi"}}',
        '{"setup": {}}',
    ):
        async with bare(fake) as ws:
            await ws.send(message)
            _, closed = await rest(ws)
            assert closed is not None
            assert closed.rcvd is not None
            assert closed.rcvd.code == 1007


async def test_serves_rest_over_tls_too(fake: FakeGemini) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", fake.ca_file)
        fake.url = fake.tls_url
        async with (
            google(fake) as client,
            client.live.connect(model="gemini-3.8-live", config=types.LiveConnectConfig.model_validate(SPOKEN)) as live,
        ):
            await live.send_realtime_input(text="hi")
            assert (await hear(live))[0] == "You said: hi"
            response = await client.models.generate_content(model="gemini-3.8-flash", contents="hi")
            assert response.text == "You said: hi"
