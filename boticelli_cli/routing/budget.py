"""The time budget of a request: how long it may go on being asked again, and of others, after it has failed once."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from boticelli_cli.drivers.base import Going, Notice, Waiting, overhearing
from boticelli_cli.messages import Request

__all__ = ["BUDGET", "Budget", "budget_of"]

BUDGET = 600.0
"""Seconds after the first failure within which the last attempt has to begin, unless a request has a `timeout`."""


class Budget:
    """Seconds that are left once a request has failed; those in which it waits for its turn are not counted."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._time = asyncio.get_running_loop().time
        self._waits = _Waits()
        self._begun: float | None = None

    @property
    def left(self) -> float:
        """All of them before the first failure."""
        return self._seconds if self._begun is None else self._seconds - (self._counted() - self._begun)

    def failed(self) -> None:
        """An attempt has failed, and whatever it waited for: the first one begins the count."""
        self._waits.end()
        if self._begun is None:
            self._begun = self._counted()

    def hear(self, notice: Notice) -> None:
        self._waits.hear(notice)

    def _counted(self) -> float:
        return self._time() - self._waits.seconds


_current: ContextVar[Budget | None] = ContextVar("budget", default=None)


@contextmanager
def budget_of(request: Request) -> Iterator[Budget]:
    """The budget of a request: the one that it has already from a driver around this one, or else a new one."""
    if (found := _current.get()) is not None:
        yield found
        return
    budget = Budget(BUDGET if request.timeout is None else request.timeout)
    token = _current.set(budget)
    try:
        with overhearing(budget.hear):
            yield budget
    finally:
        _current.reset(token)


class _Waits:
    """How long a request has waited for its turn, by what the drivers inside tell of it."""

    def __init__(self) -> None:
        self._time = asyncio.get_running_loop().time
        self._since: float | None = None
        self._seconds = 0.0

    @property
    def seconds(self) -> float:
        return self._seconds + (self._time() - self._since if self._since is not None else 0.0)

    def hear(self, notice: Notice) -> None:
        match notice:
            case Waiting():
                self._since = self._time() if self._since is None else self._since
            case Going():
                self.end()

    def end(self) -> None:
        self._seconds, self._since = self.seconds, None
