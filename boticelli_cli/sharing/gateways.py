"""Gateways that share one Redis: one of them, with everything that it shares."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from boticelli_cli.gateway.base import Gatekeeper, Keys
from boticelli_cli.sharing.accounts import SharedAccounts
from boticelli_cli.sharing.counts import SharedCounts
from boticelli_cli.sharing.gatekeeper import SharedGatekeeper
from boticelli_cli.sharing.keys import SharedKeys
from boticelli_cli.sharing.leases import Leases
from boticelli_cli.sharing.link import RedisLink
from boticelli_cli.sharing.seals import SharedSeals
from boticelli_cli.sharing.tallies import Tallies

__all__ = ["Gateways"]


class Gateways:
    """All that one gateway shares with the others of the same Redis; it fulfils `routing.elsewhere.Sharing`.

    It is put together first, and `joined` then. Everything works all the time, and whether Redis is there or not:
    `is_up` says that. A lease that is not renewed, every `renewed_after` seconds, is over after `lease_seconds`. Nobody
    waits for Redis for longer than `timeout` seconds, and while it is away, nobody asks for `pause` seconds. `warn` is
    told when it goes and comes. Raises UsageError for a `url` that is none.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "boticelli:",
        timeout: float = 0.25,
        pause: float = 1.0,
        lease_seconds: float = 300.0,
        renewed_after: float = 30.0,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self._link = RedisLink(url, prefix=prefix, timeout=timeout, pause=pause, warn=warn)
        self._renewed_after = renewed_after
        self._leases = Leases(self._link, seconds=lease_seconds)
        self._tallies = Tallies(self._link)
        self._accounts: dict[str, SharedAccounts] = {}
        self._keys: list[SharedKeys] = []
        self.counts = SharedCounts(self._link, self._tallies)
        self.seals = SharedSeals(self._link)

    @property
    def is_up(self) -> bool:
        """Whether Redis is there, so that what one gateway knows all do."""
        return self._link.is_up

    @property
    def address(self) -> str:
        """Where Redis is, without a password."""
        return self._link.address

    @property
    def leases(self) -> int:
        """How many leases are held, of keys and of accounts."""
        return self._leases.held

    def accounts(self, provider: str) -> SharedAccounts:
        """The accounts of a provider, the same object whenever it is asked for."""
        if provider not in self._accounts:
            self._accounts[provider] = SharedAccounts(self._link, self._leases, provider)
        return self._accounts[provider]

    def gatekeeper(self, local: Gatekeeper) -> SharedGatekeeper:
        """The gatekeeper of all gateways, with that of this one."""
        return SharedGatekeeper(local, self._link, self._leases, self._tallies)

    def keys(self, local: Keys) -> SharedKeys:
        """The keys of all gateways, with those of this one."""
        self._keys.append(SharedKeys(local, self._link))
        return self._keys[-1]

    @asynccontextmanager
    async def joined(self) -> AsyncIterator[None]:
        """Share until the context is left. It can be entered once.

        Entering asks Redis once, for a moment, and goes on without it where it is away. On leaving, what has yet to be
        told is.
        """
        try:
            failure: Exception | None = None
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(part) for part in (self._link.keep(), self._renew())]
                try:
                    await self._link.was_tried.wait()
                    yield
                except Exception as error:  # it is to leave as it came, and not in a group
                    failure = error
                finally:
                    self._link.end()
                    for task in tasks:
                        task.cancel()
            if failure is not None:
                raise failure
        finally:
            try:
                await self._link.flush()
            finally:
                await self._link.aclose()

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._renewed_after)
            self._leases.renew()
            for keys in self._keys:
                keys.renew()
