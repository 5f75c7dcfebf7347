"""Gemini over HTTP: one request, and its answer as it grows or whole."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import replace
from urllib.parse import quote

from boticelli_cli.drivers.base import Dropped, meter_at_hand, notify
from boticelli_cli.drivers.dialect import all_pages
from boticelli_cli.drivers.forwarded import Passage, passage_of
from boticelli_cli.drivers.gemini_access import PROVIDER, GeminiAccess
from boticelli_cli.drivers.gemini_files import GeminiFiles
from boticelli_cli.drivers.http import Endpoint
from boticelli_cli.drivers.patience import Patience
from boticelli_cli.drivers.sound import Sound
from boticelli_cli.drivers.streamed import Streamed
from boticelli_cli.errors import ProviderError, RefusedError
from boticelli_cli.messages import Delta, Finish, Media, MediaDelta, Request, Response
from boticelli_cli.wire.gemini import (
    FORWARDING,
    StreamReader,
    decode_count,
    decode_error,
    decode_models,
    decode_response,
    encode_count,
    encode_request,
)
from boticelli_cli.wire.listing import ListedModel
from boticelli_cli.wire.stream import EventBody

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
        self._endpoint = Endpoint(
            PROVIDER,
            access.url,
            authorize=access.headers,
            read_error=decode_error,
            named_by="GOOGLE_GEMINI_BASE_URL"
            if access.provider == PROVIDER
            else f"'base_url' of '{access.provider}' in the configuration",
            wide=wide,
        )

    def supports_streaming(self, model: str) -> bool:
        return True

    async def aclose(self) -> None:
        await self._endpoint.aclose()
        await self._files.aclose()

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncGenerator[AsyncIterator[Delta], None]:
        patience = Patience(PROVIDER, request.timeout)
        body, passage = await self._encoded(request, patience, streamed=True)
        path = self._access.path_of(request.model, "streamGenerateContent") + "?alt=sse"
        headers = () if passage is None else passage.headers
        with self._hinting(request.model):
            async with self._endpoint.stream(path, body, patience, headers) as chunks:
                answer = Streamed(chunks, _Sounding() if passage is None else passage.reader(), patience)
                with answer.metered():
                    await answer.read_first()
                    async with aclosing(answer.deltas()) as deltas:
                        yield deltas

    async def generate(self, request: Request) -> Response:
        patience = Patience(PROVIDER, request.timeout)
        body, passage = await self._encoded(request, patience, streamed=False)
        path = self._access.path_of(request.model, "generateContent")
        with self._hinting(request.model):
            answer = await self._endpoint.post(path, body, patience, () if passage is None else passage.headers)
            response = _with_playable_sound(decode_response(answer.body))
        if (meter := meter_at_hand()) is not None:
            meter.count(response.finish.usage)
        return response if passage is None else passage.whole(response, answer.body)

    async def _encoded(self, request: Request, patience: Patience, *, streamed: bool) -> tuple[bytes, Passage | None]:
        """The body to send, and how the request is passed on, if it is: not to Vertex AI, nor with files of ours."""
        fitted = await patience.wait_for(self._files.fit(request))
        passage = None if self._access.is_vertex or fitted is not request else passage_of(request, FORWARDING)
        if passage is not None and (body := passage.body(request.model, streamed=streamed)) is not None:
            return body, passage
        encoded = encode_request(fitted)
        if encoded.losses:
            await notify(Dropped(PROVIDER, encoded.losses))
        return encoded.body, passage

    async def count_tokens(self, request: Request) -> int:
        """How many tokens a request's input has, as the provider counts them. Raises ProviderError."""
        patience = Patience(PROVIDER, request.timeout)
        body = encode_count(await patience.wait_for(self._files.fit(request)), vertex=self._access.is_vertex)
        with self._hinting(request.model):
            answer = await self._endpoint.post(self._access.path_of(request.model, "countTokens"), body, patience)
        return decode_count(answer.body)

    async def models(self) -> list[ListedModel]:
        """The models that this account can ask, as the provider lists them. Raises ProviderError."""
        patience = Patience(PROVIDER, None)

        async def read(page: str | None) -> tuple[list[ListedModel], str | None]:
            at = "" if page is None else f"&pageToken={quote(page, safe='')}"
            answer = await self._endpoint.get(f"{self._access.models_path}?pageSize=1000{at}", patience)
            return decode_models(answer.body)

        with self._hinting(""):
            return await all_pages(read)

    @contextmanager
    def _hinting(self, model: str) -> Iterator[None]:
        """Say what to do where the answer alone cannot tell: whose credentials they were, what models there are."""
        try:
            with self._access.hinting():
                yield
        except ProviderError as error:
            self._endpoint.conceal(error)
            error.provider = self._access.provider
            if isinstance(error, RefusedError) and error.status == 404:
                error.hint = self._unknown_hint(model) or error.hint
            raise


class _Sounding(EventBody):
    """A body whose raw sound, which comes in pieces, is kept until all of it is there."""

    def __init__(self) -> None:
        super().__init__(StreamReader())
        self._sound = Sound()

    def read(self, piece: bytes) -> Iterator[Delta]:
        for delta in super().read(piece):
            if not (isinstance(delta, MediaDelta) and self._keeps(delta.media)):
                yield delta

    def end(self) -> Iterator[Delta]:
        for delta in super().end():
            if isinstance(delta, Finish):
                yield from self._sound.take()
            if not (isinstance(delta, MediaDelta) and self._keeps(delta.media)):
                yield delta

    def _keeps(self, media: Media) -> bool:
        """Whether this is a piece of raw sound."""
        if media.data is None or not Sound.is_raw(media.mime):
            return False
        self._sound.add(media.mime, media.data)
        return True


def _with_playable_sound(response: Response) -> Response:
    """An answer whose raw sound, if it has any, is one file."""
    sound = Sound()
    parts = []
    for part in response.parts:
        if isinstance(part, Media) and part.data is not None and Sound.is_raw(part.mime):
            sound.add(part.mime, part.data)
        else:
            parts.append(part)
    return replace(response, parts=(*parts, *(delta.media for delta in sound.take())))
