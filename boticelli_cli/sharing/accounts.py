"""The accounts of a provider on all gateways: requests under way, conversations, and what speaks against them."""

import json
import math
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from boticelli_cli.routing.conversations import STICKY_SECONDS
from boticelli_cli.routing.cooldowns import Rest
from boticelli_cli.routing.elsewhere import Hearer, Known
from boticelli_cli.sharing.leases import Lease, Leases
from boticelli_cli.sharing.link import Away, RedisLink

__all__ = ["SharedAccounts"]


class SharedAccounts:
    """What gateways tell one another of a provider's accounts; see `routing.elsewhere.Elsewhere`.

    Rests are a hash in Redis, which is read on joining, and news while one is joined. Their ends are by the wall clocks
    of machines, which therefore have to agree within a second or so.
    """

    def __init__(
        self, link: RedisLink, leases: Leases, provider: str, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._link = link
        self._leases = leases
        self._provider = provider
        self._clock = clock
        self._book = link.key("rests", provider)
        self._known: dict[tuple[str, str], Known] = {}
        self._hearer: Hearer | None = None
        link.on_join(self._read)
        link.on_news("rest", self._hear)
        link.on_news("success", self._hear)
        link.on_news("room", self._hear)

    async def take(self, account: str, most: int) -> Lease | None:
        news = self._link.message("room", provider=self._provider, account=account)
        return await self._leases.take(self._link.key("under-way", self._provider, account), most, news=news)

    async def account_of(self, conversation: str) -> str | None:
        try:
            found = await self._link.ask("GET", self._place_of(conversation))
        except Away:
            return None
        return str(found) if found is not None else None

    def keep(self, conversation: str, account: str) -> None:
        place = self._place_of(conversation)
        self._link.later(("place", place), ("SET", place, account, "EX", round(STICKY_SECONDS)))

    def rests(self) -> Iterable[Known]:
        return tuple(known for known in self._known.values() if known.rest.until > self._clock())

    def tell_of_rest(self, known: Known) -> None:
        where = (known.account, known.rest.model)
        self._known[where] = known
        written = _written(known)
        self._link.later(("rest", self._provider, where), ("HSET", self._book, json.dumps(where), json.dumps(written)))
        self._link.tell("rest", provider=self._provider, **written)

    def tell_of_success(self, account: str, model: str) -> None:
        for where in ((account, ""), (account, model)):
            self._known.pop(where, None)
            self._link.later(("rest", self._provider, where), ("HDEL", self._book, json.dumps(where)))
        self._link.tell("success", provider=self._provider, account=account, model=model)

    def listen(self, hearer: Hearer) -> None:
        self._hearer = hearer

    def _place_of(self, conversation: str) -> str:
        return self._link.key("conversation", self._provider, conversation)

    async def _read(self) -> None:
        """Know what others have written, and forget for all of them what is over."""
        for where, text in (await self._link.ask("HGETALL", self._book, joining=True)).items():
            try:
                known = _read(json.loads(text))
            except (ValueError, KeyError, TypeError):
                known = None
            if known is None or known.rest.until < self._clock():
                await self._link.ask("HDEL", self._book, where, joining=True)
            else:
                self._know(known)

    def _hear(self, facts: Mapping[str, Any]) -> None:
        if facts["provider"] != self._provider:
            return
        account = facts["account"]
        match facts["kind"]:
            case "rest":
                self._know(_read(facts))
            case "success":
                self._known.pop((account, ""), None)
                self._known.pop((account, facts["model"]), None)
                if self._hearer is not None:
                    self._hearer.hear_of_success(account, facts["model"])
            case _:
                if self._hearer is not None:
                    self._hearer.hear_of_room(account)

    def _know(self, known: Known) -> None:
        self._known[known.account, known.rest.model] = known
        if self._hearer is not None:
            self._hearer.hear_of_rest(known)


def _written(known: Known) -> dict[str, Any]:
    rest = known.rest
    return {
        "account": known.account,
        "model": rest.model,
        "until": rest.until if rest.until < math.inf else None,
        "rests": rest.kind,
        "reason": rest.reason,
        "refusals": known.refusals,
    }


def _read(written: Mapping[str, Any]) -> Known:
    until = math.inf if written["until"] is None else float(written["until"])
    rest = Rest(until, written["rests"], str(written["reason"]), str(written["model"]))
    return Known(str(written["account"]), rest, int(written["refusals"]))
