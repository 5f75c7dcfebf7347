"""Tools whose names a provider refuses, asked for by others: what is answered has the request's own again."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

from boticelli_cli.drivers.base import Driver
from boticelli_cli.messages import Delta, Request, Response
from boticelli_cli.wire.tool_names import RULES, ToolNames

__all__ = ["NamedTools"]


class NamedTools:
    """Asks `driver`, which speaks this dialect, for tools by names that it takes.

    A request that was made in the same dialect goes through as it is: its answer may be passed on unread.
    """

    def __init__(self, driver: Driver, dialect: str) -> None:
        self._driver = driver
        self._dialect = dialect
        self._rule = RULES[dialect]

    def supports_streaming(self, model: str) -> bool:
        return self._driver.supports_streaming(model)

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncGenerator[AsyncIterator[Delta], None]:
        names = self._names_of(request)
        if names is None:
            async with self._driver.stream(request) as deltas:
                yield deltas
            return
        async with self._driver.stream(names.fit(request)) as deltas, aclosing(_restored(deltas, names)) as restored:
            yield restored

    async def generate(self, request: Request) -> Response:
        names = self._names_of(request)
        if names is None:
            return await self._driver.generate(request)
        return names.restore_all(await self._driver.generate(names.fit(request)))

    def _names_of(self, request: Request) -> ToolNames | None:
        """The names to put in place of others, if there are any."""
        if request.original is not None and request.original.dialect == self._dialect:
            return None
        names = ToolNames.of(request, self._rule)
        return names if names.are_fitted else None


async def _restored(deltas: AsyncIterator[Delta], names: ToolNames) -> AsyncGenerator[Delta, None]:
    async for delta in deltas:
        yield names.restore(delta)
