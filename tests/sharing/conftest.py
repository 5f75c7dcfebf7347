"""A Redis for all tests here, each of which has keys of its own; and one to be killed, for a single test."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.routing.limiting import close_ledgers
from tests.sharing.server import RedisServer, is_installed

_numbers = count()


@pytest.fixture(autouse=True)
def closed_ledgers() -> Iterator[None]:
    yield
    close_ledgers()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    yield from _served(RedisServer(tmp_path_factory.mktemp("redis")))


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[RedisServer]:
    yield from _served(RedisServer(tmp_path / "redis"))


@pytest.fixture
def prefix() -> str:
    return f"test-{next(_numbers)}:"


def _served(server: RedisServer) -> Iterator[RedisServer]:
    if not is_installed():
        pytest.skip("there is no redis-server on this machine")
    server.start()
    try:
        yield server
    finally:
        server.kill()
