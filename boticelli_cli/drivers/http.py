"""HTTP to a provider: the one place where clients are made, kept and closed, and where their errors are translated.

Nothing here knows any provider's wire format: paths and bodies go out, bytes come back.
"""

import os
import re
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import cast
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from boticelli_cli.drivers.patience import CONNECT, Patience
from boticelli_cli.errors import ProviderError, RefusedError, StreamError, UnreachableError

__all__ = [
    "Answer",
    "Chunks",
    "Endpoint",
    "ErrorReader",
    "FailureReader",
    "Headers",
    "Outgoing",
    "load_client",
    "no_headers",
    "time_at",
]

_WRITE = 120.0
"""Seconds that a provider may take nothing of a request's body."""

_KEEP_ALIVE = 60.0
"""Seconds for which an idle connection is kept for the next request."""

_MOST_OF_AN_ERROR = 100_000
"""Bytes of an error's body that are looked at."""

_MOST_OF_AN_ANSWER = 128 * 1024 * 1024
"""Bytes that a whole answer may have: twice what one event of a stream may."""

_SECRET_HEADERS = ("authorization", "x-api-key", "x-goog-api-key", "x-amz-security-token")

_OURS = (
    *(*_SECRET_HEADERS, "api-key", "cookie", "proxy-authorization"),
    *("host", "connection", "transfer-encoding", "content-type", "content-length", "content-encoding"),
    "accept-encoding",
)
"""What nobody who asks through us may say of a request: what lets it in, and how it is carried."""

_TELLING = 8
"""Characters by which a secret is known where it was cut."""

ErrorReader = Callable[[int, bytes, str | None], ProviderError]
"""Makes an error of a status, a body and the `Retry-After` header."""

FailureReader = Callable[[int, bytes, Mapping[str, str]], ProviderError]
"""Makes an error of a status, a body and all headers, for providers that say in one of them what it is."""

Chunks = AsyncIterator[bytes]

Headers = Iterable[tuple[str, str]]
"""What goes along with a request, as its maker said it."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request as it goes out, for those who sign it."""

    method: str
    url: str
    body: bytes


async def no_headers(_: Outgoing) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Endpoint:
    """A provider's address, and the client that goes there: made when it is first used, and kept.

    `authorize` gives the headers that a request needs to be let in; `read_error` makes an error of what comes
    back with a status of 400 or more, or `read_failure` does, if given. `named_by` is where people set the address.
    With `wide`, the client is one that carries hundreds of streams at once (aiohttp beneath httpx), which takes longer
    to load.
    """

    def __init__(
        self,
        provider: str,
        base_url: str,
        *,
        authorize: Callable[[Outgoing], Awaitable[Mapping[str, str]]] = no_headers,
        read_error: ErrorReader,
        read_failure: FailureReader | None = None,
        named_by: str = "its base URL",
        wide: bool = False,
    ) -> None:
        self._provider = provider
        self._hint = f"{named_by} is where it was set; it looks like https://example.com"
        self._base_url = base_url
        self._authorize = authorize
        self._read_error = read_error
        self._read_failure = read_failure
        self._wide = wide
        self._client: httpx.AsyncClient | None = None
        self._secrets: tuple[str, ...] = ()

    async def aclose(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def get(self, path: str, patience: Patience) -> Answer:
        return await self._whole("GET", path, None, patience)

    async def post(self, path: str, body: bytes, patience: Patience, headers: Headers = ()) -> Answer:
        """Ask, and give the whole answer. `headers` go over our own, but for those that let us in."""
        return await self._whole("POST", path, body, patience, headers)

    @asynccontextmanager
    async def stream(self, path: str, body: bytes, patience: Patience, headers: Headers = ()) -> AsyncIterator[Chunks]:
        """Ask, and give the body as it arrives, in pieces cut anywhere. `headers` are as those of `post`.

        Entering raises what goes wrong before a status of 200; leaving closes the connection, or gives it back
        to the pool if the body was read to its end. Raises ProviderError; once `patience.answered` is set, a
        body that breaks off is a StreamError.
        """
        async with (
            self._open("POST", path, body, patience, headers) as response,
            aclosing(self._chunks(response, patience)) as chunks,
        ):
            yield chunks

    def conceal(self, error: ProviderError) -> None:
        """Take out of an error's message what was sent to be let in: servers repeat in their errors what they got."""
        for secret in self._secrets:
            beginning = re.escape(secret[:_TELLING])
            error.message = re.sub(rf"{beginning}[^\s'\"]*", "…", error.message)
        error.args = (error.message,)

    async def _whole(
        self, method: str, path: str, body: bytes | None, patience: Patience, headers: Headers = ()
    ) -> Answer:
        async with self._open(method, path, body, patience, headers) as response:
            with self._translating(patience):
                body = await patience.wait_for(_beginning(response, _MOST_OF_AN_ANSWER + 1))
            if len(body) > _MOST_OF_AN_ANSWER:
                message = f"the answer has more than {_MOST_OF_AN_ANSWER:,} bytes"
                raise RefusedError(message, provider=self._provider, hint=self._hint)
            return Answer(body, response.headers)

    @asynccontextmanager
    async def _open(
        self, method: str, path: str, body: bytes | None, patience: Patience, more: Headers
    ) -> AsyncIterator[httpx.Response]:
        url = self._base_url + path
        let_in = await patience.wait_for(self._authorize(Outgoing(method, url, body or b"")))
        self._secrets = _secrets(let_in)
        along = _said_along(more)
        ours = {name: value for name, value in let_in.items() if name.lower() not in along}
        headers = {"content-type": "application/json", **ours, **along}
        if self._client is None:
            self._client = _make_client(self._provider, wide=self._wide)
        with self._translating(patience):
            request = self._client.build_request(method, _url(url), content=body, headers=headers)
            response = await patience.wait_for(self._client.send(request, stream=True))
        try:
            if response.has_redirect_location:
                raise self._redirected(response)
            if response.status_code >= 400:
                with self._translating(patience):
                    said = await patience.wait_for(_beginning(response, _MOST_OF_AN_ERROR))
                raise self._failure(response, said)
            if response.headers.get("content-type", "").startswith("text/html"):
                message = f"{self._base_url} answers with a web page"
                raise ProviderError(message, provider=self._provider, hint=self._hint)
            yield response
        finally:
            await response.aclose()

    async def _chunks(self, response: httpx.Response, patience: Patience) -> AsyncGenerator[bytes, None]:
        async with aclosing(cast("AsyncGenerator[bytes, None]", response.aiter_bytes())) as pieces:
            while True:
                with self._translating(patience):
                    try:
                        piece = await patience.wait_for(anext(pieces))
                    except StopAsyncIteration:
                        return
                yield piece

    def _failure(self, response: httpx.Response, said: bytes) -> ProviderError:
        if self._read_failure is not None:
            return self._read_failure(response.status_code, said, response.headers)
        return self._read_error(response.status_code, said, _retry_after(response.headers))

    def _redirected(self, response: httpx.Response) -> ProviderError:
        """A redirect is not followed: the key is for the address that was given."""
        where = _host(response.headers["location"]) or "another path"
        message = f"{self._base_url} sends requests elsewhere, to {where}"
        return RefusedError(message, provider=self._provider, status=response.status_code, hint=self._hint)

    @contextmanager
    def _translating(self, patience: Patience) -> Iterator[None]:
        try:
            yield
        except httpx.InvalidURL as error:
            message = f"'{self._base_url}' is not a URL: {error}"
            raise RefusedError(message, provider=self._provider, hint=self._hint) from error
        except Exception as error:
            if (known := _known(error)) is None:
                raise
            raise _translated(known, self._provider, self._base_url, answered=patience.answered) from error


def _said_along(headers: Headers) -> dict[str, str]:
    """Headers that may go along; of those with one name all values. What no header can hold is left out."""
    said: dict[str, str] = {}
    for given, value in headers:
        name = given.lower()
        if name not in _OURS and (name + value).isascii() and (name + value).isprintable():
            said[name] = f"{said[name]}, {value}" if name in said else value
    return said


def _retry_after(headers: Mapping[str, str]) -> str | None:
    """The header of that name, or its more precise one in milliseconds, which OpenAI and Anthropic know."""
    precise = headers.get("retry-after-ms", "")
    if re.fullmatch(r"\d{1,12}(\.\d{1,9})?", precise):
        return f"{float(precise) / 1000:.3f}"
    return headers.get("retry-after")


def _secrets(headers: Mapping[str, str]) -> tuple[str, ...]:
    """What nobody may see of the headers that let a request in; what is too short to be one is none."""
    values = (headers[name].split(" ")[-1] for name in headers if name.lower() in _SECRET_HEADERS)
    return tuple(value for value in values if len(value) >= _TELLING)


def load_client(*, wide: bool) -> None:
    """Load what a client is made of. Where that cannot be, whoever asks is told, and not before."""
    with suppress(OSError, ImportError):
        _trusted(ssl.get_default_verify_paths())
        if wide:
            import httpx_aiohttp  # noqa: F401


async def time_at(address: str) -> datetime | None:
    """What time it is at an address, as its answer says, whatever else it answers; no key goes there."""
    try:
        async with _make_client(address, wide=False) as client:
            response = await client.head(address, timeout=CONNECT)
            return parsedate_to_datetime(response.headers["date"])
    except (httpx.HTTPError, httpx.InvalidURL, ProviderError, LookupError, ValueError):
        return None


@lru_cache(maxsize=64)
def _url(address: str) -> httpx.URL:
    """An address, taken apart once: that takes as long as half of a request, and only few differ."""
    return httpx.URL(address)


def _make_client(provider: str, *, wide: bool) -> httpx.AsyncClient:
    """A client that goes through the environment's proxies and trusts its certificates (`SSL_CERT_FILE`).

    How long an answer may take is for `Patience` to say; how many requests may be under way, for the limits.
    Raises RefusedError for proxies and certificates that cannot be used.
    """
    try:
        return _client(wide=wide and not any(proxy.startswith("socks") for proxy in getproxies().values()))
    except OSError as error:
        message = f"the certificates that are to be trusted cannot be read: {error.strerror or error}"
        raise RefusedError(message, provider=provider, hint="SSL_CERT_FILE names their file") from error
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        hint = "look at HTTPS_PROXY and ALL_PROXY; an http:// proxy can always be used"
        raise RefusedError(f"the proxy cannot be used: {error}", provider=provider, hint=hint) from error


def _client(*, wide: bool) -> httpx.AsyncClient:
    timeout = httpx.Timeout(None, connect=CONNECT, write=_WRITE)
    trusted = _trusted(ssl.get_default_verify_paths())
    most = 10_000 if wide else None
    limits = httpx.Limits(max_connections=most, max_keepalive_connections=most, keepalive_expiry=_KEEP_ALIVE)
    if wide:
        from httpx_aiohttp import HttpxAiohttpClient

        return HttpxAiohttpClient(verify=trusted, timeout=timeout, limits=limits)
    return httpx.AsyncClient(verify=trusted, timeout=timeout, limits=limits)


@lru_cache(maxsize=4)
def _trusted(_: ssl.DefaultVerifyPaths) -> ssl.SSLContext:
    """The trusted certificates, by where the environment has them: to read them takes a twentieth of a second."""
    return httpx.create_ssl_context()


async def _beginning(response: httpx.Response, most: int) -> bytes:
    """A body, or the beginning of one that has more bytes than that."""
    said = bytearray()
    async with aclosing(cast("AsyncGenerator[bytes, None]", response.aiter_bytes())) as pieces:
        async for piece in pieces:
            said += piece
            if len(said) >= most:
                break
    return bytes(said[:most])


def _host(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


class _Garbled(httpx.RemoteProtocolError):
    """What came is not HTTP."""


def _known(error: Exception) -> httpx.HTTPError | None:
    """An error of HTTP as httpx tells it: httpx-aiohttp 0.2 passes on those of aiohttp's that it does not know."""
    if isinstance(error, httpx.HTTPError):
        return error
    if not type(error).__module__.startswith("aiohttp"):
        return None
    known = _Garbled(str(error))
    known.__cause__ = error
    return known


def _translated(error: httpx.HTTPError, provider: str, base_url: str, *, answered: bool) -> ProviderError:
    reason = _reason(error)
    if answered:
        message = f"the stream broke off before its end: {reason}"
        return StreamError(message, provider=provider, hint=StreamError.HINT)
    if not _is_unreached(error):
        message = f"the connection broke before an answer came: {reason}"
        return ProviderError(message, provider=provider, hint="run it again")
    if isinstance(_root(error), ssl.SSLCertVerificationError):
        message = f"{base_url} is not trusted: {reason}"
        hint = "SSL_CERT_FILE names a file of certificates that are to be trusted"
        return RefusedError(message, provider=provider, hint=hint)
    through = " through the proxy" if _has_proxy(base_url) else ""
    message = f"{base_url} could not be reached{through}: {reason}"
    return UnreachableError(message, provider=provider, hint=_remedy(error, through))


def _is_unreached(error: httpx.HTTPError) -> bool:
    """Whether no connection came about. Of aiohttp's errors, httpx-aiohttp 0.2 makes a ConnectTimeout of nearly all."""
    if type(error.__cause__).__module__.startswith("aiohttp"):
        import aiohttp

        unreached = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError)
        return isinstance(error.__cause__, unreached)
    return isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.UnsupportedProtocol))


def _reason(error: httpx.HTTPError) -> str:
    """What an error says, or what caused it does, in a few words."""
    match cause := _root(error):
        case ssl.SSLCertVerificationError():
            return cause.verify_message
        case ssl.SSLError() | socket.gaierror():
            return cause.strerror or str(cause)
        case TimeoutError() if _is_unreached(error):
            return f"no answer within {CONNECT:g} seconds"
        case OSError(errno=int(number)):
            return os.strerror(number)
        case _ if _is_unreached(error):
            return str(cause) or type(cause).__name__
    if isinstance(error, httpx.DecodingError):
        return "what came cannot be unpacked"
    if isinstance(error, _Garbled) or (type(cause).__module__.startswith("h11") and "peer closed" not in str(cause)):
        return "what came is not HTTP"
    return "it was closed from the other side"


def _remedy(error: httpx.HTTPError, through: str) -> str:
    if through:
        return "look at HTTPS_PROXY, or add the host to NO_PROXY"
    if isinstance(_root(error), socket.gaierror):
        return "is there a network? is the name of the host right?"
    if isinstance(_root(error), ConnectionRefusedError):
        return "does a server run there? is the port right?"
    if isinstance(_root(error), ssl.SSLError):
        return "does the server there speak https, or is it http://?"
    return "is there a network, or a proxy to be set?"


def _has_proxy(base_url: str) -> bool:
    url, proxies = urlsplit(base_url), getproxies()
    return bool(proxies.get(url.scheme) or proxies.get("all")) and not proxy_bypass(url.hostname or "")


def _root(error: BaseException) -> BaseException:
    """What an error comes from: of several attempts at a connection, what the first one failed of."""
    if isinstance(error, BaseExceptionGroup):
        return _root(error.exceptions[0])
    if isinstance(error, TimeoutError):  # it comes from a cancellation
        return error
    cause = error.__cause__ or (None if isinstance(error, OSError) else error.__context__)
    return error if cause is None else _root(cause)
