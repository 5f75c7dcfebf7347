"""The dialects that are spoken over HTTP: the fake and the driver of each, and what its service says of bad luck."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from boticelli_cli.drivers.access import Access
from boticelli_cli.drivers.anthropic import anthropic_driver
from boticelli_cli.drivers.base import Driver
from boticelli_cli.drivers.bedrock import bedrock_driver
from boticelli_cli.drivers.bedrock_access import BedrockAccess
from boticelli_cli.drivers.gemini import Gemini
from boticelli_cli.drivers.gemini_access import GeminiAccess
from boticelli_cli.drivers.openai import openai_driver
from boticelli_cli.errors import ProviderError
from boticelli_cli.messages import Request, Response
from tests.drivers import asking
from tests.fakes.anthropic import FakeAnthropic
from tests.fakes.bedrock import ACCESS_KEY, SECRET_KEY, FakeBedrock
from tests.fakes.behaviours import Behaviour
from tests.fakes.gemini import FakeGemini
from tests.fakes.openai import FakeOpenAI
from tests.fakes.playing import Playing


@dataclass(frozen=True)
class Dialect:
    """`driver` makes one that asks a fake. `in_stream` are errors in the midst of answers: code, message and status."""

    name: str
    provider: str
    model: str
    fake: Callable[..., Playing]
    driver: Callable[..., Any]
    in_stream: tuple[tuple[int, str, int], ...]

    def __str__(self) -> str:
        return self.name

    def talking(self, *answers: Behaviour | str, **options: Any) -> AbstractAsyncContextManager[tuple[Any, Any]]:
        """A fake that gives these answers first, and a driver that asks it. Nothing of either is left afterwards."""
        return asking.met(self.fake(answers), partial(self.driver, **options))

    def asking(self, prompt: str = "Hello.", *parts: Any, model: str | None = None, **settings: Any) -> Request:
        return asking.asking(prompt, *parts, model=model or self.model, **settings)

    async def ask(self, driver: Driver, request: Request | None = None, *, whole: bool = False) -> Response:
        return await asking.ask(driver, request or self.asking(), whole=whole)

    async def failure(self, driver: Driver, request: Request | None = None, *, whole: bool = False) -> ProviderError:
        return await asking.failure(driver, request or self.asking(), whole=whole)


def _gemini(fake: FakeGemini, key: str = "test-key", key_hint: str | None = None, **options: Any) -> Any:
    return Gemini(GeminiAccess(key, fake.url, key_hint=key_hint), **options)


def _anthropic(fake: FakeAnthropic, key: str = "test-key", key_hint: str | None = None, **options: Any) -> Any:
    return anthropic_driver(Access("anthropic", key, fake.url, key_hint), **options)


def _openai(fake: FakeOpenAI, key: str | None = "test-key", key_hint: str | None = None, **options: Any) -> Any:
    return openai_driver(Access(fake.flavour, key, fake.base_url, key_hint), **options)


def _bedrock(fake: FakeBedrock, secret: str = SECRET_KEY, **options: Any) -> Any:
    access = BedrockAccess(region="us-east-1", base_url=fake.url, access_key=ACCESS_KEY, secret_key=secret)
    return bedrock_driver(access, **options)


_OF_BEDROCK = (
    (503, "Bedrock is unable to process your request.", 503),
    (429, "Too many requests", 429),
    (424, "The model returned", 424),
)

GEMINI = Dialect(
    "gemini",
    "gemini",
    asking.MODEL,
    FakeGemini,
    _gemini,
    ((503, "The model is overloaded. Please try again later.", 503), (429, "a quota is spent for now", 429)),
)
ANTHROPIC = Dialect(
    "anthropic",
    "anthropic",
    "claude-haiku-4-5",
    FakeAnthropic,
    _anthropic,
    ((529, "Overloaded", 529), (429, "a limit is reached for now", 429)),
)
OPENAI = Dialect(
    "openai",
    "openai",
    "gpt-5.2",
    FakeOpenAI,
    _openai,
    (
        (503, "The engine is currently overloaded, please try again later.", 500),
        (429, "a quota is spent for now", 429),
    ),
)
CONVERSE = Dialect("converse", "bedrock", "amazon.nova-pro-v1:0", FakeBedrock, _bedrock, _OF_BEDROCK)
INVOKE = Dialect(
    "invoke", "bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", FakeBedrock, _bedrock, _OF_BEDROCK
)

DIALECTS = (GEMINI, ANTHROPIC, OPENAI, CONVERSE, INVOKE)

PAIRS = (*((dialect, False) for dialect in DIALECTS), (GEMINI, True), (INVOKE, True))
"""Dialects and whether `wide`, where the transport matters little: Gemini has a driver of its own, frames are no text."""

every_dialect = pytest.mark.parametrize("dialect", DIALECTS, ids=str)
both_transports = pytest.mark.parametrize("wide", [False, True], ids=["httpx", "aiohttp"])
both_ways = pytest.mark.parametrize("whole", [False, True], ids=["stream", "generate"])
