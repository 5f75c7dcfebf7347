"""Streamed bodies: what turns their bytes into deltas, in whichever dialect and framing."""

from collections.abc import Iterator
from typing import Protocol

from boticelli_cli.errors import ProviderError
from boticelli_cli.messages import Delta, Finish, Usage
from boticelli_cli.wire.sse import EventReader

__all__ = ["BodyReader", "EventBody", "StreamReader", "Writer"]


class BodyReader(Protocol):
    """Reads one streamed answer."""

    @property
    def is_over(self) -> bool:
        """Whether the answer itself has said that nothing follows; not all dialects say it."""
        ...

    @property
    def usage(self) -> Usage:
        """What the provider has counted so far."""
        ...

    def read(self, piece: bytes) -> Iterator[Delta]:
        """The deltas that these bytes, cut anywhere, complete. Raises ProviderError where it comes to what went wrong;
        as StreamError when any delta has been given out before."""
        ...

    def end(self) -> Iterator[Delta]:
        """What is left when all bytes have come; the last is the `Finish`. Raises ProviderError."""
        ...


class Writer(Protocol):
    """A server's side of one streamed answer. What its dialect cannot say goes into the `Losses` it was made with."""

    def write(self, delta: Delta) -> bytes:
        """The events of a delta, or nothing. `Forwarded` is in this dialect already, and written as it is; a `Finish`
        becomes the closing events, which have to be the last, or nothing where they were forwarded."""
        ...

    def keep_alive(self) -> bytes:
        """What may be written at any time between two deltas, before the first one too, and says nothing."""
        ...

    def error(self, error: ProviderError) -> bytes:
        """The event that ends a stream which failed."""
        ...


class StreamReader(Protocol):
    """Reads the data of an answer's server-sent events, one after the other."""

    @property
    def is_over(self) -> bool: ...

    @property
    def usage(self) -> Usage: ...

    def read(self, data: bytes) -> list[Delta]:
        """The deltas of one event."""
        ...

    def finish(self) -> Finish:
        """The last delta, once the stream is over. Raises StreamError for one that was cut."""
        ...


class EventBody:
    """A body of server-sent events."""

    def __init__(self, reader: StreamReader) -> None:
        self._events = EventReader()
        self._reader = reader

    @property
    def is_over(self) -> bool:
        return self._reader.is_over

    @property
    def usage(self) -> Usage:
        return self._reader.usage

    def read(self, piece: bytes) -> Iterator[Delta]:
        for event in self._events.feed(piece):
            yield from self._reader.read(event.data)

    def end(self) -> Iterator[Delta]:
        for event in self._events.at_end():
            yield from self._reader.read(event.data)
        yield self._reader.finish()
