"""Providers of several gateways, each with files of its own, against a service that is asked by all of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from boticelli_cli.catalog import Catalog
from boticelli_cli.config import read_config
from boticelli_cli.drivers.base import fold
from boticelli_cli.errors import QuotaError
from boticelli_cli.messages import Response
from boticelli_cli.providers import Providers
from tests.fakes.openai import FakeOpenAI
from tests.routing.pooling import saying
from tests.sharing.server import RedisServer, gateways, until

CONFIG = """
accounts: [{name: main, provider: openai, api_key: test-key, max_concurrent: 1}]
limits: {openai: {models: {gpt-4o: {rpd: 3}}}}
"""


@asynccontextmanager
async def both(url: str, prefix: str, folder: Path, fake: FakeOpenAI) -> AsyncIterator[list[Providers]]:
    async with gateways(url, 2, prefix=prefix) as shared:
        made = []
        for number, each in enumerate(shared):
            home = folder / f"home-{number}"
            home.mkdir()
            (home / "config.yaml").write_text(CONFIG)
            environ = {"BOTICELLI_HOME": str(home), "OPENAI_BASE_URL": fake.base_url}
            config = read_config(environ, folder)
            catalog = Catalog.builtin().with_providers(config.providers, like={})
            made.append(Providers(config, catalog, environ, wide=True, sharing=each))
        try:
            yield made
            assert [each.leases for each in shared] == [0, 0]
        finally:
            for each in made:
                await each.aclose()


async def ask(providers: Providers) -> Response:
    async with providers.driver.stream(saying(model="openai/gpt-4o")) as deltas:
        return await fold(deltas)


async def test_they_ask_one_after_the_other_and_no_more_than_the_day_allows(
    server: RedisServer, prefix: str, tmp_path: Path
) -> None:
    async with FakeOpenAI() as fake, both(server.url, prefix, tmp_path, fake) as [one, other]:
        answers = await asyncio.gather(*(ask(each) for each in (one, other, one)))
        assert all(answer.text for answer in answers)
        assert fake.most_running == 1
        with pytest.raises(QuotaError, match="the day's 3 requests to gpt-4o on account 'main' are spent"):
            await ask(other)


async def test_an_answer_is_not_broken_off_when_redis_is_killed(
    mortal: RedisServer, prefix: str, tmp_path: Path
) -> None:
    async with FakeOpenAI() as fake, both(mortal.url, prefix, tmp_path, fake) as [one, other]:
        async with one.driver.stream(saying(model="openai/gpt-4o")) as deltas:
            await anext(deltas)
            mortal.kill()
            response = await fold(deltas)
        assert response.finish.reason == "stop"
        assert (await ask(other)).text
        mortal.start()

        async def counts_both() -> bool:
            async with mortal.client() as client:
                keys = await client.keys(f"{prefix}day:*")
                return bool(keys) and sum(map(int, await client.hvals(keys[0]))) == 2

        await until(counts_both)
        await ask(one)
        with pytest.raises(QuotaError):
            await ask(other)
