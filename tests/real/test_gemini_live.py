"""The Live driver and Gemini itself. Runs when there is a key: GEMINI_API_KEY=… pytest -m real tests/real"""

import asyncio
import io
import os
import socket
import wave
from collections.abc import AsyncIterator

import pytest

from boticelli_cli.catalog import Catalog
from boticelli_cli.drivers.gemini_access import GeminiAccess
from boticelli_cli.drivers.gemini_live import GeminiLive
from boticelli_cli.errors import CredentialsError
from boticelli_cli.messages import Response
from tests.drivers.speaking import request

KEY = os.environ.get("GEMINI_API_KEY") or os.environ.get("GOOGLE_API_KEY")
MODEL = os.environ.get("GEMINI_LIVE_MODEL", "gemini-3.8-live")
_CONNECT = socket.socket.connect

pytestmark = [pytest.mark.real, pytest.mark.skipif(not KEY, reason="GEMINI_API_KEY is not set")]


@pytest.fixture(autouse=True)
def real_network(monkeypatch: pytest.MonkeyPatch, loopback_only: None) -> None:
    """Let connections out again."""
    monkeypatch.setattr(socket.socket, "connect", _CONNECT)


@pytest.fixture
async def driver() -> AsyncIterator[GeminiLive]:
    driver = GeminiLive(GeminiAccess(KEY), Catalog.builtin())
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


async def test_resumes_by_a_handle(driver: GeminiLive) -> None:
    first = "My name is Ada. Say only 'Hello'."
    answer = await driver.generate(request(first, model=MODEL, timeout=60))
    await asyncio.sleep(1)  # the handle follows the answer
    for session in driver._idle:
        await session.catch_up()
        assert session.handle is not None
        session.is_leaving = True
    second = await driver.generate(request(first, answer.text, "What is my name?", model=MODEL, timeout=60))
    assert "ada" in second.text.lower()


async def test_refuses_a_bad_key() -> None:
    driver = GeminiLive(GeminiAccess("AIzaSy-not-a-key"), Catalog.builtin())
    with pytest.raises(CredentialsError):
        await driver.generate(request("Hi.", model=MODEL, timeout=60))
    await driver.aclose()
