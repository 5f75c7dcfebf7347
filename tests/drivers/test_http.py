"""What carries requests: connections that do not come about, proxies, certificates; each with what to do next."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from boticelli_cli.drivers.access import Access
from boticelli_cli.drivers.anthropic import anthropic_driver
from boticelli_cli.drivers.base import fold
from boticelli_cli.drivers.dialect import HttpDriver
from boticelli_cli.drivers.gemini import Gemini
from boticelli_cli.drivers.gemini_access import GeminiAccess
from boticelli_cli.drivers.openai import openai_driver
from boticelli_cli.errors import ProviderError, RefusedError, UnreachableError
from boticelli_cli.messages import Message, Request, Text
from tests.clock import in_virtual_time
from tests.drivers.asking import ask, closed_port, failure
from tests.fakes.behaviours import Fail
from tests.fakes.gemini import FakeGemini

both_transports = pytest.mark.parametrize("wide", [False, True], ids=["httpx", "aiohttp"])

# httpx-aiohttp 0.2 gives a proxy's password to aiohttp in the old way
pytestmark = [
    pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The 'proxy_auth' parameter is deprecated:DeprecationWarning"),
]

ELSEWHERE = "https://generativelanguage.googleapis.com"


@pytest.fixture(autouse=True)
def no_certificates_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)


@asynccontextmanager
async def reaching(url: str | None, *, wide: bool) -> AsyncIterator[Gemini]:
    driver = Gemini(GeminiAccess("test-key", url), wide=wide)
    try:
        yield driver
    finally:
        await driver.aclose()


async def failing(url: str | None, *, wide: bool) -> ProviderError:
    """What asking there raises, which is the same for streams and whole answers."""
    async with reaching(url, wide=wide) as driver:
        error = await failure(driver)
        whole = await failure(driver, whole=True)
    assert (type(error), error.message, error.hint) == (type(whole), whole.message, whole.hint)
    assert "\n" not in error.message
    return error


@both_transports
@in_virtual_time
async def test_says_that_nobody_listens_there(wide: bool) -> None:
    url = f"http://127.0.0.1:{closed_port()}"
    error = await failing(url, wide=wide)
    assert type(error) is UnreachableError
    assert error.message == f"{url} could not be reached: Connection refused"
    assert error.hint == "does a server run there? is the port right?"


@both_transports
async def test_says_that_there_is_no_such_host(wide: bool) -> None:
    error = await failing("http://nowhere.invalid", wide=wide)
    assert type(error) is UnreachableError
    assert error.message.startswith("http://nowhere.invalid could not be reached: ")
    assert error.hint == "is there a network? is the name of the host right?"


@both_transports
@in_virtual_time
async def test_gives_up_connecting_after_ten_seconds(wide: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        async with reaching(url, wide=wide) as driver:
            error = await failure(driver)
    assert asyncio.get_running_loop().time() == pytest.approx(10)
    assert type(error) is UnreachableError
    assert error.message == f"{url} could not be reached: no answer within 10 seconds"


@both_transports
@in_virtual_time
async def test_says_that_a_certificate_is_not_trusted_and_never_retries_it(wide: bool) -> None:
    async with FakeGemini() as fake:
        error = await failing(fake.tls_url, wide=wide)
    assert type(error) is RefusedError
    assert error.message == f"{fake.tls_url} is not trusted: unable to get local issuer certificate"
    assert error.hint == "SSL_CERT_FILE names a file of certificates that are to be trusted"
    assert not fake.requests


@both_transports
@in_virtual_time
async def test_trusts_the_certificates_of_ssl_cert_file(wide: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    async with FakeGemini() as fake:
        monkeypatch.setenv("SSL_CERT_FILE", fake.ca_file)
        async with reaching(fake.tls_url, wide=wide) as driver:
            assert (await ask(driver)).text == "You said: Hello."


@both_transports
@in_virtual_time
async def test_says_that_a_port_speaks_no_tls(wide: bool) -> None:
    async with FakeGemini() as fake:
        error = await failing(fake.url.replace("http:", "https:"), wide=wide)
    assert type(error) is UnreachableError
    assert "WRONG_VERSION_NUMBER" in error.message or "wrong version number" in error.message
    assert error.hint == "does the server there speak https, or is it http://?"


@both_transports
@pytest.mark.parametrize("file", ["nowhere.pem", "empty.pem"])
@in_virtual_time
async def test_says_that_the_certificates_cannot_be_read(
    file: str, wide: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", f"{tmp_path}/{file}")
    if file == "empty.pem":
        with open(f"{tmp_path}/{file}", "w"):  # noqa: ASYNC230, PTH123
            pass
    error = await failing(None, wide=wide)
    assert type(error) is RefusedError
    assert error.message.startswith("the certificates that are to be trusted cannot be read: ")
    assert error.hint == "SSL_CERT_FILE names their file"


@both_transports
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "ALL_PROXY"])
@in_virtual_time
async def test_says_that_it_is_the_proxy_that_cannot_be_reached(
    name: str, wide: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, f"http://user:secret@127.0.0.1:{closed_port()}")
    error = await failing(None, wide=wide)
    assert type(error) is UnreachableError
    assert error.message == f"{ELSEWHERE} could not be reached through the proxy: Connection refused"
    assert error.hint == "look at HTTPS_PROXY, or add the host to NO_PROXY"


@both_transports
@in_virtual_time
async def test_says_that_the_proxy_refuses(wide: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:secret@127.0.0.1:{port}")
        error = await failing(None, wide=wide)
    assert type(error) is UnreachableError
    assert error.message.startswith(f"{ELSEWHERE} could not be reached through the proxy: ")
    assert "407" in error.message
    assert "secret" not in error.message


@both_transports
@in_virtual_time
async def test_goes_through_a_proxy_unless_the_host_is_excepted(wide: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    async with FakeGemini() as fake:
        monkeypatch.setenv("HTTP_PROXY", fake.url)
        async with reaching("http://gemini.invalid", wide=wide) as driver:
            assert (await ask(driver)).text == "You said: Hello."
        assert fake.connections == 1
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port()}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        async with reaching(fake.url, wide=wide) as driver:
            await ask(driver)


@both_transports
@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1080", "bogus://127.0.0.1", "http://127.0.0.1:xyz"])
@in_virtual_time
async def test_says_that_a_proxy_cannot_be_used(proxy: str, wide: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    error = await failing(None, wide=wide)
    assert type(error) is RefusedError
    assert error.message.startswith("the proxy cannot be used: ")
    assert error.hint == "look at HTTPS_PROXY and ALL_PROXY; an http:// proxy can always be used"


@both_transports
@pytest.mark.parametrize("url", ["http://127.0.0.1:xyz", "http://[::1"])
@in_virtual_time
async def test_says_that_an_address_is_none(url: str, wide: bool) -> None:
    error = await failing(url, wide=wide)
    assert type(error) is RefusedError
    assert error.message.startswith(f"'{url}' is not a URL: ")


@both_transports
@in_virtual_time
async def test_an_endless_error_is_not_read_to_its_end(wide: bool) -> None:
    async with FakeGemini([Fail(500, "x" * 10_000_000)]) as fake, reaching(fake.url, wide=wide) as driver:
        error = await failure(driver)
        assert (error.status, error.message) == (500, "HTTP 500 Internal Server Error")
        assert (await ask(driver)).text == "You said: Hello."


@pytest.mark.parametrize("wide", [False, True], ids=["httpx", "aiohttp"])
async def test_a_redirect_is_not_followed_for_the_key_is_for_the_address_that_was_given(wide: bool) -> None:
    asked: list[bytes] = []

    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.write(b"HTTP/1.1 302 Found\r\nlocation: https://elsewhere.example/x\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(redirect, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        driver = Gemini(GeminiAccess("test-key", f"http://127.0.0.1:{port}"), wide=wide)
        error = await failure(driver)
        await driver.aclose()
    assert isinstance(error, RefusedError)
    assert error.message == f"http://127.0.0.1:{port} sends requests elsewhere, to elsewhere.example"
    assert len(asked) == 1


@asynccontextmanager
async def saying(*pieces: bytes) -> AsyncIterator[str]:
    """A server that says these bytes to everybody, the last of them for ever, and the address of it."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0] or 0))
            for piece in pieces[:1]:
                writer.write(piece)
            for piece in pieces[1:]:
                for _ in range(1000):
                    writer.write(piece)
                    await writer.drain()
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(say, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


OK = b"HTTP/1.1 200 OK\r\n"


@both_transports
@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"\x16\x03\x01\x02 this is no HTTP\r\n\r\n", "what came is not HTTP"),
        (OK + b"Content-Length: -5\r\n\r\n", "what came is not HTTP"),
        (OK + b"X-Long: " + b"x" * 1_000_000 + b"\r\n\r\n", "what came is not HTTP"),
        (OK + b"X-Many: x\r\n" * 50_000 + b"\r\n", "what came is not HTTP"),
        (OK + b"Content-Length: 500\r\n\r\n{}", "it was closed from the other side"),
    ],
    ids=["garbage", "length", "long header", "many headers", "cut"],
)
async def test_says_that_what_came_cannot_be_understood(said: bytes, reason: str, wide: bool) -> None:
    async with saying(said) as url:
        error = await failing(url, wide=wide)
    assert type(error) is ProviderError
    assert error.message == f"the connection broke before an answer came: {reason}"


async def test_a_redirect_to_no_address_is_none_to_somewhere_else() -> None:
    async with saying(b"HTTP/1.1 302 Found\r\nLocation: http://[\r\nContent-Length: 0\r\n\r\n") as url:
        error = await failing(url, wide=False)
    assert type(error) is RefusedError
    assert error.message == f"{url} sends requests elsewhere, to another path"


@both_transports
async def test_says_that_a_web_page_is_no_answer(wide: bool) -> None:
    async with saying(
        OK + b"Content-Type: text/html; charset=utf-8\r\nConnection: close\r\n\r\n<html>Hello</html>"
    ) as url:
        error = await failing(url, wide=wide)
    assert error.message == f"{url} answers with a web page"
    assert error.hint is not None
    assert "GOOGLE_GEMINI_BASE_URL" in error.hint


@both_transports
async def test_an_answer_without_end_is_not_kept(wide: bool) -> None:
    async with saying(OK + b"Connection: close\r\n\r\n", b"x" * 1_000_000) as url, reaching(url, wide=wide) as driver:
        error = await failure(driver, whole=True)
    assert type(error) is RefusedError
    assert error.message == "the answer has more than 134,217,728 bytes"


async def test_a_list_of_models_without_end_is_left() -> None:
    page = b'{"models": [{"name": "models/m"}], "nextPageToken": "again"}'
    length = b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(page)
    async with saying(OK + length + page) as url, reaching(url, wide=False) as driver:
        assert len(await driver.models()) == 2


KEY = "hunter2-which-has-no-form-of-its-own"
JSON = OK.replace(b"200 OK", b"%d X") + b"Content-Type: application/json\r\nConnection: close\r\n\r\n"
EVENTS = OK + b"Content-Type: text/event-stream\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    "said",
    [
        JSON % 401 + b'{"error": {"message": "no such key: Bearer %s"}}' % KEY.encode(),
        JSON % 400 + b'{"error": {"message": "what is this: %s"}}' % KEY.encode(),
        JSON % 500 + b'{"error": {"message": "headers: {\'x-api-key\': \'%s\'}"}}' % KEY.encode(),
        EVENTS + b'data: {"error": {"message": "what is %s"}}\n\n' % KEY.encode(),
        EVENTS + b"data: what is this, and what is it good for? %s\n\n" % KEY.encode(),
    ],
    ids=["refused", "wrong", "failed", "in a stream", "malformed"],
)
@pytest.mark.parametrize("dialect", ["gemini", "anthropic", "openai"])
async def test_a_key_that_a_server_repeats_is_not_told(said: bytes, dialect: str) -> None:
    async with saying(said) as url:
        access = Access(dialect, KEY, url)
        driver: Gemini | HttpDriver = Gemini(GeminiAccess(KEY, url))
        if dialect == "anthropic":
            driver = anthropic_driver(access)
        elif dialect == "openai":
            driver = openai_driver(access, max_tokens_name=lambda model: "max_tokens")
        request = Request("m", (Message("user", (Text("Hello."),)),), max_tokens=10)
        with pytest.raises(ProviderError) as streamed:
            async with driver.stream(request) as deltas:
                await fold(deltas)
        with pytest.raises(ProviderError) as whole:
            await driver.generate(request)
        with suppress(ProviderError):
            await driver.models()
        await driver.aclose()
    for error in (streamed.value, whole.value):
        assert KEY[:8] not in f"{error} {error.message} {error.hint}"
    assert "…" in streamed.value.message


async def test_another_server_of_geminis_dialect_is_called_by_its_own_name() -> None:
    async with saying(OK + b"Content-Type: text/html\r\nConnection: close\r\n\r\n<html>") as url:
        driver = Gemini(GeminiAccess("test-key", url, provider="mine"))
        error = await failure(driver)
        await driver.aclose()
    assert error.provider == "mine"
    assert error.hint is not None
    assert "'base_url' of 'mine' in the configuration" in error.hint
