"""The fake Gemini service, as Google's own client sees it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from google.genai import errors, types
from pydantic import BaseModel

from tests.fakes.behaviours import Answer, Blocked, Empty, Fail, InStreamError
from tests.fakes.gemini import FakeGemini
from tests.fakes.google import google, google_cloud
from tests.fakes.material import dot

MODEL = "gemini-3.8-flash"

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")


@pytest.fixture
async def fake() -> AsyncIterator[FakeGemini]:
    async with FakeGemini() as fake:
        yield fake


async def test_answers_what_it_was_asked(fake: FakeGemini) -> None:
    async with google(fake) as client:
        response = await client.models.generate_content(model=MODEL, contents="one two three four")
    assert response.text == "You said: one two three four"
    assert response.model_version == MODEL
    assert response.response_id
    assert response.candidates
    assert response.candidates[0].finish_reason == types.FinishReason.STOP
    usage = response.usage_metadata
    assert usage is not None
    assert (usage.prompt_token_count, usage.candidates_token_count, usage.total_token_count) == (4, 6, 10)
    [asked] = fake.requests
    assert (asked.method, asked.model, asked.action, asked.prompt) == (
        "POST",
        MODEL,
        "generateContent",
        "one two three four",
    )
    assert asked.headers["x-goog-api-key"] == "test-key"
    assert asked.body["contents"] == [{"parts": [{"text": "one two three four"}], "role": "user"}]


@pytest.mark.parametrize("version", ["v1", "v1beta", "v1alpha", None])
async def test_streams_in_chunks_with_running_totals(fake: FakeGemini, version: str | None) -> None:
    async with google(fake, version=version) as client:
        chunks = [
            chunk async for chunk in await client.models.generate_content_stream(model=MODEL, contents="a b c d e f")
        ]
    assert [chunk.text for chunk in chunks] == ["You said: a ", "b c d ", "e f", ""]
    totals = [chunk.usage_metadata.candidates_token_count for chunk in chunks if chunk.usage_metadata]
    assert totals == [3, 6, 8, 8]
    reasons = [chunk.candidates[0].finish_reason for chunk in chunks if chunk.candidates]
    assert reasons == [None, None, None, types.FinishReason.STOP]
    assert len({chunk.response_id for chunk in chunks}) == 1


async def test_says_what_the_script_tells_it_and_then_what_it_would(fake: FakeGemini) -> None:
    fake.script.append("first")
    fake.script.append("for pro", model="gemini-3.8-pro")
    fake.script.append("about cats", prompt="cats", times=None)
    fake.script.append("short", prompt=lambda text: len(text) < 3)
    async with google(fake) as client:
        said = []
        for model, prompt in [
            (MODEL, "a"),
            (MODEL, "b"),
            (MODEL, "cats"),
            (MODEL, "cats"),
            ("gemini-3.8-pro", "dogs"),
            (MODEL, "dogs"),
        ]:
            said.append((await client.models.generate_content(model=model, contents=prompt)).text)
    assert said == ["first", "short", "about cats", "about cats", "for pro", "You said: dogs"]


async def test_counts_tokens(fake: FakeGemini) -> None:
    async with google(fake) as client:
        counted = await client.models.count_tokens(model=MODEL, contents=["one two three"])
    assert counted.total_tokens == 3


async def test_lists_its_models_page_by_page(fake: FakeGemini) -> None:
    async with google(fake) as client:
        pager = await client.models.list(config={"page_size": 5})
        models = {model.name: model async for model in pager}
        one = await client.models.get(model=MODEL)
    assert len(models) == len(fake.models)
    assert "models/gemini-99-unheard-of" in models
    assert models["models/gemini-3.8-live"].supported_actions == ["bidiGenerateContent"]
    assert one.input_token_limit == 1_048_576


async def test_takes_files_and_processes_them_first(fake: FakeGemini, folder: Path) -> None:
    (folder / "dot.png").write_bytes(dot())
    async with google(fake) as client:
        file = await client.files.upload(file="dot.png", config={"display_name": "a dot"})
        assert (file.state, file.display_name, file.mime_type) == (types.FileState.PROCESSING, "a dot", "image/png")
        assert file.name
        with pytest.raises(errors.ClientError, match="not in an ACTIVE state"):
            await client.models.generate_content(model=MODEL, contents=[file, "what is it?"])
        states = [(await client.files.get(name=file.name)).state for _ in range(2)]
        response = await client.models.generate_content(model=MODEL, contents=[file, "what is it?"])
        listed = [each.name async for each in await client.files.list()]
        await client.files.delete(name=file.name)
        with pytest.raises(errors.ClientError) as gone:
            await client.files.get(name=file.name)
    assert states == [types.FileState.PROCESSING, types.FileState.ACTIVE]
    assert response.text == "You said: what is it?"
    assert listed == [file.name]
    assert gone.value.code == 403


@pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")
async def test_takes_a_file_in_several_pieces(fake: FakeGemini, folder: Path) -> None:
    (folder / "long.mp4").write_bytes(bytes(range(256)) * 40_000)
    async with google(fake) as client:
        file = await client.files.upload(file="long.mp4")
    assert file.name
    assert fake.files.stored[file.name].data == (folder / "long.mp4").read_bytes()


async def test_has_files_fail(fake: FakeGemini, folder: Path) -> None:
    (folder / "dot.png").write_bytes(dot())
    fake.files.polls = 0
    fake.files.fails = True
    async with google(fake) as client:
        assert (await client.files.upload(file="dot.png")).state == types.FileState.FAILED


async def test_calls_functions_and_wants_their_signatures_back(fake: FakeGemini) -> None:
    def weather(city: str) -> str:
        """Tell the weather."""
        return "rain"

    config = types.GenerateContentConfig(
        tools=[weather], automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True)
    )
    async with google(fake) as client:
        chat = client.chats.create(model=MODEL, config=config)
        first = await chat.send_message("[[call name=weather city=Paris]]")
        assert first.function_calls
        [call] = first.function_calls
        assert (call.name, call.args) == ("weather", {"city": "Paris"})
        second = await chat.send_message(types.Part.from_function_response(name="weather", response={"result": "rain"}))
        assert second.text == 'The tools said: weather: {"result": "rain"}'

        unsigned = fake.requests[-1].body
        del unsigned["contents"][1]["parts"][0]["thoughtSignature"]
        with pytest.raises(errors.ClientError, match="missing a thought_signature"):
            await client.models.generate_content(model=MODEL, contents=unsigned["contents"])


async def test_has_its_functions_called_by_the_client(fake: FakeGemini) -> None:
    def weather(city: str) -> str:
        """Tell the weather."""
        return f"rain in {city}"

    async with google(fake) as client:
        prompt = "[[call name=weather city=Paris]]"
        response = await client.models.generate_content(model=MODEL, contents=prompt, config={"tools": [weather]})
    assert response.text == 'The tools said: weather: {"result": "rain in Paris"}'


async def test_keeps_a_chat_that_was_streamed(fake: FakeGemini) -> None:
    async with google(fake) as client:
        chat = client.chats.create(model=MODEL)
        for prompt in ("one", "two"):
            async for _ in await chat.send_message_stream(prompt):
                pass
    assert fake.requests[-1].body["contents"][0] == {"role": "user", "parts": [{"text": "one"}]}
    assert fake.requests[-1].prompt == "two"


class Weather(BaseModel):
    city: str
    degrees: int
    winds: list[str]


@pytest.mark.parametrize("how", ["response_schema", "response_json_schema"])
async def test_answers_in_the_structure_asked_for(fake: FakeGemini, how: str) -> None:
    schema = Weather if how == "response_schema" else Weather.model_json_schema()
    async with google(fake) as client:
        response = await client.models.generate_content(
            model=MODEL,
            contents="Paris",
            config=types.GenerateContentConfig.model_validate({"response_mime_type": "application/json", how: schema}),
        )
    assert Weather.model_validate_json(response.text or "") == Weather(
        city="You said: Paris", degrees=1, winds=["You said: Paris"]
    )


async def test_answers_in_any_json_without_a_schema(fake: FakeGemini) -> None:
    async with google(fake) as client:
        response = await client.models.generate_content(
            model=MODEL, contents="Paris", config={"response_mime_type": "application/json"}
        )
    assert json.loads(response.text or "") == {"answer": "You said: Paris"}


async def test_shows_its_thoughts_when_asked(fake: FakeGemini) -> None:
    config = types.GenerateContentConfig(thinking_config=types.ThinkingConfig(include_thoughts=True))
    async with google(fake) as client:
        response = await client.models.generate_content(model=MODEL, contents="why?", config=config)
    assert response.parts
    assert [(part.text, part.thought) for part in response.parts] == [
        ("Thinking about: why?", True),
        ("You said: why?", None),
    ]
    assert response.usage_metadata
    assert response.usage_metadata.thoughts_token_count == 3
    assert response.usage_metadata.total_token_count == 1 + 3 + 3


async def test_adds_pictures_and_speech_when_asked(fake: FakeGemini) -> None:
    async with google(fake) as client:
        picture = await client.models.generate_content(
            model="gemini-2.5-flash-image", contents="a dot", config={"response_modalities": ["TEXT", "IMAGE"]}
        )
        speech = await client.models.generate_content(
            model="gemini-2.5-flash-preview-tts", contents="say it", config={"response_modalities": ["AUDIO"]}
        )
    assert picture.text == "You said: a dot"
    assert picture.parts
    assert picture.parts[1].inline_data
    assert picture.parts[1].inline_data.data == dot()
    assert speech.parts
    assert [part.inline_data.mime_type for part in speech.parts if part.inline_data] == [
        "audio/L16;codec=pcm;rate=24000"
    ]


async def test_stops_at_the_limit_of_tokens(fake: FakeGemini) -> None:
    async with google(fake) as client:
        response = await client.models.generate_content(
            model=MODEL, contents="a b c d", config={"max_output_tokens": 4}
        )
    assert response.text == "You said: a b "
    assert response.candidates
    assert response.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS


async def test_takes_media_in_both_alphabets_of_base64(fake: FakeGemini) -> None:
    async with google(fake) as client:
        part = types.Part.from_bytes(data=b"\xfb\xff\xfe", mime_type="image/png")
        response = await client.models.generate_content(model=MODEL, contents=[part, "what?"])
    assert response.text == "You said: what?"


async def test_refuses_a_bad_key(fake: FakeGemini) -> None:
    async with google(fake, key="wrong") as client:
        with pytest.raises(errors.ClientError, match="API key not valid") as caught:
            await client.models.generate_content(model=MODEL, contents="hi")
    assert (caught.value.code, caught.value.status) == (400, "INVALID_ARGUMENT")
    assert caught.value.details["error"]["details"][0]["reason"] == "API_KEY_INVALID"


async def test_does_not_know_every_model(fake: FakeGemini) -> None:
    async with google(fake) as client:
        with pytest.raises(errors.ClientError, match="models/gemini-0 is not found for API version v1") as caught:
            await client.models.generate_content(model="gemini-0", contents="hi")
        with pytest.raises(errors.ClientError, match="is not supported for generateContent"):
            await client.models.generate_content(model="gemini-3.8-live", contents="hi")
        with pytest.raises(errors.ClientError):
            await client.models.get(model="gemini-0")
    assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")


async def test_refuses_with_the_details_of_a_quota(fake: FakeGemini) -> None:
    fake.script.append(Fail(429, retry=17, retry_after=20, quota="PerDay", times=2))
    async with google(fake) as client:
        for _ in range(2):
            with pytest.raises(errors.ClientError, match="You exceeded your current quota") as caught:
                await client.models.generate_content(model=MODEL, contents="hi")
        assert (await client.models.generate_content(model=MODEL, contents="hi")).text == "You said: hi"
    assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")
    quota, wait = caught.value.details["error"]["details"]
    assert "PerDay" in quota["violations"][0]["quotaId"]
    assert wait["retryDelay"] == "17s"
    assert caught.value.response.headers["Retry-After"] == "20"


async def test_fails_by_keyword_as_often_as_it_says(fake: FakeGemini) -> None:
    prompt = "hi [[503 times=2]]"
    async with google(fake) as client:
        for _ in range(2):
            with pytest.raises(errors.ServerError):
                await client.models.generate_content(model=MODEL, contents=prompt)
        assert (await client.models.generate_content(model=MODEL, contents=prompt)).text == "You said: hi"
        with pytest.raises(errors.ClientError):
            await client.models.generate_content(model="fake-429_retry=3", contents="hi")


async def test_blocks_a_prompt_and_answers_with_nothing(fake: FakeGemini) -> None:
    fake.script.extend([Blocked(), Empty(), Answer(chunks=2)])
    async with google(fake) as client:
        blocked, empty, counting = [await client.models.generate_content(model=MODEL, contents="hi") for _ in range(3)]
    assert blocked.candidates is None
    assert blocked.prompt_feedback
    assert blocked.prompt_feedback.block_reason == types.BlockedReason.PROHIBITED_CONTENT
    assert empty.text is None
    assert empty.candidates
    assert empty.candidates[0].finish_reason == types.FinishReason.STOP
    assert counting.text == "1 2 "


async def test_fails_in_the_middle_of_a_stream(fake: FakeGemini) -> None:
    fake.script.append(InStreamError(503, after=2))
    seen = []
    async with google(fake) as client:
        with pytest.raises(errors.ServerError, match="overloaded"):
            async for chunk in await client.models.generate_content_stream(model=MODEL, contents="hi"):
                seen.append(chunk.text)
    assert seen == ["piece 1 ", "piece 2 "]


async def test_speaks_as_vertex_with_a_token(fake: FakeGemini) -> None:
    async with google_cloud(fake) as client:
        said = [chunk.text async for chunk in await client.models.generate_content_stream(model=MODEL, contents="hi")]
    assert "".join(text or "" for text in said) == "You said: hi"
    assert fake.requests[0].vertex
    assert "/projects/project/locations/global/publishers/google/models/" in fake.requests[0].path
    async with google_cloud(fake, token="wrong") as client:
        with pytest.raises(errors.ClientError) as caught:
            await client.models.generate_content(model=MODEL, contents="hi")
    assert caught.value.code == 401
