"""OpenAI's own client, asking models of every dialect through the gateway."""

import asyncio
import base64
import json
from typing import Any, Literal

import openai
import pytest
from openai import AsyncOpenAI
from pydantic import BaseModel

from tests.fakes.behaviours import Answer, Blocked
from tests.fakes.material import dot
from tests.gateway.whole import CALLS, MODELS, UPSTREAMS, USED, Whole

PIXEL = base64.b64encode(dot()).decode()
PDF = base64.b64encode(b"%PDF-1.4 a page").decode()
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get current temperature for a given location.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}

every_upstream = pytest.mark.parametrize("upstream", UPSTREAMS)


def asked(upstream: str, *content: Any, **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": content[0] if len(content) == 1 else list(content)}]
    return {"model": MODELS[upstream], "messages": messages, **more}


@every_upstream
def test_answers_the_quick_start(whole: Whole, upstream: str) -> None:
    done = whole.openai.chat.completions.create(
        model=MODELS[upstream],
        messages=[
            {"role": "developer", "content": "Talk like a pirate."},
            {"role": "user", "content": "How do I check an instance?"},
        ],
    )
    [choice] = done.choices
    assert (done.object, choice.index, choice.finish_reason) == ("chat.completion", 0, "stop")
    assert (choice.message.role, choice.message.content) == ("assistant", "You said: How do I check an instance?")
    assert choice.message.tool_calls is None
    assert done.id.startswith(("chatcmpl", "gen-"))
    assert done.model in MODELS[upstream]
    assert done.usage is not None
    assert done.usage.completion_tokens == 8
    assert done.usage.total_tokens == done.usage.prompt_tokens + 8
    assert json.dumps(whole.heard(upstream).content).count("Talk like a pirate.") == 1


@every_upstream
def test_streams_the_quick_start(whole: Whole, upstream: str) -> None:
    asking = asked(upstream, "Say double bubble bath ten times fast")
    with whole.openai.chat.completions.create(**asking, stream=True) as stream:
        chunks = list(stream)
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk.id for chunk in chunks}) == 1
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "You said: Say double bubble bath ten times fast"
    assert len(chunks) > 3
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert all(chunk.usage is None for chunk in chunks)


@every_upstream
def test_tells_the_usage_of_a_stream_when_it_is_asked_to(whole: Whole, upstream: str) -> None:
    asking = asked(upstream, "one two three", stream=True, stream_options={"include_usage": True})
    with whole.openai.chat.completions.create(**asking) as stream:
        *chunks, last = stream
    assert [chunk.usage for chunk in chunks] == [None] * len(chunks)
    assert last.choices == []
    assert (last.usage.prompt_tokens, last.usage.completion_tokens, last.usage.total_tokens) == (3, 5, 8)


@every_upstream
def test_streams_by_the_clients_own_helper(whole: Whole, upstream: str) -> None:
    with whole.openai.chat.completions.stream(**asked(upstream, "Say it in pieces, will you?")) as stream:
        pieces = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion()
    assert len(pieces) > 1
    assert "".join(pieces) == final.choices[0].message.content == "You said: Say it in pieces, will you?"


@every_upstream
async def test_streams_to_the_async_client(whole: Whole, upstream: str) -> None:
    async with AsyncOpenAI(api_key="any", base_url=f"{whole.url}/v1", max_retries=0) as client:

        async def ask(number: int) -> str:
            stream = await client.chat.completions.create(**asked(upstream, f"Hello number {number}"), stream=True)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])

        assert await asyncio.gather(*map(ask, range(3))) == [f"You said: Hello number {each}" for each in range(3)]


@every_upstream
def test_tells_the_turns_before(whole: Whole, upstream: str) -> None:
    turns: Any = [
        {"role": "system", "content": "You are a poet."},
        {"role": "user", "content": "Hello there."},
        {"role": "assistant", "content": "Hi, what can I do?"},
        {"role": "user", "content": [{"type": "text", "text": "Explain LLMs."}], "name": "ann"},
    ]
    done = whole.openai.chat.completions.create(model=MODELS[upstream], messages=turns)
    assert done.choices[0].message.content == "You said: Explain LLMs."
    said = json.dumps(whole.heard(upstream).content)
    for text in ("You are a poet.", "Hello there.", "Hi, what can I do?", "Explain LLMs."):
        assert said.count(text) == 1


@every_upstream
def test_shows_a_picture(whole: Whole, upstream: str) -> None:
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}", "detail": "low"}}
    done = whole.openai.chat.completions.create(**asked(upstream, {"type": "text", "text": "What is this?"}, picture))
    assert done.choices[0].message.content == "You said: What is this?"
    assert PIXEL in json.dumps(whole.heard(upstream).content)


@pytest.mark.parametrize("upstream", [each for each in UPSTREAMS if each not in ("invoke", "converse")])
def test_shows_a_picture_by_its_address(whole: Whole, upstream: str) -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://example.test/dot.png"}}
    done = whole.openai.chat.completions.create(**asked(upstream, {"type": "text", "text": "What is this?"}, picture))
    assert done.choices[0].message.content == "You said: What is this?"
    assert "https://example.test/dot.png" in json.dumps(whole.heard(upstream).content)


@every_upstream
def test_shows_a_document(whole: Whole, upstream: str) -> None:
    page = {"type": "file", "file": {"filename": "p.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}}
    done = whole.openai.chat.completions.create(**asked(upstream, page, {"type": "text", "text": "Sum it up."}))
    assert done.choices[0].message.content == "You said: Sum it up."
    assert PDF in json.dumps(whole.heard(upstream).content)


@every_upstream
@pytest.mark.parametrize("manner", ["whole", "streamed"])
def test_calls_tools_over_several_turns(whole: Whole, upstream: str, manner: str) -> None:
    prompt = f"Weather, {upstream} {manner}?"
    whole.plays(upstream, Answer("I look.", tool_calls=CALLS), prompt=prompt)
    turns: list[Any] = [{"role": "user", "content": prompt}]
    asking: dict[str, Any] = {"model": MODELS[upstream], "tools": [WEATHER], "messages": turns}

    def ask() -> Any:
        if manner == "whole":
            return whole.openai.chat.completions.create(**asking).choices[0]
        with whole.openai.chat.completions.stream(**asking) as stream:
            return stream.get_final_completion().choices[0]

    choice = ask()
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", "I look.")
    calls = choice.message.tool_calls
    assert [(call.type, call.function.name, json.loads(call.function.arguments)) for call in calls] == [
        ("function", *each) for each in CALLS
    ]
    assert len({call.id for call in calls}) == 2
    turns.append(choice.message if manner == "whole" else _as_said(choice.message))
    turns += [
        {"role": "tool", "tool_call_id": call.id, "content": text}
        for call, text in zip(calls, ("15 degrees", "rain"), strict=True)
    ]
    answer = ask()
    assert answer.finish_reason == "stop"
    assert "15 degrees" in answer.message.content
    assert "rain" in answer.message.content
    turns += [_as_said(answer.message), {"role": "user", "content": "Thanks!"}]
    assert ask().message.content == "You said: Thanks!"


def _as_said(message: Any) -> dict[str, Any]:
    """A message as it goes back: OpenAI takes nothing of what the client's helpers put into it."""
    said = {"role": "assistant", "content": message.content}
    calls = [
        {
            "id": each.id,
            "type": "function",
            "function": {"name": each.function.name, "arguments": each.function.arguments},
        }
        for each in message.tool_calls or ()
    ]
    return {**said, "tool_calls": calls} if calls else said


@every_upstream
def test_streams_calls_in_pieces_by_their_index(whole: Whole, upstream: str) -> None:
    whole.plays(upstream, Answer("", tool_calls=CALLS), prompt=f"In pieces, {upstream}")
    with whole.openai.chat.completions.create(
        **asked(upstream, f"In pieces, {upstream}"), tools=[WEATHER], stream=True
    ) as stream:
        pieces = [call for chunk in stream if chunk.choices for call in chunk.choices[0].delta.tool_calls or ()]
    told: dict[int, str] = {}
    for piece in pieces:
        told[piece.index] = told.get(piece.index, "") + (piece.function.arguments or "")
    assert [json.loads(each) for each in told.values()] == [arguments for _, arguments in CALLS]
    assert [piece.function.name for piece in pieces if piece.id] == ["get_weather"] * 2


@every_upstream
def test_answers_by_a_schema(whole: Whole, upstream: str) -> None:
    class Event(BaseModel):
        name: str
        kind: Literal["talk", "party"]
        participants: list[str]

    done = whole.openai.chat.completions.parse(**asked(upstream, "Alice goes to a party."), response_format=Event)
    parsed = done.choices[0].message.parsed
    assert isinstance(parsed, Event)
    assert parsed.kind == "talk"
    with whole.openai.chat.completions.stream(**asked(upstream, "A party."), response_format=Event) as stream:
        assert isinstance(stream.get_final_completion().choices[0].message.parsed, Event)


@pytest.mark.parametrize("upstream", ["openai", "openrouter"])
def test_answers_in_json(whole: Whole, upstream: str) -> None:
    done = whole.openai.chat.completions.create(
        **asked(upstream, "Answer in JSON."), response_format={"type": "json_object"}
    )
    assert json.loads(str(done.choices[0].message.content)) == {"answer": "You said: Answer in JSON."}


def test_asks_gemini_for_json(whole: Whole) -> None:
    told = whole.openai.chat.completions.with_raw_response.create(
        **asked("gemini", "Answer in JSON."), response_format={"type": "json_object"}, seed=7
    )
    assert "x-boticelli-dropped" not in told.headers


@pytest.mark.parametrize("upstream", ["anthropic", "invoke", "converse"])
def test_says_that_json_without_a_schema_could_not_be_asked_for(whole: Whole, upstream: str) -> None:
    told = whole.openai.chat.completions.with_raw_response.create(
        **asked(upstream, "Answer in JSON."), response_format={"type": "json_object"}
    )
    assert "response format" in told.headers["x-boticelli-dropped"].replace("_", " ")


THINKERS = [each for each in UPSTREAMS if each not in ("openai", "converse")]


@pytest.mark.parametrize("upstream", THINKERS)
def test_shows_thoughts_beside_the_answer(whole: Whole, upstream: str) -> None:
    whole.plays(upstream, Answer("So.", thoughts="one two three four"), prompt=f"Think {upstream}", times=2)
    asking = asked(upstream, f"Think {upstream}", reasoning_effort="high", max_completion_tokens=9000)
    done = whole.openai.chat.completions.create(**asking).choices[0].message
    assert (done.content, _thought(done)) == ("So.", "one two three four")
    with whole.openai.chat.completions.create(**asking, stream=True) as stream:
        deltas = [chunk.choices[0].delta for chunk in stream if chunk.choices]
    assert "".join(_thought(delta) for delta in deltas) == "one two three four"
    assert "".join(delta.content or "" for delta in deltas) == "So."


def _thought(message: Any) -> str:
    """What it thought: OpenAI's own client has no name for it, and others know it by one of these."""
    extra = message.model_extra or {}
    return extra.get("reasoning_content") or extra.get("reasoning") or ""


@every_upstream
def test_says_why_it_stopped(whole: Whole, upstream: str) -> None:
    asking = asked(upstream, "One two three four five six", max_completion_tokens=3)
    assert whole.openai.chat.completions.create(**asking).choices[0].finish_reason == "length"
    with whole.openai.chat.completions.create(**asking, stream=True) as stream:
        assert [chunk.choices[0].finish_reason for chunk in stream if chunk.choices][-1] == "length"
    whole.plays(upstream, Answer("I would rather", finish_reason="SAFETY"), prompt=f"Refuse {upstream}")
    done = whole.openai.chat.completions.create(**asked(upstream, f"Refuse {upstream}"))
    assert done.choices[0].finish_reason == "content_filter"


@pytest.mark.parametrize("upstream", [each for each in UPSTREAMS if each != "openai"])  # whose own models refuse it
def test_takes_the_older_name_of_the_limit(whole: Whole, upstream: str) -> None:
    asking = asked(upstream, "One two three four five six", max_tokens=3)
    assert whole.openai.chat.completions.create(**asking).choices[0].finish_reason == "length"


@pytest.mark.parametrize("upstream", ["gemini", "anthropic", "invoke"])
def test_says_that_a_prompt_was_blocked(whole: Whole, upstream: str) -> None:
    whole.plays(upstream, Blocked(), prompt=f"Block {upstream}", times=2)
    with pytest.raises(openai.BadRequestError, match=r"blocked|refused"):
        whole.openai.chat.completions.create(**asked(upstream, f"Block {upstream}"))
    with pytest.raises(openai.BadRequestError, match=r"blocked|refused"):
        whole.openai.chat.completions.create(**asked(upstream, f"Block {upstream}"), stream=True)


@pytest.mark.parametrize("upstream", [each for each in UPSTREAMS if each != "openai"])
@pytest.mark.parametrize("stop", ["END", ["END", "FIN"]], ids=["one", "two"])
def test_passes_stop_sequences_on(whole: Whole, upstream: str, stop: Any) -> None:
    whole.openai.chat.completions.create(**asked(upstream, "Stop there", stop=stop))
    said = json.dumps(whole.heard(upstream).content)
    assert '"END"' in said
    assert ('"FIN"' in said) == (stop != "END")


@every_upstream
def test_counts_what_was_cached(whole: Whole, upstream: str) -> None:
    whole.plays(upstream, Answer("Yes.", usage=USED[upstream]), prompt=f"Count {upstream}", times=2)
    once = whole.openai.chat.completions.create(**asked(upstream, f"Count {upstream}")).usage
    with whole.openai.chat.completions.create(
        **asked(upstream, f"Count {upstream}"), stream=True, stream_options={"include_usage": True}
    ) as stream:
        streamed = list(stream)[-1].usage
    for usage in (once, streamed):
        assert usage is not None
        assert usage.prompt_tokens == (40 if upstream in ("openai", "gemini") else 45)
        assert usage.completion_tokens == 7
        assert usage.total_tokens == usage.prompt_tokens + 7
        assert usage.prompt_tokens_details is not None
        assert usage.prompt_tokens_details.cached_tokens == 30


@every_upstream
def test_runs_a_tool_by_the_clients_own_schema(whole: Whole, upstream: str) -> None:
    class GetWeather(BaseModel):
        city: str

    tool = openai.pydantic_function_tool(GetWeather, name="get_weather")
    whole.plays(upstream, Answer("", tool_calls=CALLS[:1]), prompt=f"By schema {upstream}")
    done = whole.openai.chat.completions.parse(**asked(upstream, f"By schema {upstream}"), tools=[tool])
    [call] = done.choices[0].message.tool_calls or []
    assert call.function.parsed_arguments == GetWeather(city="Ulm")


def test_gets_the_pictures_that_a_model_makes(whole: Whole) -> None:
    whole.plays("gemini", Answer("Here.", media=(("image/png", dot()),)), prompt="Draw", times=2)
    message = whole.openai.chat.completions.create(**asked("gemini", "Draw")).choices[0].message
    [picture] = (message.model_extra or {})["images"]
    assert picture["image_url"]["url"] == f"data:image/png;base64,{PIXEL}"
    with whole.openai.chat.completions.create(**asked("gemini", "Draw"), stream=True) as stream:
        deltas = [chunk.choices[0].delta.model_extra or {} for chunk in stream if chunk.choices]
    [[again]] = [delta["images"] for delta in deltas if "images" in delta]
    assert again["image_url"] == picture["image_url"]


def test_lists_the_models(whole: Whole) -> None:
    models = {model.id: model for model in whole.openai.models.list()}
    assert {"claude-haiku-5-5", "gemini-3.8-flash", "gpt-5.2"} <= set(models)
    assert models["gpt-5.2"].owned_by == "openai"
    assert whole.openai.models.retrieve("claude-haiku-5-5").id == "claude-haiku-5-5"


def test_asks_the_embedded_model(whole: Whole) -> None:
    asking: Any = {"model": "rehearsal/fast", "messages": [{"role": "user", "content": "Hello"}]}
    assert "rehearsal" in str(whole.openai.chat.completions.create(**asking).choices[0].message.content)
    with whole.openai.chat.completions.create(**asking, stream=True) as stream:
        assert "rehearsal" in "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
