"""Keys that other gateways have issued, as well as those that are known here."""

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from boticelli_cli.gateway.base import Keys
from boticelli_cli.grants import Grant
from boticelli_cli.sharing.link import Away, RedisLink

__all__ = ["SharedKeys"]

_BELIEVED_SECONDS = 5.0
"""For how long an answer of Redis holds, also one that there is no such key."""

_MOST = 10_000


@dataclass(frozen=True, slots=True)
class _Found:
    grant: Grant | None
    at: float


class SharedKeys:
    """Looks for a key here, and then in Redis; see `gateway.base.Keys`.

    What is known here is published there, and stays for `seconds` after the last gateway that knew it is gone, where
    `renew` is called in time. A key that is published no longer is gone within seconds, but for gateways
    that know it from their own store. While Redis is away, what it has said last holds for as long as it would have
    stayed there.
    """

    def __init__(self, local: Keys, link: RedisLink, *, seconds: float = 300.0) -> None:
        self._local = local
        self._link = link
        self._seconds = seconds
        self._published: dict[str, Grant] = {}
        self._found: OrderedDict[str, _Found] = OrderedDict()
        self._others_have_any = False
        self._changes = 0
        link.on_join(self._join)
        link.on_news("keys", self._hear)

    @property
    def has_any(self) -> bool:
        """Whether any key is known, here or elsewhere."""
        return self._local.has_any or self._others_have_any

    async def find(self, key: str) -> Grant | None:
        """What a key grants, wherever it was issued."""
        grant = await self._local.find(key)
        if grant is not None:
            return grant
        digest = hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()
        known = self._found.get(digest)
        if known is not None and _now() - known.at < _BELIEVED_SECONDS:
            return known.grant
        changes = self._changes
        try:
            text = await self._link.ask("GET", self._place_of(digest))
        except Away:
            return known.grant if known is not None and _now() - known.at < self._seconds else None
        found = _read(text) if text is not None else None
        if changes == self._changes:  # else it may have been said before what was heard meanwhile
            self._remember(digest, found)
        return found

    async def named(self, name: str) -> tuple[Grant, ...]:
        """What the keys of a name grant: those issued here, and those of others that have been shown here."""
        grants = await self._local.named(name)
        shown = (found.grant for found in self._found.values() if found.grant is not None)
        return (*grants, *(grant for grant in shown if grant.name == name and grant not in grants))

    def publish(self, grants: Iterable[Grant]) -> None:
        """Have other gateways know the keys that are known here, all of them; those that were before are revoked."""
        known = {grant.sha256: grant for grant in grants}
        revoked = self._published.keys() - known.keys()
        self._published = known
        for digest in revoked:
            self._link.later(("key", digest), ("DEL", self._place_of(digest)))
        self.renew()
        self._link.tell("keys", revoked=sorted(revoked), has_any=bool(known))

    def renew(self) -> None:
        """Publish again what is published."""
        stays = round(self._seconds * 1000)
        for digest, grant in self._published.items():
            self._link.later(("key", digest), ("SET", self._place_of(digest), _written(grant), "PX", stays))
        if self._published:
            self._link.later(("keys",), ("SET", self._link.key("has-keys"), 1, "PX", stays))

    async def _join(self) -> None:
        self._others_have_any = bool(await self._link.ask("EXISTS", self._link.key("has-keys"), joining=True))
        self._forget_the_unknown()
        self.renew()

    def _hear(self, facts: Mapping[str, Any]) -> None:
        self._changes += 1
        self._others_have_any = self._others_have_any or bool(facts["has_any"])
        self._forget_the_unknown()
        for digest in facts["revoked"]:
            self._remember(str(digest), None)

    def _forget_the_unknown(self) -> None:
        """Ask again for keys that were not there: they may be by now."""
        for digest in [digest for digest, found in self._found.items() if found.grant is None]:
            del self._found[digest]

    def _remember(self, digest: str, grant: Grant | None) -> None:
        self._found[digest] = _Found(grant, _now())
        self._found.move_to_end(digest)
        while len(self._found) > _MOST:
            self._found.popitem(last=False)

    def _place_of(self, digest: str) -> str:
        return self._link.key("key", digest)


def _written(grant: Grant) -> str:
    facts = asdict(grant)
    facts["expires"] = grant.expires.isoformat() if grant.expires is not None else None
    return json.dumps(facts)


def _read(text: str) -> Grant | None:
    """What was written there; nothing where another version wrote what this one does not know."""
    try:
        facts = json.loads(text)
        facts["expires"] = datetime.fromisoformat(facts["expires"]) if facts["expires"] is not None else None
        facts["permissions"] = tuple(facts["permissions"])
        facts["models"] = tuple(facts["models"]) if facts["models"] is not None else None
        return Grant(**facts)
    except (ValueError, KeyError, TypeError):
        return None


def _now() -> float:
    return asyncio.get_running_loop().time()
