"""Seals on tool calls, wherever the call was made: a conversation may come back to another gateway."""

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Mapping

from boticelli_cli.sharing.link import Away, RedisLink

__all__ = ["SharedSeals"]

_KEPT_SECONDS = 3600.0
_MOST = 20_000
"""How many are remembered here, the latest ones."""

_MOST_ASKED = 2_000
_LONGEST_ASKED = 200
"""How many Redis is asked for at once, the last ones, and by ids of how many characters: clients may send anything."""


class SharedSeals:
    """Seals by the ids of their calls, here and in Redis, for an hour; see `gateway.base.Seals`."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._here: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def put(self, call_id: str, signature: str) -> None:
        """Remember a seal, here at once, for others soon."""
        self._remember(call_id, signature)
        place = self._place_of(call_id)
        self._link.later(("seal", call_id), ("SET", place, signature, "EX", round(_KEPT_SECONDS)))

    async def get(self, call_ids: Collection[str]) -> Mapping[str, str]:
        """Those that are remembered, wherever they were put."""
        now = _now()
        here = {each: self._here[each] for each in call_ids if each in self._here}
        found = {each: signature for each, (signature, until) in here.items() if until > now}
        missing = [each for each in dict.fromkeys(call_ids) if each not in found and len(each) <= _LONGEST_ASKED]
        missing = missing[-_MOST_ASKED:]
        if missing:
            try:
                there = await self._link.ask("MGET", *map(self._place_of, missing))
            except Away:
                return found
            for call_id, signature in zip(missing, there, strict=True):
                if signature is not None:
                    found[call_id] = signature
                    self._remember(call_id, signature)
        return found

    def _remember(self, call_id: str, signature: str) -> None:
        self._here[call_id] = signature, _now() + _KEPT_SECONDS
        self._here.move_to_end(call_id)
        while len(self._here) > _MOST:
            self._here.popitem(last=False)

    def _place_of(self, call_id: str) -> str:
        return self._link.key("seal", call_id)


def _now() -> float:
    return asyncio.get_running_loop().time()
