"""The gatekeeper of several gateways: what the holder of a key may do counts for all of them together."""

import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count

from boticelli_cli.errors import ProviderError
from boticelli_cli.gateway.base import Admission, Gatekeeper
from boticelli_cli.gateway.refusals import (
    day_is_spent,
    too_many_at_once,
    too_many_requests,
    too_many_tokens,
    total_is_spent,
)
from boticelli_cli.grants import Grant
from boticelli_cli.routing.window import SPAN
from boticelli_cli.sharing.leases import CLOCK, LEASE, Lease, Leases
from boticelli_cli.sharing.link import Away, RedisLink, Script
from boticelli_cli.sharing.tallies import TALLY, Tallies
from boticelli_cli.sharing.window import WINDOW, Recents, member

__all__ = ["SharedGatekeeper"]

_ADMIT = Script(
    f"""{CLOCK}{WINDOW}{TALLY}{LEASE}
local sent, leases, day, all = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local own, tokens, span, id = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local rpm, tpm, most = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local usd_day, usd_all, seconds = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local time = now()
if usd_all >= 0 and total(all) >= usd_all then return {{'total', '0'}} end
if usd_day >= 0 and total(day) >= usd_day then return {{'day', '0'}} end
if most >= 0 and under_way(leases, time) >= most then return {{'under way', '0'}} end
if rpm >= 0 or tpm >= 0 then
  local at, lacks = math.huge, rpm == 0 and 'requests' or 'tokens'
  if rpm ~= 0 and tpm ~= 0 then at, lacks = earliest(ahead(sent, '', time, span), tokens, rpm, tpm, time, span) end
  if at > time then return {{lacks, text(math.min(at - time, span))}} end
  place(sent, own, time, time, span)
end
if most >= 0 then lease(leases, id, time, seconds) end
return {{'admitted', '0'}}
"""
)

_KEPT_DAYS = 2


class SharedGatekeeper:
    """Lets in what all gateways together may let in; see `gateway.base.Gatekeeper`.

    What Redis lets in goes by the `local` gatekeeper too, who so knows what this gateway has done, and is the only one
    while Redis is away. What went on meanwhile is told to Redis when it is back. `clock` is the wall clock, for days.
    """

    def __init__(
        self,
        local: Gatekeeper,
        link: RedisLink,
        leases: Leases,
        tallies: Tallies,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._local = local
        self._link = link
        self._leases = leases
        self._tallies = tallies
        self._recents = Recents(link)
        self._clock = clock
        self._numbers = count()

    @asynccontextmanager
    async def admitted(self, grant: Grant, request_id: str, tokens: int) -> AsyncIterator[Admission]:
        """A place among those under way, here and elsewhere."""
        place = _Place(f"{self._link.gateway}-{next(self._numbers)}", grant, tokens)
        lease = self._lease_of(place)
        if lease is not None:
            self._leases.hold(lease)
        try:
            await self._admit(place)
            async with self._local.admitted(grant, request_id, tokens) as admission:
                self._note(place)
                yield _Admission(admission, place, self._spend)
        finally:
            self._leave(place, lease)

    def _leave(self, place: "_Place", lease: Lease | None) -> None:
        """Give back what was taken. One who was cancelled while it asked may have been let in all the same."""
        if lease is not None and place.is_known:
            self._leases.drop(lease)
        elif lease is not None:
            self._leases.forget(lease)
        if place.is_known and not place.is_in:
            self._recents.take_back(self._sent(place), place.id, place.tokens)

    async def _admit(self, place: "_Place") -> None:
        grant = place.grant
        limits = (grant.rpm, grant.tpm, grant.max_concurrent, grant.usd_per_day, grant.usd_total)
        if all(limit is None for limit in limits):
            return
        keys = (self._sent(place), self._under_way(place), self._day(place)[0], self._total(place))
        own = (member(place.id, place.tokens), place.tokens, SPAN, place.id)
        numbers = (-1 if limit is None else limit for limit in limits)
        try:
            what, seconds = await self._link.run(_ADMIT, keys, (*own, *numbers, self._leases.seconds))
        except Away:
            return
        if what != "admitted":
            place.is_known = False
            raise self._refusal(grant, what, float(seconds))

    def _note(self, place: "_Place") -> None:
        """Know that a request is in, for the time when Redis is back and has to be told."""
        place.is_in = True
        if place.grant.rpm is not None or place.grant.tpm is not None:
            self._recents.add(self._sent(place), place.id, place.tokens)

    def _spend(self, place: "_Place", tokens: int, cost_usd: float | None) -> None:
        if place.grant.rpm is not None or place.grant.tpm is not None:
            self._recents.correct(self._sent(place), place.id, place.tokens, tokens)
            place.tokens = tokens
        if cost_usd is not None and cost_usd > 0:
            day, expires = self._day(place)
            self._tallies.add(day, cost_usd, expires=expires)
            self._tallies.add(self._total(place), cost_usd)

    def _refusal(self, grant: Grant, what: str, seconds: float) -> ProviderError:
        match what:
            case "total":
                return total_is_spent(grant)
            case "day":
                now = self._clock()
                return day_is_spent(grant, _midnight(now), now)
            case "under way":
                return too_many_at_once(grant)
            case "tokens":
                return too_many_tokens(grant, seconds)
            case _:
                return too_many_requests(grant, seconds)

    def _lease_of(self, place: "_Place") -> Lease | None:
        return None if place.grant.max_concurrent is None else Lease(self._leases, self._under_way(place), place.id)

    def _sent(self, place: "_Place") -> str:
        return self._link.key("key-sent", place.grant.name)

    def _under_way(self, place: "_Place") -> str:
        return self._link.key("key-under-way", place.grant.name)

    def _total(self, place: "_Place") -> str:
        return self._link.key("key-cost", place.grant.name)

    def _day(self, place: "_Place") -> tuple[str, int]:
        """Where the costs of the day are, and when they are forgotten."""
        now = self._clock()
        date = datetime.fromtimestamp(now, UTC).date().isoformat()
        expires = math.ceil(_midnight(now)) + (_KEPT_DAYS - 1) * 86_400
        return self._link.key("key-cost-of-day", place.grant.name, date), expires


class _Place:
    """One request of the holder of a key: what it was expected to use, and then what it has.

    It `is_known` to Redis, or may be, and `is_in` once it is under way.
    """

    __slots__ = ("grant", "id", "is_in", "is_known", "tokens")

    def __init__(self, id: str, grant: Grant, tokens: int) -> None:  # noqa: A002
        self.id = id
        self.grant = grant
        self.tokens = tokens
        self.is_in = False
        self.is_known = True


class _Admission:
    """A request that has been let in, here and elsewhere."""

    def __init__(self, here: Admission, place: _Place, spend: Callable[[_Place, int, float | None], None]) -> None:
        self._here = here
        self._place = place
        self._spend = spend

    def spend(self, tokens: int, cost_usd: float | None) -> None:
        self._here.spend(tokens, cost_usd)
        self._spend(self._place, tokens, cost_usd)


def _midnight(now: float) -> float:
    day = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (day + timedelta(days=1)).timestamp()
