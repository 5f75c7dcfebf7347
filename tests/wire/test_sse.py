"""Server-sent events, cut anywhere."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boticelli_cli.errors import StreamError
from boticelli_cli.wire.sse import Event, EventReader, encode_event
from tests.wire.spoken import cut, events_of

STREAM = (
    "\ufeff: a comment\n\n"
    'data: {"text":"Grüße 灯台 🙂"}\n\n'
    "event: delta\nid: 7\ndata:no space\ndata:  two\n\n"
    "retry: 10\n\n"
    "\n\n\n"
    "data\n\n"
    "data: last\n\n"
)
EVENTS = [
    Event(None, '{"text":"Grüße 灯台 🙂"}'.encode()),
    Event("delta", b"no space\n two"),
    Event(None, b""),
    Event(None, b"last"),
]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_gives_the_same_events_wherever_the_bytes_are_cut(ending: str) -> None:
    data = STREAM.replace("\n", ending).encode()
    assert events_of([data]) == EVENTS
    for at in range(len(data)):
        assert events_of([data[:at], b"", data[at:]]) == EVENTS
    for size in range(1, 12):
        assert events_of(cut(data, size)) == EVENTS


LINES = STREAM.split("\n")


@given(
    st.lists(st.sampled_from(["\n", "\r\n", "\r"]), min_size=len(LINES), max_size=len(LINES)),
    st.sets(st.integers(0, len(STREAM))),
)
def test_reads_line_endings_of_all_kinds_in_one_stream(endings: list[str], cuts: set[int]) -> None:
    # a lone return before a line feed would be one ending where two were meant
    endings = ["\r\n" if pair == ("\r", "\n") else pair[0] for pair in pairwise([*endings, ""])]
    data = "".join(line + end for line, end in zip(LINES, endings, strict=True)).encode()
    bounds = sorted({0, len(data), *cuts})
    assert events_of([data[start:end] for start, end in pairwise(bounds)]) == EVENTS


def test_gives_each_event_as_soon_as_its_blank_line_is_there() -> None:
    reader = EventReader()
    assert reader.feed(b"data: one\n") == []
    assert reader.feed(b"\ndata: tw") == [Event(None, b"one")]
    assert reader.feed(b"o\r\n\r") == [Event(None, b"two")]
    assert reader.feed(b"\ndata: three") == []
    assert reader.at_end() == [Event(None, b"three")]
    assert reader.at_end() == []


def test_keeps_a_mark_that_is_not_at_the_start() -> None:
    assert events_of([b"data: \xef\xbb\xbfx\n\n"]) == [Event(None, b"\xef\xbb\xbfx")]
    assert events_of([b"\xef", b"\xbb"]) == []


@pytest.mark.parametrize("size", [1, 7, 100, 5000])
def test_refuses_an_event_above_the_limit(size: int) -> None:
    reader = EventReader(limit=1000)
    with pytest.raises(StreamError, match="more than 1,000 bytes"):
        for piece in cut(b"data: " + b"x" * 2000, size):
            reader.feed(piece)


def test_many_small_events_are_not_one_large_one() -> None:
    reader = EventReader(limit=100)
    stream = b"data: x\n\n" * 1000
    assert sum(len(reader.feed(piece)) for piece in cut(stream, 64)) == 1000


@given(st.lists(st.tuples(st.none() | st.sampled_from(["delta", "größe"]), st.binary())), st.integers(1, 50))
def test_reads_what_it_writes(events: list[tuple[str | None, bytes]], size: int) -> None:
    for newline in (b"\n", b"\r\n"):
        stream = b"".join(encode_event(data, name, newline=newline) for name, data in events)
        expected = [Event(name, data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")) for name, data in events]
        assert events_of(cut(stream, size)) == expected
