"""A gateway for tests, on a free port of this machine, around any driver."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import uvicorn
from uvicorn.server import ServerState

from boticelli_cli.drivers.base import Driver
from boticelli_cli.gateway.base import Admission, Entry, FaceName
from boticelli_cli.gateway.exchange import Door, Exchanges
from boticelli_cli.gateway.faces.base import ServedModel
from boticelli_cli.gateway.seals import LocalSeals
from boticelli_cli.gateway.serve import Gateway
from boticelli_cli.grants import Grant
from boticelli_cli.messages import Request, Usage
from boticelli_cli.routing.estimate import estimate_tokens

ANYONE = Grant("anyone", "")


class OpenDoor:
    """Lets everybody in."""

    async def grant(self, scope: Mapping[str, Any]) -> Grant:
        return ANYONE

    def check(self, grant: Grant, face: FaceName, model: str | None = None) -> None: ...


@dataclass
class Places:
    """Lets in whoever comes, and counts."""

    held: int = 0
    ids: list[str] = field(default_factory=list)
    spent: list[tuple[int, float | None]] = field(default_factory=list)

    @asynccontextmanager
    async def admitted(self, grant: Grant, request_id: str, tokens: int) -> AsyncIterator[Admission]:
        self.held += 1
        self.ids.append(request_id)
        try:
            yield self
        finally:
            self.held -= 1

    def spend(self, tokens: int, cost_usd: float | None) -> None:
        self.spent.append((tokens, cost_usd))


@dataclass
class Book:
    """Remembers every request that is over."""

    entries: list[Entry] = field(default_factory=list)

    def ended(self, entry: Entry) -> None:
        self.entries.append(entry)


def cost_of(provider: str, model: str, usage: Usage) -> float | None:
    """A dollar for a million tokens."""
    return ((usage.input or 0) + (usage.output or 0)) / 1_000_000


@dataclass
class Served:
    """A gateway that runs: where it is, and what it has counted."""

    url: str
    exchanges: Exchanges
    places: Places
    book: Book

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, timeout=20)


@asynccontextmanager
async def gateway(
    driver: Driver,
    *,
    door: Door | None = None,
    models: Sequence[ServedModel] = (),
    longest_wait: float = 30.0,
    keep_alive: float = 15.0,
    patience: float = 300.0,
    count: Callable[[Request], Awaitable[int]] | None = None,
) -> AsyncIterator[Served]:
    """A gateway around a driver, until the context is left."""
    places, book, door = Places(), Book(), door or OpenDoor()
    exchanges = Exchanges(
        driver,
        door,
        places,
        LocalSeals(),
        (book,),
        estimate_tokens,
        cost_of,
        longest_wait=longest_wait,
        keep_alive=keep_alive,
        patience=patience,
    )

    async def guess(request: Request) -> int:
        return estimate_tokens(request)

    app = Gateway(exchanges, door=door, models=lambda: models, count=count or guess)
    async with listening(app) as url:
        yield Served(url, exchanges, places, book)


@asynccontextmanager
async def listening(app: Any, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """An application served on a free port, by uvicorn's protocol alone: its address."""
    config = uvicorn.Config(app, http="httptools", log_level="warning", lifespan="off", access_log=False)
    config.load()
    state = ServerState()

    def connected() -> asyncio.Protocol:
        return config.http_protocol_class(config=config, server_state=state, app_state={})  # type: ignore[call-arg, return-value]

    server = await asyncio.get_running_loop().create_server(connected, "127.0.0.1", 0, ssl=tls)
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for connection in [*state.connections]:
            connection.transport.abort()  # type: ignore[union-attr]
        await asyncio.gather(*state.tasks, return_exceptions=True)
