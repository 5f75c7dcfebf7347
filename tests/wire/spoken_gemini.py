"""Requests, answers and streams of every kind that Gemini's dialect can say, for hypothesis to try."""

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from boticelli_cli.messages import (
    Delta,
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
from boticelli_cli.wire.gemini import StreamReader
from tests.wire.spoken import Ends, choices, counts, deltas_read, finishes, keys, mappings, names, seals, texts, values

KINDS = {"image/png": "image", "audio/wav": "audio", "video/mp4": "video", "application/pdf": "document"}

signatures = st.none() | seals
ids = st.none() | st.text(min_size=1, max_size=8)


@st.composite
def media(draw: st.DrawFn) -> Media:
    mime = draw(st.sampled_from(sorted(KINDS)))
    kind: Any = KINDS[mime]
    if draw(st.booleans()):
        return Media(kind, mime, data=draw(st.binary(max_size=40)))
    return Media(kind, mime, url=draw(texts))


calls = st.builds(ToolCall, names, mappings, ids, signatures)
parts = st.builds(Text, st.text()) | st.builds(Thought, st.text(), signatures) | media()
roles: st.SearchStrategy[Any] = st.sampled_from(("user", "assistant"))


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Message, ...]:
    """Turns in any order, but that calls are answered in the one behind them, unless there is none."""
    told: list[Message] = []
    for last in reversed(range(draw(st.integers(1, 4)))):
        told.append(Message(draw(roles), tuple(draw(st.lists(parts, min_size=1, max_size=3)))))
        if draw(st.booleans()):
            asked = draw(
                st.lists(calls, min_size=1, max_size=2, unique_by=lambda call: (call.id, call.id or call.name))
            )
            asked = [replace(call, id=call.id and f"{call.id}-{last}") for call in asked]
            results: list[Part] = [ToolResult(call.name, draw(values), call.id, draw(st.booleans())) for call in asked]
            told.append(Message("assistant", (*draw(st.lists(parts, max_size=2)), *asked)))
            told.append(Message("user", (*results, *draw(st.lists(parts, max_size=2)))))
    return tuple(told[:-1] if len(told) > 1 and draw(st.booleans()) else told)


tools = st.builds(Tool, names, st.none() | st.text(), st.none() | mappings)
thinking = st.none() | st.booleans() | st.integers(0, 32768) | st.sampled_from(("minimal", "low", "medium", "high"))

options = st.fixed_dictionaries(
    {},
    optional={
        "safetySettings": st.just([{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]),
        "cachedContent": st.just("cachedContents/x"),
        "store": st.booleans(),
        "labels": st.dictionaries(keys, st.text(), min_size=1, max_size=2),
        "generationConfig": st.fixed_dictionaries(
            {"topK": st.integers(1, 40)}, optional={"seed": st.integers(0, 9), "responseModalities": st.just(["TEXT"])}
        ),
    },
)
"""What a `Request` has no words for."""

requests = st.builds(
    Request,
    st.just("gemini-2.5-flash"),
    conversations(),
    system=st.none() | st.text() | st.lists(st.builds(Text, st.text()), min_size=2, max_size=3).map(tuple),
    temperature=st.none() | st.floats(0, 2),
    top_p=st.none() | st.floats(0, 1),
    max_tokens=st.none() | st.integers(1, 10**6),
    stop=st.lists(st.text(), max_size=3).map(tuple),
    thinking=thinking,
    schema=st.none() | mappings,
    tools=st.lists(tools, max_size=3).map(tuple),
    options=options,
).flatmap(lambda request: st.builds(replace, st.just(request), tool_choice=choices if request.tools else st.none()))


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Counts that fit together, as a provider's do."""
    given, output = draw(counts), draw(counts)
    return Usage(
        input=given,
        output=output,
        thinking=None if output is None else draw(st.none() | st.integers(0, output)),
        cached_input=draw(counts),
        total=None if given is None or output is None else given + output,
        input_audio=draw(counts),
        output_audio=draw(counts),
    )


ENDS: Ends = (
    ("stop", "STOP"),
    ("length", "MAX_TOKENS"),
    ("content_filter", "SAFETY"),
    ("content_filter", "IMAGE_SAFETY"),
    ("other", "MALFORMED_FUNCTION_CALL"),
)


answer_parts = st.builds(Text, texts) | st.builds(Thought, texts) | media() | calls


@st.composite
def responses(draw: st.DrawFn) -> Response:
    told = draw(st.lists(answer_parts, max_size=4))
    told = [
        part
        for part, last in zip(told, [None, *told], strict=False)
        if type(part) is not type(last) or _stands_alone(part)
    ]
    called = any(isinstance(part, ToolCall) for part in told)
    return Response(tuple(told), draw(finishes(ENDS, usages(), called)))


def _stands_alone(part: Part) -> bool:
    """Of texts and thoughts, neighbours are read as one."""
    return not isinstance(part, Text | Thought)


@st.composite
def streams(draw: st.DrawFn) -> list[Delta]:
    delta: st.SearchStrategy[Delta] = (
        st.builds(TextDelta, texts)
        | st.builds(ThinkingDelta, texts)
        | st.builds(MediaDelta, media())
        | st.builds(ToolCallDelta, calls)
    )
    deltas = draw(st.lists(delta, max_size=8))
    called = any(isinstance(each, ToolCallDelta) for each in deltas)
    return [*deltas, draw(finishes(ENDS, usages(), called))]


def deltas_of(pieces: list[bytes]) -> list[Delta]:
    return deltas_read(StreamReader(), pieces)
