"""Dispatch: whose a model is, how it is called, and what of a request it takes."""

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from boticelli_cli.catalog import Call, Catalog
from boticelli_cli.drivers.base import Fitted, Notice, fold, listening
from boticelli_cli.errors import UsageError
from boticelli_cli.messages import Message, Original, Request, Text
from boticelli_cli.routing.dispatch import Dispatch
from boticelli_cli.wire import anthropic, gemini, openai
from tests.scripted import Scripted

TODAY = date(2026, 11, 21)


class Drivers:
    """Makes drivers, and remembers which."""

    def __init__(self) -> None:
        self.made: dict[tuple[str, Call], Scripted] = {}

    def __call__(self, provider: str, call: Call) -> Scripted:
        assert (provider, call) not in self.made
        self.made[provider, call] = Scripted(streams=call != "batch")
        return self.made[provider, call]

    @property
    def asked(self) -> list[str]:
        return [request.model for driver in self.made.values() for request in driver.requests]


def dispatching() -> tuple[Drivers, Dispatch]:
    drivers = Drivers()
    return drivers, Dispatch(Catalog.builtin(), drivers, today=TODAY)


def asking(model: str, **settings: object) -> Request:
    return Request(model, (Message("user", (Text("Hello."),)),), **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "provider", "call", "name"),
    [
        ("gemini-3.8-flash", "gemini", "sse", "gemini-3.8-flash"),
        ("gemini/gemini-3.8-flash", "gemini", "sse", "gemini-3.8-flash"),
        ("gemini/tuned/mine:8b", "gemini", "sse", "tuned/mine:8b"),
        ("gemini-3.8-live", "gemini", "live", "gemini-3.8-live"),
        ("gemini-9-live-preview", "gemini", "live", "gemini-9-live-preview"),
        ("gemini-99-unheard-of", "gemini", "sse", "gemini-99-unheard-of"),
        ("rehearsal/fast", "rehearsal", "sse", "rehearsal/fast"),
    ],
)
async def test_each_model_is_asked_by_its_own_driver_and_name(model: str, provider: str, call: Call, name: str) -> None:
    drivers, dispatch = dispatching()
    async with dispatch.stream(asking(model)) as deltas:
        assert (await fold(deltas)).text == "<Hello.>"
    assert (await dispatch.generate(asking(model))).text == "<Hello.>"
    assert list(drivers.made) == [(provider, call)]
    assert drivers.asked == [name, name]


async def test_makes_each_driver_once_and_only_when_it_is_needed() -> None:
    drivers, dispatch = dispatching()
    assert not drivers.made
    for model in ("gemini-3.8-flash", "gemini-3.8-pro", "gemini/gemini-3.8-flash", "gemini-3.8-live"):
        await dispatch.generate(asking(model))
        dispatch.supports_streaming(model)
    assert list(drivers.made) == [("gemini", "sse"), ("gemini", "live")]


@pytest.mark.parametrize(
    ("model", "served"),
    [
        ("gemini-2.0-flash-live", "gemini-3.8-live"),
        ("gemini/gemini-2.0-flash-live", "gemini-3.8-live"),
        ("gemini-3.7-flash", "gemini-3.7-flash"),
    ],
)
async def test_the_replacement_serves_a_model_that_was_shut_down(model: str, served: str) -> None:
    drivers, dispatch = dispatching()
    assert dispatch.supports_streaming(model)
    await dispatch.generate(asking(model))
    assert drivers.asked == [served]


async def test_settings_are_made_to_fit_the_model() -> None:
    drivers, dispatch = dispatching()
    await dispatch.generate(asking("gemini-3.8-flash", thinking=4096))
    await dispatch.generate(asking("gemini-2.5-flash", thinking="low"))
    await dispatch.generate(asking("gemini-99-unheard-of", thinking=4096, temperature=1.0))
    [driver] = drivers.made.values()
    assert [request.thinking for request in driver.requests] == ["medium", 1024, 4096]
    assert driver.requests[2].temperature == 1.0


async def test_what_is_nobodys_is_refused() -> None:
    drivers, dispatch = dispatching()
    with pytest.raises(UsageError, match="it is not known whose model 'nonsense' is"):
        await dispatch.generate(asking("nonsense"))
    assert not drivers.made


async def test_tells_what_a_model_does_not_take() -> None:
    _, dispatch = dispatching()
    heard: list[Notice] = []

    async def hear(notice: Notice) -> None:
        heard.append(notice)

    told = Fitted(
        "gemini-3.8-flash", ("gemini-3.8-flash takes no thinking budget; 'thinking: 4096' is sent as 'medium'",)
    )
    with listening(hear):
        await dispatch.generate(asking("gemini-3.8-flash"))
        assert not heard
        await dispatch.generate(asking("gemini-3.8-flash", thinking=4096))
        assert heard == [told]
        async with dispatch.stream(asking("gemini-3.8-flash", thinking=4096)) as deltas:
            assert heard == [told, told]
            assert (await fold(deltas)).text == "<Hello.>"


FIND = {"name": "find", "description": "Find.", "input_schema": {"type": "object"}}
FUNCTION = {"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}


def said(dialect: str, model: str, more: dict[str, Any]) -> Request:
    """What a client says in a dialect, with the body in which it does."""
    if dialect == "gemini":
        body = json.dumps({"contents": [{"role": "user", "parts": [{"text": "Hello."}]}], **more}).encode()
        request = gemini.decode_request(body, model)
    else:
        body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hello."}], **more}).encode()
        request = anthropic.decode_request(body) if dialect == "anthropic" else openai.decode_request(body)
    return replace(request, original=Original(dialect, body, (("anthropic-beta", "x"),)))


CLAUDE_CODE = {"max_tokens": 32000, "system": [{"type": "text", "text": "S", "cache_control": {"type": "ephemeral"}}]}

USUAL: list[tuple[str, str, dict[str, Any]]] = [
    ("anthropic", "claude-haiku-4-5", {}),
    ("anthropic", "claude-haiku-4-5", {"max_tokens": 512, "temperature": 1}),
    ("anthropic", "claude-haiku-4-5", {"max_tokens": 512, "temperature": 0.3, "stop_sequences": ["x"]}),
    ("anthropic", "claude-sonnet-4-6", {**CLAUDE_CODE, "thinking": {"type": "enabled", "budget_tokens": 10000}}),
    ("anthropic", "claude-sonnet-5-5", {**CLAUDE_CODE, "tools": [FIND], "thinking": {"type": "adaptive"}}),
    ("anthropic", "claude-sonnet-5-5", {**CLAUDE_CODE, "thinking": {"type": "adaptive", "display": "omitted"}}),
    ("anthropic", "claude-opus-5", {**CLAUDE_CODE, "output_config": {"effort": "max"}}),
    ("openai", "gpt-6", {"tools": [FUNCTION], "tool_choice": "auto", "max_completion_tokens": 100}),
    ("openai", "gpt-5.2", {"reasoning_effort": "high", "seed": 1, "user": "u"}),
    ("openai", "gpt-4o", {"temperature": 0.2, "top_p": 0.9, "max_tokens": 100, "stop": ["x"]}),
    ("gemini", "gemini-3.8-flash", {"generationConfig": {"temperature": 0.2, "topK": 3, "maxOutputTokens": 100}}),
    ("gemini", "gemini-3.8-flash", {"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW"}}}),
    ("gemini", "gemini-2.5-flash", {"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}}),
    ("gemini", "gemini-2.5-flash", {"generationConfig": {"thinkingConfig": {"thinkingBudget": 2048}}}),
    ("gemini", "gemini-2.5-pro", {"generationConfig": {"thinkingConfig": {"includeThoughts": True}}}),
]


@pytest.mark.parametrize(("dialect", "model", "more"), USUAL)
async def test_keeps_the_words_of_who_asks_as_usual(dialect: str, model: str, more: dict[str, Any]) -> None:
    drivers, dispatch = dispatching()
    request = said(dialect, model, more)
    await dispatch.generate(request)
    [driver] = drivers.made.values()
    assert driver.requests[0].original is request.original


CHANGED: list[tuple[str, str, dict[str, Any]]] = [
    ("anthropic", "claude-opus-5", {"max_tokens": 9, "temperature": 0.3}),
    ("anthropic", "claude-opus-5", {"max_tokens": 9, "temperature": 1}),
    ("anthropic", "claude-opus-5", {**CLAUDE_CODE, "thinking": {"type": "enabled", "budget_tokens": 10000}}),
    ("openai", "gpt-6", {"temperature": 0.3}),
    ("openai", "o3", {"stop": ["x"]}),
    ("gemini", "gemini-3.8-flash", {"generationConfig": {"thinkingConfig": {"thinkingBudget": 2048}}}),
]


@pytest.mark.parametrize(("dialect", "model", "more"), CHANGED)
async def test_has_the_body_written_anew_where_the_model_takes_it_otherwise(
    dialect: str, model: str, more: dict[str, Any]
) -> None:
    drivers, dispatch = dispatching()
    request = said(dialect, model, more)
    await dispatch.generate(request)
    [driver] = drivers.made.values()
    assert request.original is not None
    assert driver.requests[0].original == replace(request.original, body=None)
