"""A behaviour as steps: what the fake Anthropic service sends, when it waits, and where it breaks off."""

import base64
import json
import re
from collections.abc import Iterator
from typing import Any, assert_never

from tests.fakes.anthropic_models import Model
from tests.fakes.anthropic_wire import Asked, Json, content_of, failure, text_of
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
from tests.fakes.gemini_answers import LONG_PERIOD, Cut, Garbled, Hold, Pause, Step, long_piece, pieces, sample, split

_HALF = '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"half a'

_REASONS = {"STOP": "end_turn", "MAX_TOKENS": "max_tokens", "SAFETY": "refusal"}


def steps(behaviour: Behaviour, asked: Asked, model: Model, message_id: str, cached: Json) -> Iterator[Step]:
    """What happens in the body of a response, in order. `cached` are the counts of its cache."""
    say = Saying(asked, model, message_id, cached)
    match behaviour:
        case Answer():
            yield from _answer(behaviour, say)
        case Events(events):
            yield from (dict(event) for event in events)
        case Long(chunks):
            yield from _answer(Answer(chunks=tuple(long_piece(number) for number in range(chunks))), say)
        case Huge(size):
            yield from _answer(Answer(chunks=("x" * size,)), say)
        case OneByteAtATime(text):
            yield from _answer(Answer(text, chunks=3), say)
        case Empty(finish_reason):
            yield say.start()
            yield from say.end(finish_reason)
        case Blocked(reason):
            yield say.start()
            yield from say.end("refusal", details={"type": "refusal", "category": "cyber", "explanation": reason})
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
            yield Garbled(_HALF)
        case GoAway() | Close() | Interrupted() | UnknownFields():
            yield from _answer(Answer(), say)
        case Fail() | NotJSON():
            raise AssertionError(f"{behaviour} has no body to stream")
        case _:
            assert_never(behaviour)


def _first(chunks: int, say: "Saying") -> Iterator[Step]:
    """Some chunks of an answer that is longer, and a moment between them, so that each arrives by itself."""
    yield say.start()
    yield say.open({"type": "text", "text": ""})
    yield {"type": "ping"}
    for number in range(chunks):
        yield say.text(f"piece {number + 1} ")
        yield Pause(0)


def _answer(answer: Answer, say: "Saying") -> Iterator[Step]:
    yield Pause(answer.first_delay)
    yield say.start()
    yield from say.thought(answer.thoughts)
    if texts := pieces(answer, default_text(say.asked)):
        yield say.open({"type": "text", "text": ""})
        yield {"type": "ping"}
        for piece in texts:
            if say.spent_all:
                break
            yield say.text(piece)
            yield Pause(answer.delay)
        yield say.close()
    for number, (name, arguments) in enumerate(answer.tool_calls, 1):
        yield from say.call(name, dict(arguments), number)
    reason = "tool_use" if answer.tool_calls and answer.finish_reason == "STOP" else answer.finish_reason
    yield from say.end("max_tokens" if say.spent_all else reason, answer.usage)


class Saying:
    """Makes events, and counts what they hold."""

    def __init__(self, asked: Asked, model: Model, message_id: str, cached: Json) -> None:
        self.asked = asked
        self._model = model
        self._id = message_id
        self._cached = cached
        self._index = 0
        self._spoken = 0
        self._thought = 0
        self._limit = asked.content.get("max_tokens")

    @property
    def spent_all(self) -> bool:
        return self._limit is not None and self._spoken + self._thought >= self._limit

    def start(self) -> Json:
        message = {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self.asked.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {**self._input(), "output_tokens": 1, "service_tier": "standard"},
        }
        return {"type": "message_start", "message": message}

    def open(self, block: Json) -> Json:
        return {"type": "content_block_start", "index": self._index, "content_block": block}

    def close(self) -> Json:
        self._index += 1
        return {"type": "content_block_stop", "index": self._index - 1}

    def delta(self, kind: str, **fields: Any) -> Json:
        return {"type": "content_block_delta", "index": self._index, "delta": {"type": kind, **fields}}

    def text(self, text: str) -> Json:
        words = re.findall(r"\s*\S+\s*", text)
        if self._limit is not None and len(words) > (left := max(0, self._limit - self._spoken - self._thought)):
            words, text = words[:left], "".join(words[:left])
        self._spoken += len(words)
        return self.delta("text_delta", text=text)

    def thought(self, thoughts: str | None) -> Iterator[Json]:
        """What it thinks, when it is asked to; it is sealed, told or not."""
        how = self.asked.thinking
        if how["type"] in ("disabled", "between_tools"):
            return
        told = thoughts or f"Thinking about: {without_keywords(self.asked.prompt)}"
        self._thought += len(told.split())
        yield self.open({"type": "thinking", "thinking": "", "signature": ""})
        if how.get("display", "summarized" if self._model.tells else "omitted") == "summarized":
            for piece in split(told, None):
                yield self.delta("thinking_delta", thinking=piece)
        yield self.delta("signature_delta", signature=seal(told))
        yield self.close()

    def call(self, name: str, arguments: Json, number: int) -> Iterator[Json]:
        call = {"type": "tool_use", "id": f"toolu_{self._id.removeprefix('msg_')}{number}", "name": name, "input": {}}
        yield self.open(call)
        yield self.delta("input_json_delta", partial_json="")
        said = json.dumps(arguments, ensure_ascii=False)
        for at in range(0, len(said) if arguments else 0, 7):
            yield self.delta("input_json_delta", partial_json=said[at : at + 7])
        yield self.close()

    def end(self, reason: str, usage: Any = None, details: Json | None = None) -> Iterator[Json]:
        delta = {"stop_reason": _REASONS.get(reason, reason), "stop_sequence": None, "stop_details": details}
        yield {"type": "message_delta", "delta": delta, "usage": dict(usage) if usage is not None else self._usage()}
        yield {"type": "message_stop"}

    def _input(self) -> Json:
        return {"input_tokens": self.asked.tokens - sum(self._cached.values()), **self._cached}

    def _usage(self) -> Json:
        details = {"output_tokens_details": {"thinking_tokens": self._thought}} if self._thought else {}
        return {**self._input(), "output_tokens": self._spoken + self._thought, **details}


def seal(thoughts: str) -> str:
    """The signature that the service gives a thought, and knows again."""
    return base64.b64encode(f"sealed {len(thoughts)}".encode()).decode()


def is_seal(signature: str) -> bool:
    try:
        return base64.b64decode(signature, validate=True).startswith(b"sealed ")
    except ValueError:
        return False


def default_text(asked: Asked) -> str:
    """`You said: …`, or JSON that fits the schema when one is asked for."""
    said = _echo(asked)
    shape = (asked.content.get("output_config") or {}).get("format")
    return json.dumps(sample(shape["schema"], said), ensure_ascii=False) if shape else said


def _echo(asked: Asked) -> str:
    """What is said to the last turn: its text, or the results it brings."""
    names = {
        block["id"]: block["name"]
        for turn in asked.messages
        for block in content_of(turn["content"])
        if block["type"] == "tool_use"
    }
    last = [turn for turn in asked.messages if turn["role"] == "user"][-1:] or [{}]
    results = [block for block in content_of(last[0].get("content")) if block["type"] == "tool_result"]
    if results:
        told = "; ".join(
            f"{names[result['tool_use_id']]}: {text_of(result) if result.get('content') else ''}" for result in results
        )
        return f"The tools said: {told}"
    return f"You said: {without_keywords(asked.prompt)}"


def merged(events: list[Json]) -> Json:
    """The message that a stream's events amount to."""
    message: Json = {}
    said: list[str] = []
    for event in events:
        match event["type"]:
            case "message_start":
                message = event["message"]
            case "content_block_start":
                message["content"].append(dict(event["content_block"]))
                said = []
            case "content_block_delta":
                block, delta = message["content"][-1], event["delta"]
                for name in ("text", "thinking", "signature"):
                    if name in delta:
                        block[name] += delta[name]
                said.append(delta.get("partial_json", ""))
            case "content_block_stop" if message["content"][-1]["type"] == "tool_use":
                message["content"][-1]["input"] = json.loads("".join(said) or "{}")
            case "message_delta":
                message |= event["delta"]
                message["usage"] |= event["usage"]
    return message


def long_blocks(chunks: int, asked: Asked, model: Model, message_id: str) -> Iterator[bytes]:
    """The events of a Long answer in blocks of a thousand, prepared once."""
    say = Saying(asked, model, message_id, {})
    yield sse(say.start()) + sse(say.open({"type": "text", "text": ""}))
    events = [sse(say.delta("text_delta", text=long_piece(number))) for number in range(min(chunks, LONG_PERIOD))]
    block = b"".join(events)
    yield from (block for _ in range(chunks // LONG_PERIOD))
    yield b"".join(events[: chunks % LONG_PERIOD])
    yield sse(say.close()) + b"".join(sse(event) for event in say.end("end_turn", {"output_tokens": chunks}))


def sse(event: Json) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n".encode()
