"""Google's own Gemini, asked as little as it can be. Runs when GEMINI_API_KEY is set."""

from collections.abc import AsyncIterator, Callable

import pytest

from boticelli_cli.catalog import DEFAULTS
from boticelli_cli.drivers.base import fold
from boticelli_cli.drivers.gemini import Gemini
from boticelli_cli.drivers.gemini_access import GeminiAccess
from boticelli_cli.errors import RefusedError
from boticelli_cli.messages import Message, Request, Text

pytestmark = pytest.mark.real

MODEL = DEFAULTS["gemini"]


@pytest.fixture
async def driver(real_key: Callable[[str], str]) -> AsyncIterator[Gemini]:
    driver = Gemini(GeminiAccess(real_key("GEMINI_API_KEY")))
    yield driver
    await driver.aclose()


def asking(prompt: str, model: str = MODEL) -> Request:
    return Request(model, (Message("user", (Text(prompt),)),), thinking="low")


async def test_streams_an_answer(driver: Gemini) -> None:
    async with driver.stream(asking("Count from 1 to 5, in digits, with nothing else.")) as deltas:
        response = await fold(deltas)
    assert "3" in response.text
    assert response.finish.reason == "stop"
    assert response.finish.usage.input
    assert response.finish.served_model


async def test_gives_a_whole_answer(driver: Gemini) -> None:
    response = await driver.generate(asking("Say hello, in one word."))
    assert response.text
    assert response.finish.usage.total


async def test_counts_tokens_and_lists_models(driver: Gemini) -> None:
    assert 1 <= await driver.count_tokens(asking("Hello there.")) <= 10
    assert "gemini" in " ".join(model.name for model in await driver.models())


async def test_refuses_a_model_that_it_does_not_have(driver: Gemini) -> None:
    with pytest.raises(RefusedError) as raised:
        await driver.generate(asking("Hello.", "gemini-0-never-was"))
    assert raised.value.status == 404
