"""The roster: which of a provider's accounts are free, in their order, and who waits for one.

Everything but a wait is synchronous, so that no cancellation comes between a change and its consequence.
"""

import asyncio
import heapq
import itertools
import math
from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from boticelli_cli.drivers.base import Going, notify
from boticelli_cli.routing.conversations import Conversations
from boticelli_cli.routing.cooldowns import Rest, Standing
from boticelli_cli.routing.elsewhere import Elsewhere, Place
from boticelli_cli.routing.line import Turn, Wait, one_of

__all__ = ["Lease", "Roster", "Seat", "Waiter", "offered", "offering"]

_BELIEVED_SECONDS = 1.0
"""For how long an account that is full elsewhere is taken to be, unless word comes that it is not."""


class Seat:
    """An account on the roster: how many requests it has under way, and what speaks against it.

    `elsewhere` are those that others have under way, where they are known to leave no room.
    `standing` is changed through the roster only, which has to know where the account stands in its order.
    """

    def __init__(self, counted_as: str, priority: int, most: int | None, index: int) -> None:
        self.counted_as = counted_as
        self.priority = priority
        self.most = most
        self.index = index
        self.running = 0
        self.elsewhere = 0
        self.last_used = 0
        self.standing = Standing()
        self.place: tuple[int, int, int, int] | None = None

    @property
    def is_full(self) -> bool:
        return self.most is not None and self.running + self.elsewhere >= self.most


class Lease:
    """A request's right to be under way on an account: not held yet, held, or given back.

    Whoever waits for something else meanwhile gives it back, and takes it again.
    """

    __slots__ = ("_roster", "is_held", "place", "seat")

    def __init__(self, roster: "Roster", seat: Seat) -> None:
        self._roster = roster
        self.seat = seat
        self.is_held = False
        self.place: Place | None = None

    async def take(self) -> None:
        """Wait until the account has one to give, and hold it."""
        number = None
        while not self.is_held:
            waiter = Waiter(self.seat, lambda seat: seat is self.seat, lease=self, number=number)
            await self._roster.wait(waiter, self._expect)
            number = waiter.number
            await self._roster.confirm(self)

    def _expect(self) -> Wait | None:
        self._roster.look_again()
        if not self.seat.is_full:
            self._roster.hand_out(self.seat)
        return self._roster.until_one_ends((self.seat,))

    def give_back(self) -> None:
        """Let others have it. Once it has been given back, or before it was held, this does nothing."""
        if self.is_held:
            self._roster.end(self)


_offered: ContextVar[Lease | None] = ContextVar("offered", default=None)


def offered() -> Lease | None:
    """The lease that the request at hand needs to be under way, where there is one."""
    return _offered.get()


@contextmanager
def offering(lease: Lease) -> Iterator[None]:
    """Have the driver inside know the lease of a request: one that makes it wait gives the lease back for that time."""
    token = _offered.set(lease)
    try:
        yield
    finally:
        _offered.reset(token)


class Waiter(Turn):
    """A request that waits for any account that `suits` it; those of the same `group` want the same ones.

    One that has been served before, to no avail, has a `number` already, and with it its old place in the line.
    """

    def __init__(
        self, group: Hashable, suits: Callable[[Seat], bool], *, lease: Lease | None = None, number: int | None = None
    ) -> None:
        super().__init__()
        self.group = group
        self.suits = suits
        self.lease = lease
        self.is_served = False
        self.number = number

    def serve(self, lease: Lease) -> None:
        """Have it wait no longer. A lease that is not held yet is for a driver that will take it."""
        self.lease = lease
        self.is_served = True
        self.woken.set()


class Roster:
    """The accounts of a provider, for all ways in which it is called.

    Of those that are free, the lowest `priority` comes first, then the fewest requests under way, then the one that
    was used least recently. What becomes free goes to whoever has waited longest and can use it, at once.

    Where the same accounts are used `elsewhere`, a lease counts once it is confirmed there.
    """

    def __init__(self, elsewhere: Elsewhere | None = None) -> None:
        self._elsewhere = elsewhere
        self._full_elsewhere: list[tuple[float, Seat]] = []
        self.conversations: Conversations[Seat] = Conversations()
        self._seats: list[Seat] = []
        self._by_name: dict[str, Seat] = {}
        self._free: list[tuple[int, int, int, int]] = []
        self._resting: list[tuple[float, int]] = []
        self._line: dict[Hashable, OrderedDict[Waiter, None]] = {}
        self._running: OrderedDict[Lease, float] = OrderedDict()
        self._typical: float | None = None
        self._numbers = itertools.count(1)

    def seat(self, counted_as: str, *, priority: int, max_concurrent: int | None) -> Seat:
        """The place of an account, which it gets when it is first asked for."""
        if counted_as not in self._by_name:
            seat = Seat(counted_as, priority, max_concurrent, len(self._seats))
            self._by_name[counted_as] = seat
            self._seats.append(seat)
            self._settle(seat)
        return self._by_name[counted_as]

    def seat_of(self, counted_as: str) -> Seat | None:
        """The place of an account that has one."""
        return self._by_name.get(counted_as)

    @property
    def seats(self) -> tuple[Seat, ...]:
        """All accounts that have been asked for, in that order."""
        return tuple(self._seats)

    @property
    def running(self) -> int:
        """How many leases are held."""
        return len(self._running)

    @property
    def has_line(self) -> bool:
        """Whether anybody waits for one."""
        return bool(self._line)

    # Choosing

    def free(self) -> Iterator[Seat]:
        """The accounts that have a lease to give and that nothing speaks against as a whole, the best first."""
        self._thaw()
        for *_, index in self._free:
            yield self._seats[index]

    def take(self, seat: Seat) -> Lease:
        """A lease, held, on an account that has one to give."""
        return self._begin(Lease(self, seat))

    def unheld(self, seat: Seat) -> Lease:
        """A lease for whoever will hold it later."""
        return Lease(self, seat)

    def end(self, lease: Lease) -> None:
        """Have a lease back, and serve whoever waits for it."""
        took = _now() - self._running[lease]
        self._typical = took if self._typical is None else (self._typical + took) / 2
        self._drop(lease)

    def _drop(self, lease: Lease) -> None:
        del self._running[lease]
        lease.is_held = False
        if lease.place is not None:
            lease.place.give_back()
            lease.place = None
        lease.seat.running -= 1
        self._settle(lease.seat)
        self.hand_out(lease.seat)
        if not lease.seat.is_full:  # nobody could use it just now; those who wait may have to wait for something else
            self._wake_the_first(self._line)

    def rest(self, seat: Seat, rest: Rest) -> None:
        """Know what speaks against an account; those who wait for it may have to think again."""
        seat.standing.put(rest)
        if not rest.model and rest.until < math.inf:
            heapq.heappush(self._resting, (rest.until, seat.index))
        self._settle(seat)
        self._wake_the_first(self._line)

    def clear(self, seat: Seat, model: str) -> bool:
        """Know of a success with a model; whether anything had spoken against the account."""
        cleared = seat.standing.clear(model)
        if cleared:
            self._settle(seat)
            self.hand_out(seat)
        return cleared

    # Elsewhere

    async def confirm(self, lease: Lease) -> bool:
        """Whether a lease that is held holds elsewhere too; if not it is given back, and the account full for now."""
        seat = lease.seat
        if self._elsewhere is None or seat.most is None:
            return True
        try:
            lease.place = await self._elsewhere.take(seat.counted_as, seat.most)
        except BaseException:
            lease.give_back()
            raise
        if lease.place is None:
            self._know_elsewhere(seat, seat.most - seat.running + 1)
            self._drop(lease)
            return False
        self._know_elsewhere(seat, 0)
        return True

    async def place_of(self, conversation: Hashable) -> Seat | None:
        """The account that a conversation keeps to, here or elsewhere."""
        seat = self.conversations.place_of(conversation, _now())
        if seat is None and self._elsewhere is not None:
            account = await self._elsewhere.account_of(str(conversation))
            if account is not None and (seat := self._by_name.get(account)) is not None:
                self.conversations.keep(conversation, seat, _now())
        return seat

    def keep(self, conversation: Hashable, seat: Seat) -> None:
        """Have a conversation keep to an account, here and elsewhere."""
        self.conversations.keep(conversation, seat, _now())
        if self._elsewhere is not None:
            self._elsewhere.keep(str(conversation), seat.counted_as)

    def look_again(self) -> None:
        """Believe no longer what was known of other machines a while ago."""
        while self._full_elsewhere and self._full_elsewhere[0][0] <= _now():
            _, seat = self._full_elsewhere.pop(0)
            self._know_elsewhere(seat, 0)

    def make_room(self, seat: Seat) -> None:
        """Know that an account has fewer under way elsewhere, and let those go who wait for it."""
        if seat.elsewhere:
            self._know_elsewhere(seat, 0)
            self.hand_out(seat)
            self._wake_the_first(self._line)

    def _know_elsewhere(self, seat: Seat, number: int) -> None:
        if number == seat.elsewhere:
            return
        if number:
            self._full_elsewhere.append((_now() + _BELIEVED_SECONDS, seat))
        seat.elsewhere = number
        self._settle(seat)

    # Waiting

    async def wait(self, waiter: Waiter, expect: Callable[[], Wait | None]) -> Lease | None:
        """Wait to be served. `expect` says what is waited for; or nothing, where it is no use to wait.

        It is asked whenever things have changed. It may also serve the waiter, by handing out an account.
        """
        self._join(waiter)
        try:
            while not waiter.is_served:
                waiter.woken.clear()
                wait = expect()
                if waiter.is_served:
                    break
                if wait is None:
                    return None
                await waiter.wait(wait)
            if waiter.was_told:
                await notify(Going())
        except BaseException:
            if waiter.lease is not None:
                waiter.lease.give_back()
            raise
        finally:
            self._leave(waiter)
        return waiter.lease

    def hand_out(self, seat: Seat) -> bool:
        """Give an account's leases to those who wait and can use them, the longest first; whether anybody could."""
        served = False
        while self._line and not seat.is_full:
            firsts = sorted((next(iter(group)) for group in self._line.values()), key=_number)
            waiter = next((each for each in firsts if each.suits(seat)), None)
            if waiter is None:
                break
            waiter.serve(self._begin(waiter.lease or Lease(self, seat)))
            self._leave(waiter)
            served = True
        return served

    def until_one_ends(self, seats: Iterable[Seat], look_again: float | None = None) -> Wait:
        """What those wait for whose accounts, these, are all full; and until when, by how long others took."""
        seconds = None
        if self._typical is not None and self._running:
            seconds = max(self._typical - (_now() - next(iter(self._running.values()))), 0.05)
        if any(seat.elsewhere for seat in seats):
            look_again = min(look_again or math.inf, _BELIEVED_SECONDS)
        return Wait(one_of(sum(seat.running + seat.elsewhere for seat in seats)), seconds, look_again)

    def _join(self, waiter: Waiter) -> None:
        group = self._line.setdefault(waiter.group, OrderedDict())
        group[waiter] = None
        if waiter.number is None:
            waiter.number = next(self._numbers)
        else:
            group.move_to_end(waiter, last=False)
        if waiter.lease is not None and not waiter.lease.seat.is_full:
            self.hand_out(waiter.lease.seat)

    def _leave(self, waiter: Waiter) -> None:
        group = self._line.get(waiter.group)
        if group is None or waiter not in group:
            return
        del group[waiter]
        if not group:
            del self._line[waiter.group]
        else:
            self._wake_the_first((waiter.group,))

    def _wake_the_first(self, groups: Iterable[Hashable]) -> None:
        for group in groups:
            next(iter(self._line[group])).woken.set()

    def _begin(self, lease: Lease) -> Lease:
        seat = lease.seat
        seat.running += 1
        seat.last_used = next(self._numbers)
        self._settle(seat)
        lease.is_held = True
        self._running[lease] = _now()
        return lease

    # The order

    def _settle(self, seat: Seat) -> None:
        """Put an account where it now belongs among the free ones, or take it from there."""
        if seat.place is not None:
            del self._free[bisect_left(self._free, seat.place)]
            seat.place = None
        rest = seat.standing.whole
        if not seat.is_full and (rest is None or rest.until <= _now()):
            seat.place = (seat.priority, seat.running, seat.last_used, seat.index)
            insort(self._free, seat.place)

    def _thaw(self) -> None:
        """Let those be free again whose rest is over, or of whom nothing is known any more."""
        self.look_again()
        while self._resting and self._resting[0][0] <= _now():
            _, index = heapq.heappop(self._resting)
            self._settle(self._seats[index])


def _number(waiter: Waiter) -> int:
    return waiter.number or 0


def _now() -> float:
    return asyncio.get_running_loop().time()
