"""Leases: how many requests are under way at something, over all gateways, however they end."""

from collections.abc import Iterator
from itertools import count

from boticelli_cli.sharing.link import Away, RedisLink, Script

__all__ = ["CLOCK", "LEASE", "Lease", "Leases"]

CLOCK = """
local function now()
  local time = redis.call('TIME')
  return time[1] + time[2] / 1000000
end
local function text(number) return string.format('%.6f', number) end
"""
"""Lua: the time that all gateways go by, and numbers that lose nothing on their way out."""

LEASE = """
local function under_way(key, time)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', text(time))
  return redis.call('ZCARD', key)
end
local function lease(key, id, time, seconds)
  redis.call('ZADD', key, text(time + seconds), id)
  redis.call('PEXPIRE', key, math.ceil(seconds * 1000))
end
"""
"""Lua: leases are a set ordered by when they expire."""

_TAKE = Script(
    f"""{CLOCK}{LEASE}
local key, wanted, id, most, seconds = KEYS[1], KEYS[2], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local time = now()
if under_way(key, time) >= most and not redis.call('ZSCORE', key, id) then
  redis.call('SET', wanted, 1, 'EX', 60)
  return 0
end
lease(key, id, time, seconds)
return 1
"""
)

_RELEASE = Script(
    """
redis.call('ZREM', KEYS[1], ARGV[1])
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('PUBLISH', KEYS[3], ARGV[2]) end
return 1
"""
)

_RENEW = Script(
    f"""{CLOCK}{LEASE}
local time = now()
for index = 2, #ARGV do lease(KEYS[1], ARGV[index], time, tonumber(ARGV[1])) end
return 1
"""
)

_AT_ONCE = 1000


class Lease:
    """A place among those under way; the one who holds it gives it back, once or more often."""

    __slots__ = ("_leases", "id", "key")

    def __init__(self, leases: "Leases", key: str, id: str) -> None:  # noqa: A002
        self._leases = leases
        self.key = key
        self.id = id

    def give_back(self) -> None:
        self._leases.drop(self)


class Leases:
    """All leases of this gateway. One that is not renewed for `seconds` is over.

    Those that were taken while Redis was away, or that it has lost, are put there when it is back.
    """

    def __init__(self, link: RedisLink, *, seconds: float = 300.0) -> None:
        self._link = link
        self.seconds = seconds
        self._held: dict[str, dict[str, str]] = {}
        self._numbers = count()
        link.on_join(self._put_back)

    @property
    def held(self) -> int:
        return sum(map(len, self._held.values()))

    async def take(self, key: str, most: int, *, news: str = "") -> Lease | None:
        """A lease, unless there are as many as there may be. While Redis is away there always is one.

        When it is given back, and somebody was refused one lately, the `news` are told, a message of the link's.
        """
        lease = Lease(self, key, f"{self._link.gateway}-{next(self._numbers)}")
        self.hold(lease, news)
        try:
            taken = await self._link.run(_TAKE, (key, _wanted(key)), (lease.id, most, self.seconds))
        except Away:
            return lease
        except BaseException:
            self.drop(lease)  # Redis may have given it already
            raise
        if not taken:
            self.forget(lease)
            return None
        return lease

    def hold(self, lease: Lease, news: str = "") -> None:
        """Renew a lease from now on."""
        self._held.setdefault(lease.key, {})[lease.id] = news

    def drop(self, lease: Lease) -> None:
        """Let others have it: soon, and by somebody else than who drops it, so that no cancellation prevents it."""
        news = self.forget(lease)
        if news is not None:
            keys = (lease.key, _wanted(lease.key), self._link.news)
            self._link.run_later(("lease", lease.id), _RELEASE, keys, (lease.id, news))

    def forget(self, lease: Lease) -> str | None:
        """Renew a lease no longer that was never given. Returns whom to tell, where it was held."""
        ids = self._held.get(lease.key, {})
        news = ids.pop(lease.id, None)
        if not ids:
            self._held.pop(lease.key, None)
        return news

    def renew(self) -> None:
        """Have all that are held hold for as long as a new one, soon."""
        for number, (key, ids) in enumerate(self._all()):
            self._link.run_later(("renewal", number), _RENEW, (key,), (self.seconds, *ids))

    async def _put_back(self) -> None:
        for key, ids in self._all():
            await self._link.run(_RENEW, (key,), (self.seconds, *ids), joining=True)

    def _all(self) -> Iterator[tuple[str, list[str]]]:
        for key, held in list(self._held.items()):
            ids = list(held)
            for start in range(0, len(ids), _AT_ONCE):
                yield key, ids[start : start + _AT_ONCE]


def _wanted(key: str) -> str:
    """Where it is noted that somebody was refused one."""
    return f"{key}:wanted"
