"""What watchers of the status page are told, and that nothing is left of those who leave."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from boticelli_cli.gateway.status import Slice, status_routes
from tests.clock import in_virtual_time
from tests.fakes.serving import until
from tests.gateway.showing import NOON, Door, Gateway, entry, showing, under_way

KEY = "bot-admin"


class Watcher:
    """A client that is told of changes by an application, without a network between them."""

    def __init__(self, app: Starlette, *, path: str = "/status/events", query: bytes = b"", cookie: str = "") -> None:
        self.status: int | None = None
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()
        self.has_ended = asyncio.Event()
        self.leaves = asyncio.Event()
        self._app = app
        headers = [(b"host", b"localhost"), (b"cookie", cookie.encode())]
        self._scope = {"type": "http", "method": "GET", "path": path, "query_string": query, "headers": headers}

    async def watch(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._send)
        finally:
            self.has_ended.set()

    async def _receive(self) -> Mapping[str, Any]:
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Mapping[str, Any]) -> None:
        self.status = message.get("status", self.status)
        if message.get("body"):
            self.heard.put_nowait(message["body"])

    async def changes(self) -> dict[str, str]:
        """The sections of the next event."""
        while not (event := await self.heard.get()).startswith(b"data: "):
            pass
        return json.loads(event.removeprefix(b"data: "))


@asynccontextmanager
async def watching(*watchers: Watcher) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        for watcher in watchers:
            tasks.create_task(watcher.watch())
        yield
        for watcher in watchers:
            watcher.leaves.set()


def application(gateway: Gateway, **options: Any) -> Starlette:
    return Starlette(
        routes=status_routes(gateway, Door(), **{"is_open": lambda: True, "clock": lambda: NOON, **options})
    )


@in_virtual_time
async def test_tells_everything_first_and_then_what_changes() -> None:
    gateway = Gateway()
    watcher = Watcher(application(gateway))
    async with watching(watcher):
        assert {*(await watcher.changes())} == {
            *("about", "figures", "charts", "flight", "accounts", "by_key", "by_model", "errors"),
        }
        gateway.under_way.append(under_way("gemini-3.8-flash"))
        told = await watcher.changes()
        assert {*told} == {"figures", "flight"}
        assert "gemini-3.8-flash" in told["flight"]
        gateway.under_way.clear()
        gateway.errors.append(entry("no connection"))
        gateway.slices.append(Slice(NOON, "ci", "gemini-3.8-flash", 1, 1, 0, 0, None))
        told = await watcher.changes()
        assert {*told} == {"figures", "flight", "errors", "by_key", "by_model"}
        assert "gemini-3.8-flash" not in told["flight"]
        assert "no connection" in told["errors"]


@in_virtual_time
async def test_says_now_and_then_that_nothing_has_changed() -> None:
    watcher = Watcher(application(Gateway()))
    async with watching(watcher):
        await watcher.changes()
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert await watcher.heard.get() == b": still here\n\n"
        assert await watcher.heard.get() == b": still here\n\n"
        assert loop.time() - began == pytest.approx(29, abs=0.1)


@in_virtual_time
async def test_looks_once_a_second_for_all_who_watch() -> None:
    gateway = Gateway()
    app = application(gateway)
    watchers = [Watcher(app) for _ in range(30)]
    async with watching(*watchers):
        await asyncio.sleep(9.5)
        assert [watcher.heard.qsize() for watcher in watchers] == [2] * 30
    assert gateway.looks == 10
    await asyncio.sleep(60)
    assert gateway.looks == 10


@in_virtual_time
async def test_rests_from_figures_that_take_long_to_sum_up() -> None:
    async def slowly() -> None:
        await asyncio.sleep(0.5)

    gateway = Gateway(read_series=slowly)
    watcher = Watcher(application(gateway))
    async with watching(watcher):
        await asyncio.sleep(60)
    assert 5 <= len(gateway.series_asked) <= 6
    assert gateway.looks > 50


@in_virtual_time
async def test_moves_on_with_the_time() -> None:
    now = [NOON]
    gateway = Gateway(slices=[Slice(NOON - 29 * 120, "ci", "gemini-3.8-flash", 1, 0, 7, 0, None)])
    watcher = Watcher(application(gateway, clock=lambda: now[0]), query=b"span=hour")
    async with watching(watcher):
        assert "gemini-3.8-flash" in (await watcher.changes())["by_model"]
        now[0] += 120
        assert "gemini-3.8-flash" not in (await watcher.changes())["by_model"]


@in_virtual_time
async def test_gives_the_place_back_when_the_client_leaves() -> None:
    app = application(Gateway(), most_watchers=2)
    first, second, third = (Watcher(app) for _ in range(3))
    async with watching(first, second):
        await first.changes()
        async with watching(third):
            await third.has_ended.wait()
        assert third.status == 503
        first.leaves.set()
        await first.has_ended.wait()
        fourth = Watcher(app)
        async with watching(fourth):
            assert await fourth.changes()
        assert fourth.status == 200


@in_virtual_time
async def test_gives_the_place_back_when_the_gateway_cannot_tell() -> None:
    async def fails() -> None:
        raise OSError("the disk is gone")

    gateway = Gateway(read_series=fails)
    app = application(gateway, most_watchers=1)
    for _ in range(3):
        with pytest.raises(ExceptionGroup) as failed:
            await Watcher(app).watch()
        assert failed.group_contains(OSError, match="the disk is gone")
    gateway.read_series = None
    watcher = Watcher(app)
    async with watching(watcher):
        assert await watcher.changes()


@in_virtual_time
async def test_lets_others_look_when_the_one_who_looks_leaves() -> None:
    begun, goes_on = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        begun.set()
        await goes_on.wait()

    gateway = Gateway(read_series=wait)
    app = application(gateway)
    first, second = Watcher(app), Watcher(app)
    async with watching(first, second):
        await begun.wait()
        first.leaves.set()
        await first.has_ended.wait()
        goes_on.set()
        assert await second.changes()
    assert first.heard.qsize() == 1


@in_virtual_time
async def test_ends_within_a_second_when_the_gateway_drains() -> None:
    is_draining = [False]
    watcher = Watcher(application(Gateway(), is_draining=lambda: is_draining[0]))
    async with watching(watcher):
        await watcher.changes()
        is_draining[0] = True
        began = asyncio.get_running_loop().time()
        await watcher.has_ended.wait()
        assert asyncio.get_running_loop().time() - began <= 1


@pytest.fixture(scope="module")
def door() -> Door:
    return Door()


@pytest.fixture(scope="module")
def url(door: Door) -> Iterator[str]:
    with showing(Gateway(), door, most_watchers=1) as url:
        yield url


@pytest.fixture
def client(url: str, door: Door) -> Iterator[httpx.Client]:
    door.issue(KEY, "malin")
    with httpx.Client(base_url=url) as client:
        client.post("/sign-in", data={"key": KEY})
        yield client


def test_streams_to_who_is_signed_in(client: httpx.Client) -> None:
    with client.stream("GET", "/status/events") as answer:
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        lines = answer.iter_lines()
        assert [next(lines), next(lines)] == ["retry: 3000", ""]
        assert "accounts" in json.loads(next(lines).removeprefix("data: "))


def test_streams_to_nobody_else(url: str) -> None:
    assert httpx.get(f"{url}/status/events").status_code == 401


def test_has_the_place_of_a_browser_that_was_closed_for_another(client: httpx.Client) -> None:
    def watches(browser: ExitStack) -> bool:
        return browser.enter_context(client.stream("GET", "/status/events")).status_code == 200

    with ExitStack() as first, ExitStack() as second:
        until(lambda: watches(first))
        assert not watches(second)
        first.close()
        until(lambda: watches(second))


def test_ends_the_stream_of_a_key_that_is_revoked(client: httpx.Client, door: Door) -> None:
    with client.stream("GET", "/status/events") as answer:
        lines = answer.iter_lines()
        next(lines)
        door.grants.clear()
        assert [*lines][-1] == ""
