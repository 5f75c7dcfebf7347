"""Anthropic's own service, asked as little as it can be. Runs when ANTHROPIC_API_KEY is set."""

from collections.abc import AsyncIterator, Callable

import pytest

from boticelli_cli.drivers.access import Access
from boticelli_cli.drivers.anthropic import AnthropicDriver, anthropic_driver
from boticelli_cli.drivers.base import fold
from boticelli_cli.errors import RefusedError
from boticelli_cli.messages import Message, Request, Text, Thinking, Thought

pytestmark = pytest.mark.real

MODEL = "claude-haiku-5-5"


@pytest.fixture
async def driver(real_key: Callable[[str], str]) -> AsyncIterator[AnthropicDriver]:
    driver = anthropic_driver(Access("anthropic", real_key("ANTHROPIC_API_KEY")))
    yield driver
    await driver.aclose()


def asking(prompt: str, model: str = MODEL, thinking: Thinking | None = None) -> Request:
    return Request(model, (Message("user", (Text(prompt),)),), max_tokens=2000, thinking=thinking)


async def test_streams_an_answer(driver: AnthropicDriver) -> None:
    async with driver.stream(asking("Count from 1 to 5, in digits, with nothing else.")) as deltas:
        response = await fold(deltas)
    assert "3" in response.text
    assert response.finish.reason == "stop"
    assert response.finish.usage.input
    assert response.finish.served_model


async def test_gives_a_whole_answer(driver: AnthropicDriver) -> None:
    response = await driver.generate(asking("Say hello, in one word."))
    assert response.text
    assert response.finish.usage.output


async def test_seals_what_it_thinks(driver: AnthropicDriver) -> None:
    prompt = "How many letters r are there in 'strawberry raspberry'? Think about it step by step."
    async with driver.stream(asking(prompt, thinking="low")) as deltas:
        response = await fold(deltas)
    assert all(part.signature for part in response.parts if isinstance(part, Thought))


async def test_counts_tokens_and_lists_models(driver: AnthropicDriver) -> None:
    assert 1 <= await driver.count_tokens(asking("Hello there.")) <= 30
    assert "claude" in " ".join(model.name for model in await driver.models())


async def test_refuses_a_model_that_it_does_not_have(driver: AnthropicDriver) -> None:
    with pytest.raises(RefusedError) as raised:
        await driver.generate(asking("Hello.", "claude-0-never-was"))
    assert raised.value.status == 404
