"""Conversations: which of them a request belongs to, and which account they keep to."""

import hashlib
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Iterator
from typing import Generic, TypeVar, assert_never

from boticelli_cli.messages import CachePoint, Media, Message, Part, Request, Text, Thought, ToolCall, ToolResult

__all__ = ["STICKY_SECONDS", "Conversations", "conversation_of"]

STICKY_SECONDS = 3600.0
"""For how long after its last answer a conversation keeps to an account: providers keep what they cache about so."""

_MOST = 10_000
"""How many conversations are remembered, the latest ones."""

Place = TypeVar("Place")


class Conversations(Generic[Place]):
    """Where each conversation was answered last, for an hour."""

    def __init__(self) -> None:
        self._places: OrderedDict[Hashable, tuple[Place, float]] = OrderedDict()

    def place_of(self, conversation: Hashable, now: float) -> Place | None:
        place, until = self._places.get(conversation, (None, 0.0))
        return place if until > now else None

    def keep(self, conversation: Hashable, place: Place, now: float) -> None:
        self._places[conversation] = place, now + STICKY_SECONDS
        self._places.move_to_end(conversation)
        while len(self._places) > _MOST:
            self._places.popitem(last=False)


def conversation_of(request: Request) -> str | None:
    """What all requests of a conversation have in common: its name, else how it began; `None` where nothing is known.

    It began with the system prompt and the user's first message, in which media count by their kind and length. It is
    the same in every process.
    """
    if request.session is not None:
        return _digest(("session", request.session))
    first = next((message for message in request.messages if message.role == "user"), None)
    if first is None and request.system is None:
        return None
    return _digest(_beginning(request, first))


def _digest(pieces: Iterable[str]) -> str:
    """One short text for several, each with its length before it, so that none can pass for two."""
    digest = hashlib.blake2b(digest_size=16)
    for piece in pieces:
        data = piece.encode(errors="surrogatepass")
        digest.update(b"%d:" % len(data))
        digest.update(data)
    return digest.hexdigest()


def _beginning(request: Request, first: Message | None) -> Iterator[str]:
    system = request.system
    yield type(system).__name__
    for block in (Text(system),) if isinstance(system, str) else system or ():
        yield from _trace(block)
    yield "user"
    for part in first.parts if first is not None else ():
        yield from _trace(part)


def _trace(part: Part) -> Iterator[str]:
    yield type(part).__name__
    match part:
        case Text():
            yield part.text
        case Media():
            yield from (part.kind, part.mime, repr(part.url), repr(None if part.data is None else len(part.data)))
        case ToolCall() | ToolResult():
            yield from (part.name, repr(part.id))
        case Thought():
            yield from (part.text, repr(part.signature))
        case CachePoint():
            yield repr(part.ttl)
        case _:
            assert_never(part)
