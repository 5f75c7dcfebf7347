"""The state of the gateway as it changes: worked out at most once a second, and only while somebody watches."""

import asyncio
import json
from asyncio import get_running_loop
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from itertools import count

from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from boticelli_cli.gateway.status.page import Sections, State, spent_sections, state_sections
from boticelli_cli.gateway.status.source import SPANS, Slice, Span, StatusSource
from boticelli_cli.gateway.status.spending import Spending, spending

__all__ = ["EventStream", "Feed", "Watchers", "changes"]

EVERY = 1.0
"""Seconds between two looks at the state."""

_COMMENT_EVERY = 15
"""How many looks a comment is sent after."""

_REST = 20
"""How many times as long as it took to read and draw what was spent it is not read again."""

_ERRORS = 25


class Feed:
    """The sections of the page, for all who watch."""

    def __init__(self, source: StatusSource, *, clock: Callable[[], float]) -> None:
        self._shares = {span.name: _Share(source, span, clock) for span in SPANS.values()}

    async def sections(self, span: Span) -> Sections:
        """The sections as they are now, or were at most a second ago."""
        return await self._shares[span.name].sections()


class _Share:
    """The sections for one span. Whoever finds them too old makes new ones, while the others wait for them."""

    def __init__(self, source: StatusSource, span: Span, clock: Callable[[], float]) -> None:
        self._source = source
        self._span = span
        self._clock = clock
        self._lock = asyncio.Lock()
        self._sections: Sections = {}
        self._good_until = 0.0
        self._spent_until = 0.0
        self._read: tuple[int, Sequence[Slice]] | None = None
        self._spent: tuple[Spending, Sections] | None = None

    async def sections(self) -> Sections:
        async with self._lock:
            loop = get_running_loop()
            if not self._sections or loop.time() >= self._good_until:
                state = await self._state()
                spent, looking_back = await self._looking_back(state.now)
                self._sections = {**state_sections(state, spent.total), **looking_back}
                self._good_until = loop.time() + EVERY
            return self._sections

    async def _state(self) -> State:
        source = self._source
        errors = await source.recent_errors(_ERRORS)
        return State(
            now=self._clock(),
            started=source.started,
            version=source.version,
            redis=source.redis(),
            accounts=source.accounts(),
            in_flight=sorted(source.in_flight(), key=lambda one: one.at),
            errors=errors,
        )

    async def _looking_back(self, wall: float) -> tuple[Spending, Sections]:
        """What was spent, read again only after a rest, and drawn again only where it has changed."""
        loop, span = get_running_loop(), self._span
        since = span.since(wall)
        if self._spent is None or loop.time() >= self._spent_until:
            began = loop.time()
            read = since, await self._source.series(since, span.step)
            if self._spent is None or read != self._read:
                spent = spending(read[1], since, span.step, span.count)
                self._read, self._spent = read, (spent, spent_sections(spent))
            now = loop.time()
            self._spent_until = now + _REST * (now - began)
        return self._spent


async def changes(
    sections: Callable[[], Awaitable[Sections]], may_watch: Callable[[], Awaitable[bool]]
) -> AsyncGenerator[bytes, None]:
    """The events for one watcher: all sections, then those that have changed, for as long as it may watch.

    An event is a JSON object of HTML by the id of its element. Now and then there is a comment, which keeps proxies
    from ending the stream.
    """
    known: dict[str, str] = {}
    yield b"retry: 3000\n\n"
    for look in count(1):
        new = {name: html for name, html in (await sections()).items() if known.get(name) != html}
        known.update(new)
        if new:
            yield b"data: " + json.dumps(new).encode() + b"\n\n"
        if look % _COMMENT_EVERY == 0:
            yield b": still here\n\n"
        await asyncio.sleep(EVERY)
        if not await may_watch():
            return


class Watchers:
    """How many watch, and how many may at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._watching = 0

    @contextmanager
    def place(self) -> Iterator[bool]:
        """A place for one, held until the context is left; or none, where all are taken."""
        is_free = self._watching < self._most
        self._watching += is_free
        try:
            yield is_free
        finally:
            self._watching -= is_free


class EventStream(Response):
    """A stream of events that ends with them, or at once when the client leaves; 503 where too many watch."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[bytes, None], watchers: Watchers, headers: dict[str, str]) -> None:
        super().__init__(headers={**headers, "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._events = events
        self._watchers = watchers
        self._refusal = PlainTextResponse("Too many watch at present.\n", 503, {**headers, "retry-after": "10"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._events) as events:
            with self._watchers.place() as is_free:
                if is_free:
                    await self._stream(events, receive, send)
                else:
                    await self._refusal(scope, receive, send)

    async def _stream(self, events: AsyncGenerator[bytes, None], receive: Receive, send: Send) -> None:
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(self._send(events, send))
            leaving = tasks.create_task(_left(receive))
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
            sending.cancel()
            leaving.cancel()

    async def _send(self, events: AsyncGenerator[bytes, None], send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for event in events:
            await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
