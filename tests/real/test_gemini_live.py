"""Google's own Live models, asked as little as they can be. Runs when GEMINI_API_KEY is set."""

import io
import wave
from collections.abc import AsyncIterator, Callable

import pytest

from boticelli_cli.catalog import Catalog
from boticelli_cli.drivers.gemini_access import GeminiAccess
from boticelli_cli.drivers.gemini_live import GeminiLive
from boticelli_cli.errors import CredentialsError
from boticelli_cli.messages import Response
from tests.drivers.speaking import request

pytestmark = pytest.mark.real

MODEL = "gemini-3.8-live"


@pytest.fixture
async def driver(real_key: Callable[[str], str]) -> AsyncIterator[GeminiLive]:
    driver = GeminiLive(GeminiAccess(real_key("GEMINI_API_KEY")), Catalog.builtin())
    yield driver
    await driver.aclose()


def seconds_of(response: Response) -> float:
    [media] = response.media
    with wave.open(io.BytesIO(media.data or b"")) as sound:
        return sound.getnframes() / sound.getframerate()


async def test_says_hello_and_is_heard(driver: GeminiLive) -> None:
    response = await driver.generate(request("Say the word 'hello' and nothing else.", model=MODEL, timeout=60))
    assert "hello" in response.text.lower()
    assert 0.1 < seconds_of(response) < 30
    assert response.finish.reason == "stop"
    assert response.finish.usage.total


async def test_remembers_a_conversation(driver: GeminiLive) -> None:
    first = "My name is Ada. Say only 'Hello'."
    answer = await driver.generate(request(first, model=MODEL, timeout=60))
    second = await driver.generate(request(first, answer.text, "What is my name?", model=MODEL, timeout=60))
    assert "ada" in second.text.lower()


async def test_reads_a_history_that_it_has_not_lived(driver: GeminiLive) -> None:
    asked = request("The word is 'lantern'.", "I will remember it.", "Which word was it?", model=MODEL, timeout=60)
    assert "lantern" in (await driver.generate(asked)).text.lower()


async def test_refuses_a_bad_key(real_key: Callable[[str], str]) -> None:
    real_key("GEMINI_API_KEY")  # whoever has none has no network either
    driver = GeminiLive(GeminiAccess("AIzaSy-not-a-key"), Catalog.builtin())
    with pytest.raises(CredentialsError):
        await driver.generate(request("Hi.", model=MODEL, timeout=60))
    await driver.aclose()
