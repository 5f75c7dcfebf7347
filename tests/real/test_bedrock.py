"""Amazon's own Bedrock, asked as little as it can be. Runs when AWS_ACCESS_KEY_ID is set, and AWS_REGION."""

from collections.abc import AsyncIterator, Callable

import pytest

from boticelli_cli.drivers.base import fold
from boticelli_cli.drivers.bedrock import bedrock_driver
from boticelli_cli.drivers.bedrock_access import BedrockAccess
from boticelli_cli.drivers.dialect import HttpDriver
from boticelli_cli.errors import RefusedError
from boticelli_cli.messages import Message, Request, Text

pytestmark = pytest.mark.real

MODELS = ("us.amazon.nova-lite-v1:0", "us.anthropic.claude-haiku-4-5-20251001-v1:0")


@pytest.fixture
async def driver(real_key: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HttpDriver]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.setenv(name, real_key(name))
    driver = bedrock_driver(BedrockAccess())
    yield driver
    await driver.aclose()


def asking(prompt: str, model: str) -> Request:
    return Request(model, (Message("user", (Text(prompt),)),), max_tokens=200)


@pytest.mark.parametrize("model", MODELS)
async def test_streams_an_answer(driver: HttpDriver, model: str) -> None:
    async with driver.stream(asking("Count from 1 to 5, in digits, with nothing else.", model)) as deltas:
        response = await fold(deltas)
    assert "3" in response.text
    assert response.finish.reason == "stop"
    assert response.finish.usage.input


@pytest.mark.parametrize("model", MODELS)
async def test_gives_a_whole_answer(driver: HttpDriver, model: str) -> None:
    assert (await driver.generate(asking("Say hello, in one word.", model))).text


async def test_lists_models_and_refuses_one_that_it_does_not_have(driver: HttpDriver) -> None:
    assert "amazon." in " ".join(model.name for model in await driver.models())
    with pytest.raises(RefusedError) as raised:
        await driver.generate(asking("Hello.", "amazon.nova-never-was-v1:0"))
    assert raised.value.status == 404
