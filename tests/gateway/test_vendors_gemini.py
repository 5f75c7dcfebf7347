"""Google's own client, asking models of every dialect through the gateway."""

import asyncio
import base64
import json
from typing import Any

import pytest
from google import genai
from google.genai import errors, types
from pydantic import BaseModel

from tests.fakes.behaviours import Answer, Blocked
from tests.fakes.material import dot
from tests.gateway.whole import CALLS, MODELS, UPSTREAMS, USED, Whole

PIXEL = base64.b64encode(dot()).decode()
PDF = b"%PDF-1.4 a page"

WEATHER = types.FunctionDeclaration(
    name="get_weather",
    description="Gets the current temperature for a given location.",
    parameters_json_schema={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
TOOLS = types.Tool(function_declarations=[WEATHER])

every_upstream = pytest.mark.parametrize("upstream", UPSTREAMS)


def ask(whole: Whole, upstream: str, contents: Any, **config: Any) -> types.GenerateContentResponse:
    return whole.gemini.models.generate_content(
        model=MODELS[upstream], contents=contents, config=types.GenerateContentConfig(**config)
    )


def stream(whole: Whole, upstream: str, contents: Any, **config: Any) -> list[types.GenerateContentResponse]:
    told = whole.gemini.models.generate_content_stream(
        model=MODELS[upstream], contents=contents, config=types.GenerateContentConfig(**config)
    )
    return list(told)


def said(whole: Whole, upstream: str) -> str:
    return json.dumps(whole.heard(upstream).content, ensure_ascii=False)


@every_upstream
def test_answers_the_quick_start(whole: Whole, upstream: str) -> None:
    response = whole.gemini.models.generate_content(
        model=MODELS[upstream], contents="Explain how AI works in a few words"
    )
    assert response.text == "You said: Explain how AI works in a few words"
    [candidate] = response.candidates or []
    assert candidate.finish_reason == types.FinishReason.STOP
    assert candidate.content is not None
    assert candidate.content.role == "model"
    assert response.model_version in MODELS[upstream]
    usage = response.usage_metadata
    assert usage is not None
    assert (usage.prompt_token_count, usage.candidates_token_count, usage.total_token_count) == (8, 10, 18)


@every_upstream
def test_streams_the_quick_start(whole: Whole, upstream: str) -> None:
    chunks = stream(whole, upstream, ["Explain how AI works in a few words"])
    assert "".join(chunk.text or "" for chunk in chunks) == "You said: Explain how AI works in a few words"
    assert len(chunks) > 2
    last = chunks[-1]
    assert last.candidates is not None
    assert last.candidates[0].finish_reason == types.FinishReason.STOP
    usage = last.usage_metadata
    assert usage is not None
    assert (usage.prompt_token_count, usage.candidates_token_count, usage.total_token_count) == (8, 10, 18)


@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
@every_upstream
async def test_answers_and_streams_to_the_async_client(whole: Whole, upstream: str) -> None:
    options = types.HttpOptions(base_url=whole.url)
    async with genai.Client(api_key="any", http_options=options).aio as client:

        async def streamed(number: int) -> str:
            chunks = await client.models.generate_content_stream(
                model=MODELS[upstream], contents=f"Hello number {number}"
            )
            return "".join([chunk.text or "" async for chunk in chunks])

        told = await asyncio.gather(*map(streamed, range(3)))
        assert told == [f"You said: Hello number {each}" for each in range(3)]
        response = await client.models.generate_content(model=MODELS[upstream], contents="Whole")
        assert response.text == "You said: Whole"


@every_upstream
def test_keeps_a_chat_going(whole: Whole, upstream: str) -> None:
    chat = whole.gemini.chats.create(
        model=MODELS[upstream], config=types.GenerateContentConfig(system_instruction="You are a cat.")
    )
    assert chat.send_message("I have 2 dogs in my house.").text == "You said: I have 2 dogs in my house."
    chunks = list(chat.send_message_stream("How many paws are in my house?"))
    assert "".join(chunk.text or "" for chunk in chunks) == "You said: How many paws are in my house?"
    assert chat.send_message("And now?").text == "You said: And now?"
    assert [turn.role for turn in chat.get_history(curated=True) if turn.role == "user"] == ["user"] * 3
    told = said(whole, upstream)
    for text in ("You are a cat.", "I have 2 dogs", "How many paws", "And now?"):
        assert text in told


@every_upstream
def test_shows_a_picture_and_a_document(whole: Whole, upstream: str) -> None:
    contents = [
        types.Part.from_bytes(data=dot(), mime_type="image/png"),
        types.Part.from_bytes(data=PDF, mime_type="application/pdf"),
        "What are these?",
    ]
    assert ask(whole, upstream, contents).text == "You said: What are these?"
    told = said(whole, upstream).replace("-", "+").replace("_", "/")
    assert PIXEL in told
    assert base64.b64encode(PDF).decode() in told


@pytest.mark.parametrize("upstream", [each for each in UPSTREAMS if each not in ("invoke", "converse")])
def test_shows_a_picture_by_its_address(whole: Whole, upstream: str) -> None:
    picture = types.Part.from_uri(file_uri="https://example.test/dot.png", mime_type="image/png")
    assert ask(whole, upstream, [picture, "What is this?"]).text == "You said: What is this?"
    assert "https://example.test/dot.png" in said(whole, upstream)


@every_upstream
@pytest.mark.parametrize("manner", ["whole", "streamed"])
def test_calls_functions_over_several_turns(whole: Whole, upstream: str, manner: str) -> None:
    prompt = f"Weather, {upstream} {manner}?"
    whole.plays(upstream, Answer("I look.", tool_calls=CALLS), prompt=prompt)
    contents = [types.Content(role="user", parts=[types.Part.from_text(text=prompt)])]

    def answer() -> types.Content:
        if manner == "whole":
            told = ask(whole, upstream, contents, tools=[TOOLS]).candidates
            assert told is not None
            assert told[0].content is not None
            return told[0].content
        chunks = stream(whole, upstream, contents, tools=[TOOLS])
        parts = [part for chunk in chunks for each in chunk.candidates or [] for part in _parts(each.content)]
        return types.Content(role="model", parts=parts)

    content = answer()
    calls = [part.function_call for part in _parts(content) if part.function_call]
    assert [(call.name, call.args) for call in calls] == [*CALLS]
    assert len({call.id for call in calls}) == 2
    results = [
        types.Part(function_response=types.FunctionResponse(id=call.id, name=call.name, response={"result": text}))
        for call, text in zip(calls, ("15 degrees", "rain"), strict=True)
    ]
    contents += [content, types.Content(role="user", parts=results)]
    final = answer()
    text = "".join(part.text or "" for part in _parts(final))
    assert "15 degrees" in text
    assert "rain" in text
    contents += [final, types.Content(role="user", parts=[types.Part(text="Thanks!")])]
    assert "".join(part.text or "" for part in _parts(answer())) == "You said: Thanks!"


def _parts(content: types.Content | None) -> list[types.Part]:
    return (content.parts if content is not None else None) or []


@every_upstream
@pytest.mark.parametrize("manner", ["whole", "streamed"])
def test_calls_functions_by_itself(whole: Whole, upstream: str, manner: str) -> None:
    asked: list[str] = []

    def get_weather(city: str) -> dict[str, str]:
        """Gets the weather.

        Args:
            city: where
        """
        asked.append(city)
        return {"weather": f"{city} is dry"}

    prompt = f"By itself, {upstream} {manner}"
    whole.plays(upstream, Answer("", tool_calls=CALLS), prompt=prompt)
    if manner == "whole":
        text = str(ask(whole, upstream, prompt, tools=[get_weather]).text)
    else:
        text = "".join(chunk.text or "" for chunk in stream(whole, upstream, prompt, tools=[get_weather]))
    assert asked == ["Ulm", "Köln"]
    assert "Ulm is dry" in text


@every_upstream
def test_calls_functions_by_itself_in_a_chat(whole: Whole, upstream: str) -> None:
    def get_weather(city: str) -> str:
        """Gets the weather."""
        return f"{city} is dry"

    whole.plays(upstream, Answer("", tool_calls=CALLS[:1]), prompt=f"Chat about it, {upstream}")
    chat = whole.gemini.chats.create(model=MODELS[upstream], config=types.GenerateContentConfig(tools=[get_weather]))
    assert "Ulm is dry" in str(chat.send_message(f"Chat about it, {upstream}").text)
    assert chat.send_message("Thanks!").text == "You said: Thanks!"


@pytest.mark.parametrize("upstream", ["gemini", "openrouter"])
def test_gets_the_pictures_that_a_model_makes(whole: Whole, upstream: str) -> None:
    whole.plays(upstream, Answer("Here.", media=(("image/png", dot()),)), prompt=f"Draw, {upstream}", times=2)
    once = ask(whole, upstream, f"Draw, {upstream}")
    for told in ([once], stream(whole, upstream, f"Draw, {upstream}")):
        parts = [part for chunk in told for each in chunk.candidates or [] for part in _parts(each.content)]
        [blob] = [part.inline_data for part in parts if part.inline_data]
        assert (blob.mime_type, blob.data) == ("image/png", dot())


@every_upstream
def test_answers_by_a_schema(whole: Whole, upstream: str) -> None:
    class Recipe(BaseModel):
        name: str
        ingredients: list[str]

    response = ask(whole, upstream, "A cake", response_mime_type="application/json", response_schema=Recipe)
    assert isinstance(response.parsed, Recipe)
    assert response.parsed.ingredients


THINKERS = [each for each in UPSTREAMS if each not in ("openai", "converse")]


@pytest.mark.parametrize("upstream", THINKERS)
def test_shows_thoughts(whole: Whole, upstream: str) -> None:
    whole.plays(upstream, Answer("So.", thoughts="one two three four"), prompt=f"Think {upstream}", times=2)
    how = types.ThinkingConfig(include_thoughts=True)
    once = ask(whole, upstream, f"Think {upstream}", thinking_config=how)
    chunks = stream(whole, upstream, f"Think {upstream}", thinking_config=how)
    for told in ([once], chunks):
        parts = [part for chunk in told for each in chunk.candidates or [] for part in _parts(each.content)]
        assert "".join(part.text or "" for part in parts if part.thought) == "one two three four"
        assert "".join(part.text or "" for part in parts if not part.thought) == "So."


@pytest.mark.parametrize("upstream", THINKERS)
def test_takes_thoughts_back_with_the_calls(whole: Whole, upstream: str) -> None:
    whole.plays(upstream, Answer("", thoughts="one two", tool_calls=CALLS), prompt=f"Think and call {upstream}")

    def get_weather(city: str) -> str:
        """Gets the weather."""
        return f"{city} is dry"

    how = types.ThinkingConfig(include_thoughts=True)
    response = ask(whole, upstream, f"Think and call {upstream}", thinking_config=how, tools=[get_weather])
    assert "Ulm is dry" in str(response.text)


@every_upstream
def test_says_why_it_stopped(whole: Whole, upstream: str) -> None:
    once = ask(whole, upstream, "One two three four five six", max_output_tokens=3)
    assert _reason(once) == types.FinishReason.MAX_TOKENS
    chunks = stream(whole, upstream, "One two three four five six", max_output_tokens=3)
    assert _reason(chunks[-1]) == types.FinishReason.MAX_TOKENS
    whole.plays(upstream, Answer("I would rather", finish_reason="SAFETY"), prompt=f"Refuse {upstream}")
    assert _reason(ask(whole, upstream, f"Refuse {upstream}")) == types.FinishReason.SAFETY


def _reason(response: types.GenerateContentResponse) -> types.FinishReason | None:
    return (response.candidates or [types.Candidate()])[0].finish_reason


@pytest.mark.parametrize("upstream", ["gemini", "anthropic", "invoke"])
def test_says_that_a_prompt_was_blocked(whole: Whole, upstream: str) -> None:
    whole.plays(upstream, Blocked(), prompt=f"Block {upstream}", times=2)
    with pytest.raises(errors.ClientError, match=r"blocked|refused"):
        ask(whole, upstream, f"Block {upstream}")
    with pytest.raises(errors.ClientError, match=r"blocked|refused"):
        stream(whole, upstream, f"Block {upstream}")


@pytest.mark.parametrize("upstream", [each for each in UPSTREAMS if each != "openai"])
def test_passes_stop_sequences_on(whole: Whole, upstream: str) -> None:
    ask(whole, upstream, "Stop there", stop_sequences=["END", "FIN"])
    assert '["END", "FIN"]' in said(whole, upstream)


@every_upstream
def test_counts_what_was_cached(whole: Whole, upstream: str) -> None:
    whole.plays(upstream, Answer("Yes.", usage=USED[upstream]), prompt=f"Count {upstream}", times=2)
    once = ask(whole, upstream, f"Count {upstream}").usage_metadata
    streamed = stream(whole, upstream, f"Count {upstream}")[-1].usage_metadata
    for usage in (once, streamed):
        assert usage is not None
        assert usage.prompt_token_count == (40 if upstream in ("openai", "gemini") else 45)
        assert (usage.cached_content_token_count, usage.candidates_token_count) == (30, 7)
        assert usage.total_token_count == usage.prompt_token_count + 7


@every_upstream
def test_counts_tokens(whole: Whole, upstream: str) -> None:
    counted = whole.gemini.models.count_tokens(model=MODELS[upstream], contents="one two three four five")
    assert counted.total_tokens is not None
    assert 5 <= counted.total_tokens <= 30


@pytest.mark.parametrize("upstream", [each for each in UPSTREAMS if each != "gemini"])
def test_does_not_answer_without_the_contents_that_google_keeps(whole: Whole, upstream: str) -> None:
    with pytest.raises(errors.ClientError, match="cachedContent") as caught:
        ask(whole, upstream, "Hello", cached_content="cachedContents/abc")
    assert caught.value.code == 400


@pytest.mark.parametrize("version", ["v1", "v1beta", "v1alpha"])
@pytest.mark.parametrize("folder", ["", "/gemini"])
def test_is_found_under_every_version(whole: Whole, version: str, folder: str) -> None:
    options = types.HttpOptions(base_url=f"{whole.url}{folder}", api_version=version)
    with genai.Client(api_key="any", http_options=options) as client:
        assert client.models.generate_content(model=MODELS["openai"], contents="Hi").text == "You said: Hi"
        assert client.models.get(model="gemini-3.8-flash").name == "models/gemini-3.8-flash"


def test_lists_the_models_and_tells_of_one(whole: Whole) -> None:
    names = {model.name for model in whole.gemini.models.list()}
    assert {"models/claude-haiku-5-5", "models/gemini-3.8-flash", "models/gpt-5.2"} <= names
    model = whole.gemini.models.get(model="gpt-5.2")
    assert model.name == "models/gpt-5.2"
    assert model.supported_actions == ["generateContent", "streamGenerateContent", "countTokens"]


def test_asks_the_embedded_model(whole: Whole) -> None:
    response = whole.gemini.models.generate_content(model="rehearsal/fast", contents="Hello")
    assert "rehearsal" in str(response.text)
    chunks = whole.gemini.models.generate_content_stream(model="rehearsal/fast", contents="Hello")
    assert "rehearsal" in "".join(chunk.text or "" for chunk in chunks)
