"""Retries: a driver that asks again when the one inside it fails before its first delta, and never after it."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from boticelli_cli.drivers.base import Driver, Going, Retrying, notify
from boticelli_cli.errors import (
    CredentialsError,
    NoAnswerError,
    ProviderError,
    QuotaError,
    RefusedError,
    UnreachableError,
)
from boticelli_cli.messages import Delta, Request, Response
from boticelli_cli.routing.budget import budget_of

__all__ = ["BROKEN", "UNREACHABLE", "Schedule", "WithRetries", "schedule_of"]

JITTER = 0.25
"""How much of a wait is left to chance, so that those who failed together do not come back together."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long to wait for the first retry, doubled with each, in seconds; how many there are; the longest wait."""

    first: float
    retries: int
    longest: float

    def wait(self, retry: int) -> float:
        """The seconds before a retry, counted from 1."""
        return min(self.first * 2.0 ** min(retry - 1, 30), self.longest)


_BY_STATUS = {
    408: Schedule(2, 4, 30),
    429: Schedule(5, 3, 40),
    500: Schedule(1, 3, 8),
    502: Schedule(1, 3, 8),
    503: Schedule(2, 5, 60),
    504: Schedule(1, 3, 8),
}
UNREACHABLE = Schedule(2, 5, 60)
"""For a session's connection that does not come about."""

BROKEN = Schedule(1, 3, 10)
"""For a connection that breaks before the first delta."""


def schedule_of(error: ProviderError, *, unreachable: Schedule = UNREACHABLE) -> Schedule | None:
    """How an error is retried; None for one that would only come again, or has taken all the time there was."""
    match error:
        case CredentialsError() | QuotaError() | RefusedError() | NoAnswerError():
            return None
        case UnreachableError():
            return unreachable
    if error.status is None:
        return BROKEN
    if error.status >= 500:
        return _BY_STATUS.get(error.status, _BY_STATUS[500])
    return _BY_STATUS.get(error.status)


class WithRetries:
    """Asks `driver`, and asks it again by the error's schedule, or when the provider said to.

    `request.retries` says how often at most, in place of the schedule. What waits inside of `driver` for its
    turn is not counted against the time there is: that begins with the first failure, of whichever driver was asked
    for this request. `unreachable` is for connections that do not come about.
    """

    def __init__(
        self,
        driver: Driver,
        *,
        unreachable: Schedule = UNREACHABLE,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._driver = driver
        self._unreachable = unreachable
        self._chance = chance

    def supports_streaming(self, model: str) -> bool:
        return self._driver.supports_streaming(model)

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[AsyncIterator[Delta]]:
        async with AsyncExitStack() as stack:
            yield await self._persist(request, lambda: stack.enter_async_context(self._driver.stream(request)))

    async def generate(self, request: Request) -> Response:
        return await self._persist(request, lambda: self._driver.generate(request))

    async def _persist(self, request: Request, ask: Callable[[], Awaitable[Result]]) -> Result:
        """What `ask` comes to, at the latest when it is not worth another attempt. Raises ProviderError."""
        with budget_of(request) as budget:
            retry = 0
            while True:
                try:
                    return await ask()
                except ProviderError as error:
                    budget.failed()
                    retry += 1
                    wait = self._wait(error, retry, request.retries)
                    if wait is None or wait > budget.left:
                        raise
                    failure = error
                await notify(Retrying(failure, wait))
                await asyncio.sleep(wait)
                await notify(Going())

    def _wait(self, error: ProviderError, retry: int, most: int | None) -> float | None:
        """The seconds until a retry; None when there is to be none."""
        schedule = schedule_of(error, unreachable=self._unreachable)
        if schedule is None or retry > (schedule.retries if most is None else most):
            return None
        if error.retry_after is not None:
            return error.retry_after + JITTER * self._chance()
        return min(schedule.wait(retry) * (1 - JITTER + 2 * JITTER * self._chance()), schedule.longest)
