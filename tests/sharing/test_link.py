"""The link to Redis: it is never waited for, and joined again."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from boticelli_cli.errors import UsageError
from boticelli_cli.sharing.link import Away, RedisLink, Script
from tests.sharing.server import RedisServer, free_port, is_installed, until

ECHO = Script("return ARGV[1]")


@asynccontextmanager
async def kept(url: str, **options: Any) -> AsyncIterator[RedisLink]:
    """A link that is kept joined."""
    link = RedisLink(url, **{"pause": 0.05, **options})
    keeping = asyncio.create_task(link.keep())
    try:
        await link.was_tried.wait()
        yield link
    finally:
        link.end()
        keeping.cancel()
        await asyncio.wait([keeping])
        await link.aclose()


async def test_says_at_once_that_nobody_is_there() -> None:
    told: list[str] = []
    port = free_port()
    async with kept(f"redis://127.0.0.1:{port}", warn=told.append) as link:
        assert not link.is_up
        begun = time.monotonic()
        for _ in range(1000):
            with pytest.raises(Away):
                await link.ask("GET", "a")
        assert time.monotonic() - begun < 0.2
    assert len(told) == 1
    assert f"Redis at redis://127.0.0.1:{port} is away" in told[0]


async def test_waits_for_a_silent_redis_once_and_no_longer_than_it_may(mortal: RedisServer) -> None:
    async with kept(mortal.url, beat=60.0) as link:
        mortal.fall_silent()
        begun = time.monotonic()
        with pytest.raises(Away):
            await link.ask("GET", "a")
        assert 0.2 < time.monotonic() - begun < 1.0
        assert not link.is_up
        begun = time.monotonic()
        with pytest.raises(Away):
            await link.ask("GET", "a")
        assert time.monotonic() - begun < 0.1
        mortal.speak()
        await until(lambda: link.is_up)
        assert await link.ask("GET", "a") is None


async def test_notices_a_silent_redis_that_nobody_asks(mortal: RedisServer) -> None:
    async with kept(mortal.url, beat=0.05) as link:
        mortal.fall_silent()
        await until(lambda: not link.is_up)


async def test_joins_again_after_a_restart_with_its_scripts_and_what_is_to_be_told(mortal: RedisServer) -> None:
    told: list[str] = []
    joined: list[Any] = []
    async with kept(mortal.url, warn=told.append) as link, kept(mortal.url) as other:
        heard: list[Any] = []
        other.on_news("greeting", heard.append)

        async def join() -> None:
            joined.append(await link.ask("DBSIZE", joining=True))

        link.on_join(join)
        assert await link.run(ECHO, (), ("a",)) == "a"
        mortal.kill()
        await until(lambda: not link.is_up)
        assert len(told) == 1
        for number in range(3):
            link.later("one", ("SET", "x", number))
        mortal.start()
        await until(lambda: link.is_up and other.is_up)
        assert await link.run(ECHO, (), ("b",)) == "b"
        await until(lambda: link.ask("GET", "x"))
        assert await link.ask("GET", "x") == "2"
        assert joined[-1] == 0  # what it does on joining comes before what waits to be written
        link.tell("greeting", word="hello")
        await until(lambda: heard)
        assert heard[0]["word"] == "hello"
    assert len(told) == 2
    assert "there again" in told[1]


async def test_runs_scripts_that_redis_has_forgotten(mortal: RedisServer) -> None:
    async with kept(mortal.url) as link, mortal.client() as client:
        assert await link.run(ECHO, (), ("a",)) == "a"
        await client.script_flush()
        assert await link.run(ECHO, (), ("b",)) == "b"
        await client.script_flush()
        link.run_later("x", Script("return redis.call('SET', 'y', ARGV[1])"), (), ("c",))
        await until(lambda: client.get("y"))
        assert link.is_up


async def test_hears_others_and_not_itself(server: RedisServer, prefix: str) -> None:
    async with kept(server.url, prefix=prefix) as one, kept(server.url, prefix=prefix) as other:
        heard: list[tuple[str, Any]] = []
        one.on_news("word", lambda facts: heard.append(("one", facts["n"])))
        other.on_news("word", lambda facts: heard.append(("other", facts["n"])))
        async with server.client() as client:
            await until(lambda: _listeners(client, f"{prefix}news", 2))
            for noise in ("no json", "[]", '{"kind": "word"}', '{"kind": "word", "from": "x"}'):
                await client.publish(f"{prefix}news", noise)
        one.tell("word", n=1)
        await until(lambda: ("other", 1) in heard)
        other.tell("word", n=2)
        await until(lambda: ("one", 2) in heard)
    assert heard == [("other", 1), ("one", 2)]


async def _listeners(client: Any, channel: str, number: int) -> bool:
    [(_, found)] = await client.pubsub_numsub(channel)
    return bool(found == number)


async def test_what_redis_refuses_to_take_is_told_once_and_does_not_hold_up_the_rest(
    server: RedisServer, prefix: str
) -> None:
    told: list[str] = []
    async with kept(server.url, prefix=prefix, warn=told.append) as link:
        link.later("a", ("SET", link.key("a"), "x"))
        link.later("b", ("HSET", link.key("a"), "f", "x"))
        link.later("c", ("SET", link.key("c"), "x"))
        await until(lambda: link.ask("GET", link.key("c")))
        await until(lambda: told)
    assert len(told) == 1
    assert "WRONGTYPE" in told[0]


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    if not is_installed():
        pytest.skip("there is no redis-server on this machine")
    server = RedisServer(tmp_path_factory.mktemp("locked"), "--requirepass", "s3cret").start()
    yield server
    server.kill()


async def test_a_password_opens_and_is_never_told(locked: RedisServer) -> None:
    async with kept(f"redis://:s3cret@127.0.0.1:{locked.port}/3") as link:
        assert link.is_up
        assert await link.ask("SET", "a", 1)
        assert link.address == f"redis://127.0.0.1:{locked.port}/3"


@pytest.mark.parametrize("name", ["", "someone"])
async def test_a_wrong_password_is_as_if_nobody_were_there(locked: RedisServer, name: str) -> None:
    told: list[str] = []
    async with kept(f"redis://{name}:wr0ng@127.0.0.1:{locked.port}", warn=told.append) as link:
        assert not link.is_up
    assert len(told) == 1
    assert "wr0ng" not in told[0]


@pytest.mark.parametrize("url", ["", "localhost:6379", "http://:s3cret@localhost", "redis://:s3cret@host:s3cret/0"])
def test_an_address_that_is_none_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(UsageError, match="the address of Redis is none") as caught:
        RedisLink(url)
    assert "s3cret" not in str(caught.value)


async def test_speaks_through_tls(tmp_path: Path) -> None:
    if not is_installed():
        pytest.skip("there is no redis-server on this machine")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    certificate = authority.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    port = free_port()
    files = [each for name in ("cert", "key") for each in (f"--tls-{name}-file", str(tmp_path / f"{name}.pem"))]
    options = ("--tls-port", str(port), *files, "--tls-auth-clients", "no", "--tls-ca-cert-file", f"{tmp_path}/ca.pem")
    server = RedisServer(tmp_path / "redis", *options).start()
    try:
        async with kept(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={tmp_path}/ca.pem") as link:
            assert link.is_up
            assert await link.ask("SET", "a", 1)
        async with kept(f"rediss://127.0.0.1:{port}/0", warn=lambda message: None) as link:
            assert not link.is_up
    finally:
        server.kill()
