"""What accounts have asked of models, over several gateways: never more than they may."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from boticelli_cli.catalog import Limits
from boticelli_cli.drivers.base import Waiting, listening
from boticelli_cli.errors import QuotaError
from boticelli_cli.routing.accounts import Member, Pool
from boticelli_cli.routing.day import utc_day
from boticelli_cli.routing.quota import Limited
from boticelli_cli.routing.window import SPAN, Sent, earliest
from boticelli_cli.sharing.leases import CLOCK
from boticelli_cli.sharing.window import WINDOW
from tests.routing.limiting import Noting, Told, of_tokens, open_ledger
from tests.routing.pooling import Key, ask, saying
from tests.sharing.server import RedisServer, gateways, until

EARLIEST = f"""{CLOCK}{WINDOW}
local sent = {{}}
for index = 6, #ARGV, 2 do sent[#sent + 1] = {{at = tonumber(ARGV[index]), tokens = tonumber(ARGV[index + 1])}} end
local at, lacks = earliest(
  sent, tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]))
return {{text(at), lacks}}
"""

limits_of_a_minute = st.none() | st.integers(1, 6)
times = st.lists(st.tuples(st.integers(0, 150), st.integers(0, 9)), max_size=8).map(sorted)


def test_redis_finds_room_where_the_ledger_does(server: RedisServer) -> None:
    with redis.Redis(port=server.port, decode_responses=True) as client:
        script = client.register_script(EARLIEST)

        @settings(max_examples=150, database=None, deadline=None)
        @given(times, st.integers(0, 9), limits_of_a_minute, limits_of_a_minute)
        def check(sent: list[tuple[int, int]], tokens: int, rpm: int | None, tpm: int | None) -> None:
            flat = [number for each in sent for number in each]
            known = [-1 if limit is None else limit for limit in (rpm, tpm)]
            at, lacks = script(args=[tokens, *known, 100, SPAN, *flat])
            room = earliest([Sent(*each) for each in sent], tokens, rpm=rpm, tpm=tpm, now=100)
            assert (float(at), lacks) == (room.at, room.lacks)

        check()


class Gateway:
    """One gateway's driver of an account, with a ledger of its own."""

    def __init__(self, shared: Any, folder: Path, **limits: int | None) -> None:
        self.shared = shared
        self.driver = Noting()
        told = Limits(**limits)
        self.limited = Limited(
            self.driver,
            account="main",
            limits_of=lambda model: told,
            ledger=open_ledger(folder / "limits.sqlite3"),
            reset=utc_day,
            counts=shared.counts,
        )

    @property
    def sent(self) -> int:
        return len(self.driver.sent)


@asynccontextmanager
async def limited(url: str, prefix: str, folder: Path, **limits: int | None) -> AsyncIterator[tuple[Gateway, Gateway]]:
    async with gateways(url, 2, prefix=prefix) as [one, other]:
        yield Gateway(one, folder / "one", **limits), Gateway(other, folder / "other", **limits)


async def count_of(server: RedisServer, key: str) -> int:
    async with server.client() as client:
        return int(await client.zcard(key))


@pytest.mark.parametrize("limits", [{"rpm": 7}, {"tpm": 70}], ids=["requests", "tokens"])
async def test_no_more_go_in_a_minute_than_may_and_the_others_wait(
    server: RedisServer, prefix: str, tmp_path: Path, limits: dict[str, int]
) -> None:
    async with limited(server.url, prefix, tmp_path, **limits) as both:
        told = [Told() for _ in range(20)]
        running = [
            asyncio.create_task(each.hear(both[number % 2].limited, of_tokens(10))) for number, each in enumerate(told)
        ]
        await until(lambda: all(any(each.waits for each in told[number::2]) for number in range(2)))
        await until(lambda: sum(each.sent for each in both) == 7)
        assert max(seconds for each in told for _, seconds in each.waits) > 50
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await until(lambda: _is(count_of(server, f"{prefix}sent:main:m"), 7))


async def _is(found: Any, wanted: int) -> bool:
    return bool(await found == wanted)


async def test_what_was_really_used_takes_the_place_of_the_estimate(
    server: RedisServer, prefix: str, tmp_path: Path
) -> None:
    async with limited(server.url, prefix, tmp_path, tpm=100) as (one, other):
        one.driver.used = 20
        await ask(one.limited, of_tokens(90))
        async with server.client() as client:
            await until(lambda: _is_of(client, f"{prefix}sent:main:m", 20))
        async with asyncio.timeout(5):
            await ask(other.limited, of_tokens(70))
        assert other.sent == 1


async def _is_of(client: Any, key: str, tokens: int) -> bool:
    [member] = await client.zrange(key, 0, -1)
    return str(member).endswith(f":{tokens}")


async def test_a_day_that_is_spent_elsewhere_is_spent_here(server: RedisServer, prefix: str, tmp_path: Path) -> None:
    async with limited(server.url, prefix, tmp_path, rpd=3) as (one, other):
        for each in (one, other, one):
            await ask(each.limited)
        for each in (one, other):
            with pytest.raises(QuotaError, match="the day's 3 requests") as caught:
                await ask(each.limited)
            assert caught.value.resets_at is not None
        assert await other.shared.counts.claim("main", "another", Limits(rpd=3), 1, utc_day)


async def test_a_day_that_the_provider_calls_spent_is_spent_everywhere(
    server: RedisServer, prefix: str, tmp_path: Path
) -> None:
    async with limited(server.url, prefix, tmp_path, rpd=100) as (one, other):
        one.driver.fail = lambda prompt: QuotaError("no more", status=429)
        with pytest.raises(QuotaError, match="no more"):
            await ask(one.limited)

        async def is_spent() -> bool:
            try:
                await ask(other.limited)
            except QuotaError as error:
                return "the provider says" in str(error)
            return False

        await until(is_spent)


async def test_what_went_while_redis_was_away_counts_when_it_is_back(
    mortal: RedisServer, prefix: str, tmp_path: Path
) -> None:
    async with limited(mortal.url, prefix, tmp_path, rpm=5, rpd=5) as (one, other):
        await ask(one.limited)
        mortal.kill()
        await until(lambda: not one.shared.is_up and not other.shared.is_up)
        begun = time.monotonic()
        for _ in range(4):
            await ask(one.limited)
        assert time.monotonic() - begun < 1.0
        mortal.start()
        await until(lambda: one.shared.is_up and other.shared.is_up)

        async def is_spent() -> bool:
            spent = await other.shared.counts.claim("main", "m", Limits(rpd=5), 1, utc_day)
            return not hasattr(spent, "lacks")

        await until(is_spent)
        assert await count_of(mortal, f"{prefix}sent:main:m") >= 5
        with pytest.raises(QuotaError):
            await ask(one.limited)


async def test_an_account_whose_minute_is_spent_elsewhere_leaves_the_request_to_another(
    server: RedisServer, prefix: str, tmp_path: Path
) -> None:
    async with limited(server.url, prefix, tmp_path, rpm=2) as (one, other):
        for _ in range(2):
            await ask(other.limited)
        spare = Key()
        members = [
            Member("main", one.limited, "main", priority=1, delay=one.limited.delay, look=one.limited.look),
            Member("spare", spare, "spare", priority=2),
        ]
        pool = Pool(members, provider="gemini")
        heard: list[Any] = []

        async def hear(notice: Any) -> None:
            heard.append(notice)

        with listening(hear):
            for _ in range(3):
                await ask(pool, saying())
        assert (one.sent, spare.asked) == (0, 3)
        assert not [notice for notice in heard if isinstance(notice, Waiting)]
