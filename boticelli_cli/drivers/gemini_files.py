"""Gemini's Files API, for media that are too large to be sent along with a request."""

import asyncio
import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from boticelli_cli.drivers.gemini_access import PROVIDER, GeminiAccess
from boticelli_cli.errors import CredentialsError, ProviderError, QuotaError, RefusedError
from boticelli_cli.messages import Media, Message, Part, Request
from boticelli_cli.wire.gemini import decode_error

if TYPE_CHECKING:
    from google.genai import Client
    from google.genai.types import File

__all__ = ["INLINE_LIMIT", "GeminiFiles"]

INLINE_LIMIT = 20_000_000
"""Bytes of media that a request may hold, all parts together (ai.google.dev, Files API)."""

_POLL = 1.0
"""Seconds between two looks at a file that is being processed."""


class GeminiFiles:
    """Puts large media where the model finds them. What has been put there once is not sent again."""

    def __init__(self, access: GeminiAccess) -> None:
        self._access = access
        self._client: Client | None = None
        self._making = asyncio.Lock()
        self._uploads: dict[str, asyncio.Task[str]] = {}

    async def aclose(self) -> None:
        uploads = list(self._uploads.values())
        self._uploads.clear()
        for task in uploads:
            task.cancel()
        await asyncio.gather(*uploads, return_exceptions=True)
        client, self._client = self._client, None
        if client is not None:
            await client.aio.aclose()

    async def fit(self, request: Request) -> Request:
        """The request, its largest media replaced by references, until the rest fits into it. Raises ProviderError."""
        inline = [part for part in _media(request) if part.data is not None]
        size = sum(len(part.data or b"") for part in inline)
        if size <= INLINE_LIMIT:
            return request
        if self._access.is_vertex:
            message = (
                f"the media are {size / 1e6:.1f} MB, and Vertex AI takes {INLINE_LIMIT / 1e6:.0f} MB with a request"
            )
            raise RefusedError(message, provider=PROVIDER, hint="put them into Cloud Storage and give their gs:// url")
        references: dict[int, Media] = {}
        for part in sorted(inline, key=lambda each: len(each.data or b""), reverse=True):
            if size <= INLINE_LIMIT:
                break
            if id(part) not in references:
                references[id(part)] = replace(part, data=None, url=await self._url_of(part))
                size -= sum(len(each.data or b"") for each in inline if each is part)
        return _with_media(request, lambda part: references.get(id(part), part))

    async def _url_of(self, part: Media) -> str:
        """Where a part is found; of several acts that send the same one, the first puts it there."""
        assert part.data is not None
        key = f"{part.mime} {await asyncio.to_thread(_digest, part.data)}"
        task = self._uploads.get(key)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = self._uploads[key] = asyncio.create_task(
                self._upload(part), name=f"upload of {part.name or part.mime}"
            )
        return await asyncio.shield(task)

    async def _upload(self, part: Media) -> str:
        from aiohttp import ClientError
        from google.genai.errors import APIError

        what = part.name or part.mime
        async with self._making:
            if self._client is None:
                self._client = await asyncio.to_thread(self._access.client)
        files = self._client.aio.files
        config: Any = {"mime_type": part.mime, "display_name": part.name}
        try:
            file = await files.upload(file=io.BytesIO(part.data or b""), config=config)
            while file.name is not None and _state(file) == "PROCESSING":
                await asyncio.sleep(_POLL)
                file = await files.get(name=file.name)
        except APIError as error:
            raise _refused_upload(what, decode_error(error.code, json.dumps(error.details).encode())) from error
        except (OSError, ClientError, ValueError) as error:  # ValueError: the last piece was not taken for the last
            raise ProviderError(f"{what} could not be sent: {error}", provider=PROVIDER, hint="run it again") from error
        if file.uri is None or _state(file) == "FAILED":
            message = f"Gemini could not process {part.name or 'a part'} ({part.mime})"
            raise RefusedError(message, provider=PROVIDER, hint="is it whole, and of the type that it is said to be?")
        return file.uri


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _state(file: "File") -> str:
    return file.state.name if file.state is not None else "ACTIVE"


def _refused_upload(what: str, error: ProviderError) -> ProviderError:
    if isinstance(error, CredentialsError | QuotaError):
        return error
    message = f"{what} could not be put where the model finds it: {error.message}"
    return type(error)(message, provider=PROVIDER, status=error.status, retry_after=error.retry_after, hint=error.hint)


def _media(request: Request) -> list[Media]:
    return [part for message in request.messages for part in message.parts if isinstance(part, Media)]


def _with_media(request: Request, change: Callable[[Media], Media]) -> Request:
    def changed(part: Part) -> Part:
        return change(part) if isinstance(part, Media) else part

    messages = tuple(Message(each.role, tuple(map(changed, each.parts))) for each in request.messages)
    return replace(request, messages=messages)
