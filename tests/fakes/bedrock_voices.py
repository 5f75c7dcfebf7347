"""What the fake Bedrock service says, in the words of Converse, or of Anthropic: in events, and whole."""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Protocol

from boticelli_cli.wire.bedrock_frames import encode_event_frame
from tests.fakes.bedrock_wire import Asked, Json

SEAL = "c2VhbGVkIGJ5IHRoZSBmYWtl"


@dataclass(frozen=True)
class Begin:
    """Before all else."""


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


Said = Begin | Piece | Thought | Call | End | Verbatim


class Voice(Protocol):
    def say(self, said: Said) -> Iterator[bytes]:
        """The frames of what is said."""
        ...

    def whole(self, said: list[Said]) -> Json: ...

    def garbled(self) -> bytes:
        """A frame whose payload is no JSON."""
        ...


class Converse:
    """Text and thinking begin with their first delta, tools with a start; usage comes after the end."""

    def __init__(self) -> None:
        self._index = 0
        self._open: type[Said] | None = None

    def say(self, said: Said) -> Iterator[bytes]:
        if self._open is not None and type(said) is not self._open:
            yield from self._close()
        match said:
            case Begin():
                yield event("messageStart", {"role": "assistant"})
                return
            case Piece(text):
                yield self._delta({"text": text})
            case Thought(text):
                yield self._delta({"reasoningContent": {"text": text}})
            case Call(called, name, arguments):
                start = {"toolUse": {"toolUseId": called, "name": name}}
                yield event("contentBlockStart", {"contentBlockIndex": self._index, "start": start})
                told = json.dumps(arguments)
                for piece in ("", told[:5], told[5:]):
                    yield self._delta({"toolUse": {"input": piece}})
                self._open = Call
                yield from self._close()
                return
            case End(reason):
                yield event("messageStop", {"stopReason": reason})
                yield event("metadata", {"usage": usage_of(said), "metrics": {"latencyMs": 42}})
                return
            case Verbatim({**events}):
                yield from (event(name, payload) for name, payload in events.items())
                return
        self._open = type(said)

    def whole(self, said: list[Said]) -> Json:
        content = [block for kind, group in groupby(said, type) for block in self._blocks(kind, list(group))]
        end = next(each for each in said if isinstance(each, End))
        return {
            "output": {"message": {"role": "assistant", "content": content}},
            "stopReason": end.reason,
            "usage": usage_of(end),
            "metrics": {"latencyMs": 42},
        }

    def garbled(self) -> bytes:
        return encode_event_frame("contentBlockDelta", b'{"contentBlockIndex": 0, "delta": {"text": "half a')

    def _blocks(self, kind: type[Said], group: list[Any]) -> list[Json]:
        if kind is Call:
            return [
                {"toolUse": {"toolUseId": each.id, "name": each.name, "input": dict(each.arguments)}} for each in group
            ]
        text = "".join(each.text for each in group if isinstance(each, Piece | Thought))
        if kind is Thought:
            return [{"reasoningContent": {"reasoningText": {"text": text, "signature": SEAL}}}]
        return [{"text": text}] if text else []

    def _delta(self, delta: Json) -> bytes:
        return event("contentBlockDelta", {"contentBlockIndex": self._index, "delta": delta, "p": "abcdefgh"})

    def _close(self) -> Iterator[bytes]:
        if self._open is Thought:
            yield self._delta({"reasoningContent": {"signature": SEAL}})
        yield event("contentBlockStop", {"contentBlockIndex": self._index, "p": "abc"})
        self._open = None
        self._index += 1


class Anthropic:
    """Anthropic's events, each in a frame."""

    def __init__(self, asked: Asked, response_id: str) -> None:
        self._asked = asked
        self._id = response_id
        self._index = 0
        self._open: type[Said] | None = None

    def say(self, said: Said) -> Iterator[bytes]:
        if self._open is not None and type(said) is not self._open:
            yield from self._close()
        match said:
            case Begin():
                usage = {"input_tokens": self._asked.tokens, "output_tokens": 1}
                yield chunk({"type": "message_start", "message": self._message([], None, usage)})
            case Piece(text):
                yield from self._start(Piece, {"type": "text", "text": ""})
                yield self._delta({"type": "text_delta", "text": text})
            case Thought(text):
                yield from self._start(Thought, {"type": "thinking", "thinking": "", "signature": ""})
                yield self._delta({"type": "thinking_delta", "thinking": text})
            case Call(called, name, arguments):
                yield from self._start(Call, {"type": "tool_use", "id": called, "name": name, "input": {}})
                told = json.dumps(arguments)
                for piece in ("", told[:5], told[5:]):
                    yield self._delta({"type": "input_json_delta", "partial_json": piece})
                yield from self._close()
            case End():
                usage = _anthropic_usage(said)
                delta = {"stop_reason": _refusal(said.reason), "stop_sequence": None}
                yield chunk({"type": "message_delta", "delta": delta, "usage": usage})
                metrics = {"inputTokenCount": self._asked.tokens, "outputTokenCount": 1, "invocationLatency": 42}
                yield chunk({"type": "message_stop", "amazon-bedrock-invocationMetrics": metrics})
            case Verbatim(told):
                yield chunk(told)

    def whole(self, said: list[Said]) -> Json:
        content = [block for kind, group in groupby(said, type) for block in self._blocks(kind, list(group))]
        end = next(each for each in said if isinstance(each, End))
        return self._message(content, _refusal(end.reason), _anthropic_usage(end))

    def garbled(self) -> bytes:
        return encode_event_frame("chunk", b'{"bytes": "eyJ0eXBlIjogImNvbnRlbnRf"}')

    def _blocks(self, kind: type[Said], group: list[Any]) -> list[Json]:
        if kind is Call:
            return [
                {"type": "tool_use", "id": each.id, "name": each.name, "input": dict(each.arguments)} for each in group
            ]
        text = "".join(each.text for each in group if isinstance(each, Piece | Thought))
        if kind is Thought:
            return [{"type": "thinking", "thinking": text, "signature": SEAL}]
        return [{"type": "text", "text": text}] if text else []

    def _message(self, content: list[Json], reason: str | None, usage: Json) -> Json:
        return {
            "id": f"msg_bdrk_{self._id}",
            "type": "message",
            "role": "assistant",
            "model": self._asked.model.partition("anthropic.")[2],
            "content": content,
            "stop_reason": reason,
            "stop_sequence": None,
            "usage": usage,
        }

    def _start(self, kind: type[Said], block: Json) -> Iterator[bytes]:
        if self._open is not kind:
            self._open = kind
            yield chunk({"type": "content_block_start", "index": self._index, "content_block": block})

    def _delta(self, delta: Json) -> bytes:
        return chunk({"type": "content_block_delta", "index": self._index, "delta": delta})

    def _close(self) -> Iterator[bytes]:
        if self._open is Thought:
            yield self._delta({"type": "signature_delta", "signature": SEAL})
        yield chunk({"type": "content_block_stop", "index": self._index})
        self._open = None
        self._index += 1


def usage_of(end: End) -> Json:
    if not isinstance(end.usage, tuple):
        return dict(end.usage)
    given, output = end.usage
    return {"inputTokens": given, "outputTokens": output, "totalTokens": given + output}


def event(name: str, payload: Any) -> bytes:
    return encode_event_frame(name, json.dumps(payload, ensure_ascii=False).encode())


def chunk(said: Json) -> bytes:
    data = base64.b64encode(json.dumps(said, ensure_ascii=False).encode()).decode()
    return event("chunk", {"bytes": data, "p": "abcdefghijkl"})


def _anthropic_usage(end: End) -> Json:
    if not isinstance(end.usage, tuple):
        return dict(end.usage)
    return {"input_tokens": end.usage[0], "output_tokens": end.usage[1]}


def _refusal(reason: str) -> str:
    return "refusal" if reason in ("content_filtered", "guardrail_intervened") else reason
