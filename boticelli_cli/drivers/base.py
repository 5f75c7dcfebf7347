"""The one seam: what every model, and everything that wraps a model, looks like from above."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol

from boticelli_cli.errors import ProviderError
from boticelli_cli.messages import Delta, Finish, Request, Response, Usage, parts_of

__all__ = [
    "Driver",
    "Dropped",
    "FallingBack",
    "Fitted",
    "Going",
    "Meter",
    "Notice",
    "Retrying",
    "Routed",
    "Waiting",
    "fold",
    "listening",
    "meter_at_hand",
    "metering",
    "notify",
    "overhearing",
]


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


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request waits its turn, for about so many seconds; `reason` is the end of the sentence "waits …"."""

    reason: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Retrying:
    """An attempt failed before its first delta, and the next follows in so many seconds.

    Several drivers around one another may ask again; which attempt it is, only whoever hears them all can count.
    """

    error: ProviderError
    seconds: float


@dataclass(frozen=True, slots=True)
class Going:
    """A wait that has been told of is over: the request is sent now."""


@dataclass(frozen=True, slots=True)
class Routed:
    """Who is asked now: a model of a provider, with an account's key; `reason` is why, in a few words.

    `route` is the name of the way there: "explicit", "alias", "long_context", "default"…
    """

    model: str
    provider: str
    account: str
    route: str
    reason: str


@dataclass(frozen=True, slots=True)
class FallingBack:
    """One model did not answer, and another one is asked in its place: names as `provider/model`."""

    origin: str
    target: str
    error: ProviderError


@dataclass(frozen=True, slots=True)
class Dropped:
    """What the one who is asked has no words for, and is therefore not told: "video", "cache marks"…"""

    provider: str
    what: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fitted:
    """What of a request the model that is asked does not take as it was said: a sentence for each setting.

    Of the models of a plan, the same sentences have been told before anything was sent.
    """

    model: str
    what: tuple[str, ...]


Notice = Waiting | Retrying | Going | Routed | FallingBack | Dropped | Fitted
"""What a driver tells while a request has no first delta yet."""


_listener: ContextVar[Callable[[Notice], Awaitable[None]] | None] = ContextVar("listener", default=None)


@contextmanager
def listening(listener: Callable[[Notice], Awaitable[None]]) -> Iterator[None]:
    """Hear the notices of all requests that are made within this context, by whichever driver."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def overhearing(ear: Callable[[Notice], None]) -> Iterator[None]:
    """Hear the notices of requests within this context, before whoever listens to them does."""
    listener = _listener.get()

    async def pass_on(notice: Notice) -> None:
        ear(notice)
        if listener is not None:
            await listener(notice)

    with listening(pass_on):
        yield


async def notify(notice: Notice) -> None:
    """Tell whoever listens, if anybody does."""
    if (listener := _listener.get()) is not None:
        await listener(notice)


@dataclass(slots=True)
class Meter:
    """What is known of requests while they go on, and afterwards, however they ended.

    `usage` is what their providers have counted so far, as far as they say it before the end. `waited` are the seconds
    for which a provider was waited for; `None` where no driver has said. They go by `clock`: an event loop's own, of
    uvloop at least, knows whole milliseconds only, and many a wait between two chunks is shorter.
    """

    usage: Usage | None = None
    waited: float | None = None
    clock: Callable[[], float] = perf_counter

    def wait(self, seconds: float) -> None:
        """Count more seconds of waiting."""
        self.waited = (self.waited or 0.0) + seconds

    def count(self, usage: Usage) -> None:
        """Take what a provider has counted; who has counted nothing has nothing to say."""
        if usage != Usage():
            self.usage = usage


_meter: ContextVar[Meter | None] = ContextVar("meter", default=None)


@contextmanager
def metering(clock: Callable[[], float] = perf_counter) -> Iterator[Meter]:
    """Have a meter on the requests that are made within this context, by whichever driver."""
    meter = Meter(clock=clock)
    token = _meter.set(meter)
    try:
        yield meter
    finally:
        _meter.reset(token)


def meter_at_hand() -> Meter | None:
    """The meter that is on the request being made, where there is one."""
    return _meter.get()


async def fold(deltas: AsyncIterator[Delta]) -> Response:
    """A stream as one answer."""
    told = [delta async for delta in deltas]
    finish = told[-1] if told else None
    return Response(parts_of(told), finish if isinstance(finish, Finish) else Finish("other"))
