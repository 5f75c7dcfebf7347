"""The line before a model: who waits in which order, what they are told, and who has been let through."""

import asyncio
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile

from boticelli_cli.drivers.base import Waiting, notify
from boticelli_cli.routing.elsewhere import Claim
from boticelli_cli.routing.window import Sent

__all__ = ["UNTOLD", "Line", "Ticket", "Turn", "Wait", "one_of"]

UNTOLD = 0.05
"""Waits of fewer seconds than this are nobody's concern."""

_NOTICEABLE = 1.0
"""Seconds, or as a tenth of what is left more than that, by which an expectation changes before it is told again."""


@dataclass(frozen=True, slots=True)
class Wait:
    """What is waited for, and for how many seconds; `None` where nobody can tell.

    After `look_again` seconds things may have changed without word of it.
    """

    reason: str
    seconds: float | None
    look_again: float | None = None


class Turn:
    """A request that waits for its turn: it is woken whenever something changes that may concern it."""

    def __init__(self) -> None:
        self.woken = asyncio.Event()
        self._told: str | None = None
        self._told_end = 0.0
        self._waited = False

    @property
    def was_told(self) -> bool:
        """Whether anybody was told that it waits."""
        return self._told is not None

    async def wait(self, wait: Wait) -> None:
        """Tell what is waited for, where that is news, until woken or until it is time to look again."""
        look_again = wait.look_again
        if wait.seconds is None and not self._waited:
            look_again = UNTOLD
        elif self._is_news(wait):
            await notify(Waiting(wait.reason, wait.seconds or 0.0))
        self._waited = True
        with suppress(TimeoutError):
            async with asyncio.timeout(look_again):
                await self.woken.wait()

    def _is_news(self, wait: Wait) -> bool:
        if wait.seconds is not None and wait.seconds < UNTOLD:
            return False
        end = asyncio.get_running_loop().time() + (wait.seconds or 0.0)
        noticeable = max(_NOTICEABLE, (wait.seconds or 0.0) / 10)
        if wait.reason == self._told and (wait.seconds is None or abs(end - self._told_end) <= noticeable):
            return False
        self._told, self._told_end = wait.reason, end
        return True


class Ticket(Turn):
    """A request's place in the line. It is woken when it comes to the front, and there whenever something changes."""

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.tokens = tokens
        self.reserved: int | None = None
        """The id of its place in the ledger, once it has one there."""
        self.claim: Claim | None = None
        """Its place in the minute of all machines, where there are others."""


class Line:
    """Those who wait for one model, first come, first served, and those whose requests are under way.

    Every method is synchronous, so that no cancellation comes between a change and its consequence.
    """

    def __init__(self) -> None:
        self._waiting: OrderedDict[Ticket, None] = OrderedDict()
        self._running: dict[Ticket, float] = {}
        self._typical: float | None = None
        self.plan: list[Sent] | None = None
        """When all those in the line are expected to go; `None` once that has changed."""

    @property
    def idle(self) -> bool:
        return not self._waiting and not self._running

    @property
    def running(self) -> int:
        return len(self._running)

    @property
    def length(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def join(self, ticket: Ticket) -> None:
        self._waiting[ticket] = None

    def leave(self, ticket: Ticket) -> None:
        del self._waiting[ticket]
        self.wake()

    def start(self, ticket: Ticket) -> None:
        """Let a request through: it is under way from now on."""
        self._running[ticket] = asyncio.get_running_loop().time()

    def end(self, ticket: Ticket) -> None:
        took = asyncio.get_running_loop().time() - self._running.pop(ticket)
        self._typical = took if self._typical is None else (self._typical + took) / 2
        self.wake()

    def wake(self) -> None:
        """Something has changed: whoever is first looks again."""
        self.plan = None
        if self._waiting:
            next(iter(self._waiting)).woken.set()

    def lets(self, ticket: Ticket, max_concurrent: int | None) -> bool:
        """Whether a request is first, and not too many to its model are under way."""
        return not self.is_full(max_concurrent) and self.is_first(ticket)

    def is_full(self, max_concurrent: int | None) -> bool:
        return max_concurrent is not None and self.running >= max_concurrent

    def is_first(self, ticket: Ticket) -> bool:
        return next(iter(self._waiting)) is ticket

    @property
    def waiting(self) -> list[Ticket]:
        """All of them, the first one first."""
        return list(self._waiting)

    def ahead(self, ticket: Ticket) -> list[Ticket]:
        """Those before a request, the first one first."""
        return list(takewhile(lambda each: each is not ticket, self._waiting))

    def until_one_ends(self) -> float | None:
        """Seconds until a request under way is likely to end, by how long others took."""
        if self._typical is None or not self._running:
            return None
        age = asyncio.get_running_loop().time() - min(self._running.values())
        return max(self._typical - age, UNTOLD)


def one_of(under_way: int) -> str:
    """As in "for one of 4 requests under way to end"."""
    return "for the request under way to end" if under_way == 1 else f"for one of {under_way} requests under way to end"
