"""Requests as a dialect takes them, whatever their makers may say: tools by names that are refused there, and bodies
that would be passed on as they came."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

from boticelli_cli.drivers.base import Driver
from boticelli_cli.messages import Delta, Request, Response
from boticelli_cli.wire.tool_names import RULES, ToolNames

__all__ = ["Presentable"]


class Presentable:
    """Asks `driver`, which speaks this dialect, for tools by names that it takes, and answers with the request's own.

    The names of a request that was made in the same dialect are left as they are, for its answer may be passed on
    unread. Its body is, but where the provider would refuse it: there it is to be written anew.
    """

    def __init__(self, driver: Driver, dialect: str) -> None:
        self._driver = driver
        self._dialect = dialect
        self._rule = RULES[dialect]

    def supports_streaming(self, model: str) -> bool:
        return self._driver.supports_streaming(model)

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncGenerator[AsyncIterator[Delta], None]:
        request, names = self._presented(request)
        if names is None:
            async with self._driver.stream(request) as deltas:
                yield deltas
            return
        async with self._driver.stream(request) as deltas, aclosing(_restored(deltas, names)) as restored:
            yield restored

    async def generate(self, request: Request) -> Response:
        request, names = self._presented(request)
        response = await self._driver.generate(request)
        return response if names is None else names.restore_all(response)

    def _presented(self, request: Request) -> tuple[Request, ToolNames | None]:
        """A request as it is taken, and the names of its tools, if any are others now."""
        original = request.original
        if original is not None and original.dialect == self._dialect:
            if original.body is None or _may_be_forwarded(self._dialect)(request):
                return request, None
            return replace(request, original=replace(original, body=None)), None
        names = ToolNames.of(request, self._rule)
        return (names.fit(request), names) if names.are_fitted else (request, None)


def _may_be_forwarded(dialect: str) -> Callable[[Request], bool]:
    """Whether a dialect's provider takes a body as it came."""
    match dialect:
        case "anthropic":
            from boticelli_cli.wire import anthropic

            return anthropic.may_be_forwarded
        case "gemini":
            from boticelli_cli.wire import gemini

            return gemini.may_be_forwarded
        case _:
            return lambda request: True


async def _restored(deltas: AsyncIterator[Delta], names: ToolNames) -> AsyncGenerator[Delta, None]:
    async for delta in deltas:
        yield names.restore(delta)
