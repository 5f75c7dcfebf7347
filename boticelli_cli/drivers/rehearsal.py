"""The embedded model: no key, no network, the same answer to the same request, streamed like the real thing.

It is a stand-in and says so. What it writes is made of the words it was given, so that a narrative can be
watched, timed and tested before it costs anything.

    rehearsal                   about 40 words a second
    rehearsal/slow              about 7 words a second, after a second of thought
    rehearsal/fast              at once
    rehearsal/fail-after-N      breaks off after N words (0: before the first)
"""

import asyncio
import hashlib
import random
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from boticelli_cli.drivers.base import Meter, fold, meter_at_hand
from boticelli_cli.drivers.rehearsal_text import compose
from boticelli_cli.errors import ProviderError, StreamError, UsageError, did_you_mean
from boticelli_cli.messages import (
    CachePoint,
    Delta,
    Finish,
    FinishReason,
    Media,
    Request,
    Response,
    Text,
    TextDelta,
    Thought,
    ToolCall,
    ToolResult,
    Usage,
)

__all__ = ["MODELS", "PROVIDER", "Rehearsal", "refuse_unknown_model"]

PROVIDER = "rehearsal"

MODELS = ("rehearsal", "rehearsal/slow", "rehearsal/fast", "rehearsal/fail-after-N")
"""The models there are, as people write them."""

MEDIA_TOKENS = 258
"""What a piece of media counts for, whatever its size: what Gemini counts for a small image."""


class Rehearsal:
    """The `Driver` of the embedded model. A token is a word here, with the space after it."""

    def __init__(self, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._sleep = sleep

    def supports_streaming(self, model: str) -> bool:
        return True

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncGenerator[AsyncIterator[Delta], None]:
        pace = _pace(request.model)
        if pace.fail_after == 0:
            raise ProviderError(_failure(pace), provider=PROVIDER, hint=_FAILURE_HINT)
        meter = meter_at_hand()
        await self._pause(pace.first, meter)
        if meter is not None:
            meter.count(_usage(request, 0))
        async with aclosing(self._words(request, pace, meter)) as words:
            yield words

    async def generate(self, request: Request) -> Response:
        async with self.stream(request) as deltas:
            return await fold(deltas)

    async def _words(self, request: Request, pace: "_Pace", meter: Meter | None) -> AsyncGenerator[Delta, None]:
        words, reason = _answer(request)
        said = 0
        try:
            for word in words:
                if said == pace.fail_after:
                    raise StreamError(_failure(pace), provider=PROVIDER, hint=_FAILURE_HINT)
                if said:
                    await self._pause(pace.word, meter)
                said += 1
                yield TextDelta(word)
            yield Finish(reason, _usage(request, said), served_model=request.model)
        finally:
            if meter is not None:
                meter.count(_usage(request, said))

    async def _pause(self, seconds: float, meter: Meter | None) -> None:
        """Wait as for a provider, and tell the meter so."""
        if not seconds:
            return
        if meter is None:
            await self._sleep(seconds)
            return
        begun = meter.clock()
        try:
            await self._sleep(seconds)
        finally:
            meter.wait(meter.clock() - begun)


def refuse_unknown_model(model: str) -> None:
    """Raises UsageError for a name that none of the embedded models has."""
    _pace(model)


@dataclass(frozen=True, slots=True)
class _Pace:
    """Seconds before the first word and between words, and how many words it takes to fail."""

    first: float
    word: float
    fail_after: int | None = None


_PACES = {
    "rehearsal": _Pace(first=0.25, word=0.025),
    "slow": _Pace(first=1.0, word=0.15),
    "fast": _Pace(first=0.0, word=0.0),
}

_FAILURE_HINT = "this model fails on purpose; 'rehearsal' does not"


def _pace(model: str) -> _Pace:
    name = model.removeprefix(f"{PROVIDER}/")
    if name in _PACES:
        return _PACES[name]
    if failing := re.fullmatch(r"fail-after-([0-9]{1,9})", name):
        return _Pace(0.0, _PACES["rehearsal"].word, int(failing[1]))
    hint = did_you_mean(model, MODELS) or f"; there are {', '.join(MODELS)}"
    raise UsageError(f"there is no model '{model}'{hint}")


def _failure(pace: _Pace) -> str:
    words = "the first word" if not pace.fail_after else f"{pace.fail_after} words"
    return f"the rehearsal broke off {'before' if not pace.fail_after else 'after'} {words}, as it was asked to"


def _answer(request: Request) -> tuple[list[str], FinishReason]:
    """The words of the answer, within the request's limits."""
    text = compose(request, random.Random(_seed(request)))
    ends = [position for position in (text.find(each) for each in request.stop) if position >= 0]
    if ends:
        text = text[: min(ends)]
    words = re.findall(r"\s*\S+\s*?(?=\S|$)|\s+$", text) if text else []
    if request.max_tokens is not None and len(words) > request.max_tokens:
        words = words[: request.max_tokens]
        return [*words[:-1], words[-1].rstrip()], "length"
    return words, "stop"


def _seed(request: Request) -> int:
    """A number made of all that was asked, but not of the pace at which it is to be answered."""
    digest = hashlib.sha256()
    for message in request.messages:
        digest.update(message.role.encode())
        for part in message.parts:
            match part:
                case Text(text):
                    digest.update(b"text" + text.encode("utf-8", "replace"))
                case Media(kind, mime, data, url, name):
                    digest.update(f"{kind} {mime} {url} {name} ".encode("utf-8", "replace") + (data or b""))
                case Thought() | ToolCall() | ToolResult() | CachePoint():
                    digest.update(repr(part).encode("utf-8", "replace"))
    settings = (request.system, request.temperature, request.top_p)
    digest.update(repr(settings).encode("utf-8", "replace"))
    return int.from_bytes(digest.digest()[:8])


def _usage(request: Request, answered: int) -> Usage:
    """What a request and so many words of its answer come to."""
    asked = _count(request)
    return Usage(input=asked, output=answered, total=asked + answered)


def _count(request: Request) -> int:
    """How many tokens a request has."""
    count = len((request.system_text or "").split())
    for message in request.messages:
        for part in message.parts:
            match part:
                case Text(text) | Thought(text):
                    count += len(text.split())
                case ToolCall() | ToolResult():
                    count += len(repr(part).split())
                case Media():
                    count += MEDIA_TOKENS
                case CachePoint():
                    pass
    return count
