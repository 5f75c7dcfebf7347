"""Server-sent events, read as they arrive and written: https://html.spec.whatwg.org/multipage/server-sent-events.html.

Of the format's fields only `event` and `data` are kept; `id`, `retry` and comments are passed over.
"""

from typing import Final

import msgspec

from boticelli_cli.errors import StreamError

__all__ = ["LIMIT", "Event", "EventReader", "data_of", "encode_event"]

LIMIT: Final = 64 * 1024 * 1024
"""How many bytes one event may have: three of the largest pictures that models make."""

_BOM = b"\xef\xbb\xbf"


class Event(msgspec.Struct, frozen=True, gc=False):
    """One event: its name, where it has one, and its data lines, joined by line feeds."""

    name: str | None
    data: bytes


class EventReader:
    """Events from bytes that are cut anywhere, also inside a character or a line ending.

    The time it takes grows with the bytes, however small their pieces. Line endings become line feeds as they
    arrive, so that the end of an event is always two of them, and only new bytes are searched for it.
    """

    __slots__ = ("_after_return", "_limit", "_opening", "_pending")

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._opening: bytes | None = b""  # what may become a byte order mark; None once it cannot
        self._after_return = False
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[Event]:
        """The events that these bytes complete. Raises StreamError for an event above the limit."""
        if self._opening is not None:
            data = self._opening + data
            if len(data) < len(_BOM) and _BOM.startswith(data):
                self._opening = data
                return []
            self._opening = None
            data = data.removeprefix(_BOM)
        if not data:
            return []
        data = self._with_line_feeds(data)
        pending = self._pending
        if pending:
            start = len(pending) - 1
            pending += data
            end = pending.rfind(b"\n\n", start)
            if end >= 0:
                whole = bytes(pending[:end])
                del pending[: end + 2]
                return _events(whole)
        else:
            end = data.rfind(b"\n\n")
            if end >= 0:
                pending += data[end + 2 :]
                return _events(data[:end])
            pending += data
        if len(pending) > self._limit:
            pending.clear()
            raise StreamError(f"the stream holds an event of more than {self._limit:,} bytes")
        return []

    def at_end(self) -> list[Event]:
        """What is left when the stream is over: an event whose closing blank line did not come, whole or cut."""
        rest = bytes(self._pending)
        self._pending.clear()
        return _events(rest)

    def _with_line_feeds(self, data: bytes) -> bytes:
        if self._after_return and data.startswith(b"\n"):
            data = data[1:]
        self._after_return = data.endswith(b"\r")
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n")
            if b"\r" in data:
                data = data.replace(b"\r", b"\n")
        return data


def data_of(block: bytes) -> bytes | None:
    """The data of what stands between two blank lines, whose lines end in line feeds; nothing where it is no event."""
    if block.startswith(b"data: ") and b"\n" not in block:
        return block[6:]
    name, _, data = block.partition(b"\n")
    if name.startswith(b"event:") and data.startswith(b"data: ") and b"\n" not in data:
        return data[6:]
    if not block:
        return None
    event = _event(block)
    return None if event is None else event.data


def encode_event(data: bytes, name: str | None = None, *, newline: bytes = b"\n") -> bytes:
    """One event; line endings within its data become line feeds for who reads it.

    `newline` is how its lines end: clients exist that know only the ending of their own provider.
    """
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    head = b"" if name is None else b"event: " + name.encode() + newline
    return b"%bdata: %b%b%b" % (head, data.replace(b"\n", newline + b"data: "), newline, newline)


def _events(blocks: bytes) -> list[Event]:
    """The events of blocks that blank lines separate. Nearly all are a single line of data."""
    events: list[Event] = []
    for block in blocks.split(b"\n\n"):
        if block.startswith(b"data: ") and b"\n" not in block:
            events.append(Event(None, block[6:]))
        elif block and (event := _event(block)) is not None:
            events.append(event)
    return events


def _event(block: bytes) -> Event | None:
    name: str | None = None
    data: list[bytes] = []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace")
    return Event(name, b"\n".join(data)) if data else None
