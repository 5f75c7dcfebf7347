"""The choice among accounts, for one request: the best that is free, else whom to wait for, else whom to ask anyway."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from boticelli_cli.drivers.base import Driver
from boticelli_cli.errors import ProviderError
from boticelli_cli.messages import Request
from boticelli_cli.routing.conversations import conversation_of
from boticelli_cli.routing.cooldowns import Rest
from boticelli_cli.routing.estimate import estimate_tokens
from boticelli_cli.routing.line import Wait
from boticelli_cli.routing.retries import schedule_of
from boticelli_cli.routing.roster import Lease, Roster, Seat, Waiter

__all__ = ["Choice", "Member"]

_LOOKED_AT = 200
"""How many accounts are asked how long they would hold a request back, when they all would."""

_SPENT_SECONDS = 60.0
"""For how long an account that has nothing left of a model is not looked at again."""

_SHORTEST = 0.05
"""Seconds before one who waits looks again, at the least."""


@dataclass(frozen=True, slots=True)
class Member:
    """One account's driver. `name` is what people call it, and `counted_as` what it is known as, key and all.

    `delay` says, by an estimate of its tokens, for how many seconds the driver itself would hold a request back;
    infinitely many where it would refuse it at once. One that says so has to hold the `offered` lease when it asks, and
    not while it waits. Where other machines use the account too, `look` is asked first, for `delay` to know of them.
    """

    name: str
    driver: Driver
    counted_as: str
    priority: int = 100
    max_concurrent: int | None = None
    delay: Callable[[Request, int], float] | None = None
    look: Callable[[Request, int], Awaitable[None]] | None = None


class Choice:
    """Which of some accounts a request is asked with next. `tried` are those that have failed it, and how.

    The lowest priority comes first, then the fewest requests under way, then the least recently used; before them all
    the one that the conversation keeps to. Accounts that hold a request back, are full, or rest, come after the others.
    """

    def __init__(self, request: Request, members: Mapping[Seat, Member], roster: Roster) -> None:
        self._request = request
        self._members = members
        self._roster = roster
        self._is_sole = len(members) == 1
        self._conversation = None if self._is_sole else conversation_of(request)
        self.tried: dict[Seat, ProviderError] = {}
        self._has_turned_to_the_resting = False
        self._has_asked_for_its_place = False

    async def lease(self) -> Lease | None:
        """A lease, as soon as there is one; `None` where there is no account left that is worth a try.

        It is not held yet where the account holds the request back: its driver will take it.
        """
        if self._conversation is not None and not self._has_asked_for_its_place:
            self._has_asked_for_its_place = True
            await self._roster.place_of(self._conversation)
        looked_at: set[Seat] = set()
        number = None
        while True:
            lease, number = await self._lease_here(number)
            if lease is None or not lease.is_held:
                return lease
            if await self._is_held_back(lease, looked_at):
                continue
            if await self._roster.confirm(lease):
                return lease

    async def _lease_here(self, number: int | None) -> tuple[Lease | None, int | None]:
        """A lease, as far as is known here, and the number in the line of one who had to wait for it."""
        if not self._roster.has_line and (seat := self._ready()) is not None:
            return self._roster.take(seat), number
        group = (id(self._members), self._request.model, frozenset(self.tried))
        waiter = Waiter(group, self._is_ready, number=number)
        lease = await self._roster.wait(waiter, lambda: self._expect(waiter))
        self._has_turned_to_the_resting |= lease is not None and self._rest_of(lease.seat) is not None
        return lease, waiter.number

    async def _is_held_back(self, lease: Lease, looked_at: set[Seat]) -> bool:
        """Whether an account turns out to hold the request back, by what others have asked; then its lease is gone."""
        seat = lease.seat
        look = self._members[seat].look
        if look is None or self._is_sole or seat in looked_at:
            return False
        looked_at.add(seat)
        try:
            await look(self._request, self._tokens)
        except BaseException:
            lease.give_back()
            raise
        if self._delay(seat) > 0:
            lease.give_back()
        return not lease.is_held

    def has_another(self) -> bool:
        """Whether there is an account that was not tried, and that nothing speaks against, or that is the last hope."""
        return any(map(self._is_usable, self._members)) or (self._may_turn_to_the_resting() and any(self._resting()))

    def keep(self, seat: Seat) -> None:
        """Have the conversation keep to an account that has answered."""
        if self._conversation is not None:
            self._roster.keep(self._conversation, seat)

    # At once

    def _ready(self) -> Seat | None:
        """The best account that is free and lets the request go."""
        if self._conversation is not None:
            usual = self._roster.conversations.place_of(self._conversation, _now())
            if usual is not None and not usual.is_full and self._is_ready(usual):
                return usual
        looked_at = 0
        for seat in self._roster.free():
            if self._is_usable(seat):
                if (delay := self._delay(seat)) <= 0:
                    return seat
                looked_at += delay < math.inf
                if looked_at == _LOOKED_AT:
                    return None
        return None

    def _is_ready(self, seat: Seat) -> bool:
        return self._is_usable(seat) and self._delay(seat) <= 0

    def _is_usable(self, seat: Seat) -> bool:
        return seat in self._members and seat not in self.tried and self._rest_of(seat) is None

    def _rest_of(self, seat: Seat) -> Rest | None:
        return seat.standing.against(self._request.model, _now())

    def _delay(self, seat: Seat) -> float:
        delay = self._members[seat].delay
        return delay(self._request, self._tokens) if delay is not None else 0.0

    @cached_property
    def _tokens(self) -> int:
        """The estimate of the request, made once for all accounts that are looked at."""
        return estimate_tokens(self._request)

    # Later

    def _expect(self, waiter: Waiter) -> Wait | None:
        """What is waited for; `None` where the waiter has been served, or cannot be."""
        while not waiter.is_served and (seat := self._ready()) is not None:
            if not self._roster.hand_out(seat):
                break
        if waiter.is_served:
            return None
        full = [seat for seat in self._members if seat.is_full and self._is_usable(seat)]
        delays = self._delays()
        if any(self._delay(seat) < math.inf for seat in full):
            return self._wait_for(full, min((*delays.values(), self._until_one_is_well())))
        if delays:
            waiter.serve(self._roster.unheld(min(delays, key=delays.__getitem__)))
            return None
        return self._among_the_resting(waiter) if self._may_turn_to_the_resting() else None

    def _delays(self) -> dict[Seat, float]:
        """For how long accounts that have room would hold the request back, the best first; those that let it wait."""
        found: dict[Seat, float] = {}
        spent: list[Seat] = []
        for seat in filter(self._is_usable, self._roster.free()):
            if (delay := self._delay(seat)) < math.inf:
                found[seat] = delay
            else:
                spent.append(seat)
            if len(found) == _LOOKED_AT:
                break
        for seat in spent if not self._is_sole else ():
            rest = Rest(_now() + _SPENT_SECONDS, "told", "nothing is left of its day", self._request.model)
            self._roster.rest(seat, rest)
        return found

    def _until_one_is_well(self) -> float:
        rests = (self._rest_of(seat) for seat in self._members if seat not in self.tried)
        return min((rest.until - _now() for rest in rests if rest is not None), default=math.inf)

    def _may_turn_to_the_resting(self) -> bool:
        """Whether one that rests may be asked, once: not where a wait may mend what the others have failed of."""
        return not self._has_turned_to_the_resting and all(schedule_of(error) is None for error in self.tried.values())

    def _resting(self) -> list[Seat]:
        """Those to ask when there is no other, the first to be well first; after one that failed, no disabled one."""
        untried = (seat for seat in self._members if seat not in self.tried)
        return sorted((seat for seat in untried if not (self.tried and self._is_disabled(seat))), key=self._rank)

    def _is_disabled(self, seat: Seat) -> bool:
        rest = self._rest_of(seat)
        return rest is not None and rest.kind == "disabled"

    def _among_the_resting(self, waiter: Waiter) -> Wait | None:
        """Serve the waiter with the account that will be well first, or have it wait for any: there is no other."""
        seats = self._resting()
        if not seats:
            return None
        for seat in seats:
            if self._rest_of(seat) is None:  # it has nothing left, and its driver will say so
                waiter.serve(self._roster.unheld(seat))
                return None
            if not seat.is_full:
                waiter.serve(self._roster.take(seat))
                return None
        waiter.suits = seats.__contains__
        return self._wait_for(seats, self._until_one_is_well())

    def _wait_for(self, seats: list[Seat], look_again: float) -> Wait:
        return self._roster.until_one_ends(seats, max(look_again, _SHORTEST) if look_again < math.inf else None)

    def _rank(self, seat: Seat) -> tuple[int, float, int, int]:
        rest = self._rest_of(seat) or Rest(math.inf, "told", "")
        return *rest.rank, seat.priority, seat.index


def _now() -> float:
    return asyncio.get_running_loop().time()
