"""Who sees the status page, and how they get in and out."""

import asyncio
from collections.abc import Iterator, MutableMapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import httpx
import pytest
import trustme
from starlette.applications import Starlette

from boticelli_cli.gateway.status import status_routes
from tests.clock import in_virtual_time
from tests.gateway.showing import Door, Gateway, showing

KEY = "bot-admin-k3y"
FORM = "Admin key"
TABLES = "Recent errors"


@pytest.fixture(scope="module")
def door() -> Door:
    return Door()


@pytest.fixture(scope="module")
def url(door: Door) -> Iterator[str]:
    with showing(Gateway(), door) as url:
        yield url


@pytest.fixture(autouse=True)
def keys(door: Door) -> None:
    door.grants.clear()
    door.issue(KEY, "malin")
    door.issue("bot-other", "ci", permissions=("all",))
    door.issue("bot-over", "old", expires=datetime.now(UTC) - timedelta(seconds=1))


def sign_in(client: httpx.Client, key: str = KEY, **headers: str) -> httpx.Response:
    return client.post("/sign-in", data={"username": "admin", "key": key}, headers=headers)


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url) as client:
        yield client


def test_asks_for_a_key_first(client: httpx.Client) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert FORM in page.text
    assert TABLES not in page.text


def test_shows_the_page_to_who_has_typed_an_admin_key(client: httpx.Client) -> None:
    answer = sign_in(client)
    assert answer.status_code == 303
    page = client.get(answer.headers["location"])
    assert TABLES in page.text
    assert FORM not in page.text


def test_keeps_the_session_from_scripts_and_other_sites_for_twelve_hours(client: httpx.Client) -> None:
    cookie = sign_in(client).headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", "Max-Age=43200", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie


def test_has_the_session_sent_over_tls_only_where_it_began_there(tmp_path: Path, door: Door) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    files = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(files[0])
    certificate.private_key_pem.write_to_path(files[1])
    with showing(Gateway(), door, tls=files) as url, httpx.Client(base_url=url, verify=False) as client:
        cookie = sign_in(client).headers["set-cookie"]
        assert cookie.startswith("__Host-")
        assert "Secure" in cookie.split("; ")
        assert TABLES in client.get("/").text


def test_tells_the_key_to_nobody(client: httpx.Client) -> None:
    answers = [sign_in(client), client.get("/"), sign_in(client, "bot-wr0ng-k3y")]
    for answer in answers:
        assert "k3y" not in answer.text + str(answer.headers) + str(answer.url)


@pytest.mark.parametrize(
    "key", ["bot-unknown", "bot-other", "bot-over", "", " ", "x" * 10_000, "é\r\nx-api-key: " + KEY]
)
def test_says_the_same_of_every_key_that_does_not_open_it(client: httpx.Client, key: str) -> None:
    answer, other = sign_in(client, key), sign_in(client, "bot-any")
    assert answer.status_code == 401
    assert answer.text == other.text
    assert "does not open" in answer.text
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"key", b"%ff=%", b"&" * 4000, b"kex=" + KEY.encode()])
def test_refuses_forms_that_hold_no_key(client: httpx.Client, body: bytes) -> None:
    assert client.post("/sign-in", content=body).status_code == 401


def test_asks_an_address_that_guesses_to_wait() -> None:
    with showing(Gateway(), Door(most_guesses=2)) as url, httpx.Client(base_url=url) as client:
        answers = [sign_in(client, f"bot-{number}") for number in range(3)]
    assert [answer.status_code for answer in answers] == [401, 401, 429]
    assert answers[-1].headers["retry-after"] == "42"
    assert "42 s" in answers[-1].text


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://[", ""])
def test_heeds_no_form_of_another_site(client: httpx.Client, path: str, origin: str) -> None:
    sign_in(client)
    answer = client.post(path, data={"key": KEY}, headers={"origin": origin})
    assert answer.status_code == 403
    assert TABLES in client.get("/").text


def test_heeds_its_own_forms(client: httpx.Client, url: str) -> None:
    assert sign_in(client, origin=url).status_code == 303
    assert sign_in(client, **{"sec-fetch-site": "cross-site"}).status_code == 403


def test_knows_nobody_who_has_signed_out_even_by_the_old_cookie(client: httpx.Client) -> None:
    sign_in(client)
    cookies = dict(client.cookies)
    client.post("/sign-out")
    assert not client.cookies
    client.cookies.update(cookies)
    assert FORM in client.get("/").text


def test_tells_keys_of_the_same_name_apart(client: httpx.Client, door: Door) -> None:
    door.issue("bot-twin", "malin")
    sign_in(client, "bot-twin")
    assert TABLES in client.get("/").text
    del door.grants["bot-twin"]
    assert FORM in client.get("/").text


@pytest.mark.parametrize("change", ["revoked", "replaced", "no admin", "expired"])
def test_ends_the_sessions_of_a_key_that_is(client: httpx.Client, door: Door, change: str) -> None:
    sign_in(client)
    assert TABLES in client.get("/").text
    del door.grants[KEY]
    if change == "replaced":
        door.issue("bot-another", "malin")
    elif change == "no admin":
        door.issue(KEY, "malin", permissions=("all",))
    elif change == "expired":
        door.issue(KEY, "malin", expires=datetime.now(UTC) - timedelta(seconds=1))
    assert FORM in client.get("/").text
    assert client.get("/status/events").status_code == 401


def test_ends_a_session_after_twelve_hours(door: Door) -> None:
    now = [1_000_000.0]
    with showing(Gateway(), door, clock=lambda: now[0]) as url, httpx.Client(base_url=url) as client:
        sign_in(client)
        now[0] += 43_199
        assert TABLES in client.get("/").text
        now[0] += 1
        assert FORM in client.get("/").text


def test_knows_the_sessions_of_workers_with_its_secret_and_of_no_others(door: Door) -> None:
    same = {"secret": b"s" * 32}
    with (
        showing(Gateway(), door, **same) as first,
        showing(Gateway(), door, **same) as second,
        showing(Gateway(), door) as stranger,
        httpx.Client() as client,
    ):
        token = next(iter(client.post(f"{first}/sign-in", data={"key": KEY}).cookies.values()))
        for url, expected in ((first, TABLES), (second, TABLES), (stranger, FORM)):
            name = f"boticelli-{httpx.URL(url).port}"
            assert expected in client.get(url, headers={"cookie": f"{name}={token}"}).text


def test_takes_no_token_that_was_changed(client: httpx.Client) -> None:
    sign_in(client)
    [(name, token)] = client.cookies.items()
    client.cookies.clear()
    changed = [
        token[:place] + ("0" if token[place] != "0" else "1") + token[place + 1 :] for place in range(len(token))
    ]
    strange = ["", ".", "...", "a.b.c.d", "=.1.2.3", "é", f"{token}.1", f".{token}", token[1:], token * 40]
    for wrong in changed + strange:
        page = client.get("/", headers={"cookie": f"{name}={wrong}".encode()})
        assert page.status_code == 200
        assert FORM in page.text
    assert TABLES in client.get("/", headers={"cookie": f"{name}={token}"}).text


@pytest.mark.parametrize("path", ["/", "/sign-in", "/sign-out", "/status/events", "/status.js", "/status.css"])
def test_is_neither_framed_nor_kept_nor_open_to_scripts_of_others(client: httpx.Client, path: str) -> None:
    for answer in (client.get(path), client.post(path)):
        if answer.status_code == 405:
            continue
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.fixture(scope="module")
def without_keys() -> Iterator[httpx.Client]:
    with showing(Gateway(), Door(), is_open=lambda: True) as url, httpx.Client(base_url=url) as client:
        yield client


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8484", "localhost.", "me.localhost", "127.0.0.1:1", "127.8.8.8", "[::1]:8484"]
)
def test_shows_the_page_to_this_machine(without_keys: httpx.Client, host: str) -> None:
    page = without_keys.get("/", headers={"host": host})
    assert TABLES in page.text
    assert "Sign out" not in page.text


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "[::2]",
        "10.0.0.1",
        "",
        "[",
        "a@localhost.b",
    ],
)
def test_shows_nothing_by_a_name_that_can_be_pointed_here(without_keys: httpx.Client, host: str) -> None:
    for path in ("/", "/status/events"):
        answer = without_keys.get(path, headers={"host": host})
        assert answer.status_code in (400, 401, 403)
        assert TABLES not in answer.text


def test_asks_for_a_key_as_soon_as_there_is_one(door: Door) -> None:
    is_open = [True]
    with showing(Gateway(), door, is_open=lambda: is_open[0]) as url:
        assert TABLES in httpx.get(url).text
        is_open[0] = False
        assert FORM in httpx.get(url).text


@in_virtual_time
async def test_waits_for_a_form_for_seconds_only() -> None:
    async def nothing_more() -> NoReturn:
        await asyncio.Event().wait()
        raise AssertionError

    told: list[dict[str, Any]] = []

    async def hear(message: MutableMapping[str, Any]) -> None:
        told.append(dict(message))

    headers = [(b"host", b"localhost"), (b"content-length", b"40")]
    scope = {"type": "http", "method": "POST", "path": "/sign-in", "headers": headers, "query_string": b""}
    app = Starlette(routes=status_routes(Gateway(), Door()))
    async with asyncio.timeout(15):
        await app({**scope, "scheme": "http", "server": ("localhost", 80)}, nothing_more, hear)
    assert told[0]["status"] == 401
