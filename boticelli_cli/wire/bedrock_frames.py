"""Amazon's event-stream frames, read as they arrive and written: https://smithy.io/2.0/aws/amazon-eventstream.html.

A frame is its length and that of its headers (u32, big-endian), the CRC32 of these eight bytes, the headers, the
payload, and the CRC32 of all that. botocore reads them; where it is missing, an error says what to install.
"""

import struct
import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final

import msgspec

from boticelli_cli.wire.bedrock_errors import not_installed, unreadable_frame

__all__ = ["Frame", "FrameReader", "encode_event_frame", "encode_exception_frame"]


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One message: an event of this name, or an exception, if it `failed`."""

    name: str
    payload: bytes
    failed: bool = False


class FrameReader:
    """Frames from bytes that are cut anywhere. The time it takes grows with the bytes, however small their pieces."""

    __slots__ = ("_bad", "_buffer", "_pending")

    def __init__(self) -> None:
        try:
            from botocore.eventstream import EventStreamBuffer, EventStreamHeaderParser, ParserError
        except ImportError as error:
            raise not_installed() from error
        self._buffer = EventStreamBuffer()
        self._buffer._header_parser = _Remembering(EventStreamHeaderParser().parse)
        self._bad = (ParserError, ValueError, KeyError, StopIteration, struct.error)
        self._pending = bytearray()

    @property
    def is_empty(self) -> bool:
        """Whether nothing of a further frame has come."""
        return not self._pending

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that these bytes complete. Raises ProviderError for what is no frame, and for a bad checksum."""
        pending = self._pending
        pending += data
        start, end = 0, len(pending)
        try:
            while end - start >= _LEAST:
                (length,) = _read_length(pending, start)
                # botocore copies what it holds with every piece that it is given, so it is given whole frames. Lengths
                # that cannot be are for it to refuse.
                if end - start < length <= _MOST:
                    break
                frame = self._frame(bytes(pending[start : start + max(length, _LEAST)]))
                start += length
                yield frame
        finally:
            if start:
                del pending[:start]

    def _frame(self, data: bytes) -> Frame:
        try:
            self._buffer.add_data(data)
            message = self._buffer.next()
            return _named(message.headers, message.payload)
        except self._bad as exc:
            raise unreadable_frame(exc) from exc


def encode_event_frame(name: str, payload: bytes) -> bytes:
    """An event; its payload is JSON."""
    return _encode([(b":event-type", name.encode()), _JSON, (b":message-type", b"event")], payload)


def encode_exception_frame(name: str, payload: bytes) -> bytes:
    """An exception, which ends a stream; its payload is JSON."""
    return _encode([(b":exception-type", name.encode()), _JSON, (b":message-type", b"exception")], payload)


_LEAST: Final = 16
_MOST: Final = 24 * 1024 * 1024 + 128 * 1024 + _LEAST
"""What botocore takes: so much of payload, and of headers."""

_read_length: Final = struct.Struct(">I").unpack_from
_JSON: Final = (b":content-type", b"application/json")
_STRING: Final = 7


class _Remembering:
    """botocore's reading of headers, which is most of what a frame costs: those of deltas are all the same."""

    def __init__(self, parse: Callable[[bytes], dict[str, Any]]) -> None:
        self.parse = lru_cache(maxsize=_KINDS)(parse)


_KINDS: Final = 16
"""More kinds of frames than a stream has."""


def _named(headers: dict[str, Any], payload: bytes) -> Frame:
    match headers.get(":message-type"):
        case "event":
            return Frame(str(headers.get(":event-type", "")), payload)
        case "error":  # one that the service has no name for: nothing but headers
            message = {"message": str(headers.get(":error-message", ""))}
            return Frame(str(headers.get(":error-code", "")), msgspec.json.encode(message), failed=True)
        case _:
            return Frame(str(headers.get(":exception-type", "")), payload, failed=True)


def _encode(headers: list[tuple[bytes, bytes]], payload: bytes) -> bytes:
    written = b"".join(
        b"%c%b%c%b%b" % (len(name), name, _STRING, struct.pack(">H", len(value)), value) for name, value in headers
    )
    lengths = struct.pack(">II", _LEAST + len(written) + len(payload), len(written))
    message = b"%b%b%b%b" % (lengths, struct.pack(">I", zlib.crc32(lengths)), written, payload)
    return message + struct.pack(">I", zlib.crc32(message))
