"""A behaviour as steps: what the fake OpenAI service sends, when it waits, and where it breaks off."""

import base64
import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
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
from tests.fakes.gemini_answers import LONG_PERIOD, Cut, Garbled, Hold, Pause, long_piece, pieces, sample, split
from tests.fakes.openai_checks import results_of
from tests.fakes.openai_wire import Asked, Json, failure


@dataclass(frozen=True)
class Comment:
    """A line that is no event."""

    text: str = "OPENROUTER PROCESSING"


@dataclass(frozen=True)
class Done:
    """The end mark."""


Step = Json | Pause | Cut | Hold | Garbled | Comment | Done

_GARBLED = Garbled('{"choices": [{"index": 0, "delta": {"content": "half a')
_REASONS = {"STOP": "stop", "MAX_TOKENS": "length", "SAFETY": "content_filter", "RECITATION": "content_filter"}


def steps(behaviour: Behaviour, asked: Asked) -> Iterator[Step]:
    """What happens in the body of a response, in order."""
    say = Saying(asked)
    if asked.flavour == "openrouter":
        yield Comment()
    match behaviour:
        case Answer():
            yield from _answer(behaviour, say)
        case Events(events):
            yield from (dict(event) for event in events)
        case Long(chunks):
            yield from (say.text(long_piece(number)) for number in range(chunks))
            yield from say.end()
        case Huge(size):
            yield from _answer(Answer(chunks=("x" * size,)), say)
        case OneByteAtATime(text):
            yield from _answer(Answer(text, chunks=3), say)
        case Empty(finish_reason):
            yield say.delta({"role": "assistant", "content": ""})
            yield from say.end(finish_reason)
        case InStreamError(code, after):
            yield from _first(after, say)
            yield say.error(code)
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
            yield _GARBLED
        case GoAway() | Close() | Interrupted() | UnknownFields():
            yield from _answer(Answer(), say)
        case Fail() | NotJSON() | Blocked():
            raise AssertionError(f"{behaviour} has no body to stream")
        case _:
            assert_never(behaviour)


def _first(chunks: int, say: "Saying") -> Iterator[Step]:
    """Some chunks of an answer that is longer, and a moment between them, so that each arrives by itself."""
    for number in range(chunks):
        yield say.text(f"piece {number + 1} ")
        yield Pause(0)


def _answer(answer: Answer, say: "Saying") -> Iterator[Step]:
    yield Pause(answer.first_delay)
    for event in _events(answer, say):
        yield event
        yield Pause(answer.delay)
    reason = "MAX_TOKENS" if say.spent_all else answer.finish_reason
    if answer.tool_calls and reason == "STOP":
        reason = "tool_calls"
    yield from say.end(reason, answer.usage)


def _events(answer: Answer, say: "Saying") -> Iterator[Json]:
    for piece in split(answer.thoughts or "", None):
        if event := say.thought(piece):
            yield event
    for piece in pieces(answer, default_text(say.asked)):
        if say.spent_all:
            return
        yield say.text(piece)
    for mime_type, data in answer.media:
        yield say.medium(mime_type, base64.b64encode(data).decode())
    for number, (name, arguments) in enumerate(answer.tool_calls):
        yield from say.call(number, name, json.dumps(dict(arguments)))


class Saying:
    """Makes chunks, and counts what they hold."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self._id = f"chatcmpl-{secrets.token_hex(8)}"
        self._spoken = 0
        self._thought = 0
        self._begun = False

    @property
    def spent_all(self) -> bool:
        return self.asked.limit is not None and self._spoken + self._thought >= self.asked.limit

    def text(self, text: str) -> Json:
        words = re.findall(r"\s*\S+\s*", text)
        limit = self.asked.limit
        if limit is not None and len(words) > (left := max(0, limit - self._spoken - self._thought)):
            words, text = words[:left], "".join(words[:left])
        self._spoken += len(words)
        return self.delta({"content": text})

    def thought(self, text: str) -> Json | None:
        """What is thought, which OpenAI itself does not show."""
        self._thought += len(text.split())
        match self.asked.flavour:
            case "openai":
                return None
            case "ollama":
                return self.delta({"content": "", "reasoning": text})
            case "openrouter":
                details = [{"type": "reasoning.text", "text": text, "format": "anthropic-claude-v1", "index": 0}]
                return self.delta({"content": "", "reasoning": text, "reasoning_details": details})

    def medium(self, mime_type: str, data: str) -> Json:
        if mime_type.startswith("audio/"):
            return self.delta({"audio": {"id": "audio_1", "data": data}})
        picture = {"type": "image_url", "image_url": {"url": f"data:{mime_type};base64,{data}"}}
        return self.delta({"content": "", "images": [picture]})

    def call(self, number: int, name: str, arguments: str) -> Iterator[Json]:
        """A call in pieces; from Ollama whole, and always with the first number."""
        began = {"id": f"call_{secrets.token_hex(8)}", "type": "function"}
        if self.asked.flavour == "ollama":
            yield self.delta(
                {
                    "content": "",
                    "tool_calls": [{"index": 0, **began, "function": {"name": name, "arguments": arguments}}],
                }
            )
            return
        yield self.delta({"tool_calls": [{"index": number, **began, "function": {"name": name, "arguments": ""}}]})
        half = len(arguments) // 2
        for piece in (arguments[:half], arguments[half:]):
            yield self.delta({"tool_calls": [{"index": number, "function": {"arguments": piece}}]})

    def delta(self, delta: Json, reason: str | None = None) -> Json:
        if not self._begun and reason is None:
            self._begun = True
            role: Json = {"role": "assistant"}
            delta = {**role, **delta}
        return self.wrap([{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}])

    def end(self, reason: str = "STOP", usage: Any = None) -> Iterator[Step]:
        closing = self.delta({}, _REASONS.get(reason, reason))
        said = {**self.wrap([]), "usage": dict(usage) if usage is not None else self.usage()}
        if not self.asked.streams or self.asked.flavour == "openrouter":
            yield {**closing, "usage": said["usage"]}
        else:
            yield closing
            if self.asked.flavour == "openai" and self.asked.include_usage:
                yield said
        yield Done()

    def error(self, status: int) -> Json:
        said = failure(Fail(status), self.asked.model)
        if self.asked.flavour != "openrouter":
            return said.json(self.asked.flavour)
        return {**self.delta({"content": ""}, "error"), **said.json("openrouter")}

    def wrap(self, choices: list[Json]) -> Json:
        chunk: Json = {"id": self._id, "object": "chat.completion.chunk", "created": 1_790_000_000}
        chunk |= {"model": self.asked.model, "system_fingerprint": "fp_fake", "choices": choices}
        return {**chunk, "usage": None} if self.asked.include_usage and self.asked.flavour == "openai" else chunk

    def usage(self) -> Json:
        output = self._spoken + self._thought
        usage: Json = {"prompt_tokens": self.asked.tokens, "completion_tokens": output}
        usage["total_tokens"] = self.asked.tokens + output
        if self.asked.flavour != "ollama":
            usage["prompt_tokens_details"] = {"cached_tokens": 0, "audio_tokens": 0}
            usage["completion_tokens_details"] = {"reasoning_tokens": self._thought, "audio_tokens": 0}
        return usage


def default_text(asked: Asked) -> str:
    """`You said: …`, or JSON that fits the schema when JSON is asked for."""
    said = _echo(asked)
    match asked.content.get("response_format"):
        case {"type": "json_schema", "json_schema": {"schema": schema}}:
            return json.dumps(sample(schema, said), ensure_ascii=False)
        case {"type": "json_object" | "json_schema"}:
            return json.dumps({"answer": said}, ensure_ascii=False)
    return said


def _echo(asked: Asked) -> str:
    if results := results_of(asked.messages):
        return "The tools said: " + "; ".join(f"{name}: {said}" for name, said in results)
    return f"You said: {without_keywords(asked.prompt)}"


def merged(chunks: list[Json], asked: Asked) -> Json:
    """The whole answer that a stream's chunks amount to."""
    message: Json = {"role": "assistant", "content": None, "refusal": None, "annotations": []}
    reason: str | None = None
    whole: Json = {}
    for chunk in chunks:
        whole |= chunk
        for choice in chunk["choices"]:
            reason = choice["finish_reason"] or reason
            _merge(message, choice["delta"])
    if not message.get("tool_calls"):
        message["content"] = message["content"] or ""
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
    return {**whole, "object": "chat.completion", "choices": [choice], "usage": whole.get("usage")}


def _merge(message: Json, delta: Json) -> None:
    for name in ("content", "reasoning", "refusal"):
        if delta.get(name):
            message[name] = (message.get(name) or "") + delta[name]
    for name in ("images", "reasoning_details"):
        if name in delta:
            message[name] = message.get(name, []) + delta[name]
    if "audio" in delta:
        message["audio"] = {"id": "audio_1", "data": delta["audio"]["data"], "expires_at": 0, "transcript": ""}
    for call in delta.get("tool_calls", []):
        if "id" in call:
            message.setdefault("tool_calls", []).append({**call, "function": dict(call["function"])})
            del message["tool_calls"][-1]["index"]
        else:
            message["tool_calls"][-1]["function"]["arguments"] += call["function"]["arguments"]


def long_blocks(chunks: int, asked: Asked) -> Iterator[bytes]:
    """The events of a Long answer in blocks of a thousand, prepared once."""
    say = Saying(asked)
    say.delta({})
    events = [sse(say.delta({"content": long_piece(number)})) for number in range(min(chunks, LONG_PERIOD))]
    block = b"".join(events)
    yield from (block for _ in range(chunks // LONG_PERIOD))
    yield b"".join(events[: chunks % LONG_PERIOD])
    usage = {"prompt_tokens": asked.tokens, "completion_tokens": chunks, "total_tokens": asked.tokens + chunks}
    yield b"".join(sse(step) for step in say.end(usage=usage))


def sse(step: Json | Comment | Done | Garbled) -> bytes:
    match step:
        case Comment(text):
            return f": {text}\n\n".encode()
        case Done():
            return b"data: [DONE]\n\n"
        case Garbled(text):
            return f"data: {text}\n\n".encode()
        case _:
            return f"data: {json.dumps(step, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()
