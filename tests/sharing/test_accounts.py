"""Accounts that several gateways use: requests under way, conversations, rests."""

import asyncio
import subprocess
import sys
from typing import Any

from boticelli_cli.routing.accounts import Member, Pool
from boticelli_cli.routing.roster import Roster
from boticelli_cli.routing.standings import Standings
from tests.routing.limiting import Noting, Told
from tests.routing.pooling import Key, ask, failing, saying
from tests.sharing.server import RedisServer, gateways, until


class Gateway:
    """One gateway's pool of accounts "a", "b"…"""

    def __init__(self, shared: Any, *keys: Noting, most: int | None = None) -> None:
        elsewhere = shared.accounts("gemini")
        self.shared = shared
        self.roster = Roster(elsewhere)
        self.standings = Standings(self.roster, elsewhere=elsewhere)
        members = [Member(name, key, name, max_concurrent=most) for name, key in zip("abcd", keys, strict=False)]
        self.pool = Pool(members, provider="gemini", roster=self.roster, standings=self.standings)


async def test_a_request_waits_for_one_that_another_gateway_has_under_way(server: RedisServer, prefix: str) -> None:
    async with gateways(server.url, 2, prefix=prefix) as both:
        drivers = Noting(), Noting()
        one, other = (Gateway(each, driver, most=1) for each, driver in zip(both, drivers, strict=True))
        told = Told()
        async with one.pool.stream(saying()):
            waiting = asyncio.create_task(told.hear(other.pool, saying()))  # type: ignore[arg-type]
            await until(lambda: told.waits)
            assert told.waits[0][0] == "for the request under way to end"
            assert drivers[1].sent == []
        async with asyncio.timeout(0.5):  # word comes; nobody has to look again
            await waiting
        assert (one.roster.running, other.roster.running, both[0].leases, both[1].leases) == (0, 0, 0, 0)


async def test_an_account_that_is_full_elsewhere_leaves_the_request_to_another(
    server: RedisServer, prefix: str
) -> None:
    async with gateways(server.url, 2, prefix=prefix) as both:
        first, spare = Key(), Key()
        one, other = Gateway(both[0], Key(), most=1), Gateway(both[1], first, spare, most=1)
        async with one.pool.stream(saying()):
            await ask(other.pool)
            assert (first.asked, spare.asked) == (0, 1)
        assert other.roster.running == 0


async def test_many_gateways_and_requests_never_have_more_under_way_than_may_be(
    server: RedisServer, prefix: str
) -> None:
    async with gateways(server.url, 3, prefix=prefix) as shared:
        driver = Noting(seconds=0.004)
        pools = [Gateway(each, driver, most=2) for each in shared]
        async with asyncio.timeout(8), asyncio.TaskGroup() as group:
            for number in range(45):
                group.create_task(ask(pools[number % 3].pool))
        assert len(driver.sent) == 45
        assert driver.most_running <= 2
        assert [each.roster.running for each in pools] == [0, 0, 0]
        assert [each.roster.has_line for each in pools] == [False, False, False]


async def test_one_who_leaves_while_it_waits_for_another_gateway_leaves_nothing_behind(
    server: RedisServer, prefix: str
) -> None:
    async with gateways(server.url, 2, prefix=prefix) as both:
        one, other = (Gateway(each, Noting(), most=1) for each in both)
        async with one.pool.stream(saying()):
            told = Told()
            waiting = asyncio.create_task(told.hear(other.pool, saying()))  # type: ignore[arg-type]
            await until(lambda: told.waits)
            waiting.cancel()
            await asyncio.wait([waiting])
        assert (other.roster.running, other.roster.has_line, both[1].leases) == (0, False, 0)
        async with asyncio.timeout(3):
            await ask(other.pool)


async def test_goes_on_with_its_own_places_while_redis_is_away(mortal: RedisServer, prefix: str) -> None:
    async with gateways(mortal.url, 1, prefix=prefix) as [shared]:
        driver = Noting(seconds=0.01)
        gateway = Gateway(shared, driver, most=2)
        async with gateway.pool.stream(saying()):
            mortal.kill()
            async with asyncio.timeout(5):
                await asyncio.gather(*(ask(gateway.pool) for _ in range(6)))
        assert driver.most_running == 2
        assert shared.leases == 0


async def test_a_conversation_keeps_to_its_account_at_every_gateway(server: RedisServer, prefix: str) -> None:
    async with gateways(server.url, 2, prefix=prefix) as both, server.client() as client:
        here, there = [Key(), Key()], [Key(), Key()]
        one, other = Gateway(both[0], *here), Gateway(both[1], *there)
        await ask(one.pool, saying(session="another"))
        await ask(one.pool, saying(session="s"))
        assert [key.asked for key in here] == [1, 1]
        await until(lambda: _has(client, f"{prefix}conversation:*", 2))
        for _ in range(3):
            await ask(other.pool, saying(session="s"))
        assert [key.asked for key in there] == [0, 3]


async def _has(client: Any, pattern: str, number: int) -> bool:
    return len(await client.keys(pattern)) == number


async def test_an_account_that_fails_at_one_gateway_rests_at_all_until_it_answers(
    server: RedisServer, prefix: str
) -> None:
    async with gateways(server.url, 2, prefix=prefix) as both:
        here, there = [Key(failing(500)), Key()], [Key(), Key()]
        one, other = Gateway(both[0], *here), Gateway(both[1], *there)
        await ask(other.pool, saying(session="x"))  # its accounts are on its roster now
        await ask(one.pool)
        seat = other.roster.seat_of("a")
        assert seat is not None
        await until(lambda: seat.standing.whole)
        for _ in range(3):
            await ask(other.pool)
        assert [key.asked for key in there] == [1, 3]
        resting = one.roster.seat_of("a")
        assert resting is not None
        one.standings.succeeded(resting, "m")
        await until(lambda: seat.standing.whole is None)


async def test_a_gateway_that_joins_later_knows_which_accounts_rest(server: RedisServer, prefix: str) -> None:
    async with gateways(server.url, 1, prefix=prefix) as [shared], server.client() as client:
        await ask(Gateway(shared, Key(failing(429, retry_after=300)), Key()).pool)
        await until(lambda: client.hlen(f"{prefix}rests:gemini"))
        async with gateways(server.url, 1, prefix=prefix) as [later]:
            await until(lambda: later.accounts("gemini").rests())
            keys = Key(), Key()
            await ask(Gateway(later, *keys).pool)
            assert [key.asked for key in keys] == [0, 1]


async def test_rests_noted_while_redis_was_away_are_told_when_it_is_back(mortal: RedisServer, prefix: str) -> None:
    async with gateways(mortal.url, 2, prefix=prefix) as both:
        one = Gateway(both[0], Key(failing(500)), Key())
        mortal.kill()
        await until(lambda: not both[0].is_up and not both[1].is_up)
        await ask(one.pool)
        mortal.start()
        await until(lambda: both[0].is_up and both[1].is_up)
        async with mortal.client() as client:
            await until(lambda: client.hlen(f"{prefix}rests:gemini"))


def test_nothing_of_this_is_loaded_without_it() -> None:
    code = "import boticelli_cli.serving, sys; print('redis' in sys.modules, 'boticelli_cli.sharing' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"False False\n"
