"""Fakes for the tests of drivers."""

from collections.abc import AsyncIterator

import pytest

from tests.fakes.gemini import FakeGemini


@pytest.fixture
async def fake(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeGemini]:
    """A Gemini in the test's own loop, whose certificates are trusted."""
    async with FakeGemini() as fake:
        monkeypatch.setenv("SSL_CERT_FILE", fake.ca_file)
        yield fake
