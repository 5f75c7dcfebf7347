"""OpenAI itself, asked as little as it can be, when OPENAI_API_KEY is set; and an Ollama on its usual port, if one is."""

import socket
from collections.abc import AsyncIterator, Callable

import pytest

from boticelli_cli.drivers.access import Access
from boticelli_cli.drivers.base import fold
from boticelli_cli.drivers.dialect import HttpDriver
from boticelli_cli.drivers.openai import openai_driver
from boticelli_cli.errors import RefusedError
from boticelli_cli.messages import Message, Request, Text

pytestmark = pytest.mark.real

MODEL = "gpt-5.4-mini"
OLLAMA = ("127.0.0.1", 11434)


@pytest.fixture
async def driver(real_key: Callable[[str], str]) -> AsyncIterator[HttpDriver]:
    driver = openai_driver(Access("openai", real_key("OPENAI_API_KEY")))
    yield driver
    await driver.aclose()


@pytest.fixture
async def ollama() -> AsyncIterator[HttpDriver]:
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex(OLLAMA) != 0:
            pytest.skip(f"no Ollama listens at {OLLAMA[0]}:{OLLAMA[1]}")
    driver = openai_driver(Access("ollama", base_url=f"http://{OLLAMA[0]}:{OLLAMA[1]}/v1"))
    yield driver
    await driver.aclose()


def asking(prompt: str, model: str = MODEL) -> Request:
    return Request(model, (Message("user", (Text(prompt),)),), max_tokens=2000)


async def test_streams_an_answer(driver: HttpDriver) -> None:
    async with driver.stream(asking("Count from 1 to 5, in digits, with nothing else.")) as deltas:
        response = await fold(deltas)
    assert "3" in response.text
    assert response.finish.reason == "stop"
    assert response.finish.usage.input
    assert response.finish.served_model


async def test_gives_a_whole_answer(driver: HttpDriver) -> None:
    response = await driver.generate(asking("Say hello, in one word."))
    assert response.text
    assert response.finish.usage.total


async def test_lists_models(driver: HttpDriver) -> None:
    assert "gpt" in " ".join(model.name for model in await driver.models())


async def test_refuses_a_model_that_it_does_not_have(driver: HttpDriver) -> None:
    with pytest.raises(RefusedError) as raised:
        await driver.generate(asking("Hello.", "gpt-0-never-was"))
    assert raised.value.status == 404


async def test_asks_an_ollama(ollama: HttpDriver) -> None:
    models = await ollama.models()
    if not models:
        pytest.skip("that Ollama has no models")
    async with ollama.stream(asking("Count from 1 to 5, in digits, with nothing else.", models[0].name)) as deltas:
        response = await fold(deltas)
    assert response.text
    assert response.finish.reason == "stop"
