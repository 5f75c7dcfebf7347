"""Requests, answers and streams of every kind that Converse can say, for hypothesis to try."""

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
from boticelli_cli.wire.bedrock_converse import ConverseBody
from boticelli_cli.wire.stream import BodyReader
from tests.wire.spoken import Ends, finishes, mappings, marks, names, seals

KINDS = {
    "image/png": "image",
    "image/webp": "image",
    "audio/wav": "audio",
    "video/mp4": "video",
    "video/3gpp": "video",
    "application/pdf": "document",
    "text/markdown": "document",
}

texts = st.text(min_size=1).filter(str.strip)
ids = st.from_regex(r"[a-zA-Z0-9_.:-]{1,12}", fullmatch=True)


@st.composite
def media(draw: st.DrawFn, kinds: tuple[str, ...] = ("image", "audio", "video", "document")) -> Media:
    """Documents have names; that each is another is for `requests` to see to."""
    mime = draw(st.sampled_from([mime for mime, kind in KINDS.items() if kind in kinds]))
    kind: Any = KINDS[mime]
    name = f"Paper {draw(st.integers(0, 10**9))}" if kind == "document" else None
    if draw(st.booleans()):
        return Media(kind, mime, data=draw(st.binary(max_size=40)), name=name)
    return Media(kind, mime, url="s3://bucket/" + draw(st.text(max_size=5)), name=name)


calls = st.builds(ToolCall, names, mappings, ids.map("c-".__add__))
pieces = st.builds(Text, st.text(min_size=1)) | media(("image", "video"))
outputs = st.text() | mappings | st.lists(pieces, min_size=2, max_size=3).map(tuple)
thoughts = st.builds(Thought, st.text(), st.none() | seals) | st.builds(Thought, st.just(""), seals, st.just(True))
parts = st.builds(Text, texts) | thoughts | media() | calls | marks
schemas = mappings.map(lambda schema: {**schema, "type": "object"})
tools = st.builds(Tool, names, st.none() | st.text(min_size=1), schemas)
systems = (
    st.none()
    | st.text(min_size=1)
    | st.lists(st.builds(Text, st.text(min_size=1)) | marks, min_size=2, max_size=3).map(tuple)
)

options = st.fixed_dictionaries(
    {},
    optional={
        "additionalModelRequestFields": st.just({"top_k": 7, "reasoningConfig": {"type": "enabled"}}),
        "guardrailConfig": st.just({"guardrailIdentifier": "abc", "guardrailVersion": "1"}),
        "performanceConfig": st.just({"latency": "optimized"}),
        "requestMetadata": st.dictionaries(names, st.text(), min_size=1, max_size=2),
    },
)
"""What a `Request` has no words for."""


@st.composite
def requests(draw: st.DrawFn) -> Request:
    said = draw(st.lists(st.lists(parts, min_size=1, max_size=4).map(tuple), min_size=1, max_size=4))
    seen: set[str | None] = set()
    messages = tuple(
        Message(
            "user" if number % 2 == 0 else "assistant",
            tuple(each for each in told if _is_new(each, seen)) or (Text("."),),
        )
        for number, told in enumerate(said)
    )
    messages = _answered(messages, draw)
    declared = draw(st.lists(tools | marks, max_size=3).map(tuple))
    if any(isinstance(part, ToolCall) for message in messages for part in message.parts):
        declared = (*declared, draw(tools))
    if not any(isinstance(each, Tool) for each in declared):
        declared = ()
    choice = draw(st.sampled_from((None, "auto", "required", ("find",)))) if declared else None
    return Request(
        "amazon.nova-pro-v1:0",
        messages,
        system=draw(systems),
        temperature=draw(st.none() | st.floats(0, 1)),
        top_p=draw(st.none() | st.floats(0, 1)),
        max_tokens=draw(st.none() | st.integers(1, 10**6)),
        stop=draw(st.lists(st.text(min_size=1), max_size=3).map(tuple)),
        thinking=draw(st.sampled_from((None, "low", "medium", "high"))),
        schema=draw(st.none() | mappings),
        tools=declared,
        tool_choice=choice,
        options=draw(options),
    )


def _answered(messages: tuple[Message, ...], draw: st.DrawFn) -> tuple[Message, ...]:
    """Messages in which a turn begins with the results of the calls before it; those of the last one are to come."""
    told: list[Message] = []
    results: list[Part] = []
    for number, message in enumerate(messages):
        parts: list[Part] = [*results, *(each for each in message.parts if not isinstance(each, ToolResult | ToolCall))]
        results = []
        if message.role == "assistant":
            made = [
                replace(each, id=f"{each.id}-{number}-{at}")
                for at, each in enumerate(message.parts)
                if isinstance(each, ToolCall)
            ]
            results = [ToolResult(each.name, draw(outputs), each.id, draw(st.booleans())) for each in made]
            parts += made
        if not parts or any(isinstance(each, Media) for each in parts):
            parts.append(Text("."))
        told.append(Message(message.role, tuple(parts)))
    return tuple(told)


def _is_new(part: Part, seen: set[str | None]) -> bool:
    if not isinstance(part, Media) or part.kind != "document":
        return True
    new = part.name not in seen
    seen.add(part.name)
    return new


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Counts that fit together, as a provider's do."""
    counts = st.integers(0, 10**7)
    cached, write = draw(st.none() | counts), draw(st.none() | counts)
    given, output = (cached or 0) + (write or 0) + draw(counts), draw(counts)
    return Usage(input=given, output=output, cached_input=cached, cache_write=write, total=given + output)


ENDS: Ends = (
    ("stop", "end_turn"),
    ("stop", "stop_sequence"),
    ("tool_call", "tool_use"),
    ("length", "max_tokens"),
    ("length", "model_context_window_exceeded"),
    ("content_filter", "guardrail_intervened"),
    ("content_filter", "content_filtered"),
    ("other", "malformed_tool_use"),
)


@st.composite
def responses(draw: st.DrawFn) -> Response:
    told = draw(st.lists(st.builds(Text, texts) | thoughts | media(("image",)) | calls, max_size=4))
    called = any(isinstance(part, ToolCall) for part in told)
    return Response(tuple(told), draw(finishes(ENDS, usages(), called)))


@st.composite
def streams(draw: st.DrawFn) -> list[Delta]:
    delta: st.SearchStrategy[Delta] = (
        st.builds(TextDelta, st.text(min_size=1))
        | st.builds(ThinkingDelta, st.text(min_size=1))
        | st.builds(ThinkingDelta, st.just(""), seals)
        | st.builds(ThinkingDelta, st.just(""), seals, st.just(True))
        | st.builds(MediaDelta, media(("image",)).filter(lambda picture: picture.data))
        | st.builds(ToolCallDelta, calls)
    )
    deltas = draw(st.lists(delta, max_size=8))
    called = any(isinstance(each, ToolCallDelta) for each in deltas)
    return [*deltas, draw(finishes(ENDS, usages(), called))]


def deltas_of(pieces: list[bytes], body: BodyReader | None = None) -> list[Delta]:
    body = body or ConverseBody()
    return [*(delta for piece in pieces for delta in body.read(piece)), *body.end()]
