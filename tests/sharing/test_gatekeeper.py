"""What the holder of a key may do, over several gateways."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import pytest

from boticelli_cli.errors import ProviderError
from boticelli_cli.gateway.base import Admission
from boticelli_cli.grants import Grant
from boticelli_cli.sharing.gatekeeper import SharedGatekeeper
from boticelli_cli.sharing.gateways import Gateways
from tests.process import environment
from tests.sharing.server import RedisServer, gateways, until


class Here:
    """The gatekeeper of one gateway: lets in `most` at once, and notes what was spent."""

    def __init__(self, most: int | None = None) -> None:
        self.most = most
        self.running = 0
        self.came = 0
        self.spent: list[tuple[int, float | None]] = []

    @asynccontextmanager
    async def admitted(self, grant: Grant, request_id: str, tokens: int) -> AsyncIterator[Admission]:
        if self.most is not None and self.running >= self.most:
            raise ProviderError("too many here", status=429)
        self.running += 1
        self.came += 1
        try:
            yield self
        finally:
            self.running -= 1

    def spend(self, tokens: int, cost_usd: float | None) -> None:
        self.spent.append((tokens, cost_usd))


def granting(**limits: Any) -> Grant:
    return Grant("ci", "0" * 64, **limits)


@asynccontextmanager
async def two(url: str, prefix: str, **options: Any) -> AsyncIterator[tuple[SharedGatekeeper, SharedGatekeeper]]:
    async with gateways(url, 2, prefix=prefix, **options) as [one, other]:
        yield one.gatekeeper(Here()), other.gatekeeper(Here())


async def passes(
    gatekeeper: SharedGatekeeper, grant: Grant, tokens: int = 10, *, used: int | None = None, usd: float | None = None
) -> ProviderError | None:
    """Go in and out; why not, where that is not allowed."""
    try:
        async with gatekeeper.admitted(grant, "r", tokens) as admission:
            if used is not None or usd is not None:
                admission.spend(tokens if used is None else used, usd)
    except ProviderError as error:
        return error
    return None


async def enter(stack: AsyncExitStack, gatekeeper: SharedGatekeeper, grant: Grant) -> None:
    """Go in, as soon as there is a place, and stay."""

    async def try_it() -> bool:
        with suppress(ProviderError):
            await stack.enter_async_context(gatekeeper.admitted(grant, "r", 1))
            return True
        return False

    await until(try_it)


async def is_allowed(gatekeeper: SharedGatekeeper, grant: Grant) -> bool:
    return await passes(gatekeeper, grant) is None


async def is_refused(gatekeeper: SharedGatekeeper, grant: Grant) -> bool:
    return not await is_allowed(gatekeeper, grant)


async def test_lets_one_of_two_racing_gateways_have_the_last_place(server: RedisServer, prefix: str) -> None:
    grant = granting(max_concurrent=3)
    async with two(server.url, prefix) as (one, other), AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(one.admitted(grant, "r", 1))
        for _ in range(30):
            async with AsyncExitStack() as race:
                entering = (race.enter_async_context(each.admitted(grant, "r", 1)) for each in (one, other))
                ended = await asyncio.gather(*entering, return_exceptions=True)
                [refused] = [each for each in ended if isinstance(each, ProviderError)]
                assert len([each for each in ended if not isinstance(each, BaseException)]) == 1
                assert (refused.status, refused.retry_after) == (429, 1.0)
            await until(lambda: is_allowed(one, grant))


async def test_gives_the_place_back_when_the_holder_is_cancelled(server: RedisServer, prefix: str) -> None:
    grant = granting(max_concurrent=5)
    async with gateways(server.url, 2, prefix=prefix) as [one, other]:
        gatekeeper = one.gatekeeper(Here())
        is_in = asyncio.Event()

        async def hold() -> None:
            async with gatekeeper.admitted(grant, "r", 1):
                is_in.set()
                await asyncio.Event().wait()

        tasks = [asyncio.create_task(hold()) for _ in range(50)]
        await is_in.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert one.leases == 0
        async with AsyncExitStack() as stack:
            elsewhere = other.gatekeeper(Here())
            for _ in range(5):
                await enter(stack, elsewhere, grant)


async def test_places_of_a_gateway_that_is_gone_are_free_again_after_a_while(server: RedisServer, prefix: str) -> None:
    grant = granting(max_concurrent=1)
    gone = Gateways(server.url, prefix=prefix, lease_seconds=0.3, renewed_after=60)
    async with gone.joined(), gateways(server.url, 1, prefix=prefix) as [other]:
        gatekeeper = other.gatekeeper(Here())
        async with gone.gatekeeper(Here()).admitted(grant, "r", 1):
            assert await is_refused(gatekeeper, grant)
            await until(lambda: is_allowed(gatekeeper, grant))


async def test_renews_places_for_as_long_as_they_are_held(server: RedisServer, prefix: str) -> None:
    grant, key = granting(max_concurrent=1), f"{prefix}key-under-way:ci"
    async with (
        two(server.url, prefix, lease_seconds=0.3, renewed_after=0.05) as (one, other),
        server.client() as client,
        one.admitted(grant, "r", 1),
    ):
        [(_, expires)] = await client.zrange(key, 0, -1, withscores=True)

        async def is_past() -> bool:
            seconds, micros = await client.time()
            return bool(seconds + micros / 1e6 > expires + 0.1)

        await until(is_past)
        assert await is_refused(other, grant)


async def test_puts_places_back_that_a_restart_has_lost(mortal: RedisServer, prefix: str) -> None:
    grant = granting(max_concurrent=1)
    async with gateways(mortal.url, 2, prefix=prefix) as [one, other]:
        here, there = one.gatekeeper(Here()), other.gatekeeper(Here())
        async with here.admitted(grant, "r", 1):
            mortal.kill()
            await until(lambda: not one.is_up and not other.is_up)
            assert await is_allowed(there, grant)
            mortal.start()
            await until(lambda: one.is_up and other.is_up)
            assert await is_refused(there, grant)
        await until(lambda: is_allowed(there, grant))


async def test_what_was_done_while_redis_was_away_counts_when_it_is_back(mortal: RedisServer, prefix: str) -> None:
    async with gateways(mortal.url, 2, prefix=prefix) as [one, other]:
        here, there = one.gatekeeper(Here()), other.gatekeeper(Here())
        mortal.kill()
        await until(lambda: not one.is_up and not other.is_up)
        for _ in range(3):
            assert (
                await passes(here, granting(rpm=3, tpm=1000, usd_per_day=1, usd_total=1), 10, used=30, usd=0.4) is None
            )
        mortal.start()
        await until(lambda: one.is_up and other.is_up)
        for limits in ({"rpm": 3}, {"tpm": 90}, {"usd_per_day": 1.2}, {"usd_total": 1.2}):
            await until(lambda limits=limits: is_refused(there, granting(**limits)))
        for limits in ({"rpm": 9}, {"tpm": 200}, {"usd_per_day": 1.3}, {"usd_total": 1.3}):
            assert await is_allowed(there, granting(**limits))


async def test_counts_requests_of_a_minute_over_all_gateways(server: RedisServer, prefix: str) -> None:
    grant = granting(rpm=5)
    async with two(server.url, prefix) as both:
        ended = await asyncio.gather(*(passes(both[number % 2], grant) for number in range(20)))
        refused = [each for each in ended if each is not None]
        assert len(refused) == 15
        for error in refused:
            assert error.status == 429
            assert error.retry_after is not None
            assert 55 < error.retry_after <= 61
            assert "5 requests a minute" in str(error)
        assert await is_allowed(both[0], Grant("another", "1" * 64, rpm=5))


async def test_counts_tokens_as_they_are_expected_and_then_as_they_were(server: RedisServer, prefix: str) -> None:
    grant = granting(tpm=100)
    async with two(server.url, prefix) as (one, other):
        async with one.admitted(grant, "r", 90) as admission:
            error = await passes(other, grant, 20)
            assert error is not None
            assert "100 tokens a minute" in str(error)
            admission.spend(30, None)
            await until(lambda: is_allowed(other, grant))
        assert await passes(one, grant, 61) is not None
        assert await passes(other, grant, 60) is None
        assert await passes(one, grant, 1) is not None


async def test_one_larger_than_the_minute_goes_alone(server: RedisServer, prefix: str) -> None:
    grant = granting(tpm=100)
    async with two(server.url, prefix) as (one, other):
        assert await passes(one, grant, 500) is None
        assert await passes(other, grant, 1) is not None


@pytest.mark.parametrize(
    "limits", [{"rpm": 0}, {"tpm": 0}, {"max_concurrent": 0}, {"usd_per_day": 0.0}, {"usd_total": 0}]
)
async def test_a_limit_of_nothing_lets_nobody_in(server: RedisServer, prefix: str, limits: dict[str, Any]) -> None:
    async with two(server.url, prefix) as (one, _):
        error = await passes(one, granting(**limits))
        assert error is not None
        assert error.status == 429


async def test_counts_costs_of_the_day_and_in_total(server: RedisServer, prefix: str) -> None:
    async with two(server.url, prefix) as (one, other):
        daily, once = granting(usd_per_day=0.5), granting(usd_total=0.5)
        assert await passes(one, daily, 1, usd=0.25) is None
        assert await passes(other, once, 1, usd=0.2) is None
        assert await is_allowed(one, daily)
        assert await passes(other, daily, 1, usd=0.05) is None
        await until(lambda: is_refused(one, daily))
        await until(lambda: is_refused(other, once))
        day, total = await passes(one, daily), await passes(other, once)
        assert day is not None
        assert total is not None
        assert day.resets_at is not None
        assert (day.resets_at.hour, day.resets_at.minute) == (0, 0)
        assert total.resets_at is None
        assert await is_allowed(one, granting(usd_total=0.51))


async def test_one_that_is_refused_here_leaves_nothing_elsewhere(server: RedisServer, prefix: str) -> None:
    grant = granting(rpm=2, max_concurrent=2)
    async with gateways(server.url, 2, prefix=prefix) as [one, other]:
        full, free = one.gatekeeper(Here(0)), other.gatekeeper(Here())
        for _ in range(10):
            error = await passes(full, grant)
            assert error is not None
        await until(lambda: is_allowed(free, grant))
        await until(lambda: is_allowed(free, grant))
        assert await is_refused(free, grant)


async def test_one_that_is_refused_elsewhere_does_not_count_here(server: RedisServer, prefix: str) -> None:
    grant = granting(rpm=1)
    async with gateways(server.url, 2, prefix=prefix) as [one, other]:
        here = Here()
        assert await is_allowed(one.gatekeeper(Here()), grant)
        assert await is_refused(other.gatekeeper(here), grant)
        assert here.came == 0


async def test_goes_by_what_it_knows_itself_while_redis_is_away(mortal: RedisServer, prefix: str) -> None:
    async with gateways(mortal.url, 1, prefix=prefix) as [one]:
        here = Here(1)
        gatekeeper = one.gatekeeper(here)
        mortal.fall_silent()
        async with gatekeeper.admitted(granting(max_concurrent=9), "r", 1) as admission:
            admission.spend(7, 0.5)
            assert await is_refused(gatekeeper, granting(max_concurrent=9))
        assert here.spent == [(7, 0.5)]
        assert (here.running, one.leases) == (0, 0)
        mortal.speak()


async def test_a_key_without_limits_asks_nobody(server: RedisServer, prefix: str) -> None:
    async with two(server.url, prefix) as (one, _), server.client() as client:
        before = (await client.info("commandstats")).get("cmdstat_evalsha", {}).get("calls", 0)
        assert await is_allowed(one, granting())
        assert (await client.info("commandstats")).get("cmdstat_evalsha", {}).get("calls", 0) == before


@pytest.mark.slow
async def test_two_processes_never_have_more_under_way_than_may_be(server: RedisServer, prefix: str) -> None:
    command = (sys.executable, "-m", "tests.sharing.racer", server.url, prefix)
    racers = [
        await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=environment(None))
        for _ in range(2)
    ]
    ended = [await racer.communicate() for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0]
    most, entered = zip(*(map(int, out.split()) for out, _ in ended), strict=True)
    assert max(most) <= 3
    assert min(entered) > 0
