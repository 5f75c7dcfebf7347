"""The flow of one answer: from the driver through a bounded queue to the client, in one task group.

A slow client fills the queue, and nothing more is read from the provider until it has taken something. A client that
goes away ends both sides at once.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any, Final, Protocol, TypeVar

from boticelli_cli.drivers.base import Driver
from boticelli_cli.errors import BoticelliError, ProviderError, StreamError
from boticelli_cli.messages import Delta, Finish, Request, Response

__all__ = ["KEEP_ALIVE", "PATIENCE", "QUEUE", "ClientLeft", "Flow", "Sink", "own_fault", "taken", "unless_left"]

QUEUE: Final = 100
"""Pieces of an answer that may wait for the client."""

KEEP_ALIVE: Final = 15.0
"""Seconds of silence after which the client is told that the connection lives."""

PATIENCE: Final = 300.0
"""Seconds for which a client may take nothing of what is sent to it, until it counts as gone."""

Receive = Callable[[], Awaitable[Any]]

Result = TypeVar("Result")

_log = logging.getLogger(__name__)


class ClientLeft(Exception):  # noqa: N818  (nothing went wrong)
    """The client has closed its connection, or takes nothing any more."""


class Sink(Protocol):
    """Where the pieces of an answer go."""

    async def take(self, pieces: list[Delta | Response]) -> None:
        """Take what has come, one piece at least; returns once there is room for more."""
        ...

    async def hear_nothing(self) -> None:
        """Nothing has come for a while."""
        ...


class Flow:
    """One answer on its way. `run` returns once it is over, and raises what went wrong, or ClientLeft.

    `chunks` counts what went through. `blocked` are the seconds for which the provider was not read from as the client
    was slow, and `sending` those for which the client was waited for after the provider had ended.
    """

    def __init__(
        self,
        driver: Driver,
        request: Request,
        *,
        streamed: bool,
        keep_alive: float = KEEP_ALIVE,
        patience: float = PATIENCE,
    ) -> None:
        self._driver = driver
        self._request = request
        self._streamed = streamed
        self._keep_alive = keep_alive
        self._patience = patience
        self._queue: asyncio.Queue[Delta | Response | None] = asyncio.Queue(QUEUE)
        self._has_begun = self._has_ended = False
        self._reading: asyncio.Task[None] | None = None
        self._failure: BoticelliError | None = None
        self._cut: ProviderError | None = None
        self.chunks = 0
        self.blocked = 0.0
        self.sending = 0.0
        self.finish: Finish | None = None

    @property
    def queued(self) -> int:
        """How many pieces wait for the client."""
        return self._queue.qsize()

    @property
    def was_cut(self) -> bool:
        return self._cut is not None

    async def run(self, sink: Sink, receive: Receive) -> None:
        has_left = False
        try:
            async with asyncio.TaskGroup() as tasks:
                self._reading = tasks.create_task(self._read(), name="upstream")
                watching = tasks.create_task(_watch(receive), name="client")
                await self._write(sink)
                watching.cancel()
                self._reading.cancel()  # it has said its last word
        except* ClientLeft:
            has_left = True
        except* Exception as errors:
            self._failure = own_fault(errors)
        if has_left:
            raise ClientLeft
        if self._failure is not None:
            raise self._failure

    def cut(self, why: ProviderError) -> None:
        """End it now, as if the provider had broken off; or as soon as it begins."""
        if self._cut is None and not self._has_ended:
            self._cut = why
            if self._reading is not None and self._has_begun:  # a task that has not would never say how it ended
                self._reading.cancel()

    # From the provider

    async def _read(self) -> None:
        self._has_begun = True
        try:
            if self._cut is not None:
                raise self._cut
            if self._streamed:
                await self._read_stream()
            else:
                await self._read_whole()
        except BoticelliError as error:
            self._failure = error
        except asyncio.CancelledError:
            if self._cut is None:
                raise
            self._failure = self._cut
        except Exception as error:
            self._failure = own_fault(error)
        self._has_ended = True
        if self._queue.empty():  # somebody may be waiting for more
            self._queue.put_nowait(None)

    async def _read_whole(self) -> None:
        response = await self._driver.generate(self._request)
        self.chunks, self.finish = 1, response.finish
        self._queue.put_nowait(response)

    async def _read_stream(self) -> None:
        async with self._driver.stream(self._request) as deltas:
            async for delta in deltas:
                self.chunks += 1
                if isinstance(delta, Finish):
                    self.finish = delta
                if not self._queue.full():
                    self._queue.put_nowait(delta)
                    continue
                began = perf_counter()
                await self._queue.put(delta)
                self.blocked += perf_counter() - began

    # To the client

    async def _write(self, sink: Sink) -> None:
        while pieces := await self._next(sink):
            began = perf_counter()
            await taken(sink.take(pieces), self._patience)
            if self._has_ended:
                self.sending += perf_counter() - began

    async def _next(self, sink: Sink) -> list[Delta | Response]:
        """All that has come, or nothing once that is all; while nothing comes the client is told so."""
        queue, pieces = self._queue, list[Delta | Response]()
        while queue.empty() and not self._has_ended:
            try:
                async with asyncio.timeout(self._keep_alive):
                    if (first := await queue.get()) is not None:
                        pieces.append(first)
                        break
            except TimeoutError:
                if self._streamed:
                    await sink.hear_nothing()
        while not queue.empty():
            if (piece := queue.get_nowait()) is not None:
                pieces.append(piece)
        return pieces


async def taken(sending: Awaitable[None], patience: float) -> None:
    """Send the client something. Raises ClientLeft for one that takes nothing for so many seconds."""
    try:
        async with asyncio.timeout(patience) as limit:
            await sending
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise ClientLeft from error


async def unless_left(receive: Receive, work: Awaitable[Result]) -> Result:
    """What some work comes to, which ends when the client goes away. Raises ClientLeft then, and what the work does."""
    has_left, failure = False, None
    try:
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(_watch(receive), name="client")
            try:
                result = await work
            except Exception as error:  # it is to leave as it came, and not in a group
                failure = error
            watching.cancel()
    except* ClientLeft:
        has_left = True
    if has_left:
        raise ClientLeft
    if failure is not None:
        raise failure
    return result


def own_fault(error: Exception) -> StreamError:
    """What a client is told of a mistake of ours: nothing of its details, which are logged."""
    _log.error("an answer could not be made", exc_info=error)
    return StreamError("the gateway itself failed", status=500)


async def _watch(receive: Receive) -> None:
    """Raises ClientLeft when the client goes away."""
    while (await receive())["type"] != "http.disconnect":
        pass
    raise ClientLeft
