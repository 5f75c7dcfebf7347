"""An application on a port of this machine, and whoever knocks at its door."""

import hashlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Scope

from boticelli_cli.errors import CredentialsError
from boticelli_cli.grants import ANYONE, Grant
from tests.gateway.serving import listening

OWN_KEY = "key-of-ci"
ADMIN_KEY = "key-of-the-admin"


@dataclass
class Keys:
    """A door that opens to keys as a header or a parameter, as the gateway's own does."""

    grants: dict[str, Grant] = field(
        default_factory=lambda: {
            OWN_KEY: granted("ci", OWN_KEY, usd_per_day=1.0, usd_total=10.0, max_concurrent=5),
            ADMIN_KEY: Grant("boss", sha256(ADMIN_KEY), permissions=("admin",)),
        }
    )
    is_open: bool = False

    async def grant(self, scope: Scope) -> Grant:
        request = Request(scope)
        key = request.headers.get("x-api-key") or request.query_params.get("key", "")
        if self.is_open:
            return ANYONE
        if key not in self.grants:
            raise CredentialsError("this key is not known", status=401)
        return self.grants[key]


def granted(name: str, key: str, *, usd_per_day: float, usd_total: float, max_concurrent: int) -> Grant:
    return Grant(
        name, sha256(key), usd_per_day=usd_per_day, usd_total=usd_total, max_concurrent=max_concurrent, models=("g*",)
    )


def sha256(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


@asynccontextmanager
async def serving(routes: Iterable[Route]) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application that is really served, on a free port."""
    async with listening(Starlette(routes=[*routes])) as url, httpx.AsyncClient(base_url=url) as client:
        yield client
