"""The driver of every provider that is asked by plain HTTP: what differs between them is a `Dialect`."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial

from boticelli_cli.drivers.base import Dropped, meter_at_hand, notify
from boticelli_cli.drivers.forwarded import Passage, passage_of
from boticelli_cli.drivers.http import Endpoint
from boticelli_cli.drivers.patience import Patience
from boticelli_cli.drivers.streamed import Streamed
from boticelli_cli.errors import CredentialsError, ProviderError, RefusedError
from boticelli_cli.messages import Delta, Request, Response
from boticelli_cli.wire.body import Encoded
from boticelli_cli.wire.forward import Forwarding
from boticelli_cli.wire.listing import ListedModel
from boticelli_cli.wire.stream import BodyReader

__all__ = ["Dialect", "HttpDriver", "all_pages"]

_MOST_PAGES = 100
"""Pages of a list of models that are read, from servers that never come to the last."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a provider is spoken to, over HTTP: everything about it that is a pure function.

    `encode` makes the body of a request, to be answered as a stream or whole; `path` says where it goes, below the base
    URL; `reader` reads an answer's stream, and `decode` a whole answer. `models_path` is where the models are listed,
    from the page that a token names on. `forwarding` is how what others say in this dialect is passed on, where it is.
    """

    encode: Callable[[Request, bool], Encoded]
    path: Callable[[Request, bool], str]
    reader: Callable[[Request], BodyReader]
    decode: Callable[[Request, bytes], Response]
    models_path: Callable[[str | None], str] | None = None
    decode_models: Callable[[bytes], tuple[list[ListedModel], str | None]] | None = None
    forwarding: Forwarding | None = None


class HttpDriver:
    """The `Driver` of one account at a provider. `aclose` closes its connections.

    `provider` is what messages call it. `key_hint` says what to do about credentials that were refused, and
    `unknown_hint` about a model that the provider does not have. `listing` is where the models are listed, if that is
    elsewhere.
    """

    def __init__(
        self,
        provider: str,
        dialect: Dialect,
        endpoint: Endpoint,
        *,
        key_hint: str | None = None,
        unknown_hint: Callable[[str], str | None] = lambda model: None,
        listing: Endpoint | None = None,
    ) -> None:
        self._provider = provider
        self._dialect = dialect
        self._endpoint = endpoint
        self._listing = listing or endpoint
        self._key_hint = key_hint
        self._unknown_hint = unknown_hint

    def supports_streaming(self, model: str) -> bool:
        return True

    async def aclose(self) -> None:
        await self._endpoint.aclose()
        await self._listing.aclose()

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncGenerator[AsyncIterator[Delta], None]:
        patience = Patience(self._provider, request.timeout)
        passage = passage_of(request, self._dialect.forwarding)
        body = await self._encoded(request, passage, streamed=True)
        headers = () if passage is None else passage.headers
        reader = self._dialect.reader(request) if passage is None else passage.reader()
        with self._naming(request.model):
            async with self._endpoint.stream(self._dialect.path(request, True), body, patience, headers) as chunks:
                answer = Streamed(chunks, reader, patience)
                with answer.metered():
                    await answer.read_first()
                    async with aclosing(answer.deltas()) as deltas:
                        yield deltas

    async def generate(self, request: Request) -> Response:
        patience = Patience(self._provider, request.timeout)
        passage = passage_of(request, self._dialect.forwarding)
        body = await self._encoded(request, passage, streamed=False)
        headers = () if passage is None else passage.headers
        with self._naming(request.model):
            answer = await self._endpoint.post(self._dialect.path(request, False), body, patience, headers)
            response = self._dialect.decode(request, answer.body)
        if (meter := meter_at_hand()) is not None:
            meter.count(response.finish.usage)
        return response if passage is None else passage.whole(response, answer.body)

    async def models(self) -> list[ListedModel]:
        """The models that this account can ask, as the provider lists them. Raises ProviderError."""
        if self._dialect.models_path is None or self._dialect.decode_models is None:
            raise RefusedError(f"{self._provider} has no list of its models", provider=self._provider)
        path, decode = self._dialect.models_path, self._dialect.decode_models
        patience = Patience(self._provider, None)

        async def read(page: str | None) -> tuple[list[ListedModel], str | None]:
            return decode((await self._listing.get(path(page), patience)).body)

        with self._naming(""):
            return await all_pages(read)

    async def _encoded(self, request: Request, passage: Passage | None, *, streamed: bool) -> bytes:
        if passage is not None and (body := passage.body(request.model, streamed=streamed)) is not None:
            return body
        encode = partial(self._dialect.encode, request, streamed)
        encoded = await asyncio.to_thread(encode) if _is_long(request) else encode()
        if encoded.losses:
            await notify(Dropped(self._provider, encoded.losses))
        return encoded.body

    @contextmanager
    def _naming(self, model: str) -> Iterator[None]:
        """Say in errors who it was, and what to do where the answer alone cannot tell."""
        try:
            yield
        except ProviderError as error:
            self._endpoint.conceal(error)
            self._listing.conceal(error)
            error.provider = self._provider
            if isinstance(error, CredentialsError) and self._key_hint is not None:
                error.hint = self._key_hint
            elif isinstance(error, RefusedError) and error.status == 404:
                error.hint = self._unknown_hint(model) or error.hint
            raise


_MANY_PARTS = 2_000
"""From how many parts on a request takes some hundredths of a second to write, for which others should not wait."""


def _is_long(request: Request) -> bool:
    return sum(len(message.parts) for message in request.messages) > _MANY_PARTS


async def all_pages(
    read: Callable[[str | None], Awaitable[tuple[list[ListedModel], str | None]]],
) -> list[ListedModel]:
    """The models of all pages of a list. `read` gives those of the page that a token names, and the next token."""
    found, page = await read(None)
    seen: set[str | None] = {None}
    while page not in seen and len(seen) < _MOST_PAGES:
        seen.add(page)
        models, page = await read(page)
        found = [*found, *models]
    return found
