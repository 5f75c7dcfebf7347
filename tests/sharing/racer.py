"""A process that races others for three places of a key: it prints the most it has seen under way, and its successes."""

import asyncio
import sys
from contextlib import suppress

import redis.asyncio

from boticelli_cli.errors import ProviderError
from boticelli_cli.grants import Grant
from boticelli_cli.sharing.gateways import Gateways
from tests.sharing.test_gatekeeper import Here

_ROUNDS = 100


async def race(url: str, prefix: str) -> tuple[int, int]:
    gateways, counter = Gateways(url, prefix=prefix), f"{prefix}under-way-now"
    gatekeeper = gateways.gatekeeper(Here())
    most = entered = 0
    async with gateways.joined(), redis.asyncio.Redis.from_url(url) as client:

        async def run() -> None:
            nonlocal most, entered
            for _ in range(_ROUNDS):
                with suppress(ProviderError):
                    async with gatekeeper.admitted(Grant("ci", "0" * 64, max_concurrent=3), "r", 1):
                        most = max(most, await client.incr(counter))
                        entered += 1
                        await client.decr(counter)

        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(run())
    return most, entered


if __name__ == "__main__":
    print(*asyncio.run(race(sys.argv[1], sys.argv[2])))
