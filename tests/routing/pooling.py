"""What the tests of accounts stand on: accounts that fail as they are told, and a pool of them."""

import asyncio
import itertools
from collections.abc import Callable, Sequence
from typing import Any

from boticelli_cli.drivers.base import Routed, fold
from boticelli_cli.errors import ProviderError
from boticelli_cli.messages import Message, Request, Response, Text
from boticelli_cli.routing.accounts import Member, Pool
from boticelli_cli.routing.roster import Roster
from tests.routing.limiting import Noting, Told


class Key(Noting):
    """An account's driver: fails with its `errors`, one a request, and then answers."""

    def __init__(self, *errors: Exception, seconds: float = 0.0) -> None:
        self.errors = list(errors)
        super().__init__(seconds=seconds, fail=self._next)

    def _next(self, prompt: str) -> Exception | None:
        if prompt.startswith("later "):
            return None
        return self.errors.pop(0) if self.errors else None

    @property
    def asked(self) -> int:
        return len(self.sent)


def pool(
    *keys: Noting, roster: Roster | None = None, each: Callable[[int], dict[str, Any]] | None = None, **options: Any
) -> Pool:
    """A pool of accounts "a", "b", "c"…, with what `each` says of them by their number."""
    members = [
        Member(name, key, name, **(each(number) if each is not None else {}))
        for number, (name, key) in enumerate(zip("abcdefghijklmnopqrstuvwxyz", keys, strict=False))
    ]
    return Pool(members, provider="gemini", roster=roster, **options)


def at_most(number: int | None, **options: Any) -> Callable[[int], dict[str, Any]]:
    """Accounts that may have so many requests under way."""
    return lambda _: {"max_concurrent": number, **options}


def failing(status: int, **facts: Any) -> ProviderError:
    return ProviderError("no", status=status, **facts)


_new = itertools.count(1)


def saying(prompt: str | None = None, model: str = "m", **settings: Any) -> Request:
    """A request; without a prompt it begins a conversation of its own."""
    return Request(model, (Message("user", (Text(prompt or f"Hello {next(_new)}."),)),), **settings)


async def ask(driver: Any, request: Request | None = None, *, whole: bool = False) -> Response:
    request = request or saying()
    if whole:
        return await driver.generate(request)
    async with driver.stream(request) as deltas:
        return await fold(deltas)


async def all_of(driver: Any, requests: Sequence[Request]) -> None:
    """Ask them all at once, in their order."""
    async with asyncio.TaskGroup() as group:
        for request in requests:
            group.create_task(ask(driver, request))


def accounts_asked(told: Told) -> list[str]:
    return [notice.account for _, notice in told.notices if isinstance(notice, Routed)]
