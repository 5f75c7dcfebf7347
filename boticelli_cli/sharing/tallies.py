"""Tallies: sums over all gateways, of which each gateway writes its own part only, so that nothing counts twice."""

import time
from collections.abc import Callable

from boticelli_cli.sharing.link import RedisLink, Script

__all__ = ["TALLY", "Tallies"]

TALLY = """
local function total(key)
  local sum = 0
  for _, part in ipairs(redis.call('HVALS', key)) do sum = sum + tonumber(part) end
  return sum
end
"""
"""Lua: a tally is a hash from gateways to their parts."""

_RAISE = Script(
    """
if tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0') < tonumber(ARGV[2]) then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
end
if ARGV[3] ~= '' then redis.call('EXPIREAT', KEYS[1], ARGV[3]) end
return 1
"""
)


class Tallies:
    """This gateway's parts of sums that only grow. They are written again when Redis is back, and may have lost them.

    Parts of days are forgotten, here and there, when somebody says so by `expires`, in seconds since 1970.
    """

    def __init__(self, link: RedisLink, *, clock: Callable[[], float] = time.time) -> None:
        self._link = link
        self._clock = clock
        self._own: dict[str, tuple[float, int | None]] = {}
        link.on_join(self._restore)

    def own(self, key: str) -> float:
        """What this gateway has added."""
        return self._own.get(key, (0.0, None))[0]

    def add(self, key: str, amount: float, *, expires: int | None = None) -> None:
        """Add to a sum, soon."""
        self.know(key, self.own(key) + amount, expires=expires)
        self._link.run_later(("tally", key), _RAISE, (key,), self._arguments(key))

    def know(self, key: str, own: float, *, expires: int | None = None) -> None:
        """Know how much this gateway has added, where it has been written already."""
        if key not in self._own:
            self._forget()
        self._own[key] = max(float(own), self.own(key)), expires

    def _forget(self) -> None:
        now = self._clock()
        for key in [key for key, (_, expires) in self._own.items() if expires is not None and expires < now]:
            del self._own[key]

    async def _restore(self) -> None:
        for key in list(self._own):
            await self._link.run(_RAISE, (key,), self._arguments(key), joining=True)

    def _arguments(self, key: str) -> tuple[str, str, str | int]:
        amount, expires = self._own[key]
        written = repr(int(amount) if amount.is_integer() else amount)
        return self._link.gateway, written, "" if expires is None else expires
