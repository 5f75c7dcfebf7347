"""Asking a driver, Gemini's if no other is said, with a fake at the other end."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from boticelli_cli.drivers.base import Driver, fold
from boticelli_cli.drivers.gemini import Gemini
from boticelli_cli.drivers.gemini_access import GeminiAccess
from boticelli_cli.errors import ProviderError
from boticelli_cli.messages import Delta, Finish, Media, Message, Request, Response, Text, TextDelta
from tests.fakes.behaviours import Behaviour
from tests.fakes.gemini import FakeGemini
from tests.fakes.serving import Fake

MODEL = "gemini-3.8-flash"


def asking(prompt: str = "Hello.", *media: Media, model: str = MODEL, **settings: Any) -> Request:
    return Request(model, (Message("user", (Text(prompt), *media)),), **settings)


@asynccontextmanager
async def gemini(
    *answers: Behaviour | str, wide: bool = False, key: str = "test-key", **options: Any
) -> AsyncIterator[tuple[FakeGemini, Gemini]]:
    """A fake that gives these answers first, and a driver that asks it. Nothing of either is left afterwards."""
    make = partial(Gemini, wide=wide, **options)
    async with met(FakeGemini(answers), lambda fake: make(GeminiAccess(key, fake.url))) as (fake, driver):
        yield fake, driver


@asynccontextmanager
async def met(fake: Fake, make: Callable[[Fake], Any]) -> AsyncIterator[tuple[Fake, Any]]:
    """A fake, and a driver that asks it. Nothing of either is left afterwards."""
    async with fake:
        driver = make(fake)
        try:
            yield fake, driver
        finally:
            await driver.aclose()
    await settle()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def ask(driver: Driver, request: Request | None = None, *, whole: bool = False) -> Response:
    if whole:
        return await driver.generate(request or asking())
    async with driver.stream(request or asking()) as deltas:
        return await fold(deltas)


async def hear(driver: Driver, request: Request) -> tuple[list[Delta], ProviderError | None]:
    """All deltas of a stream that is entered, and what ended it too early."""
    heard: list[Delta] = []
    async with driver.stream(request) as deltas:
        try:
            async for delta in deltas:
                heard.append(delta)
        except ProviderError as error:
            return heard, error
    assert isinstance(heard[-1], Finish)
    return heard, None


async def failure(driver: Driver, request: Request | None = None, *, whole: bool = False) -> ProviderError:
    """What asking raises, on entering if it streams."""
    try:
        if whole:
            await driver.generate(request or asking())
        else:
            async with driver.stream(request or asking()):
                raise AssertionError("it was entered")
    except ProviderError as error:
        return error
    raise AssertionError("it was answered")


def said(deltas: Iterable[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))


async def settle(turns: int = 30) -> None:
    """Let all that is ready happen."""
    for _ in range(turns):
        await asyncio.sleep(0)


def closed_port() -> int:
    """A port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
