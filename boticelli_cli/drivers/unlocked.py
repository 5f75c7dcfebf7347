"""A driver that is made when it is first asked: what it takes, a key, may have to be waited for."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from boticelli_cli.drivers.base import Driver
from boticelli_cli.messages import Delta, Request, Response

__all__ = ["Unlocked"]


class Unlocked:
    """The `Driver` that `make` gives.

    That is called once, for all who ask meanwhile, and again only if it raised: entering `stream` raises it. `streams`
    is whether that driver streams, as nobody can wait for it where this is asked.
    """

    def __init__(self, make: Callable[[], Awaitable[Driver]], *, streams: bool = True) -> None:
        self._make = make
        self._streams = streams
        self._driver: Driver | None = None
        self._lock = asyncio.Lock()

    def supports_streaming(self, model: str) -> bool:
        return self._streams

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncGenerator[AsyncIterator[Delta], None]:
        driver = await self._made()
        async with driver.stream(request) as deltas:
            yield deltas

    async def generate(self, request: Request) -> Response:
        driver = await self._made()
        return await driver.generate(request)

    async def _made(self) -> Driver:
        async with self._lock:
            if self._driver is None:
                self._driver = await self._make()
            return self._driver
