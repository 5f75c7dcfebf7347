"""Conversations that go on with another model, of another dialect: what one has thought and called, the next one takes."""

import json
from itertools import permutations
from typing import Any

import pytest
from google.genai import types

from tests.fakes.behaviours import Answer, Fail
from tests.gateway.whole import CALLS, MODELS, UPSTREAMS, Whole

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def switches(*distances: int) -> pytest.MarkDecorator:
    """From every model to every other; slow are those but so far apart. Each comes first and second there, too."""
    places = range(len(UPSTREAMS))
    return pytest.mark.parametrize(
        ("first", "second"),
        [
            pytest.param(
                UPSTREAMS[one], UPSTREAMS[two], marks=() if (two - one) % len(places) in distances else pytest.mark.slow
            )
            for one, two in permutations(places, 2)
        ],
    )


def plays(whole: Whole, first: str, prompt: str) -> None:
    whole.plays(first, Answer("I look.", thoughts="First things first.", tool_calls=CALLS), prompt=prompt)


@switches(1, 2)
def test_a_claude_conversation_goes_on_elsewhere(whole: Whole, first: str, second: str) -> None:
    prompt = f"From {first} to {second}"
    plays(whole, first, prompt)
    turns: list[Any] = [{"role": "user", "content": prompt}]
    tools: Any = [{"name": "get_weather", "input_schema": PARAMETERS}]
    how: Any = {"type": "adaptive", "display": "summarized"}

    def ask(upstream: str) -> Any:
        with whole.anthropic.messages.stream(
            model=MODELS[upstream], max_tokens=3000, messages=turns, tools=tools, thinking=how
        ) as stream:
            return stream.get_final_message()

    message = ask(first)
    calls = [block for block in message.content if block.type == "tool_use"]
    results = [
        {"type": "tool_result", "tool_use_id": call.id, "content": f"dry, {call.input['city']}"} for call in calls
    ]
    turns += [{"role": "assistant", "content": message.content}, {"role": "user", "content": results}]
    text = "".join(block.text for block in ask(second).content if block.type == "text")
    assert "dry, Ulm" in text
    assert "First things first." not in text


@switches(3, 4)
def test_a_gpt_conversation_goes_on_elsewhere(whole: Whole, first: str, second: str) -> None:
    prompt = f"From {first} to {second}"
    plays(whole, first, prompt)
    turns: list[Any] = [{"role": "user", "content": prompt}]
    tools: Any = [{"type": "function", "function": {"name": "get_weather", "parameters": PARAMETERS}}]

    def ask(upstream: str) -> Any:
        done = whole.openai.chat.completions.create(model=MODELS[upstream], messages=turns, tools=tools)
        return done.choices[0].message

    message = ask(first)
    turns.append(
        {name: value for name, value in message.to_dict().items() if name in ("role", "content", "tool_calls")}
    )
    turns += [
        {"role": "tool", "tool_call_id": call.id, "content": f"dry, {json.loads(call.function.arguments)['city']}"}
        for call in message.tool_calls
    ]
    assert "dry, Ulm" in ask(second).content


@switches(5)
def test_a_gemini_conversation_goes_on_elsewhere(whole: Whole, first: str, second: str) -> None:
    prompt = f"From {first} to {second}"
    plays(whole, first, prompt)
    declared = types.FunctionDeclaration(name="get_weather", parameters_json_schema=PARAMETERS)
    config = types.GenerateContentConfig(
        tools=[types.Tool(function_declarations=[declared])],
        thinking_config=types.ThinkingConfig(include_thoughts=True),
    )
    contents: list[Any] = [types.Content(role="user", parts=[types.Part(text=prompt)])]
    told = whole.gemini.models.generate_content(model=MODELS[first], contents=contents, config=config)
    assert told.candidates is not None
    results = [
        types.Part(
            function_response=types.FunctionResponse(
                name=call.name, response={"output": f"dry, {(call.args or {})['city']}"}
            )
        )
        for call in told.function_calls or []
    ]
    contents += [told.candidates[0].content, types.Content(role="user", parts=results)]
    again = whole.gemini.models.generate_content(model=MODELS[second], contents=contents, config=config)
    assert "dry, Ulm" in str(again.text)


@pytest.mark.parametrize("upstream", [each for each in UPSTREAMS if each != "gemini"])
def test_a_model_stands_in_for_one_that_does_not_answer(whole: Whole, upstream: str) -> None:
    whole.forget()
    whole.plays("gemini", Fail(503), prompt=f"Stand in, {upstream}")
    turns: Any = [{"role": "user", "content": f"Stand in, {upstream}"}]
    asking: Any = {"model": f"first-{upstream}", "max_tokens": 100, "messages": turns}
    answer = whole.http.post("/v1/messages", json=asking)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-boticelli-route"] == "alias"
    assert MODELS[upstream].endswith(answer.headers["x-boticelli-model"])
    assert answer.json()["content"][0]["text"] == f"You said: Stand in, {upstream}"
