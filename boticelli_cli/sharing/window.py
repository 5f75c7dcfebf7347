"""The rolling minute in Redis: what went out, in the order of its time, and when there is room for more.

A request that went out is a member `id:tokens` of a sorted set, whose score is its time by the clock of Redis.
"""

import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from boticelli_cli.routing.window import SPAN
from boticelli_cli.sharing.leases import CLOCK
from boticelli_cli.sharing.link import RedisLink, Script

__all__ = ["WINDOW", "Recents"]

WINDOW = """
local function ahead(key, held, time, span)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', text(time - span))
  local flat, sent, is_before = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES'), {}, true
  for index = 1, #flat, 2 do
    local member, at = flat[index], tonumber(flat[index + 1])
    if member == held then
      is_before = false
    elseif held == '' or is_before or at <= time then
      sent[#sent + 1] = {at = at, tokens = tonumber(string.match(member, ':(%d+)$')) or 0}
    end
  end
  return sent
end
local function earliest(sent, tokens, rpm, tpm, time, span)
  local last = sent[#sent]
  local turn, requests, size = time, time, time
  if last and last.at > time then turn = last.at end
  if rpm >= 0 and #sent >= rpm then requests = sent[#sent - rpm + 1].at + span end
  if tpm >= 0 and tokens > tpm then
    if last then size = last.at + span end
  elseif tpm >= 0 then
    local left = tpm - tokens
    for index = #sent, 1, -1 do
      left = left - sent[index].tokens
      if left < 0 then
        size = sent[index].at + span
        break
      end
    end
  end
  local lacks = 'requests'
  if size > requests or rpm < 0 then lacks = 'tokens' end
  return math.max(turn, requests, size), lacks
end
local function place(key, member, at, time, span)
  redis.call('ZADD', key, text(at), member)
  redis.call('PEXPIRE', key, math.ceil((at - time + 2 * span) * 1000))
end
"""
"""Lua: the same arithmetic as `routing.window.earliest`; limits that there are not are below zero."""

_CHANGE = Script(
    """
local at = redis.call('ZSCORE', KEYS[1], ARGV[1])
if at then
  redis.call('ZREM', KEYS[1], ARGV[1])
  redis.call('ZADD', KEYS[1], at, ARGV[2])
end
return 1
"""
)

_RESTORE = Script(
    f"""{CLOCK}{WINDOW}
local time, span = now(), tonumber(ARGV[1])
for index = 2, #ARGV, 2 do
  if not redis.call('ZSCORE', KEYS[1], ARGV[index]) then
    place(KEYS[1], ARGV[index], time - tonumber(ARGV[index + 1]), time, span)
  end
end
return 1
"""
)

_AT_ONCE = 1000


@dataclass(slots=True)
class _Sent:
    key: str
    tokens: int
    at: float


class Recents:
    """What this gateway has let go within a minute, which is told to Redis when that is back, and may have lost it.

    `clock` is one that never goes back.
    """

    def __init__(self, link: RedisLink, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._link = link
        self._clock = clock
        self._sent: OrderedDict[str, _Sent] = OrderedDict()
        link.on_join(self._restore)

    def add(self, key: str, id: str, tokens: int) -> None:  # noqa: A002
        """Know that a request has gone."""
        now = self._clock()
        while self._sent and next(iter(self._sent.values())).at < now - SPAN:
            self._sent.popitem(last=False)
        self._sent[id] = _Sent(key, tokens, now)

    def correct(self, key: str, id: str, expected: int, tokens: int) -> None:  # noqa: A002
        """Put what a request really used in the place of what was expected."""
        if tokens != expected:
            if (sent := self._sent.get(id)) is not None:
                sent.tokens = tokens
            members = (member(id, expected), member(id, tokens))
            self._link.run_later(("tokens", id), _CHANGE, (key,), members)

    def take_back(self, key: str, id: str, tokens: int) -> None:  # noqa: A002
        """Know that a request has not gone after all, or never will."""
        self._sent.pop(id, None)
        self._link.later(("sent", id), ("ZREM", key, member(id, tokens)))

    async def _restore(self) -> None:
        now = self._clock()
        found: dict[str, list[str | float]] = defaultdict(list)
        for name, sent in self._sent.items():
            if sent.at > now - SPAN:
                found[sent.key] += (member(name, sent.tokens), round(now - sent.at, 6))
        for key, flat in found.items():
            for start in range(0, len(flat), 2 * _AT_ONCE):
                part = flat[start : start + 2 * _AT_ONCE]
                await self._link.run(_RESTORE, (key,), (SPAN, *part), joining=True)


def member(id: str, tokens: int) -> str:  # noqa: A002
    """A request as it stands in the sorted set."""
    return f"{id}:{tokens}"
