"""Conversations: which of them a request belongs to, and which account they keep to."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from boticelli_cli.messages import Media, Part, Request, ToolCall, ToolResult

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


def conversation_of(request: Request) -> Hashable | None:
    """What all requests of a conversation have in common: its name, else how it began; `None` where nothing is known.

    It began with the system prompt and the user's first message, in which media count by their kind and length.
    """
    if request.session is not None:
        return "session", request.session
    first = next((message for message in request.messages if message.role == "user"), None)
    if first is None and request.system is None:
        return None
    return hash((request.system, tuple(map(_trace, first.parts)) if first is not None else None))


def _trace(part: Part) -> Hashable:
    match part:
        case Media():
            return part.kind, part.mime, part.url, len(part.data) if part.data is not None else None
        case ToolCall() | ToolResult():
            return part.name, part.id
        case _:
            return part
