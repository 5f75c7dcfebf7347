"""Gemini over HTTP: one request, and its answer as it grows or whole."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import replace

from boticelli_cli.drivers.gemini_access import PROVIDER, GeminiAccess
from boticelli_cli.drivers.gemini_files import GeminiFiles
from boticelli_cli.drivers.http import Chunks, Endpoint
from boticelli_cli.drivers.patience import Patience
from boticelli_cli.drivers.sound import Sound
from boticelli_cli.errors import ProviderError, RefusedError, StreamError
from boticelli_cli.messages import Delta, MediaDelta, Request, Response
from boticelli_cli.wire.gemini import (
    ListedModel,
    StreamReader,
    decode_count,
    decode_error,
    decode_models,
    decode_response,
    encode_count,
    encode_request,
)
from boticelli_cli.wire.sse import Event, EventReader

__all__ = ["Gemini"]


class Gemini:
    """The `Driver` of Gemini's models that are asked by HTTP, with one account's access.

    Its client is made with the first request; `aclose` closes it. With `wide`, it carries hundreds of streams
    at once. `unknown_hint` says what to do about a model that the provider does not have.
    """

    def __init__(
        self,
        access: GeminiAccess,
        *,
        unknown_hint: Callable[[str], str | None] = lambda model: None,
        wide: bool = False,
    ) -> None:
        self._access = access
        self._unknown_hint = unknown_hint
        self._files = GeminiFiles(access)
        self._endpoint = Endpoint(PROVIDER, access.url, authorize=access.headers, read_error=decode_error, wide=wide)

    def supports_streaming(self, model: str) -> bool:
        return True

    async def aclose(self) -> None:
        await self._endpoint.aclose()
        await self._files.aclose()

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncGenerator[AsyncIterator[Delta], None]:
        patience = Patience(PROVIDER, request.timeout)
        body = encode_request(await patience.wait_for(self._files.fit(request)))
        path = self._access.path_of(request.model, "streamGenerateContent") + "?alt=sse"
        with self._hinting(request.model):
            async with self._endpoint.stream(path, body, patience) as chunks:
                answer = _Streamed(chunks, patience)
                await answer.read_first()
                async with aclosing(answer.deltas()) as deltas:
                    yield deltas

    async def generate(self, request: Request) -> Response:
        patience = Patience(PROVIDER, request.timeout)
        body = encode_request(await patience.wait_for(self._files.fit(request)))
        with self._hinting(request.model):
            answer = await self._endpoint.post(self._access.path_of(request.model, "generateContent"), body, patience)
        return _with_playable_sound(decode_response(answer.body))

    async def count_tokens(self, request: Request) -> int:
        """How many tokens a request's input has, as the provider counts them. Raises ProviderError."""
        patience = Patience(PROVIDER, request.timeout)
        body = encode_count(await patience.wait_for(self._files.fit(request)), vertex=self._access.is_vertex)
        with self._hinting(request.model):
            answer = await self._endpoint.post(self._access.path_of(request.model, "countTokens"), body, patience)
        return decode_count(answer.body)

    async def models(self) -> list[ListedModel]:
        """The models that this account can ask, as the provider lists them. Raises ProviderError."""
        found: list[ListedModel] = []
        patience = Patience(PROVIDER, None)
        page = ""
        while True:
            answer = await self._endpoint.get(f"{self._access.models_path}?pageSize=1000{page}", patience)
            models, token = decode_models(answer.body)
            found += models
            if not token:
                return found
            page = f"&pageToken={token}"

    @contextmanager
    def _hinting(self, model: str) -> Iterator[None]:
        """Say what to do where the answer alone cannot tell: whose credentials they were, what models there are."""
        try:
            with self._access.hinting():
                yield
        except RefusedError as error:
            if error.status == 404:
                error.hint = self._unknown_hint(model) or error.hint
            raise


class _Streamed:
    """An answer as it streams in: pieces of bytes, cut into events, read into deltas."""

    def __init__(self, chunks: Chunks, patience: Patience) -> None:
        self._chunks = chunks
        self._patience = patience
        self._events = EventReader()
        self._reader = StreamReader()
        self._sound = Sound()
        self._begun: Iterator[Delta] = iter(())
        self._first: Delta | None = None
        self._ended = False

    async def read_first(self) -> None:
        """Read until there is a delta, if only the last of an empty answer. Raises ProviderError."""
        try:
            await self._read_first()
        except StreamError as error:  # it broke off, but nothing of it has been passed on
            raise ProviderError(error.message, provider=PROVIDER, status=error.status, hint="run it again") from error

    async def _read_first(self) -> None:
        async for piece in self._chunks:
            self._begun = self._deltas_of(self._events.feed(piece))
            self._first = next(self._begun, None)
            if self._first is not None:
                break
        else:
            self._ended = True
            self._begun = self._ending()
            self._first = next(self._begun)
        self._patience.answered = True

    async def deltas(self) -> AsyncGenerator[Delta, None]:
        """All deltas, from the one that has been read already."""
        assert self._first is not None
        yield self._first
        for delta in self._begun:
            yield delta
        if self._ended:
            return
        async for piece in self._chunks:
            for event in self._events.feed(piece):
                for delta in self._reader.read(event.data):
                    if isinstance(delta, MediaDelta) and self._keeps(delta):
                        continue
                    yield delta
        for delta in self._ending():
            yield delta

    def _deltas_of(self, events: Iterable[Event]) -> Iterator[Delta]:
        for event in events:
            for delta in self._reader.read(event.data):
                if not (isinstance(delta, MediaDelta) and self._keeps(delta)):
                    yield delta

    def _ending(self) -> Iterator[Delta]:
        yield from self._deltas_of(self._events.at_end())
        finish = self._reader.finish()
        yield from self._sound.take()
        yield finish

    def _keeps(self, delta: MediaDelta) -> bool:
        """Whether this is a piece of raw sound, which is kept until all of it is there."""
        media = delta.media
        if media.data is None or not Sound.is_raw(media.mime):
            return False
        self._sound.add(media.mime, media.data)
        return True


def _with_playable_sound(response: Response) -> Response:
    """An answer whose raw sound, if it has any, is one file."""
    sound = Sound()
    media = []
    for each in response.media:
        if each.data is not None and Sound.is_raw(each.mime):
            sound.add(each.mime, each.data)
        else:
            media.append(each)
    return replace(response, media=(*media, *(delta.media for delta in sound.take())))
