"""Limits of keys: how many requests and tokens a minute, how many at once, and how much they may cost.

For one process alone. Nobody waits here: who may not go is told so, and when to come again.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from boticelli_cli.gateway.base import Admission
from boticelli_cli.gateway.refusals import (
    day_is_spent,
    too_many_at_once,
    too_many_requests,
    too_many_tokens,
    total_is_spent,
)
from boticelli_cli.grants import Grant

__all__ = ["DAY", "LocalGatekeeper", "Spent", "Standing"]

MINUTE: Final = 60.0

DAY: Final = 86_400.0
"""Seconds; the epoch's own begin at midnight in UTC."""

Spent = Callable[[str, float], Awaitable[float]]
"""What the requests of a key, by its name, have cost since a moment: in USD, and in seconds of the epoch."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a key has under way, and has used: within the last minute, today and in all.

    Tokens are those that are expected until it is known. Costs are known of keys only that have a limit of them.
    """

    under_way: int = 0
    requests: int = 0
    tokens: int = 0
    usd_today: float | None = None
    usd_total: float | None = None


class LocalGatekeeper:
    """Lets in as many requests as the holder of a key may make, counted in this process by the key's name.

    In any 60 seconds no more than `rpm` requests are let in, and no more than `tpm` tokens: those that are expected,
    or, once that is known, really used. A request larger than `tpm` goes when nothing else has been used for a minute.
    What a day and all days have cost is asked of `spent` when a key with such a limit comes first, and counted here
    from then on. Requests under way may take a key over its costs, as nobody knows what they will come to.

    Raises ProviderError, with status 429 and `retry_after`, for what a minute or less brings back; QuotaError, with
    status 429, for costs: with `resets_at` for a day's, without for those in all. `clock` is in seconds of the epoch
    and tells the day, `monotonic` the minute.
    """

    def __init__(
        self,
        spent: Spent | None = None,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spent = spent or _nothing
        self._clock = clock
        self._monotonic = monotonic
        self._holders: dict[str, _Holder] = {}

    @asynccontextmanager
    async def admitted(self, grant: Grant, request_id: str, tokens: int) -> AsyncIterator[Admission]:
        holder = self._holders.setdefault(grant.name, _Holder())
        if grant.usd_per_day is not None or grant.usd_total is not None:
            await self._ask_what_is_spent(holder, grant.name)
            holder.refuse_costs(grant, self._clock())
        now = self._monotonic()
        holder.refuse_requests(grant, tokens, now)
        taken = holder.take(grant, tokens, now)
        try:
            yield _Admitted(holder, taken, self._clock)
        finally:
            holder.under_way -= 1

    def under_way(self, name: str) -> int:
        """How many requests of a key have been let in, and have not ended."""
        return self._holders[name].under_way if name in self._holders else 0

    def standing(self, name: str) -> Standing:
        """What a key has under way, and has used."""
        holder = self._holders.get(name)
        return Standing() if holder is None else holder.standing(self._monotonic(), self._clock())

    async def _ask_what_is_spent(self, holder: "_Holder", name: str) -> None:
        if holder.costs is not None:
            return
        async with holder.asking:
            if holder.costs is None:
                start = _start_of_day(self._clock())
                holder.costs = _Costs(start, await self._spent(name, start), await self._spent(name, 0.0))


class _Taken:
    """A request that was let in, and the tokens that it has used, or is expected to."""

    __slots__ = ("at", "tokens")

    def __init__(self, at: float, tokens: int) -> None:
        self.at = at
        self.tokens = tokens


class _Costs:
    """What a key's requests have cost: on the day that began at `start`, and in all."""

    __slots__ = ("start", "today", "total")

    def __init__(self, start: float, today: float, total: float) -> None:
        self.start = start
        self.today = today
        self.total = total

    def turn(self, now: float) -> None:
        """Begin another day, if it has begun."""
        start = _start_of_day(now)
        if start > self.start:
            self.start, self.today = start, 0.0


class _Holder:
    """What a key's holder has under way, and has used within the last minute."""

    def __init__(self) -> None:
        self.under_way = 0
        self.costs: _Costs | None = None
        self.asking = asyncio.Lock()
        self._minute: deque[_Taken] = deque()
        self._tokens = 0

    def standing(self, now: float, epoch: float) -> Standing:
        self._let_go(now)
        if self.costs is None:
            return Standing(self.under_way, len(self._minute), self._tokens)
        self.costs.turn(epoch)
        return Standing(self.under_way, len(self._minute), self._tokens, self.costs.today, self.costs.total)

    def refuse_costs(self, grant: Grant, now: float) -> None:
        """Raise QuotaError if nothing may be spent any more."""
        if self.costs is None:
            return
        self.costs.turn(now)
        if grant.usd_total is not None and self.costs.total >= grant.usd_total:
            raise total_is_spent(grant)
        if grant.usd_per_day is not None and self.costs.today >= grant.usd_per_day:
            raise day_is_spent(grant, self.costs.start + DAY, now)

    def refuse_requests(self, grant: Grant, tokens: int, now: float) -> None:
        """Raise ProviderError if a request of so many tokens may not go now."""
        self._let_go(now)
        if grant.max_concurrent is not None and self.under_way >= grant.max_concurrent:
            raise too_many_at_once(grant)
        if grant.rpm is not None and len(self._minute) >= grant.rpm:
            first = self._minute[-grant.rpm].at if grant.rpm > 0 else now
            raise too_many_requests(grant, first + MINUTE - now)
        if grant.tpm is not None and (at := self._room_for(tokens, grant.tpm, now)) > now:
            raise too_many_tokens(grant, at - now)

    def take(self, grant: Grant, tokens: int, now: float) -> _Taken:
        """Let a request in: whoever calls this takes one from `under_way` when it has ended."""
        self.under_way += 1
        if grant.rpm is None and grant.tpm is None:
            return _Taken(-math.inf, tokens)  # long out of every minute
        taken = _Taken(now, tokens)
        self._minute.append(taken)
        self._tokens += tokens
        return taken

    def correct(self, taken: _Taken, tokens: int) -> None:
        """Count so many tokens for a request. One that has left the minute has no weight any more."""
        if self._minute and self._minute[0].at <= taken.at:
            self._tokens += tokens - taken.tokens
        taken.tokens = tokens

    def _let_go(self, now: float) -> None:
        while self._minute and self._minute[0].at + MINUTE <= now:
            self._tokens -= self._minute.popleft().tokens

    def _room_for(self, tokens: int, tpm: int, now: float) -> float:
        """When there is room for so many tokens within the minute."""
        at, over = now, self._tokens + min(tokens, tpm) - tpm
        for each in self._minute:
            if over <= 0:
                break
            at, over = each.at + MINUTE, over - each.tokens
        return at


class _Admitted:
    """A request that has been let in. What it used may be told more than once; the last word counts."""

    def __init__(self, holder: _Holder, taken: _Taken, clock: Callable[[], float]) -> None:
        self._holder = holder
        self._taken = taken
        self._clock = clock
        self._cost = 0.0

    def spend(self, tokens: int, cost_usd: float | None) -> None:
        self._holder.correct(self._taken, tokens)
        more, self._cost = (cost_usd or 0.0) - self._cost, cost_usd or 0.0
        if self._holder.costs is not None:
            self._holder.costs.turn(self._clock())
            self._holder.costs.today += more
            self._holder.costs.total += more


async def _nothing(name: str, since: float) -> float:
    return 0.0


def _start_of_day(now: float) -> float:
    return now // DAY * DAY
