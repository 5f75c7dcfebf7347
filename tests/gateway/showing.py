"""The status page on a port of this machine, showing what a test says that a gateway does."""

import contextlib
import hashlib
import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.types import Scope

from boticelli_cli.errors import CredentialsError, ProviderError
from boticelli_cli.gateway.base import AccountState, Entry, InFlight
from boticelli_cli.gateway.status import Slice, status_routes
from boticelli_cli.grants import Grant
from boticelli_cli.messages import Usage
from tests.fakes.serving import in_thread
from tests.gateway.serving import listening

NOON = 1_795_262_400.0
"""21 November 2026, 12:00 in UTC."""


@dataclass
class Gateway:
    """A `StatusSource` that tells what its fields hold; it counts how often it was asked for them."""

    version: str = "0.1.0"
    started: float = NOON - 11_565
    redis_state: str | None = None
    shown_accounts: list[AccountState] = field(default_factory=list)
    under_way: list[InFlight] = field(default_factory=list)
    slices: list[Slice] = field(default_factory=list)
    errors: list[Entry] = field(default_factory=list)
    looks: int = 0
    series_asked: list[tuple[float, float]] = field(default_factory=list)
    read_series: Callable[[], Any] | None = None

    def redis(self) -> str | None:
        return self.redis_state

    def accounts(self) -> Sequence[AccountState]:
        return tuple(self.shown_accounts)

    def in_flight(self) -> Sequence[InFlight]:
        return tuple(self.under_way)

    async def series(self, since: float, step: float) -> Sequence[Slice]:
        self.series_asked.append((since, step))
        if self.read_series is not None:
            await self.read_series()
        return tuple(each for each in self.slices if each.at >= since)

    async def recent_errors(self, limit: int) -> Sequence[Entry]:
        self.looks += 1
        return tuple(self.errors[:limit])


class Door:
    """Knows the keys that a test gives out; shuts after so many wrong ones, for all that bring none that is good."""

    def __init__(self, *, most_guesses: int = 1000) -> None:
        self.grants: dict[str, Grant] = {}
        self.wrong = 0
        self._most = most_guesses

    def issue(self, key: str, name: str, **more: Any) -> Grant:
        grant = Grant(name, hashlib.sha256(key.encode()).hexdigest(), **{"permissions": ("admin",), **more})
        self.grants[key] = grant
        return grant

    async def grant(self, scope: Scope) -> Grant:
        keys = [value.decode() for name, value in scope["headers"] if name == b"x-api-key"]
        if (grant := self.grants.get(keys[0])) is not None:
            return grant
        self.wrong += 1
        if self.wrong > self._most:
            raise ProviderError("too many wrong keys", status=429, retry_after=41.2)
        raise CredentialsError(f"nobody knows {keys[0]}", status=401)

    async def named(self, name: str) -> Sequence[Grant]:
        return [grant for grant in self.grants.values() if grant.name == name]


@contextlib.contextmanager
def showing(gateway: Gateway, door: Door, *, tls: tuple[str, str] | None = None, **options: Any) -> Iterator[str]:
    """Serve the page from a thread, as the URL of it; `tls` are the files of a certificate and its key."""
    app = Starlette(routes=status_routes(gateway, door, **options))
    secure = None
    if tls is not None:
        secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        secure.load_cert_chain(*tls)
    with in_thread(listening(app, tls=secure)) as url:
        yield url


def entry(message: str, **more: Any) -> Entry:
    """A request that failed."""
    facts: dict[str, Any] = {
        "id": "req-1",
        "at": NOON - 75,
        "face": "anthropic",
        "model": "claude-sonnet-5-5",
        "streamed": True,
        "ending": "failed",
        "status": 502,
        "seconds": 1.5,
        "usage": Usage(),
        "error": "unreachable",
        "message": message,
    }
    return Entry(**{**facts, **more})


def under_way(model: str, **more: Any) -> InFlight:
    """A request that is under way."""
    facts: dict[str, Any] = {
        "id": model,
        "at": NOON - 12,
        "face": "openai",
        "key": "ci",
        "served": None,
        "provider": None,
        "account": None,
        "queued": 0,
    }
    return InFlight(model=model, **{**facts, **more})
