"""Requests, answers and streams of every kind that OpenAI's dialect can say, for hypothesis to try."""

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from boticelli_cli.messages import (
    CachePoint,
    Delta,
    Finish,
    Media,
    MediaDelta,
    Message,
    Part,
    Request,
    Response,
    Text,
    TextDelta,
    ThinkingDelta,
    Thought,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
)
from boticelli_cli.wire.openai import StreamReader
from tests.wire.spoken import Ends, choices, counts, deltas_read, keys, mappings, marks, names, texts

ids = st.text("abcdef0123456789", min_size=4, max_size=8).map("call_".__add__)
data = st.binary(max_size=40)
pictures = st.builds(Media, st.just("image"), st.just("image/png"), data) | st.sampled_from(
    (
        Media("image", "image/png", url="https://example.com/a.png"),
        Media("image", "image/*", url="https://example.com/a"),
    )
)
sounds = st.builds(Media, st.just("audio"), st.sampled_from(("audio/wav", "audio/mpeg")), data)
documents = st.builds(Media, st.just("document"), st.just("application/pdf"), data, name=st.none() | texts)
media: st.SearchStrategy[Part] = pictures | sounds | documents


@st.composite
def marked(draw: st.DrawFn, parts: st.SearchStrategy[Part], most: int = 3) -> tuple[Part, ...]:
    """Parts, with cache marks behind some of them."""
    told: list[Part] = []
    for part in draw(st.lists(parts, min_size=1, max_size=most)):
        told += [part, draw(marks)] if draw(st.booleans()) else [part]
    return tuple(told)


@st.composite
def results(draw: st.DrawFn, call: ToolCall) -> tuple[Part, ...]:
    several: Any = st.lists(st.builds(Text, texts), min_size=2, max_size=3).map(tuple)
    result = ToolResult(call.name, draw(texts | several), call.id)
    return (result, draw(marks)) if draw(st.booleans()) else (result,)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Message, ...]:
    """Turns in which all calls are answered at once, as OpenAI wants it."""
    turns = [Message("user", draw(marked(st.builds(Text, texts) | media)))]
    for number in range(draw(st.integers(0, 2))):
        said: tuple[Part, ...] = draw(marked(st.builds(Text, texts), 2)) if draw(st.booleans()) else ()
        calls = draw(st.lists(st.builds(ToolCall, names, mappings, ids), max_size=2, unique_by=lambda call: call.id))
        calls = [replace(call, id=f"{call.id}_{number}") for call in calls]
        if calls:
            turns.append(Message("assistant", (*said, *calls)))
            turns.append(Message("user", tuple(part for call in calls for part in draw(results(call)))))
        elif said:
            turns += [Message("assistant", said), Message("user", (Text(draw(texts)),))]
    return tuple(turns)


@st.composite
def tools(draw: st.DrawFn) -> tuple[Tool | CachePoint, ...]:
    told: list[Tool | CachePoint] = []
    for tool in draw(st.lists(st.builds(Tool, names, st.none() | st.text(), st.none() | mappings), max_size=2)):
        told += [tool, draw(marks)] if draw(st.booleans()) else [tool]
    return tuple(told)


options = st.fixed_dictionaries(
    {},
    optional={
        "seed": st.integers(0, 9),
        "n": st.just(1),
        "user": texts,
        "logit_bias": st.dictionaries(keys, st.integers(-9, 9), min_size=1, max_size=2),
        "parallel_tool_calls": st.booleans(),
        "verbosity": st.just("low"),
    },
)
"""What a `Request` has no words for."""

requests = st.builds(
    Request,
    st.just("gpt-6"),
    conversations(),
    system=st.none() | texts | marked(st.builds(Text, texts)).filter(lambda blocks: len(blocks) > 1),
    temperature=st.none() | st.floats(0, 2),
    top_p=st.none() | st.floats(0, 1),
    max_tokens=st.none() | st.integers(1, 10**6),
    stop=st.lists(st.text(), max_size=3).map(tuple),
    thinking=st.sampled_from((None, False, "minimal", "low", "medium", "high")),
    schema=st.none() | mappings,
    tools=tools(),
    options=options,
).flatmap(lambda request: st.builds(replace, st.just(request), tool_choice=choices if request.tools else st.none()))


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Counts that fit together, as a provider's do."""
    given, output = draw(counts), draw(counts)
    total = None if given is None or output is None else given + output
    return Usage(given, output, *(draw(counts) for _ in range(3)), total, draw(counts), draw(counts))


ENDS: Ends = (("stop", "stop"), ("length", "length"), ("content_filter", "content_filter"))
calls = st.builds(ToolCall, names, mappings, ids)


@st.composite
def finishes(draw: st.DrawFn, called: bool = False) -> Finish:
    reason, word = ("tool_call", "tool_calls") if called else draw(st.sampled_from(ENDS))
    return Finish(reason, draw(usages()), draw(st.none() | texts), word)


@st.composite
def responses(draw: st.DrawFn) -> Response:
    """A whole answer has its parts in one order only."""
    told: list[Part] = [Thought(draw(texts))] if draw(st.booleans()) else []
    told += [Text(draw(texts))] if draw(st.booleans()) else []
    told += draw(st.lists(pictures, max_size=2))
    told += (called := draw(st.lists(calls, max_size=2, unique_by=lambda call: call.id)))
    return Response(tuple(told), draw(finishes(bool(called)))) if told else draw(responses())


@st.composite
def streams(draw: st.DrawFn) -> list[Delta]:
    delta: st.SearchStrategy[Delta] = (
        st.builds(TextDelta, texts) | st.builds(ThinkingDelta, texts) | st.builds(MediaDelta, pictures)
    )
    called = draw(st.lists(st.builds(ToolCallDelta, calls), max_size=2, unique_by=lambda each: each.call.id))
    return [*draw(st.lists(delta, max_size=6)), *called, draw(finishes(bool(called)))]


def deltas_of(pieces: list[bytes]) -> list[Delta]:
    return deltas_read(StreamReader(), pieces)
