"""Retries: a driver that asks again when the one inside it fails before its first delta, and never after it."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TypeVar

from boticelli_cli.drivers.base import Driver, Going, Notice, Retrying, Waiting, notify, overhearing
from boticelli_cli.errors import (
    CredentialsError,
    NoAnswerError,
    ProviderError,
    QuotaError,
    RefusedError,
    UnreachableError,
)
from boticelli_cli.messages import Delta, Request, Response

__all__ = ["BROKEN", "BUDGET", "UNREACHABLE", "Schedule", "WithRetries", "schedule_of"]

BUDGET = 600.0
"""Seconds after the first failure within which the last attempt has to begin, unless a request has a `timeout`."""

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
    turn is not counted against the time there is: that begins with the first failure. `unreachable` is for
    connections that do not come about.
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
        time = asyncio.get_running_loop().time
        waits = _Waits()
        left: float | None = None
        attempt = 1
        while True:
            begun, waited = time(), waits.seconds
            try:
                with waits.timed():
                    return await ask()
            except ProviderError as error:
                if left is None:
                    left = BUDGET if request.timeout is None else request.timeout
                else:
                    left -= time() - begun - (waits.seconds - waited)
                wait = self._wait(error, attempt, request.retries)
                if wait is None or wait > left:
                    raise
                failure = error
                left -= wait
            attempt += 1
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


class _Waits:
    """How long requests have waited for their turn, by what the drivers inside tell of it."""

    def __init__(self) -> None:
        self._time = asyncio.get_running_loop().time
        self._since: float | None = None
        self._seconds = 0.0

    @property
    def seconds(self) -> float:
        return self._seconds + (self._time() - self._since if self._since is not None else 0.0)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Time the waits that are told of within this context, and pass on what is told."""
        with overhearing(self._hear):
            yield
        self._end()

    def _hear(self, notice: Notice) -> None:
        match notice:
            case Waiting():
                self._since = self._time() if self._since is None else self._since
            case Going():
                self._end()

    def _end(self) -> None:
        self._seconds, self._since = self.seconds, None
