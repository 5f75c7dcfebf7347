"""What a decision costs: the models a request is for, and one of a thousand accounts. Prints; fails only on errors.

python -m pytest -m benchmark -s
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from boticelli_cli.catalog import Catalog
from boticelli_cli.errors import ProviderError
from boticelli_cli.messages import Delta, Message, Request, Response, Text
from boticelli_cli.routes import Alias, LongContext, Pattern, Routes
from boticelli_cli.routing.accounts import Member, Pool
from boticelli_cli.routing.choice import Choice
from boticelli_cli.routing.estimate import estimate_tokens
from boticelli_cli.routing.fallback import Router
from boticelli_cli.routing.roster import Roster
from boticelli_cli.routing.router import decide

pytestmark = pytest.mark.benchmark

ACCOUNTS = 1_000
COUNT = 20_000
CATALOG = Catalog.builtin()
ROUTES = Routes(
    default=("gemini-3.8-flash", "claude-sonnet-5-5"),
    background=("gemini-3.5-flash-lite",),
    think=("claude-sonnet-5-5",),
    long_context=LongContext(60_000, ("gemini-4-hydrogen",)),
    image=("gemini-3.8-flash",),
    web_search=("gemini-3.8-flash",),
    patterns=(Pattern(re.compile("(?i)security review"), ("claude-sonnet-5-5",)),),
    aliases=(Alias("claude-haiku-*", ("gemini-3.5-flash-lite",)),),
)


class Nothing:
    """A driver that answers at once with nothing."""

    def supports_streaming(self, model: str) -> bool:
        return True

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[AsyncIterator[Delta]]:
        yield self._none()

    async def _none(self) -> AsyncIterator[Delta]:
        return
        yield

    async def generate(self, request: Request) -> Response:
        raise NotImplementedError


def requests(model: str) -> list[Request]:
    """As many as are asked, in a hundred conversations."""
    return [
        Request(model, (Message("user", (Text(f"Tell me about {number % 100}. " * 20),)),)) for number in range(COUNT)
    ]


@pytest.mark.parametrize("busy", [0, 5_000], ids=["idle", "5,000 under way"])
@pytest.mark.parametrize("conversations", [True, False], ids=["in conversations", "each for itself"])
@pytest.mark.parametrize("model", ["gemini-3.8-flash", "claude-haiku-4-5", "auto"])
def test_a_route_and_an_account_among_a_thousand(model: str, conversations: bool, busy: int) -> None:
    roster = Roster()
    seats = {
        roster.seat(str(number), priority=number % 3, max_concurrent=20): Member(str(number), Nothing(), str(number))
        for number in range(ACCOUNTS)
    }

    async def choose() -> float:
        for seat in [*roster.free()] * (busy // ACCOUNTS):
            roster.take(seat)
        asked = (
            requests(model)
            if conversations
            else [
                Request(model, (Message("user", (Text(f"Tell me about {number}. " * 20),)),)) for number in range(COUNT)
            ]
        )
        began = time.perf_counter()
        for request in asked:
            decide(request, ROUTES, CATALOG, tokens=estimate_tokens)
            choice = Choice(request, seats, roster)
            lease = await choice.lease()
            assert lease is not None
            choice.keep(lease.seat)
            lease.give_back()
        return (time.perf_counter() - began) / COUNT

    seconds = min(asyncio.run(choose()) for _ in range(3))
    print(
        f"{model}, {'in conversations' if conversations else 'each for itself'}, {busy:,} under way: {seconds * 1e6:.1f} µs"
    )


@pytest.mark.parametrize("resting", [0, 500, 999])
def test_the_whole_way_through_router_and_pool(resting: int) -> None:
    failed = ProviderError("no", status=429, retry_after=1000.0)

    class Failing(Nothing):
        @asynccontextmanager
        async def stream(self, request: Request) -> AsyncIterator[AsyncIterator[Delta]]:
            raise failed
            yield

    members = [Member(str(n), Failing() if n < resting else Nothing(), str(n)) for n in range(ACCOUNTS)]
    pool = Pool(members, provider="gemini")
    router = Router(pool, routes=ROUTES, catalog=CATALOG, dialect_of=str)

    async def one(driver: Any, request: Request) -> None:
        async with driver.stream(request) as deltas:
            async for _ in deltas:
                pass

    async def ask() -> float:
        asked = requests("auto")[:5_000]
        await one(router, asked[0])
        began = time.perf_counter()
        for request in asked:
            await one(router, request)
        through = time.perf_counter() - began
        began = time.perf_counter()
        for request in asked:
            await one(Nothing(), request)
        return (through - (time.perf_counter() - began)) / len(asked)

    print(
        f"router and pool around a driver, {resting} of {ACCOUNTS} rest for the model: {asyncio.run(ask()) * 1e6:.1f} µs"
    )
