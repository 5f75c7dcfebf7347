"""What requests and answers of every dialect are made of, for hypothesis to try, and what is done with their bytes."""

import base64
from typing import Any, Protocol

from hypothesis import strategies as st

from boticelli_cli.messages import CachePoint, Delta, Finish, Message, Part, ToolCall, ToolResult, Usage
from boticelli_cli.wire.sse import Event, EventReader

names = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
keys = names | st.sampled_from(("mime_type", "output", "error", "inline_data", "parts", "type"))
numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(keys, below, max_size=3),
    max_leaves=6,
)
mappings = st.dictionaries(keys, values, max_size=4)
texts = st.text(min_size=1)
seals = st.binary(min_size=1, max_size=12).map(lambda data: base64.b64encode(data).decode())
marks = st.builds(CachePoint, st.sampled_from((None, "5m", "1h")))
choices = st.sampled_from((None, "auto", "none", "required")) | st.lists(names, min_size=1, max_size=3).map(tuple)
counts = st.none() | st.integers(0, 10**7)

Ends = tuple[tuple[Any, str], ...]
"""How answers end: in our words, and in the provider's."""


@st.composite
def finishes(draw: st.DrawFn, ends: Ends, usages: st.SearchStrategy[Usage], called: bool = False) -> Finish:
    """How an answer ended; one that has called a tool does not just stop."""
    reason, word = draw(st.sampled_from(ends))
    if called and reason == "stop":
        reason = "tool_call"
    return Finish(reason, draw(usages), draw(st.none() | texts), word)


def calls_of(*results: Part) -> Message:
    """The turn that asked for these results, which no strict dialect takes without it."""
    return Message(
        "assistant", tuple(ToolCall(each.name, {}, each.id) for each in results if isinstance(each, ToolResult))
    )


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def events_of(pieces: list[bytes]) -> list[Event]:
    reader = EventReader()
    return [event for piece in pieces for event in reader.feed(piece)] + reader.at_end()


class Reader(Protocol):
    def read(self, data: str) -> Any: ...

    def finish(self) -> Finish: ...


def deltas_read(reader: Reader, pieces: list[bytes]) -> list[Delta]:
    """What a dialect's reader makes of a stream of events."""
    return [*(delta for event in events_of(pieces) for delta in reader.read(event.data)), reader.finish()]
