"""Anthropic's own client, asking models of every dialect through the gateway."""

import asyncio
import base64
import json
from typing import Any

import anthropic
import pytest
from anthropic import AsyncAnthropic, beta_tool
from pydantic import BaseModel

from tests.fakes.behaviours import Answer, Blocked, Events
from tests.fakes.material import dot
from tests.gateway.whole import CALLS, MODELS, UPSTREAMS, USED, Whole

PIXEL = base64.b64encode(dot()).decode()
PDF = base64.b64encode(b"%PDF-1.4 a page").decode()
WEATHER: dict[str, Any] = {
    "name": "get_weather",
    "description": "Get the current weather in a given location",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string", "description": "The city"}},
        "required": ["city"],
    },
}

every_upstream = pytest.mark.parametrize("upstream", UPSTREAMS)


def asked(upstream: str, *content: Any, **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": content[0] if len(content) == 1 else list(content)}]
    return {"model": MODELS[upstream], "max_tokens": 2000, "messages": messages, **more}


@every_upstream
def test_answers_the_quick_start(whole: Whole, upstream: str) -> None:
    message = whole.anthropic.messages.create(**asked(upstream, "Hello, Claude"))
    assert (message.type, message.role, message.stop_reason, message.stop_sequence) == (
        "message",
        "assistant",
        "end_turn",
        None,
    )
    assert [(block.type, block.text) for block in message.content] == [("text", "You said: Hello, Claude")]
    assert message.id.startswith("msg_")
    assert message.model in MODELS[upstream]
    assert message.usage.input_tokens == 2
    assert message.usage.output_tokens == 4


@every_upstream
def test_streams_the_quick_start(whole: Whole, upstream: str) -> None:
    with whole.anthropic.messages.stream(**asked(upstream, "Hello, Claude, how are you today?")) as stream:
        pieces = list(stream.text_stream)
        final = stream.get_final_message()
    assert len(pieces) > 1
    assert "".join(pieces) == stream.get_final_text() == "You said: Hello, Claude, how are you today?"
    assert final.stop_reason == "end_turn"
    assert (final.usage.input_tokens, final.usage.output_tokens) == (6, 8)


@every_upstream
def test_streams_events_in_their_order(whole: Whole, upstream: str) -> None:
    whole.plays(upstream, Answer("Let me see.", tool_calls=CALLS), prompt=f"order {upstream}")
    asking = asked(upstream, f"In order {upstream}", tools=[WEATHER], stream=True)
    with whole.anthropic.messages.create(**asking) as events:
        told = [event for event in events if event.type != "ping"]
    assert [told[0].type, told[-2].type, told[-1].type] == ["message_start", "message_delta", "message_stop"]
    starts = [event for event in told if event.type == "content_block_start"]
    assert [event.index for event in starts] == [0, 1, 2]
    assert [event.content_block.type for event in starts] == ["text", "tool_use", "tool_use"]
    open_block = None
    for event in told[1:-2]:
        if event.type == "content_block_start":
            assert open_block is None
            open_block = event.index
        assert event.index == open_block
        if event.type == "content_block_stop":
            open_block = None


@every_upstream
async def test_streams_to_the_async_client(whole: Whole, upstream: str) -> None:
    async with AsyncAnthropic(api_key="any", base_url=whole.url, max_retries=0) as client:

        async def ask(number: int) -> str:
            async with client.messages.stream(**asked(upstream, f"Hello number {number}")) as stream:
                return await stream.get_final_text()

        assert await asyncio.gather(*map(ask, range(3))) == [f"You said: Hello number {each}" for each in range(3)]


@every_upstream
def test_tells_the_system_prompt_and_the_turns_before(whole: Whole, upstream: str) -> None:
    turns = [
        {"role": "user", "content": "Hello there."},
        {"role": "assistant", "content": "Hi, I'm Claude. How can I help you?"},
        {"role": "user", "content": [{"type": "text", "text": "Can you explain LLMs?"}]},
    ]
    system = [{"type": "text", "text": "You are a poet.", "cache_control": {"type": "ephemeral"}}]
    message = whole.anthropic.messages.create(
        model=MODELS[upstream],
        max_tokens=500,
        messages=turns,
        system=system if upstream == "invoke" else "You are a poet.",
    )
    assert message.content[0].text == "You said: Can you explain LLMs?"
    said = json.dumps(whole.heard(upstream).content)
    for text in ("You are a poet.", "Hello there.", "Hi, I'm Claude. How can I help you?", "Can you explain LLMs?"):
        assert said.count(text) == 1


@every_upstream
def test_shows_a_picture(whole: Whole, upstream: str) -> None:
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    message = whole.anthropic.messages.create(**asked(upstream, picture, {"type": "text", "text": "What is this?"}))
    assert message.content[0].text == "You said: What is this?"
    assert PIXEL in json.dumps(whole.heard(upstream).content)


@pytest.mark.parametrize("upstream", [each for each in UPSTREAMS if each not in ("invoke", "converse")])
def test_shows_a_picture_by_its_address(whole: Whole, upstream: str) -> None:
    picture = {"type": "image", "source": {"type": "url", "url": "https://example.test/dot.png"}}
    message = whole.anthropic.messages.create(**asked(upstream, picture, {"type": "text", "text": "What is this?"}))
    assert message.content[0].text == "You said: What is this?"
    assert "https://example.test/dot.png" in json.dumps(whole.heard(upstream).content)


@every_upstream
def test_shows_a_document(whole: Whole, upstream: str) -> None:
    page = {
        "type": "document",
        "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
        "title": "P",
    }
    message = whole.anthropic.messages.create(**asked(upstream, page, {"type": "text", "text": "Sum it up."}))
    assert message.content[0].text == "You said: Sum it up."
    assert PDF in json.dumps(whole.heard(upstream).content)


@pytest.mark.parametrize("upstream", [each for each in UPSTREAMS if each != "anthropic"])
def test_shows_documents_in_pieces_and_results_of_searches(whole: Whole, upstream: str) -> None:
    pieces = {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "in pieces"}]}}
    found = {
        "type": "search_result",
        "source": "https://a.test",
        "title": "T",
        "content": [{"type": "text", "text": "as found"}],
    }
    whole.anthropic.messages.create(**asked(upstream, pieces, found, {"type": "text", "text": "Well?"}))
    sent = json.dumps(whole.heard(upstream).content)
    for text in ("in pieces", "as found"):
        assert text in sent or base64.b64encode(text.encode()).decode() in sent


def test_leaves_out_what_claude_takes_at_home_only(whole: Whole) -> None:
    told = whole.anthropic.messages.with_raw_response.create(
        **asked("invoke", "Hello"),
        service_tier="auto",
        cache_control={"type": "ephemeral"},
        tools=[{"type": "web_search_20250305", "name": "web_search"}, WEATHER],
    )
    assert told.headers["x-boticelli-dropped"] == "option cache_control, option service_tier, web search"
    sent = whole.heard("invoke").content
    assert [tool["name"] for tool in sent["tools"]] == ["get_weather"]
    assert not {"service_tier", "cache_control"} & set(sent)


@every_upstream
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_calls_tools_over_several_turns(whole: Whole, upstream: str, streamed: bool) -> None:
    turns: list[Any] = [{"role": "user", "content": f"Weather, {upstream} {streamed}?"}]
    whole.plays(upstream, Answer("I look.", tool_calls=CALLS), prompt=f"Weather, {upstream} {streamed}?")
    asking = {"model": MODELS[upstream], "max_tokens": 900, "tools": [WEATHER], "messages": turns}

    def ask() -> anthropic.types.Message:
        if not streamed:
            return whole.anthropic.messages.create(**asking)
        with whole.anthropic.messages.stream(**asking) as stream:
            return stream.get_final_message()

    message = ask()
    assert message.stop_reason == "tool_use"
    text, *calls = message.content
    assert text.text == "I look."
    assert [(call.type, call.name, call.input) for call in calls] == [("tool_use", *each) for each in CALLS]
    assert len({call.id for call in calls}) == 2
    results: list[Any] = [
        {"type": "tool_result", "tool_use_id": calls[0].id, "content": "15 degrees"},
        {"type": "tool_result", "tool_use_id": calls[1].id, "content": [{"type": "text", "text": "rain"}]},
    ]
    turns += [{"role": "assistant", "content": message.content}, {"role": "user", "content": results}]
    answer = ask()
    assert answer.stop_reason == "end_turn"
    assert "15 degrees" in answer.content[0].text
    assert "rain" in answer.content[0].text
    turns += [{"role": "assistant", "content": answer.content}, {"role": "user", "content": "Thanks!"}]
    assert ask().content[0].text == "You said: Thanks!"


@every_upstream
def test_reports_a_tool_that_failed(whole: Whole, upstream: str) -> None:
    whole.plays(upstream, Answer("", tool_calls=CALLS[:1]), prompt=f"It fails, {upstream}")
    turns: list[Any] = [{"role": "user", "content": f"It fails, {upstream}"}]
    asking = {"model": MODELS[upstream], "max_tokens": 900, "tools": [WEATHER], "messages": turns}
    message = whole.anthropic.messages.create(**asking)
    assert [block.type for block in message.content] == ["tool_use"]
    result = {"type": "tool_result", "tool_use_id": message.content[0].id, "content": "no such city", "is_error": True}
    turns += [{"role": "assistant", "content": message.content}, {"role": "user", "content": [result]}]
    assert "no such city" in whole.anthropic.messages.create(**asking).content[0].text


@every_upstream
def test_runs_tools_by_the_clients_own_runner(whole: Whole, upstream: str) -> None:
    @beta_tool
    def get_weather(city: str) -> str:
        """Get the weather.

        Args:
            city: where
        """
        return f"{city} is dry"

    whole.plays(upstream, Answer("", tool_calls=CALLS), prompt=f"Run {upstream}")
    runner = whole.anthropic.beta.messages.tool_runner(
        model=MODELS[upstream],
        max_tokens=900,
        tools=[get_weather],
        messages=[{"role": "user", "content": f"Run {upstream}"}],
    )
    messages = list(runner)
    assert [message.stop_reason for message in messages] == ["tool_use", "end_turn"]
    assert "Ulm is dry" in messages[-1].content[0].text
    assert "Köln is dry" in messages[-1].content[0].text.replace("\\u00f6", "ö")


THINKERS = [each for each in UPSTREAMS if each not in ("openai", "converse")]


@pytest.mark.parametrize("upstream", THINKERS)
def test_shows_thoughts_and_takes_them_back_with_the_calls(whole: Whole, upstream: str) -> None:
    whole.plays(
        upstream, Answer("So.", thoughts="one two three four", tool_calls=CALLS[:1]), prompt=f"Think {upstream}"
    )
    how = (
        {"type": "enabled", "budget_tokens": 1024}
        if upstream == "invoke"
        else {"type": "adaptive", "display": "summarized"}
    )
    turns: list[Any] = [{"role": "user", "content": f"Think {upstream}"}]
    asking = {"model": MODELS[upstream], "max_tokens": 4000, "tools": [WEATHER], "messages": turns, "thinking": how}
    with whole.anthropic.messages.stream(**asking) as stream:
        kinds = {event.type for event in stream}
        message = stream.get_final_message()
    assert {"thinking", "text", "input_json"} <= kinds
    thought, *_, call = message.content
    assert (thought.type, thought.thinking) == ("thinking", "one two three four")
    assert isinstance(thought.signature, str)
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "dry"}
    turns += [{"role": "assistant", "content": message.content}, {"role": "user", "content": [result]}]
    answer = whole.anthropic.messages.create(**asking)
    assert "dry" in next(block.text for block in answer.content if block.type == "text")


@every_upstream
def test_says_why_it_stopped(whole: Whole, upstream: str) -> None:
    cut = whole.anthropic.messages.create(**{**asked(upstream, "One two three four five six"), "max_tokens": 3})
    assert cut.stop_reason == "max_tokens"
    with whole.anthropic.messages.stream(
        **{**asked(upstream, "One two three four five six"), "max_tokens": 3}
    ) as stream:
        assert stream.get_final_message().stop_reason == "max_tokens"
    whole.plays(upstream, Answer("I would rather", finish_reason="SAFETY"), prompt=f"Refuse {upstream}")
    assert whole.anthropic.messages.create(**asked(upstream, f"Refuse {upstream}")).stop_reason == "refusal"


@pytest.mark.parametrize("upstream", ["anthropic", "gemini", "invoke"])
def test_says_that_a_prompt_was_blocked(whole: Whole, upstream: str) -> None:
    whole.plays(upstream, Blocked(), prompt=f"Block {upstream}", times=2)
    with pytest.raises(anthropic.BadRequestError, match=r"blocked|refused"):
        whole.anthropic.messages.create(**asked(upstream, f"Block {upstream}"))
    with (
        pytest.raises(anthropic.BadRequestError, match=r"blocked|refused"),
        whole.anthropic.messages.stream(**asked(upstream, f"Block {upstream}")) as stream,
    ):
        stream.get_final_message()


@pytest.mark.parametrize(
    "upstream", [each for each in UPSTREAMS if each != "openai"]
)  # its models that think take none
def test_passes_stop_sequences_on(whole: Whole, upstream: str) -> None:
    whole.anthropic.messages.create(**asked(upstream, "Stop there", stop_sequences=["END", "FIN"]))
    assert '["END", "FIN"]' in json.dumps(whole.heard(upstream).content)


@every_upstream
def test_counts_what_was_cached(whole: Whole, upstream: str) -> None:
    whole.plays(upstream, Answer("Yes.", usage=USED[upstream]), prompt=f"Count {upstream}", times=2)
    once = whole.anthropic.messages.create(**asked(upstream, f"Count {upstream}")).usage
    with whole.anthropic.messages.stream(**asked(upstream, f"Count {upstream}")) as stream:
        streamed = stream.get_final_message().usage
    for usage in (once, streamed):
        assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (10, 30, 7)
        if upstream not in ("openai", "gemini"):
            assert usage.cache_creation_input_tokens == 5


def test_says_which_stop_sequence_it_was(whole: Whole) -> None:
    delta = {"stop_reason": "stop_sequence", "stop_sequence": "END"}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-5-5", "content": []}
    counts = {"usage": {"input_tokens": 1, "output_tokens": 1}}
    told = (
        {"type": "message_start", "message": {**message, "stop_reason": None, "stop_sequence": None, **counts}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "To the "}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": delta, **counts},
        {"type": "message_stop"},
    )
    whole.plays("anthropic", Events(told), prompt="To the END", times=4)
    asking = asked("anthropic", "To the END", stop_sequences=["END"])
    with whole.anthropic.messages.stream(**asking) as stream:
        streamed = stream.get_final_message()
    for final in (whole.anthropic.messages.create(**asking), streamed):
        assert (final.stop_reason, final.stop_sequence) == ("stop_sequence", "END")
    turns: Any = [{"role": "user", "content": "To the END"}]
    done = whole.openai.chat.completions.create(model=MODELS["anthropic"], messages=turns)
    assert done.choices[0].finish_reason == "stop"
    candidates = whole.gemini.models.generate_content(model=MODELS["anthropic"], contents="To the END").candidates or []
    assert [str(each.finish_reason) for each in candidates] == ["FinishReason.STOP"]


def test_caches_what_is_marked(whole: Whole) -> None:
    system = [{"type": "text", "text": "a long book " * 20, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    asking = asked("anthropic", "Cache it", system=system)
    wrote, read = (whole.anthropic.messages.create(**asking).usage for _ in range(2))
    assert (wrote.cache_creation_input_tokens, wrote.cache_read_input_tokens) == (60, 0)
    assert (read.cache_creation_input_tokens, read.cache_read_input_tokens) == (0, 60)


@every_upstream
def test_counts_tokens(whole: Whole, upstream: str) -> None:
    asking = asked(upstream, "one two three four five")
    del asking["max_tokens"]
    count = whole.anthropic.messages.count_tokens(**asking, system="six seven")
    assert 5 <= count.input_tokens <= 30


@every_upstream
def test_answers_by_a_schema(whole: Whole, upstream: str) -> None:
    class Person(BaseModel):
        name: str
        age: int

    message = whole.anthropic.messages.parse(**asked(upstream, "Who is it?"), output_format=Person)
    assert isinstance(message.parsed_output, Person)
    assert message.parsed_output.name


def claudes_choice(sent: Any) -> Any:
    return sent["tool_choice"].get("name") or sent["tool_choice"]["type"]


def openais_choice(sent: Any) -> Any:
    said = sent["tool_choice"]
    return said["function"]["name"] if isinstance(said, dict) else {"required": "any"}.get(said, said)


def geminis_choice(sent: Any) -> Any:
    said = sent["toolConfig"]["functionCallingConfig"]
    return said.get("allowedFunctionNames", [said["mode"].lower()])[0]


def converses_choice(sent: Any) -> Any:
    if "toolConfig" not in sent:
        return "none"
    [(kind, said)] = sent["toolConfig"]["toolChoice"].items()
    return said.get("name", kind)


CHOICES = {
    "anthropic": claudes_choice,
    "invoke": claudes_choice,
    "openai": openais_choice,
    "openrouter": openais_choice,
    "gemini": geminis_choice,
    "converse": converses_choice,
}


@every_upstream
@pytest.mark.parametrize("choice", ["any", "tool", "none"])
def test_says_which_tool_to_call(whole: Whole, upstream: str, choice: str) -> None:
    chosen: Any = {"type": choice} | ({"name": "get_weather"} if choice == "tool" else {})
    whole.anthropic.messages.create(**asked(upstream, "Choose"), tools=[WEATHER], tool_choice=chosen)
    sent = whole.heard(upstream).content
    assert CHOICES[upstream](sent) == (choice if choice != "tool" else "get_weather")


def test_lists_the_models_and_tells_of_one(whole: Whole) -> None:
    models = list(whole.anthropic.models.list())
    assert {"claude-haiku-5-5", "gemini-3.8-flash", "gpt-5.2"} <= {model.id for model in models}
    model = whole.anthropic.models.retrieve("claude-haiku-5-5")
    assert (model.id, model.type) == ("claude-haiku-5-5", "model")
    assert model.created_at.year >= 1970


def test_asks_the_embedded_model(whole: Whole) -> None:
    asking = {"model": "rehearsal/fast", "max_tokens": 200, "messages": [{"role": "user", "content": "Hello"}]}
    assert "rehearsal" in whole.anthropic.messages.create(**asking).content[0].text
    with whole.anthropic.messages.stream(**asking) as stream:
        assert "rehearsal" in stream.get_final_text()
