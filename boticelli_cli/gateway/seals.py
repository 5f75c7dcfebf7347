"""Seals: what a provider has put on its calls, kept until they come back in a dialect that has no words for it.

From Gemini 3 on a call has to come back with its `thoughtSignature`; Anthropic's and OpenAI's clients bring its id
only.
"""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Final, TypeGuard

from boticelli_cli.gateway.base import Seals
from boticelli_cli.messages import Delta, Message, Part, Request, Response, ToolCall, ToolCallDelta

__all__ = ["LocalSeals", "keep_seals", "keep_seals_of", "with_seals"]

_MOST: Final = 20_000
"""Seals that are kept, the latest ones. One has some hundred bytes, a few kilobytes at most."""

_KEPT: Final = 3600.0
"""Seconds for which one is kept."""


class LocalSeals:
    """The seals that this process has seen."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def put(self, call_id: str, signature: str) -> None:
        now = self._clock()
        self._kept[call_id] = signature, now + _KEPT
        self._kept.move_to_end(call_id)
        while len(self._kept) > _MOST or next(iter(self._kept.values()))[1] < now:
            self._kept.popitem(last=False)

    async def get(self, call_ids: Collection[str]) -> Mapping[str, str]:
        now = self._clock()
        known = ((each, self._kept.get(each)) for each in call_ids)
        return {each: found[0] for each, found in known if found is not None and found[1] >= now}


async def with_seals(request: Request, seals: Seals) -> Request:
    """A request whose calls have the seals again that they came with."""
    calls = (part for message in request.messages for part in message.parts if _lacks_seal(part))
    ids = [call.id for call in calls if call.id]
    kept = await seals.get(ids) if ids else {}
    if not kept:
        return request

    def sealed(part: Part) -> Part:
        return replace(part, signature=kept.get(part.id or "")) if _lacks_seal(part) else part

    messages = tuple(Message(each.role, tuple(map(sealed, each.parts))) for each in request.messages)
    original = replace(request.original, body=None) if request.original is not None else None
    return replace(request, messages=messages, original=original)


def keep_seals(delta: Delta, seals: Seals) -> Delta:
    """A delta whose call, if it is one, has an id; the call's seal is kept under it."""
    return ToolCallDelta(_kept(delta.call, seals)) if isinstance(delta, ToolCallDelta) else delta


def keep_seals_of(response: Response, seals: Seals) -> Response:
    """A whole answer whose calls have ids, under which their seals are kept."""
    if not response.tool_calls:
        return response
    parts = (_kept(part, seals) if isinstance(part, ToolCall) else part for part in response.parts)
    return replace(response, parts=tuple(parts))


def _lacks_seal(part: Part) -> TypeGuard[ToolCall]:
    return isinstance(part, ToolCall) and part.signature is None


def _kept(call: ToolCall, seals: Seals) -> ToolCall:
    if not call.id:
        call = replace(call, id=f"call_{secrets.token_hex(12)}")
    if call.signature is not None and call.id is not None:
        seals.put(call.id, call.signature)
    return call
