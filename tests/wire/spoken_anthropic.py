"""Requests, answers and streams of every kind that Anthropic's dialect can say, for hypothesis to try."""

from typing import Any

from hypothesis import strategies as st

from boticelli_cli.messages import (
    Delta,
    Finish,
    Media,
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
from boticelli_cli.wire.anthropic import StreamReader
from tests.wire.spoken import Ends, deltas_read, mappings, marks, names

MODEL = "claude-haiku-4-5"

texts = st.text(min_size=1, max_size=20).filter(lambda text: not text.isspace())
seals = st.text("abcXYZ0+/=", min_size=1, max_size=12)
schemas = mappings.map(lambda schema: {"type": "object", **schema})


@st.composite
def media(draw: st.DrawFn) -> Media:
    title = draw(st.none() | texts)
    return draw(
        st.sampled_from(
            (
                Media("image", "image/png", data=draw(st.binary(max_size=20))),
                Media("image", "image/webp", url=f"https://example.com/{draw(names)}.webp?x=1"),
                Media("document", "application/pdf", data=draw(st.binary(max_size=20)), name=title),
                Media("document", "text/plain", data=draw(texts).replace("\0", "").encode(), name=title),
                Media("document", "application/pdf", url="https://example.com/a", name=title),
            )
        )
    )


outputs = st.text(max_size=20) | st.lists(st.builds(Text, texts) | media(), min_size=1, max_size=2).map(tuple)
thoughts = st.builds(Thought, st.text(max_size=20), seals) | st.builds(Thought, st.just(""), seals, st.just(True))


@st.composite
def marked(draw: st.DrawFn, parts: list[Any]) -> list[Any]:
    """Parts with a mark behind some of those that take one."""
    told: list[Any] = []
    for part in parts:
        told.append(part)
        if not isinstance(part, Thought) and draw(st.integers(0, 3)) == 0:
            told.append(draw(marks))
    return told


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Message, ...]:
    """Turns of a user, and of a model whose calls of tools are answered in the next one."""
    told: list[Message] = []
    calls: list[ToolCall] = []
    for number in range(draw(st.integers(1, 2))):
        results: list[Part] = [ToolResult(call.name, draw(outputs), call.id) for call in calls]
        said = draw(st.lists(st.builds(Text, texts) | media(), min_size=1, max_size=3))
        told.append(Message("user", tuple(draw(marked([*results, *said])))))
        calls = [ToolCall(draw(names), draw(mappings), f"toolu_{number}{at}") for at in range(draw(st.integers(0, 2)))]
        answer = draw(st.lists(st.builds(Text, texts) | thoughts, max_size=3))
        told.append(Message("assistant", tuple(draw(marked([*answer, Text("Done."), *calls])))))
    if not draw(st.booleans()):
        return tuple(told)
    results = [ToolResult(call.name, draw(texts), call.id, draw(st.booleans())) for call in calls]
    return (*told, Message("user", (*results, Text("Go on."))))


tools = st.builds(Tool, names, st.none() | st.text(max_size=9), schemas)
thinking = st.none() | st.booleans() | st.integers(1, 32768) | st.sampled_from(("low", "medium", "high"))
choices = st.sampled_from((None, "auto", "none", "required")) | names.map(lambda name: (name,))

options = st.fixed_dictionaries(
    {},
    optional={
        "top_k": st.integers(1, 40),
        "service_tier": st.just("standard_only"),
        "cache_control": st.just({"type": "ephemeral"}),
        "context_management": st.just({"edits": [{"type": "clear_tool_uses_20250919"}]}),
        "mcp_servers": st.just([{"type": "url", "name": "x", "url": "https://example.com"}]),
    },
)
"""What a `Request` has no words for."""


@st.composite
def requests(draw: st.DrawFn) -> Request:
    asked = draw(thinking)
    said = draw(conversations())
    if type(asked) is int and any(isinstance(part, ToolCall) for message in said for part in message.parts):
        asked = "low"  # who thinks by a budget wants a thought before each call
    declared = draw(st.lists(tools, max_size=2).flatmap(marked).map(tuple))
    return Request(
        MODEL,
        said,
        system=draw(
            st.none() | texts | st.lists(st.builds(Text, texts), min_size=1, max_size=2).flatmap(marked).map(tuple)
        ),
        temperature=draw(st.none() | st.floats(0, 1)),
        top_p=draw(st.none() | st.floats(0, 1)),
        max_tokens=draw(st.integers(1, 10**6)),
        stop=draw(st.lists(texts, max_size=3).map(tuple)),
        thinking=asked,
        show_thoughts=draw(st.booleans()) if asked else True,
        schema=draw(st.none() | mappings),
        tools=declared,
        tool_choice=draw(choices) if declared else None,
        options=draw(options),
    )


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Counts that fit together, as a provider's do."""
    output = draw(st.integers(0, 10**6))
    read, wrote = draw(st.none() | st.integers(0, 10**6)), draw(st.none() | st.integers(0, 10**6))
    return Usage(
        input=draw(st.integers(0, 10**6)) + (read or 0) + (wrote or 0),
        output=output,
        thinking=draw(st.none() | st.integers(0, output)),
        cached_input=read,
        cache_write=wrote,
    )


ENDS: Ends = (
    ("stop", "end_turn"),
    ("stop", "stop_sequence"),
    ("length", "max_tokens"),
    ("length", "model_context_window_exceeded"),
    ("tool_call", "tool_use"),
    ("content_filter", "refusal"),
    ("other", "pause_turn"),
)


@st.composite
def finishes(draw: st.DrawFn) -> Finish:
    reason, word = draw(st.sampled_from(ENDS))
    return Finish(reason, draw(usages()), MODEL, word)


calls = st.builds(ToolCall, names, mappings, st.text("abcX_-", min_size=1, max_size=8))


@st.composite
def streams(draw: st.DrawFn) -> list[Delta]:
    """Deltas as a reader gives them: a seal is a delta of its own, and ends its thought."""
    delta: st.SearchStrategy[Delta] = (
        st.builds(TextDelta, texts)
        | st.builds(ThinkingDelta, texts)
        | st.builds(ThinkingDelta, st.just(""), seals)
        | st.builds(ThinkingDelta, st.just(""), seals, st.just(True))
        | st.builds(ToolCallDelta, calls)
    )
    told = draw(st.lists(delta, max_size=7, unique_by=_id_of))
    return [TextDelta("Well: "), *told, draw(finishes())]


def _id_of(said: Delta | Part) -> object:
    """Calls of one answer have ids of their own; of all else there may be several."""
    said = said.call if isinstance(said, ToolCallDelta) else said
    return said.id if isinstance(said, ToolCall) else object()


@st.composite
def responses(draw: st.DrawFn) -> Response:
    """Answers whose texts and whose unsealed thoughts stand alone: neighbours are read as one."""
    part: st.SearchStrategy[Part] = st.builds(Text, texts) | thoughts | calls
    told: list[Part] = []
    for each in draw(st.lists(part, max_size=4, unique_by=_id_of)):
        if not (told and isinstance(each, Text) and isinstance(told[-1], Text)):
            told.append(each)
    last = draw(calls.filter(lambda call: call.id not in map(_id_of, told)))
    return Response((*told, last), draw(finishes()))


def deltas_of(pieces: list[bytes]) -> list[Delta]:
    return deltas_read(StreamReader(), pieces)
