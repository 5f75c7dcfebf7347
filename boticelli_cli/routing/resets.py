"""Resets: when a day that a provider calls spent is over, which the provider does not say."""

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime, tzinfo

from boticelli_cli.drivers.base import Driver
from boticelli_cli.errors import QuotaError
from boticelli_cli.messages import Delta, Request, Response
from boticelli_cli.routing.day import Reset, in_words

__all__ = ["HINT", "WithReset", "until"]

HINT = "ask another model (--model), use another account, or wait"


class WithReset:
    """A driver whose QuotaErrors say when requests come back: at the `reset` of the day, on the wall clock."""

    def __init__(self, driver: Driver, *, reset: Reset, clock: Callable[[], float] = time.time) -> None:
        self._driver = driver
        self._reset = reset
        self._clock = clock

    def supports_streaming(self, model: str) -> bool:
        return self._driver.supports_streaming(model)

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[AsyncIterator[Delta]]:
        async with AsyncExitStack() as stack:
            with self._saying_when():
                deltas = await stack.enter_async_context(self._driver.stream(request))
            yield deltas

    async def generate(self, request: Request) -> Response:
        with self._saying_when():
            return await self._driver.generate(request)

    @contextmanager
    def _saying_when(self) -> Iterator[None]:
        try:
            yield
        except QuotaError as error:
            if error.resets_at is not None or error.status is None:  # not the provider's word
                raise
            now = self._clock()
            raise until(error, self._reset(now).end, now) from error


def until(error: QuotaError, moment: float, now: float, zone: tzinfo | None = None) -> QuotaError:
    """The error, saying when requests come back. One that says so already is left as it is, but for what to do."""
    when = "" if error.resets_at is not None else f"; requests come back {in_words(moment, now, zone)}"
    return QuotaError(
        error.message + when,
        resets_at=error.resets_at or datetime.fromtimestamp(moment, UTC),
        provider=error.provider,
        status=error.status,
        retry_after=round(moment - now, 1) if error.retry_after is None else error.retry_after,
        hint=error.hint or HINT,
    )
