"""Counts of what accounts have asked of models, over all gateways: the ledger's rules, kept by Redis."""

import asyncio
import math
import time
from collections.abc import Callable
from itertools import count
from typing import Any

from boticelli_cli.catalog import Limits
from boticelli_cli.routing.day import Reset
from boticelli_cli.routing.elsewhere import Claim
from boticelli_cli.routing.ledger import Spent
from boticelli_cli.routing.window import SPAN
from boticelli_cli.sharing.leases import CLOCK
from boticelli_cli.sharing.link import Away, RedisLink, Script
from boticelli_cli.sharing.tallies import TALLY, Tallies
from boticelli_cli.sharing.window import WINDOW, Recents, member

__all__ = ["SharedCounts"]

_KNOWN_SECONDS = 1.0
"""For how long it is believed what was found out about an account."""

_DAY = 86_400

_CLAIM = Script(
    f"""{CLOCK}{WINDOW}{TALLY}
local sent, day, spent = KEYS[1], KEYS[2], KEYS[3]
local own, held, tokens, span = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local rpm, tpm, rpd = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local day_end, gateway, only_looks = tonumber(ARGV[8]), ARGV[9], ARGV[10] == '1'
local time = now()
local requests, back = total(day), tonumber(redis.call('GET', spent) or '0')
if rpd >= 0 and requests >= rpd and day_end > back then back = day_end end
if back > time then
  if not only_looks then redis.call('ZREM', sent, own) end
  return {{'spent', text(back), text(back - time), requests}}
end
local at, lacks = earliest(ahead(sent, held, time, span), tokens, rpm, tpm, time, span)
local mine = 0
if not only_looks then
  place(sent, own, at, time, span)
  if at <= time then
    mine = redis.call('HINCRBY', day, gateway, 1)
    redis.call('EXPIREAT', day, math.ceil(day_end + {_DAY}))
  end
end
return {{'room', text(math.max(at - time, 0)), lacks, mine}}
"""
)


class SharedCounts:
    """Requests and tokens a minute and requests a day, of each account and model, over all gateways.

    Places go by the clock of Redis; days by `clock`, the wall clock here. While Redis is away every request may go, as
    far as others are concerned; what goes then is counted when it is back.
    """

    def __init__(self, link: RedisLink, tallies: Tallies, *, clock: Callable[[], float] = time.time) -> None:
        self._link = link
        self._tallies = tallies
        self._recents = Recents(link)
        self._clock = clock
        self._numbers = count()
        self._known: dict[tuple[str, str], tuple[float, float]] = {}

    async def claim(
        self, account: str, model: str, limits: Limits, tokens: int, reset: Reset, *, held: Claim | None = None
    ) -> Claim | Spent:
        """A place in the minute, as in `routing.elsewhere.Counts`."""
        name = held.id if held is not None else f"{self._link.gateway}-{next(self._numbers)}"
        claim = Claim(name, account, model, tokens, 0.0, "requests")
        try:
            answer = await self._ask(claim, limits, reset, held=held is not None)
        except Away:
            self._went(claim, reset)
            return claim
        except BaseException:
            self.take_back(claim)  # Redis may have counted it already
            raise
        if isinstance(answer, Spent):
            return answer
        seconds, lacks, mine = answer
        self._know(account, model, seconds)
        if seconds <= 0:
            self._went(claim, reset, mine)
        return Claim(name, account, model, tokens, seconds, lacks)

    async def look(self, account: str, model: str, limits: Limits, tokens: int, reset: Reset) -> None:
        claim = Claim("", account, model, tokens, 0.0, "requests")
        try:
            answer = await self._ask(claim, limits, reset, only_looks=True)
        except Away:
            self._known.pop((account, model), None)
            return
        self._know(account, model, math.inf if isinstance(answer, Spent) else answer[0])

    def delay(self, account: str, model: str) -> float:
        at, until = self._known.get((account, model), (-math.inf, 0.0))
        now = _now()
        return max(until - now, 0.0) if now - at < _KNOWN_SECONDS else 0.0

    def take_back(self, claim: Claim) -> None:
        self._recents.take_back(self._sent(claim), claim.id, claim.tokens)

    def correct(self, claim: Claim, tokens: int) -> None:
        self._recents.correct(self._sent(claim), claim.id, claim.tokens, tokens)

    def mark_spent(self, account: str, model: str, until: float) -> None:
        if until > self._clock():
            key = self._link.key("spent", account, model)
            self._link.later(("spent", account, model), ("SET", key, repr(until), "EXAT", math.ceil(until)))

    async def _ask(
        self, claim: Claim, limits: Limits, reset: Reset, *, held: bool = False, only_looks: bool = False
    ) -> Any:
        own = member(claim.id, claim.tokens)
        keys = (self._sent(claim), self._day(claim, reset), self._link.key("spent", claim.account, claim.model))
        known = (_number(limits.rpm), _number(limits.tpm), _number(limits.rpd))
        end = reset(self._clock()).end
        rest = (own if held else "", claim.tokens, SPAN, *known, end, self._link.gateway, int(only_looks))
        kind, *facts = await self._link.run(_CLAIM, keys, (own, *rest))
        if kind == "spent":
            return Spent(float(facts[0]), float(facts[1]), int(facts[2]))
        return float(facts[0]), facts[1], int(facts[2])

    def _went(self, claim: Claim, reset: Reset, mine: int | None = None) -> None:
        """Know that a request has gone; where Redis does not know, with how many others of this gateway's day."""
        self._recents.add(self._sent(claim), claim.id, claim.tokens)
        day, now = self._day(claim, reset), self._clock()
        expires = math.ceil(reset(now).end + _DAY)
        if mine is None:
            self._tallies.add(day, 1, expires=expires)
        else:
            self._tallies.know(day, mine, expires=expires)

    def _know(self, account: str, model: str, seconds: float) -> None:
        now = _now()
        self._known[account, model] = now, now + seconds

    def _sent(self, claim: Claim) -> str:
        return self._link.key("sent", claim.account, claim.model)

    def _day(self, claim: Claim, reset: Reset) -> str:
        return self._link.key("day", claim.account, claim.model, str(round(reset(self._clock()).start)))


def _number(limit: int | None) -> int:
    return -1 if limit is None else limit


def _now() -> float:
    return asyncio.get_running_loop().time()
