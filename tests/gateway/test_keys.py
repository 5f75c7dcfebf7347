"""Keys of the gateway: found in requests, known while they are issued, and what they open."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boticelli_cli.errors import ConfigError, CredentialsError, ProviderError
from boticelli_cli.gateway.base import FaceName
from boticelli_cli.gateway.guesses import Guesses
from boticelli_cli.gateway.keys import Door, Keyring, key_in
from boticelli_cli.grants import ANYONE, Grant, Permission, hash_of
from boticelli_cli.issued_keys import IssuedKeys
from tests.process import PATIENCE

KEY, OTHER = "bot-first", "bot-second"
CI = Grant("ci", hash_of(KEY))
ME = Grant("me", hash_of(OTHER))
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Hand:
    """A clock that is moved by hand."""

    def __init__(self, now: float = NOW.timestamp()) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def scope(*headers: tuple[str, str], query: str = "", client: str | None = "192.0.2.1") -> dict[str, Any]:
    """A request as an ASGI server tells it."""
    return {
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
        "query_string": query.encode(),
        "client": (client, 50_000) if client is not None else None,
    }


def having(key: str, client: str | None = "192.0.2.1") -> dict[str, Any]:
    return scope(("x-api-key", key), client=client)


@pytest.fixture
def path(folder: Path) -> Path:
    return folder / "gateway_keys.json"


@pytest.mark.parametrize(
    ("request_", "key"),
    [
        (scope(), None),
        (scope(("x-api-key", "a")), "a"),
        (scope(("Authorization", "Bearer a")), "a"),
        (scope(("Authorization", "bEARER  a ")), "a"),
        (scope(("Authorization", "Basic a")), None),
        (scope(("Authorization", "Bearer")), None),
        (scope(("x-goog-api-key", "a")), "a"),
        (scope(query="alt=sse&key=a%2Bb"), "a+b"),
        (scope(query="keys=a&akey=b"), None),
        (scope(query="key"), None),
        (scope(("x-api-key", " "), ("Authorization", "Bearer b")), "b"),
        (scope(("Authorization", "Bearer b"), ("x-api-key", "a")), "a"),
        (scope(("x-goog-api-key", "c"), ("Authorization", "Bearer b")), "b"),
        (scope(("x-goog-api-key", "c"), query="key=d"), "c"),
        (scope(("x-api-key", "a"), ("x-api-key", "b")), "a"),
        (scope(("x-api-key", "ä")), "ä"),
        ({}, None),
    ],
)
def test_the_key_of_a_request_is_found_wherever_clients_put_it(request_: dict[str, Any], key: str | None) -> None:
    assert key_in(request_) == key


@given(st.lists(st.tuples(st.binary(), st.binary())), st.binary())
def test_any_bytes_at_all_are_looked_through(headers: list[tuple[bytes, bytes]], query: bytes) -> None:
    named = [(name, value) for name in (b"x-api-key", b"authorization") for _, value in headers]
    key = key_in({"headers": [*headers, *named], "query_string": query})
    assert key is None or key == key.strip() != ""


async def test_knows_the_keys_of_the_configuration_and_those_issued(path: Path) -> None:
    IssuedKeys(path).add(ME)
    keys = Keyring([CI], IssuedKeys(path))
    assert (await keys.find(KEY), await keys.find(OTHER)) == (CI, ME)
    assert await keys.find("bot-third") is None
    assert await keys.find("\udcff") is None
    assert keys.has_any
    assert not Keyring([], IssuedKeys(path.with_name("none.json"))).has_any


async def test_tells_what_the_keys_of_a_name_grant_while_they_are_issued(path: Path) -> None:
    clock = Hand()
    IssuedKeys(path).add(replace(ME, name="ci"))
    door = Door(Keyring([CI], IssuedKeys(path), clock=clock))
    assert {grant.sha256 for grant in await door.named("ci")} == {CI.sha256, ME.sha256}
    assert await door.named("me") == ()
    IssuedKeys(path).remove("ci")
    clock.now += 2
    assert await door.named("ci") == (CI,)


async def test_of_two_alike_the_configurations_counts(path: Path) -> None:
    IssuedKeys(path).add(replace(CI, name="issued"))
    assert await Keyring([CI], IssuedKeys(path)).find(KEY) == CI


async def test_a_key_issued_meanwhile_is_known_at_once(path: Path) -> None:
    clock = Hand()
    keys = Keyring([], IssuedKeys(path), clock=clock)
    assert await keys.find(KEY) is None
    IssuedKeys(path).add(CI)
    clock.now += 0.2
    assert await keys.find(KEY) == CI
    assert keys.has_any


async def test_a_key_revoked_meanwhile_is_known_for_a_second_at_most(path: Path) -> None:
    clock = Hand()
    IssuedKeys(path).add(CI)
    keys = Keyring([], IssuedKeys(path), clock=clock)
    IssuedKeys(path).remove("ci")
    clock.now += 0.9
    assert await keys.find(KEY) == CI
    clock.now += 0.2
    assert await keys.find(KEY) is None


class Counting:
    """Issued keys that count how often they are looked at."""

    def __init__(self, grants: Sequence[Grant] = ()) -> None:
        self.held = tuple(grants)
        self.looks = 0
        self.reads = 0

    def stamp(self) -> object:
        self.looks += 1
        return self.held

    def grants(self) -> Sequence[Grant]:
        self.reads += 1
        return self.held


async def test_looks_once_a_second_for_known_keys_and_reads_only_what_has_changed() -> None:
    clock, issued = Hand(), Counting([CI])
    keys = Keyring([], issued, clock=clock)
    for _ in range(100):
        clock.now += 0.05
        await asyncio.gather(*(keys.find(KEY) for _ in range(10)))
    assert issued.looks <= 6
    assert issued.reads == 1


async def test_many_unknown_keys_at_once_share_one_look() -> None:
    clock, issued = Hand(), Counting([CI])
    keys = Keyring([], issued, clock=clock)
    clock.now += 5
    issued.held = (CI, ME)
    assert await asyncio.gather(*(keys.find(OTHER) for _ in range(50))) == [ME] * 50
    assert (issued.looks, issued.reads) == (2, 2)


class Stalling(Counting):
    """Issued keys in a file system that answers when it is let."""

    def __init__(self, grants: Sequence[Grant]) -> None:
        super().__init__(grants)
        self.stalls = threading.Event()
        self.goes_on = threading.Event()

    def stamp(self) -> object:
        if self.looks:
            self.stalls.set()
            assert self.goes_on.wait(PATIENCE)
        return super().stamp()


async def test_known_keys_do_not_wait_for_a_look_that_takes_its_time() -> None:
    clock, issued = Hand(), Stalling([CI])
    keys = Keyring([], issued, clock=clock)
    clock.now += 5
    async with asyncio.TaskGroup() as group:
        first = group.create_task(keys.find(KEY))
        assert await asyncio.to_thread(issued.stalls.wait, PATIENCE)
        assert await keys.find(KEY) == CI
        assert not first.done()
        issued.goes_on.set()
    assert first.result() == CI


async def test_a_file_that_breaks_meanwhile_is_told_once_and_changes_nothing(path: Path) -> None:
    clock, said = Hand(), list[str]()
    IssuedKeys(path).add(CI)
    keys = Keyring([], IssuedKeys(path), clock=clock, warn=said.append)
    break_up(path)
    for _ in range(3):
        clock.now += 2
        assert await keys.find(KEY) == CI
    assert len(said) == 1
    assert "those known before stay" in said[0]
    break_up(path, '{"keys": []}')
    IssuedKeys(path).add(ME)
    clock.now += 2
    assert (await keys.find(KEY), await keys.find(OTHER)) == (None, ME)


def test_a_file_that_is_broken_from_the_start_is_an_error(path: Path) -> None:
    path.write_text("{")
    with pytest.raises(ConfigError):
        Keyring([], IssuedKeys(path))


def break_up(path: Path, text: str = "{") -> None:
    path.write_text(text)


async def refused(door: Door, request: dict[str, Any]) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await door.grant(request)
    return caught.value


async def test_lets_in_whoever_has_a_key() -> None:
    assert await Door(Keyring([CI])).grant(having(KEY)) == CI


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (scope(), "no key was given; send one as x-api-key, or as Authorization: Bearer KEY"),
        (having("bot-wrong"), "this key is not known here: it was never issued, or has been revoked"),
        (having(OTHER), "key 'me' expired on 2026-11-20 at 12:00 UTC; a new one is needed"),
    ],
)
async def test_tells_those_without_a_valid_key_what_is_wrong_with_it(request_: dict[str, Any], said: str) -> None:
    door = Door(Keyring([CI, replace(ME, expires=NOW)]), clock=Hand())
    error = await refused(door, request_)
    assert isinstance(error, CredentialsError)
    assert error.status == 401
    assert error.message.startswith(said)
    assert "bot-wrong" not in error.message


async def test_a_key_lets_in_until_the_moment_it_expires() -> None:
    door = Door(Keyring([replace(CI, expires=NOW + timedelta(seconds=1))]), clock=Hand())
    assert (await door.grant(having(KEY))).name == "ci"


@pytest.mark.parametrize("host", ["localhost:8484", "127.0.0.1", "[::1]:8484", "api.localhost"])
async def test_an_open_door_knows_this_machine_by_its_names(host: str) -> None:
    assert await Door(Keyring([]), True).grant(scope(("host", host))) is ANYONE


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:8484", "192.0.2.7", "[", "a b"])
async def test_an_open_door_is_closed_to_pages_that_come_by_another_name(host: str) -> None:
    assert (await refused(Door(Keyring([]), True), scope(("host", host)))).status == 403


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost.evil.example:80", "null", "http://["])
async def test_an_open_door_is_closed_to_pages_of_other_sites(origin: str) -> None:
    request = scope(("host", "127.0.0.1:8484"), ("origin", origin))
    assert (await refused(Door(Keyring([]), True), request)).status == 403
    assert (await Door(Keyring([CI])).grant(scope(("x-api-key", KEY), ("origin", origin)))) == CI


@pytest.mark.parametrize(
    "origin", ["http://localhost:3000", "https://127.0.0.1", "app://notes", "vscode-webview://1a2b"]
)
async def test_an_open_door_is_open_to_pages_of_this_machine_and_to_programs_with_windows(origin: str) -> None:
    assert await Door(Keyring([]), True).grant(scope(("host", "localhost:8484"), ("origin", origin))) is ANYONE


async def test_an_open_door_lets_in_anybody_while_there_is_no_key(path: Path) -> None:
    clock = Hand()
    door = Door(Keyring([], IssuedKeys(path), clock=clock), True)
    assert door.is_open
    assert await door.grant(scope()) is ANYONE
    assert await door.grant(having("sk-ant-whatever")) is ANYONE
    IssuedKeys(path).add(CI)
    clock.now += 0.2
    assert (await refused(door, scope())).status == 401
    assert await door.grant(having(KEY)) == CI
    IssuedKeys(path).remove("ci")
    clock.now += 2
    assert (await refused(door, scope())).status == 401
    assert not door.is_open


async def test_without_any_key_a_door_that_is_not_open_lets_in_nobody() -> None:
    assert (await refused(Door(Keyring()), having(KEY))).status == 401


@pytest.mark.parametrize(
    ("permissions", "opens"),
    [
        (("claude",), {"anthropic"}),
        (("gemini", "openai"), {"gemini", "openai"}),
        (("all",), {"anthropic", "gemini", "openai"}),
        (("admin",), {"anthropic", "gemini", "openai"}),
    ],
)
def test_a_key_opens_the_faces_that_it_is_for(permissions: tuple[Permission, ...], opens: set[FaceName]) -> None:
    door, grant = Door(Keyring()), replace(CI, permissions=permissions)
    faces: tuple[FaceName, ...] = ("anthropic", "gemini", "openai")
    for face in faces:
        if face in opens:
            door.check(grant, face)
            continue
        with pytest.raises(CredentialsError, match=r"key 'ci' is not for the \w+ interface; it is for") as caught:
            door.check(grant, face)
        assert caught.value.status == 403


def test_a_key_opens_the_models_that_it_is_for_by_the_name_asked_for() -> None:
    door, grant = Door(Keyring()), replace(CI, models=("gemini-*", "claude-opus-4-7"))
    for model in ("gemini-3.8-flash", "claude-opus-4-7"):
        door.check(grant, "gemini", model)
    with pytest.raises(CredentialsError) as caught:
        door.check(grant, "gemini", "gpt-5" * 1000)
    assert caught.value.status == 403
    assert caught.value.message.endswith("…'; it is for gemini-*, claude-opus-4-7")
    assert len(caught.value.message) < 250
    door.check(CI, "gemini", "anything/at-all:8b")


async def test_many_wrong_keys_from_one_address_have_it_wait_but_for_a_valid_key() -> None:
    clock = Hand()
    door = Door(Keyring([CI]), clock=clock)
    for _ in range(20):
        assert (await refused(door, having("bot-guess"))).status == 401
        clock.now += 1
    for request in (having("bot-guess"), scope()):
        error = await refused(door, request)
        assert (error.status, error.retry_after) == (429, 40)
        assert not isinstance(error, CredentialsError)
    assert await door.grant(having(KEY)) == CI
    assert (await refused(door, having("bot-guess", client="192.0.2.2"))).status == 401
    clock.now += 40
    assert (await refused(door, having("bot-guess"))).status == 401
    assert (await refused(door, having("bot-guess"))).status == 429


async def test_who_sends_no_key_or_one_that_has_expired_does_not_guess() -> None:
    door = Door(Keyring([replace(CI, expires=NOW)]), clock=Hand())
    for _ in range(50):
        assert (await refused(door, scope(client=None))).status == 401
        assert (await refused(door, having(KEY, client=None))).status == 401
    assert (await refused(door, having("bot-guess", client=None))).status == 401


def test_an_ipv6_subscriber_has_no_more_guesses_than_anybody_else() -> None:
    guesses = Guesses(most=2)
    guesses.add("2001:db8:1:2::1", 0)
    guesses.add("2001:db8:1:2:ffff::2", 1)
    assert guesses.wait("2001:db8:1:2::3", 1) == 59
    assert guesses.wait("2001:db8:1:3::1", 1) == 0


@pytest.mark.parametrize("address", [lambda n: f"10.0.{n // 256}.{n % 256}", lambda n: f"2001:db8:0:{n:x}::1"])
def test_only_so_many_addresses_are_remembered_and_none_for_long(address: Callable[[int], str]) -> None:
    guesses = Guesses(most=1, addresses=100)
    for number in range(1000):
        guesses.add(address(number), number / 1000)
    assert len(guesses) == 100
    assert guesses.wait(address(999), 1) > 0
    guesses.add("192.0.2.1", 120)
    assert len(guesses) == 1
