"""A behaviour as steps: what the fake Bedrock service says, when it waits, and where it breaks off."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.fakes.bedrock_wire import Asked, Json
from tests.fakes.behaviours import (
    Answer,
    Behaviour,
    Blocked,
    Drop,
    Empty,
    Events,
    Huge,
    InStreamError,
    Long,
    Malformed,
    OneByteAtATime,
    Silence,
    TruncatedClean,
    without_keywords,
)
from tests.fakes.gemini_answers import long_piece, pieces, sample, split


@dataclass(frozen=True)
class Piece:
    """More of the text."""

    text: str


@dataclass(frozen=True)
class Thought:
    text: str


@dataclass(frozen=True)
class Call:
    id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class End:
    """`usage` is input and output, or what the behaviour wants said."""

    reason: str
    usage: tuple[int, int] | Mapping[str, Any]


@dataclass(frozen=True)
class Verbatim:
    """An event of the test's own."""

    event: Json


@dataclass(frozen=True)
class Pause:
    seconds: float


@dataclass(frozen=True)
class Cut:
    """The connection closes; in the middle of an event with `inside`."""

    inside: bool


@dataclass(frozen=True)
class Hold:
    """Nothing more, for ever."""


@dataclass(frozen=True)
class Garbled:
    """An event that is no JSON."""


@dataclass(frozen=True)
class Exceptional:
    """The stream ends with an exception."""

    status: int


Said = Piece | Thought | Call | End | Verbatim
Step = Said | Pause | Cut | Hold | Garbled | Exceptional


def steps(behaviour: Behaviour, asked: Asked, response_id: str) -> Iterator[Step]:
    """What happens in the body of a response, in order."""
    say = _Saying(asked)
    match behaviour:
        case Answer():
            yield from _answer(behaviour, say, response_id)
        case Events(events):
            yield from (Verbatim(dict(event)) for event in events)
        case Long(chunks):
            yield from (say.text(long_piece(number)) for number in range(chunks))
            yield say.end()
        case Huge(size):
            yield from _answer(Answer(chunks=("x" * size,)), say, response_id)
        case OneByteAtATime(text):
            yield from _answer(Answer(text, chunks=3), say, response_id)
        case Empty(reason):
            yield say.end(reason)
        case Blocked():
            yield say.end("guardrail_intervened")
        case InStreamError(code, after):
            yield from _first(after, say)
            yield Exceptional(code)
        case Drop(after, inside):
            yield from _first(after, say)
            yield Cut(inside)
        case TruncatedClean(after):
            yield from _first(after, say)
        case Silence(after):
            yield from _first(after, say)
            yield Hold()
        case Malformed(after):
            yield from _first(after, say)
            yield Garbled()
        case _:
            raise AssertionError(f"{behaviour} has no body here")


def _first(chunks: int, say: "_Saying") -> Iterator[Step]:
    """Some chunks of an answer that is longer, and a moment between them, so that each arrives by itself."""
    for number in range(chunks):
        yield say.text(f"piece {number + 1} ")
        yield Pause(0)


def _answer(answer: Answer, say: "_Saying", response_id: str) -> Iterator[Step]:
    yield Pause(answer.first_delay)
    for said in _said(answer, say, response_id):
        yield said
        yield Pause(answer.delay)
    called = "tool_use" if answer.tool_calls else answer.finish_reason
    yield say.end("MAX_TOKENS" if say.spent_all else called, answer.usage)


def _said(answer: Answer, say: "_Saying", response_id: str) -> Iterator[Said]:
    asked = say.asked
    shown = asked.shows_thoughts
    thoughts = answer.thoughts or (f"Thinking about: {without_keywords(asked.prompt)}" if shown else "")
    for piece in split(thoughts, None):
        yield from say.thought(piece, shown=shown)
    for piece in pieces(answer, default_text(asked)):
        if say.spent_all:
            return
        yield say.text(piece)
    for number, (name, arguments) in enumerate(answer.tool_calls, 1):
        yield Call(f"tooluse_{response_id}_{number}", name, dict(arguments))


class _Saying:
    """Counts what is said."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self._spoken = 0

    @property
    def spent_all(self) -> bool:
        return self.asked.limit is not None and self._spoken >= self.asked.limit

    def text(self, text: str) -> Piece:
        words = re.findall(r"\s*\S+\s*", text)
        if self.asked.limit is not None and len(words) > (left := max(0, self.asked.limit - self._spoken)):
            words, text = words[:left], "".join(words[:left])
        self._spoken += len(words)
        return Piece(text)

    def thought(self, text: str, *, shown: bool) -> Iterator[Thought]:
        self._spoken += len(text.split())
        if shown:
            yield Thought(text)

    def end(self, reason: str = "STOP", usage: Any = None) -> End:
        return End(_REASONS.get(reason, reason), usage or (self.asked.tokens, self._spoken))


_REASONS = {"STOP": "end_turn", "MAX_TOKENS": "max_tokens", "SAFETY": "content_filtered"}


def default_text(asked: Asked) -> str:
    """`You said: …`, or JSON that fits the schema, if there is one."""
    said = echo(asked.last)
    return said if asked.schema is None else json.dumps(sample(asked.schema, said), ensure_ascii=False)


def echo(blocks: list[Json]) -> str:
    """What is said to a turn: its text, or the results it brings."""
    told = [json.dumps(block["toolResult"]["content"]) for block in blocks if "toolResult" in block]
    told += [json.dumps(block.get("content")) for block in blocks if block.get("type") == "tool_result"]
    if told:
        return f"The tools said: {'; '.join(told)}"
    prompt = "\n".join(block["text"] for block in blocks if isinstance(block.get("text"), str))
    return f"You said: {without_keywords(prompt)}"
