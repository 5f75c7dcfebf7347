"""Event-stream frames: what we write, botocore reads, however it is cut; what is none, is an error."""

import json
import struct
import sys
import zlib
from collections import Counter

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given, settings
from hypothesis import strategies as st

from boticelli_cli.errors import ProviderError
from boticelli_cli.wire.bedrock_frames import Frame, FrameReader, encode_event_frame, encode_exception_frame
from tests.wire.spoken import cut

names = st.text(max_size=20)
payloads = st.binary(max_size=300)
frames = st.builds(Frame, names, payloads, st.booleans())


def written(frame: Frame) -> bytes:
    return (encode_exception_frame if frame.failed else encode_event_frame)(frame.name, frame.payload)


def read(*pieces: bytes) -> list[Frame]:
    reader = FrameReader()
    return [frame for piece in pieces for frame in reader.feed(piece)]


@given(st.lists(frames, max_size=5))
def test_botocore_reads_what_is_written(told: list[Frame]) -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(b"".join(map(written, told)))
    messages = [(message.headers, message.payload) for message in buffer]
    assert messages == [
        (
            {
                ":exception-type" if frame.failed else ":event-type": frame.name,
                ":content-type": "application/json",
                ":message-type": "exception" if frame.failed else "event",
            },
            frame.payload,
        )
        for frame in told
    ]


@given(st.lists(frames, max_size=4), st.integers(1, 200))
def test_reads_what_it_writes_however_it_is_cut(told: list[Frame], size: int) -> None:
    stream = b"".join(map(written, told))
    assert read(*cut(stream, size)) == told


def test_reads_frames_that_are_cut_at_any_byte() -> None:
    told = [Frame("chunk", b'{"bytes":"aGk="}'), Frame("messageStop", b""), Frame("throttlingException", b"{}", True)]
    stream = b"".join(map(written, told))
    for at in range(len(stream) + 1):
        assert read(stream[:at], stream[at:]) == told


def test_says_whether_anything_of_a_frame_is_left() -> None:
    reader = FrameReader()
    stream = written(Frame("chunk", b"x"))
    assert list(reader.feed(stream + stream[:3])) == [Frame("chunk", b"x")]
    assert not reader.is_empty
    assert list(reader.feed(stream[3:])) == [Frame("chunk", b"x")]
    assert reader.is_empty


def test_reads_an_error_that_has_no_name_but_a_code() -> None:
    headers = {":message-type": "error", ":error-code": "InternalError", ":error-message": "Out of order."}
    [frame] = read(framed(headers, b""))
    assert (frame.name, json.loads(frame.payload), frame.failed) == (
        "InternalError",
        {"message": "Out of order."},
        True,
    )


def framed(headers: dict[str, str], payload: bytes) -> bytes:
    said = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for name, value in headers.items()
    )
    return sealed(said, payload)


def sealed(headers: bytes, payload: bytes, length: int | None = None) -> bytes:
    lengths = struct.pack(">II", 16 + len(headers) + len(payload) if length is None else length, len(headers))
    message = lengths + struct.pack(">I", zlib.crc32(lengths)) + headers + payload
    return message + struct.pack(">I", zlib.crc32(message))


@pytest.mark.parametrize(
    "data",
    [
        b"<html><head><title>502</title></head></html>",
        b'{"message": "This is no stream at all."}',
        written(Frame("chunk", b"x"))[:-1] + b"\0",  # a checksum that is another
        sealed(b"\x01a\x63", b""),  # a header of a type that there is not
        sealed(b"\x01a\x07\x00\x01\xff", b""),  # one that is no UTF-8
        sealed(b"\x01a\x00\x01a\x00", b""),  # one that comes twice
        sealed(b"", b"", 0),
        sealed(b"", b"", 15),
        sealed(b"", b"", 2**32 - 1),
    ],
    ids=range(9),
)
def test_what_is_no_frame_is_an_error_of_the_provider(data: bytes) -> None:
    with pytest.raises(ProviderError, match="what came cannot be read: it is no event-stream frame") as raised:
        read(data)
    assert raised.value.hint


@given(st.data())
@settings(max_examples=100)
def test_nothing_but_errors_of_the_provider_come_of_changed_bytes(data: st.DataObject) -> None:
    stream = bytearray(b"".join(map(written, data.draw(st.lists(frames, min_size=1, max_size=3)))))
    for _ in range(data.draw(st.integers(1, 3))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    try:
        read(*cut(bytes(stream), data.draw(st.integers(1, 100))))
    except ProviderError as error:
        assert error.message


def test_takes_a_frame_of_megabytes_in_small_pieces() -> None:
    frame = Frame("chunk", b"x" * 4_000_000)
    assert read(*cut(written(frame), 500)) == [frame]


def test_reads_headers_that_are_all_the_same_once() -> None:
    """They are most of what a frame costs."""
    called: Counter[str] = Counter()
    sys.setprofile(lambda frame, event, _: called.update([frame.f_code.co_name] if event == "call" else ()))
    try:
        assert len(read(encode_event_frame("contentBlockDelta", b"{}") * 100)) == 100
    finally:
        sys.setprofile(None)
    assert called["unpack_utf8_string"] == 6  # the names and values of three headers
