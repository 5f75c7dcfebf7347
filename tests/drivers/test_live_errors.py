"""What goes wrong with a Live session: which errors it becomes, what is asked again, and what is kept."""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from websockets.asyncio.server import ServerConnection, serve

from boticelli_cli.catalog import Catalog
from boticelli_cli.drivers.base import Notice, Retrying, listening
from boticelli_cli.drivers.gemini_access import GeminiAccess
from boticelli_cli.drivers.gemini_live import GeminiLive
from boticelli_cli.errors import (
    BoticelliError,
    CredentialsError,
    NoAnswerError,
    ProviderError,
    QuotaError,
    RefusedError,
    SilenceError,
    StreamError,
    UnreachableError,
)
from boticelli_cli.messages import Response
from boticelli_cli.routing.retries import WithRetries, schedule_of
from tests.clock import run_virtual
from tests.drivers.speaking import collect, driving, request, settle, sound_of, text_of
from tests.fakes.behaviours import Answer, Behaviour, Close, Events, Fail, GoAway, Malformed, Silence, TruncatedClean
from tests.fakes.gemini import FakeGemini
from tests.fakes.material import sine

PIECE = sine(0.04)
KEY = "AIzaSyA-very-secret-key-0123456789"


@pytest.fixture
def in_virtual_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[FakeGemini], Awaitable[Any]]], Any]:
    """Run a test with a fake in virtual time."""

    def run(test: Callable[[FakeGemini], Awaitable[Any]]) -> Any:
        async def serve() -> Any:
            async with FakeGemini() as fake:
                monkeypatch.setenv("SSL_CERT_FILE", fake.ca_file)
                return await test(fake)

        return run_virtual(serve())

    return run


async def failure_of(fake: FakeGemini, behaviour: Behaviour, **settings: Any) -> BoticelliError:
    """What it raises before the first delta."""
    fake.script.append(behaviour)
    async with driving(fake) as driver:
        with pytest.raises(BoticelliError) as caught:
            async with driver.stream(request("Hi.", **settings)):
                raise AssertionError("it answered")
    await settle(fake)
    return caught.value


# Before the first delta


@pytest.mark.parametrize(
    ("behaviour", "kind", "status", "said"),
    [
        (Close(1011, after=0), ProviderError, None, "1011, an error of its own: Internal error encountered."),
        (Close(1008, "Policy.", after=0), ProviderError, None, "1008, against its policy: Policy."),
        (Close(1006, after=0), ProviderError, None, "closed: 1006, no closing words"),
        (Close(1000, "", after=0), ProviderError, None, "closed: 1000, normal end"),
        (Close(3003, "?", after=0), ProviderError, None, "closed: 3003, unknown: ?"),
        (GoAway(more=0), ProviderError, None, "1001, going away"),
        (Malformed(after=0), ProviderError, None, "sent what cannot be read"),
        (
            Events(({"serverContent": {"turnComplete": "maybe"}},)),
            ProviderError,
            None,
            "cannot be read: server_content.turnComplete",
        ),
        (Events(({"code": 500, "message": "Oh."},)), ProviderError, None, "told of an error: Oh."),
        (Close(1011, "You exceeded your current quota", after=0), ProviderError, 429, "exceeded your current quota"),
        (Close(1011, "RESOURCE_EXHAUSTED", after=0), ProviderError, 429, "RESOURCE_EXHAUSTED"),
        (Close(1011, "Quota: RequestsPerDay", after=0), QuotaError, 429, "the day's quota is spent"),
        (Fail(429), ProviderError, 429, "1011"),
        (Fail(503), ProviderError, None, "1011"),
        (Close(1007, "Invalid argument.", after=0), RefusedError, None, "1007, it does not take what was sent"),
        (Close(1008, "models/x is not found", after=0), RefusedError, 404, "models/x is not found"),
        (Close(1008, "Permission denied: Consumer", after=0), CredentialsError, None, "the key was refused"),
    ],
    ids=str,
)
async def test_says_what_closed_the_session(
    fake: FakeGemini, behaviour: Behaviour, kind: type, status: int | None, said: str
) -> None:
    error = await failure_of(fake, behaviour)
    assert type(error) is kind
    assert isinstance(error, ProviderError)
    assert said in error.message
    assert (error.provider, error.status) == ("gemini", status)
    assert (schedule_of(error) is None) == (kind is not ProviderError)
    assert error.hint or kind in (ProviderError, QuotaError)


async def test_a_bad_key_is_refused(fake: FakeGemini) -> None:
    async with driving(fake, key=KEY) as driver:
        with pytest.raises(CredentialsError, match="the key was refused: API key not valid") as caught:
            await driver.generate(request("Hi."))
    assert "aistudio.google.com" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("status", "kind"), [(503, ProviderError), (429, ProviderError), (403, CredentialsError), (404, RefusedError)]
)
async def test_a_refused_handshake_tells_its_status(fake: FakeGemini, status: int, kind: type) -> None:
    fake.live.refusals.append(Fail(status))
    async with driving(fake) as driver:
        with pytest.raises(ProviderError, match=f"answered with status {status}") as caught:
            await driver.generate(request("Hi."))
    assert (type(caught.value), caught.value.status) == (kind, status)


async def test_an_address_without_tls_is_refused_at_once(fake: FakeGemini) -> None:
    async with driving(fake, url=fake.url) as driver:
        with pytest.raises(RefusedError, match="has to begin with https://"):
            await driver.generate(request("Hi."))
    assert fake.connections == 0


async def test_certificates_that_are_not_there_are_told(fake: FakeGemini, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
    async with driving(fake) as driver:
        with pytest.raises(UnreachableError, match="No such file") as caught:
            await driver.generate(request("Hi."))
    assert "SSL_CERT_FILE" in (caught.value.hint or "")


async def test_certificates_that_are_not_trusted_are_told(fake: FakeGemini, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    async with driving(fake) as driver:
        with pytest.raises(RefusedError, match="the certificate is not trusted: unable to get local issuer") as caught:
            await driver.generate(request("Hi."))
    assert "SSL_CERT_FILE" in (caught.value.hint or "")


async def test_nobody_there_is_unreachable(fake: FakeGemini, unused_tcp_port: int) -> None:
    async with driving(fake, url=f"https://127.0.0.1:{unused_tcp_port}") as driver:
        with pytest.raises(UnreachableError, match="no live session came about"):
            await driver.generate(request("Hi."))


def test_a_server_that_says_nothing_at_all_is_unreachable(in_virtual_time: Any) -> None:
    async def test(fake: FakeGemini) -> None:
        async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        silent = await asyncio.start_server(listen, "127.0.0.1", 0)
        async with silent:
            port = silent.sockets[0].getsockname()[1]
            async with driving(fake, url=f"https://127.0.0.1:{port}") as driver:
                with pytest.raises(UnreachableError, match="timed out"):
                    await driver.generate(request("Hi."))

    in_virtual_time(test)


async def test_a_setup_that_is_not_confirmed_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    over: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()

    async def mumble(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send(b'{"sunrise": {}}')
        await connection.wait_closed()
        over.set_result(connection.close_code)

    async with serve(mumble, "127.0.0.1", 0, ssl=context) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        driver = GeminiLive(GeminiAccess(KEY, f"https://127.0.0.1:{port}"), Catalog.builtin())
        with pytest.raises(ProviderError, match="did not confirm its setup"):
            await driver.generate(request("Hi."))
        assert await asyncio.wait_for(over, 5) == 1000
        await driver.aclose()


async def test_cloud_credentials_that_are_not_there_are_told(fake: FakeGemini, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere.json")
    driver = GeminiLive(GeminiAccess(base_url=fake.tls_url, project="project"), Catalog.builtin())
    with pytest.raises(CredentialsError) as caught:
        await driver.generate(request("Hi."))
    assert "gcloud auth" in (caught.value.hint or "")
    await driver.aclose()


# Asked again


async def retried(fake: FakeGemini, *behaviours: Behaviour, **settings: Any) -> tuple[Response, list[Retrying]]:
    notices: list[Notice] = []

    async def listen(notice: Notice) -> None:
        notices.append(notice)

    fake.script.extend(behaviours)
    async with driving(fake) as driver:
        with listening(listen):
            response = await WithRetries(driver, chance=lambda: 0.5).generate(request("Hi.", **settings))
    return response, [notice for notice in notices if isinstance(notice, Retrying)]


def test_what_closes_before_the_first_delta_is_asked_again(in_virtual_time: Any) -> None:
    async def test(fake: FakeGemini) -> None:
        breaks = (Close(1011, after=0), Close(1008, "Policy.", after=0), GoAway(more=0))
        response, notices = await retried(fake, *breaks)
        assert response.text == "You said: Hi."
        assert [notice.seconds for notice in notices] == [1.0, 2.0, 4.0]
        assert len(fake.live.sessions) == 4
        assert [len(session.received) for session in fake.live.sessions] == [2] * 4

    in_virtual_time(test)


def test_a_quota_of_the_minute_is_waited_for(in_virtual_time: Any) -> None:
    async def test(fake: FakeGemini) -> None:
        _, notices = await retried(fake, Fail(429))
        assert [notice.seconds for notice in notices] == [5.0]

    in_virtual_time(test)


@pytest.mark.parametrize("code", [1007, 1008])
def test_what_would_only_come_again_is_not_asked_again(in_virtual_time: Any, code: int) -> None:
    async def test(fake: FakeGemini) -> None:
        with pytest.raises(RefusedError):
            await retried(fake, Close(code, "models/x is not found", after=0))
        assert len(fake.live.sessions) == 1

    in_virtual_time(test)


# After the first delta


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (Close(1011, after=2), "1011, an error of its own"),
        (Close(1008, "Policy.", after=2), "1008, against its policy: Policy."),
        (Close(1007, "Invalid.", after=2), "1007, it does not take what was sent"),
        (Close(1006, after=2), "1006"),
        (Close(1011, "API key expired", after=2), "the key was refused"),
        (TruncatedClean(after=2), "1000, normal end"),
        (Malformed(after=2), "cannot be read"),
    ],
    ids=str,
)
def test_what_had_come_is_kept_and_nothing_is_asked_again(
    in_virtual_time: Any, behaviour: Behaviour, said: str
) -> None:
    async def test(fake: FakeGemini) -> None:
        fake.script.append(behaviour)
        async with driving(fake) as driver:
            deltas, error = await collect(WithRetries(driver), request("Hi."))
        assert type(error) is StreamError
        assert said in error.message
        assert error.hint == "what had come is kept; run it again"
        assert text_of(deltas) == "piece 1 piece 2 "
        assert sound_of(deltas) == (24_000, PIECE * 2)
        assert len(fake.live.sessions) == 1
        await settle(fake)

    in_virtual_time(test)


def test_a_farewell_in_mid_turn_that_comes_too_early_keeps_what_had_come(in_virtual_time: Any) -> None:
    async def test(fake: FakeGemini) -> None:
        fake.script.append(GoAway(after=1, more=1))
        async with driving(fake) as driver:
            deltas, error = await collect(driver, request("one two three four five six seven eight nine"))
        assert isinstance(error, StreamError)
        assert "1001, going away" in error.message
        assert text_of(deltas) == "You said: one two three four "

    in_virtual_time(test)


# Silence


@pytest.mark.parametrize(
    ("behaviour", "timeout", "kind", "seconds"),
    [
        (Silence(after=0), None, NoAnswerError, 300),
        (Silence(after=0), 20, NoAnswerError, 20),
        (Silence(after=1), None, SilenceError, 120),
        (Answer(chunks=10, delay=20), 50, StreamError, 50),
        (Answer(chunks=100, delay=100), None, StreamError, 600),
    ],
    ids=str,
)
def test_nothing_is_waited_for_without_end(
    in_virtual_time: Any, behaviour: Behaviour, timeout: float | None, kind: type, seconds: float
) -> None:
    async def test(fake: FakeGemini) -> None:
        fake.script.append(behaviour)
        time = asyncio.get_running_loop().time
        async with driving(fake) as driver:
            began = time()
            deltas, error = await collect(driver, request("Hi.", timeout=timeout))
            assert type(error) is kind
            assert seconds <= time() - began < seconds + 3
            assert bool(text_of(deltas)) == isinstance(error, StreamError)
            assert isinstance(error, NoAnswerError) or sound_of(deltas)[1]
        await settle(fake)
        assert (fake.live.sessions[0].close_code, fake.live.sessions[0].closed_by) == (1000, "client")

    in_virtual_time(test)


# Keys


async def test_a_key_is_in_no_error_and_no_log(fake: FakeGemini, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="boticelli_cli")
    fake.keys.add(KEY)
    fake.script.append(Close(1008, f"Permission denied: Consumer 'api_key:{KEY}' has been suspended.", after=0))
    fake.script.append(Close(1011, f"No idea who {KEY} is", after=1))
    errors: list[Exception | None] = []
    async with driving(fake, key=KEY) as driver:
        for _ in range(2):
            errors.append((await collect(driver, request("Hi.")))[1])
        assert KEY not in repr(driver._access)
    fake.keys.remove(KEY)
    async with driving(fake, key=KEY) as driver:
        errors.append((await collect(driver, request("Hi.")))[1])
    assert [type(error) for error in errors] == [CredentialsError, StreamError, CredentialsError]
    for error in errors:
        assert isinstance(error, BoticelliError)
        assert "AIza" not in f"{error.message} {error.hint}"
    assert "AIza" not in caplog.text
