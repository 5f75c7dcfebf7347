"""A behaviour as steps: what the fake Gemini service sends, when it waits, and where it breaks off."""

import base64
import json
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from math import pi, sin
from typing import Any, assert_never

from tests.fakes.behaviours import (
    Answer,
    Behaviour,
    Blocked,
    Close,
    Drop,
    Empty,
    Events,
    Fail,
    GoAway,
    Huge,
    InStreamError,
    Interrupted,
    Long,
    Malformed,
    NotJSON,
    OneByteAtATime,
    Silence,
    TruncatedClean,
    UnknownFields,
    without_keywords,
)
from tests.fakes.gemini_wire import Asked, Json, failure


@dataclass(frozen=True)
class Pause:
    seconds: float


@dataclass(frozen=True)
class Cut:
    """The connection closes; in the middle of this event, if there is one."""

    event: Json | None = None


@dataclass(frozen=True)
class Hold:
    """Nothing more, for ever."""


@dataclass(frozen=True)
class Garbled:
    """An event that is no JSON."""

    text: str = '{"candidates": [{"content": {"parts": [{"text": "half a'


Step = Json | Pause | Cut | Hold | Garbled


def steps(behaviour: Behaviour, asked: Asked, response_id: str) -> Iterator[Step]:
    """What happens in the body of a response, in order."""
    say = _Saying(asked, response_id)
    match behaviour:
        case Answer():
            yield from _answer(behaviour, say)
        case Events(events):
            yield from (dict(event) for event in events)
        case Long(chunks):
            yield from (say.text(long_piece(number)) for number in range(chunks))
            yield say.end()
        case Huge(size):
            yield from _answer(Answer(chunks=("x" * size,)), say)
        case OneByteAtATime(text):
            yield from _answer(Answer(text, chunks=3), say)
        case Empty(finish_reason):
            yield say.bare({"finishReason": finish_reason})
        case Blocked(reason):
            yield say.wrap({"promptFeedback": {"blockReason": reason}})
        case InStreamError(code, after):
            yield from _first(after, say)
            yield failure(Fail(code)).json
        case Drop(after, inside):
            yield from _first(after, say)
            yield Cut(say.text("never seen whole") if inside else None)
        case TruncatedClean(after):
            yield from _first(after, say)
        case Silence(after):
            yield from _first(after, say)
            yield Hold()
        case Malformed(after):
            yield from _first(after, say)
            yield Garbled()
        case GoAway() | Close() | Interrupted() | UnknownFields():
            yield from _answer(Answer(), say)
        case Fail() | NotJSON():
            raise AssertionError(f"{behaviour} has no body to stream")
        case _:
            assert_never(behaviour)


def _first(chunks: int, say: "_Saying") -> Iterator[Step]:
    """Some chunks of an answer that is longer, and a moment between them, so that each arrives by itself."""
    for number in range(chunks):
        yield say.text(f"piece {number + 1} ")
        yield Pause(0)


def _answer(answer: Answer, say: "_Saying") -> Iterator[Step]:
    yield Pause(answer.first_delay)
    for event in _events(answer, say):
        yield event
        yield Pause(answer.delay)
    yield say.end("MAX_TOKENS" if say.spent_all else answer.finish_reason, answer.usage)


def _events(answer: Answer, say: "_Saying") -> Iterator[Json]:
    thinking = say.asked.config.get("thinkingConfig", {}).get("includeThoughts", False)
    thoughts = answer.thoughts or (f"Thinking about: {without_keywords(say.asked.prompt)}" if thinking else "")
    for piece in split(thoughts, None):
        if event := say.thought(piece, shown=thinking):
            yield event
    for piece in pieces(answer, default_text(say.asked)):
        if say.spent_all:
            return
        yield say.text(piece)
    for mime_type, data in answer.media or default_media(say.asked):
        yield say.part({"inlineData": {"mimeType": mime_type, "data": base64.b64encode(data).decode()}})
    for number, (name, arguments) in enumerate(answer.tool_calls, 1):
        call = {"id": f"call_{say.response_id}_{number}", "name": name, "args": dict(arguments)}
        yield say.part(
            {"functionCall": call, "thoughtSignature": base64.b64encode(b"signed " + name.encode()).decode()}
        )


class _Saying:
    """Makes events, and counts what they hold."""

    def __init__(self, asked: Asked, response_id: str) -> None:
        self.asked = asked
        self.response_id = response_id
        self._spoken = 0
        self._thought = 0
        self._prompt = asked.tokens
        self._limit = asked.config.get("maxOutputTokens")

    @property
    def spent_all(self) -> bool:
        return self._limit is not None and self._spoken + self._thought >= self._limit

    def text(self, text: str) -> Json:
        words = re.findall(r"\s*\S+\s*", text)
        if self._limit is not None and len(words) > (left := max(0, self._limit - self._spoken - self._thought)):
            words, text = words[:left], "".join(words[:left])
        self._spoken += len(words)
        return self.part({"text": text})

    def thought(self, text: str, *, shown: bool) -> Json | None:
        self._thought += len(text.split())
        return self.part({"text": text, "thought": True}) if shown else None

    def part(self, part: Json) -> Json:
        return self.bare({"content": {"parts": [part], "role": "model"}})

    def end(self, reason: str = "STOP", usage: Any = None) -> Json:
        event = self.bare({"content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": reason})
        return {**event, "usageMetadata": dict(usage)} if usage is not None else event

    def bare(self, candidate: Json) -> Json:
        return self.wrap({"candidates": [{**candidate, "index": 0}]})

    def wrap(self, event: Json) -> Json:
        return {
            **event,
            "usageMetadata": self._usage(),
            "modelVersion": self.asked.model,
            "responseId": self.response_id,
        }

    def _usage(self) -> Json:
        usage: Json = {"promptTokenCount": self._prompt}
        if self._spoken:
            usage["candidatesTokenCount"] = self._spoken
        usage["totalTokenCount"] = self._prompt + self._spoken + self._thought
        usage["promptTokensDetails"] = [{"modality": "TEXT", "tokenCount": self._prompt}]
        if self._thought:
            usage["thoughtsTokenCount"] = self._thought
        return usage


def pieces(answer: Answer, unsaid: str) -> list[str]:
    """The text of an answer as it is cut into chunks; `unsaid` is for one that has none."""
    if isinstance(answer.chunks, tuple):
        return list(answer.chunks)
    if answer.text is None and answer.chunks is not None:
        return [f"{number} " for number in range(1, answer.chunks + 1)]
    return split(unsaid if answer.text is None else answer.text, answer.chunks)


def split(text: str, chunks: int | None) -> list[str]:
    """Cut a text between words: into so many pieces, or every three words."""
    words = re.findall(r"\s*\S+\s*", text) or ([text] if text else [])
    size = 3 if chunks is None else max(1, -(-len(words) // chunks))
    return ["".join(words[at : at + size]) for at in range(0, len(words), size)]


def default_text(asked: Asked) -> str:
    """`You said: …`, JSON that fits the schema when JSON is asked for, and nothing beside media."""
    said = echo((asked.content.get("contents") or [{}])[-1])
    if asked.config.get("responseMimeType") == "application/json":
        schema = asked.config.get("responseJsonSchema") or asked.config.get("responseSchema")
        return json.dumps(sample(schema, said) if schema else {"answer": said}, ensure_ascii=False)
    return "" if default_media(asked) and "TEXT" not in asked.config["responseModalities"] else said


def echo(turn: Json) -> str:
    """What is said to a turn: its text, or the results it brings."""
    results = [part["functionResponse"] for part in turn.get("parts", []) if "functionResponse" in part]
    if results:
        told = "; ".join(f"{result.get('name')}: {json.dumps(result.get('response'))}" for result in results)
        return f"The tools said: {told}"
    prompt = "\n".join(part["text"] for part in turn.get("parts", []) if "text" in part)
    return f"You said: {without_keywords(prompt)}"


def sample(schema: Json, text: str) -> Any:
    """A value that fits a schema, as small as it can be."""
    if "enum" in schema:
        return schema["enum"][0]
    if choices := schema.get("anyOf"):
        return sample(choices[0], text)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    match kind.lower() if isinstance(kind, str) else kind[0].lower():
        case "object":
            return {name: sample(inner, text) for name, inner in schema.get("properties", {}).items()}
        case "array":
            return [sample(schema.get("items", {}), text)] * max(1, int(schema.get("minItems", 1)))
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "null":
            return None
    return text


def default_media(asked: Asked) -> tuple[tuple[str, bytes], ...]:
    """What a model that is asked for pictures or speech adds."""
    wanted = [name.upper() for name in asked.config.get("responseModalities", [])]
    pictures = (("image/png", dot()),) if "IMAGE" in wanted else ()
    speech = (("audio/L16;codec=pcm;rate=24000", sine(0.1)),) if "AUDIO" in wanted else ()
    return pictures + speech


@cache
def dot() -> bytes:
    """A PNG of one red pixel."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixel = zlib.compress(b"\x00\xff\x00\x00")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")


@cache
def sine(seconds: float, *, rate: int = 24_000, hertz: int = 450) -> bytes:
    """A quiet tone: 16-bit mono PCM, little-endian."""
    count = round(seconds * rate)
    return struct.pack(f"<{count}h", *(round(300 * sin(2 * pi * hertz * at / rate)) for at in range(count)))


def merged(events: list[Json]) -> Json:
    """The one response that a stream's events amount to, as generateContent answers."""
    whole: Json = {}
    parts: list[Json] = []
    for event in events:
        for candidate in event.get("candidates", []):
            parts += [part for part in candidate.get("content", {}).get("parts", []) if part != {"text": ""}]
        whole |= event
    if candidates := whole.get("candidates"):
        content = {"content": {"parts": _joined(parts), "role": "model"}} if parts else {}
        whole["candidates"] = [{**content, **{k: v for k, v in candidates[0].items() if k != "content"}}]
    return whole


def _joined(parts: list[Json]) -> list[Json]:
    joined: list[Json] = []
    for part in parts:
        if joined and part.keys() == joined[-1].keys() <= {"text", "thought"}:
            joined[-1] = {**part, "text": joined[-1]["text"] + part["text"]}
        else:
            joined.append(part)
    return joined


LONG_PERIOD = 1000


def long_piece(number: int) -> str:
    return f"w{number % LONG_PERIOD:04} "


def long_text(chunks: int) -> str:
    """What a Long answer says."""
    return "".join(long_piece(number) for number in range(chunks))


def long_blocks(chunks: int, asked: Asked, response_id: str) -> Iterator[bytes]:
    """The events of a Long answer in blocks of a thousand, prepared once. Only the last event tells the usage."""

    def event(piece: str) -> bytes:
        candidate = {"content": {"parts": [{"text": piece}], "role": "model"}, "index": 0}
        return sse({"candidates": [candidate], "modelVersion": asked.model, "responseId": response_id})

    events = [event(long_piece(number)) for number in range(min(chunks, LONG_PERIOD))]
    block = b"".join(events)
    yield from (block for _ in range(chunks // LONG_PERIOD))
    yield b"".join(events[: chunks % LONG_PERIOD])
    say = _Saying(asked, response_id)
    usage = {
        "promptTokenCount": asked.tokens,
        "candidatesTokenCount": chunks,
        "totalTokenCount": asked.tokens + chunks,
    }
    yield sse(say.end(usage=usage))


def sse(event: Json) -> bytes:
    return f"data: {json.dumps(event, ensure_ascii=False)}\r\n\r\n".encode()
