"""The one seam: what every model, and everything that wraps a model, looks like from above."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from boticelli_cli.messages import (
    Delta,
    Finish,
    Media,
    MediaDelta,
    Request,
    Response,
    TextDelta,
    ThinkingDelta,
)

__all__ = ["Driver", "fold"]


class Driver(Protocol):
    """Something that answers requests. What changes behaviour around a driver is itself a driver."""

    def supports_streaming(self, model: str) -> bool:
        """Whether `stream` shows the model's text as it grows."""
        ...

    def stream(self, request: Request) -> AbstractAsyncContextManager[AsyncIterator[Delta]]:
        """Ask, and return an iterator of deltas once the first one is there.

        Entering raises what goes wrong before the first delta, so that a retry or a fallback wraps entering
        only; what goes wrong later is raised by the iterator and never repeated. The last delta is a
        `Finish`. Leaving the context ends the request, wherever it is.
        """
        ...

    async def generate(self, request: Request) -> Response:
        """Ask, and return the whole answer."""
        ...


async def fold(deltas: AsyncIterator[Delta]) -> Response:
    """A stream as one answer."""
    text: list[str] = []
    thinking: list[str] = []
    media: list[Media] = []
    finish = Finish("other")
    async for delta in deltas:
        match delta:
            case TextDelta():
                text.append(delta.text)
            case ThinkingDelta():
                thinking.append(delta.text)
            case MediaDelta():
                media.append(delta.media)
            case Finish():
                finish = delta
    return Response("".join(text), finish, "".join(thinking), tuple(media))
