"""What holders of keys are told of their use, and whether the gateway is well; asked over real connections."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from boticelli_cli.gateway.health import health_routes
from boticelli_cli.gateway.ledger import RequestLedger
from boticelli_cli.gateway.report import DAY, HOUR
from boticelli_cli.gateway.usage import usage_routes
from boticelli_cli.messages import Usage
from tests.gateway.entries import NOON, entry
from tests.gateway.pages import ADMIN_KEY, OWN_KEY, Keys, serving

OWN = {"x-api-key": OWN_KEY}
ADMIN = {"x-api-key": ADMIN_KEY}


pytestmark = pytest.mark.asyncio(loop_scope="module")


@asynccontextmanager
async def asking(folder: Path, *, is_open: bool = False) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a gateway that has answered some requests: two of them today, one three days ago."""
    async with RequestLedger(folder / "gateway.sqlite3", clock=lambda: NOON) as ledger:
        ledger.ended(entry(at=NOON))
        ledger.ended(entry(at=NOON - HOUR, key="boss", served="other", ending="failed", cost_usd=None))
        ledger.ended(entry(at=NOON - 3 * DAY, cost_usd=2.0, usage=Usage(input=1, output=2, thinking=1)))
        routes = usage_routes(ledger, Keys(is_open=is_open), under_way=lambda name: 2, clock=lambda: NOON)
        async with serving(routes) as client:
            yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    async with asking(tmp_path_factory.mktemp("usage")) as client:
        yield client


def rfc3339(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


async def told(client: httpx.AsyncClient, path: str, headers: dict[str, str] = OWN) -> Any:
    answer = await client.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_tells_the_holder_of_a_key_what_it_has_used(client: httpx.AsyncClient) -> None:
    usage = await told(client, "/v1/usage?since=7d")
    sums = {"requests": 1, "failed": 0, "usage": {"input": 100, "output": 20, "total": 120}, "cost_usd": 0.25}
    then = {"requests": 1, "failed": 0, "usage": {"input": 1, "output": 2, "thinking": 1}, "cost_usd": 2.0}
    both = {"input": 101, "output": 22, "thinking": 1, "total": 120}
    assert usage == {
        "key": "ci",
        "since": rfc3339(NOON - 7 * DAY),
        "until": rfc3339(NOON + 1),
        "requests": 2,
        "failed": 0,
        "usage": both,
        "cost_usd": 2.25,
        "by_model": [
            {
                "provider": "gemini",
                "model": "gemini-3.8-flash",
                "requests": 2,
                "failed": 0,
                "usage": both,
                "cost_usd": 2.25,
            }
        ],
        "by_day": [
            {"at": rfc3339(NOON // DAY * DAY - 3 * DAY), **then},
            {"at": rfc3339(NOON // DAY * DAY), **sums},
        ],
    }


@pytest.mark.parametrize(
    ("query", "requests"),
    [
        ("since=24h", 1),
        ("since=80h", 2),
        ("since=1w", 2),
        ("since=10m", 1),
        (f"since={rfc3339(NOON - 3 * DAY)}", 2),
        (f"since={rfc3339(NOON - 3 * DAY + 1)}", 1),
        (f"since={rfc3339(NOON - 3 * DAY)}&until={rfc3339(NOON)}", 1),
        (f"since={datetime.fromtimestamp(NOON - 3 * DAY, UTC).date()}", 2),
        (f"since={datetime.fromtimestamp(NOON, UTC).isoformat()}", 1),
        ("since=99999w", 2),
        ("since=0001-01-01T00:00:00%2B14:00&until=9999-12-31T23:59:59-14:00", 2),
    ],
)
async def test_takes_a_time_in_several_forms(client: httpx.AsyncClient, query: str, requests: int) -> None:
    assert (await told(client, f"/v1/usage?{query}"))["requests"] == requests


async def test_begins_with_the_month_and_tells_short_times_by_the_hour(client: httpx.AsyncClient) -> None:
    month = datetime.fromtimestamp(NOON, UTC).replace(day=1, hour=0)
    assert (await told(client, "/v1/usage"))["since"] == rfc3339(month.timestamp())
    assert [each["at"] for each in (await told(client, "/v1/usage?since=24h"))["by_hour"]] == [rfc3339(NOON)]


@pytest.mark.parametrize(
    "query",
    ["since=yesterday", "since=-1d", "since=2026-13-01", "until=%00", "since=99999999999d", f"since={rfc3339(NOON + DAY)}"],
)  # fmt: skip
async def test_refuses_a_time_that_is_none(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(f"/v1/usage?{query}", headers=OWN)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "usage")


async def test_tells_an_admin_of_any_key_and_of_all(client: httpx.AsyncClient) -> None:
    assert (await told(client, "/v1/usage?since=24h", ADMIN))["key"] == "boss"
    assert (await told(client, "/v1/usage?since=24h&key=ci", ADMIN))["cost_usd"] == 0.25
    usage = await told(client, "/v1/usage?since=24h&key=all", ADMIN)
    assert (usage["key"], usage["requests"], usage["failed"]) == (None, 2, 1)
    assert [(each["key"], each["cost_usd"]) for each in usage["by_key"]] == [("ci", 0.25), ("boss", None)]


@pytest.mark.parametrize("name", ["boss", "all", "nobody"])
async def test_tells_others_of_no_key_but_their_own(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.get(f"/v1/usage?key={name}", headers=OWN)
    assert (answer.status_code, answer.json()["error"]["type"]) == (403, "permission")
    assert (await told(client, "/v1/usage?key=ci"))["key"] == "ci"


async def test_does_not_take_a_key_in_the_address_for_the_name_of_one(client: httpx.AsyncClient) -> None:
    assert (await told(client, f"/v1/usage?key={OWN_KEY}", {}))["key"] == "ci"
    assert (await told(client, f"/v1/usage?key={ADMIN_KEY}", {}))["key"] == "boss"


@pytest.mark.parametrize("path", ["/v1/usage", "/v1/key-info"])
async def test_lets_nobody_in_without_a_key(client: httpx.AsyncClient, path: str) -> None:
    for headers in ({}, {"x-api-key": "guessed"}):
        answer = await client.get(path, headers=headers)
        assert answer.status_code == 401
        assert answer.json() == {"error": {"type": "credentials", "message": "this key is not known"}}


async def test_tells_of_all_where_no_keys_are_issued(tmp_path: Path) -> None:
    async with asking(tmp_path, is_open=True) as client:
        assert (await told(client, "/v1/usage?since=7d", {}))["requests"] == 3
        info = await told(client, "/v1/key-info", {})
        assert (info["name"], info["used"]["total"]["requests"]) == (None, 3)


async def test_says_what_a_key_grants_and_what_is_left_of_it(client: httpx.AsyncClient) -> None:
    info = await told(client, "/v1/key-info")
    used = info.pop("used")
    assert info == {
        "name": "ci",
        "permissions": ["all"],
        "models": ["g*"],
        "expires": None,
        "limits": {"max_concurrent": 5, "usd_per_day": 1.0, "usd_total": 10.0},
        "left": {"usd_today": 0.75, "usd_total": 7.75, "concurrent": 3},
        "under_way": 2,
    }
    assert (used["today"]["cost_usd"], used["total"]["cost_usd"]) == (0.25, 2.25)
    assert OWN_KEY not in str(info)


async def test_says_whether_it_is_well() -> None:
    state = {"stopping": False, "redis": True, "kept": True}
    routes = health_routes(
        is_stopping=lambda: state["stopping"], redis_is_up=lambda: state["redis"], is_kept=lambda: state["kept"]
    )
    async with serving(routes) as client:
        assert (await client.get("/health")).json() == {"status": "ok"}
        well = {"ready": True, "degraded": False, "redis": "up", "ledger": "kept"}
        assert await told(client, "/ready") == well
        state["redis"] = False
        assert await told(client, "/ready") == {**well, "degraded": True, "redis": "down"}
        state.update(redis=True, kept=False)
        assert await told(client, "/ready") == {**well, "degraded": True, "ledger": "memory"}
        state.update(stopping=True)
        answer = await client.get("/ready")
        assert (answer.status_code, answer.json()["ready"]) == (503, False)
        assert (await client.get("/health")).status_code == 200


async def test_is_well_without_redis() -> None:
    async with serving(health_routes(is_stopping=lambda: False)) as client:
        assert await told(client, "/ready") == {"ready": True, "degraded": False, "redis": None, "ledger": "kept"}
