"""Anthropic's answers as they are written, by a server that speaks this dialect: streamed, and whole."""

import secrets
from typing import Any

from boticelli_cli.errors import ProviderError
from boticelli_cli.messages import (
    Delta,
    Finish,
    FinishReason,
    Forwarded,
    Media,
    MediaDelta,
    Part,
    Response,
    Text,
    TextDelta,
    ThinkingDelta,
    Thought,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from boticelli_cli.wire.anthropic_answer import reason_of
from boticelli_cli.wire.anthropic_errors import encode_error
from boticelli_cli.wire.anthropic_usage import encode_usage
from boticelli_cli.wire.body import Losses, encode_json
from boticelli_cli.wire.call_ids import CallIds
from boticelli_cli.wire.sse import encode_event

__all__ = ["StreamWriter", "encode_response"]


class StreamWriter:
    """A server's side of one streamed answer: `begin` and `write`, with `keep_alive` anywhere between.

    `model` is what it says served it, `id` what it is called, which is made where it is not given, and `usage` what is
    known of it beforehand: there has to be a count of the input at the beginning, which the end may put right. Media,
    for which this dialect has no words, go into `losses`. The seals of other providers' calls are not written: whoever
    translates has to remember them by the calls' ids.
    """

    __slots__ = ("_begun", "_calls", "_forwarded", "_head", "_id", "_index", "_losses", "_model", "_open", "_usage")

    def __init__(
        self,
        model: str | None = None,
        *,
        id: str | None = None,  # noqa: A002
        usage: Usage | None = None,
        losses: Losses | None = None,
    ) -> None:
        self._model = model or ""
        self._id = id or _made_id()
        self._usage = usage or Usage()
        self._losses = Losses() if losses is None else losses
        self._calls = CallIds(_CALL)
        self._head = b""
        self._begun = False
        self._forwarded = False
        self._open: str | None = None
        self._index = 0

    def begin(self) -> bytes:
        """The event that opens the answer; the first `write` does it where nobody has."""
        if self._begun:
            return b""
        self._begun = True
        message = _message(self._id, self._model, [], None, encode_usage(self._usage))
        return _event("message_start", message=message)

    def write(self, delta: Delta) -> bytes:
        """The events of a delta, or nothing. A `Finish` becomes the closing ones, which have to be the last."""
        if self._open == "text" and isinstance(delta, TextDelta):
            return b"%b%b}}\n\n" % (self._head, encode_json(delta.text))
        match delta:
            case Forwarded(data):
                self._forwarded = True
                return data
            case Finish() if self._forwarded:
                return b""
            case TextDelta(text):
                told = self._start(_EMPTY["text"]) + self._delta(type="text_delta", text=text)
                self._head = _HEAD % self._index
            case ThinkingDelta(text, signature, redacted):
                told = self._redacted(signature) if redacted else self._thought(text, signature)
            case ToolCallDelta(call):
                told = self._call(call)
            case MediaDelta():
                self._losses.add("media in answers")
                told = b""
            case Finish():
                told = self._end(delta)
        return self.begin() + told

    def keep_alive(self) -> bytes:
        """An event that says nothing: clients take it at any time, also before the first one."""
        return _event("ping")

    def error(self, error: ProviderError) -> bytes:
        """The event that ends a stream which failed."""
        return encode_event(encode_error(error)[1], "error")

    def _into_thought(self) -> bytes:
        """Have a thought open: it comes in pieces."""
        return b"" if self._open == "thinking" else self._start(_EMPTY["thinking"])

    def _start(self, block: dict[str, Any]) -> bytes:
        told = self._close()
        self._open = block["type"]
        return told + _event("content_block_start", index=self._index, content_block=block)

    def _close(self) -> bytes:
        if self._open is None:
            return b""
        self._open = None
        told = _event("content_block_stop", index=self._index)
        self._index += 1
        return told

    def _delta(self, **delta: Any) -> bytes:
        return _event("content_block_delta", index=self._index, delta=delta)

    def _thought(self, text: str, signature: str | None) -> bytes:
        """A piece of a thought; with its seal, it is whole."""
        told = self._into_thought() if text or signature is not None else b""
        if text:
            told += self._delta(type="thinking_delta", thinking=text)
        if signature is not None:
            told += self._delta(type="signature_delta", signature=signature) + self._close()
        return told

    def _redacted(self, seal: str | None) -> bytes:
        return self._start({"type": "redacted_thinking", "data": seal or ""}) + self._close()

    def _call(self, call: ToolCall) -> bytes:
        told = self._start(_call(call, {}, self._calls))
        told += self._delta(type="input_json_delta", partial_json="")
        if call.arguments:
            told += self._delta(type="input_json_delta", partial_json=encode_json(call.arguments).decode())
        return told + self._close()

    def _end(self, finish: Finish) -> bytes:
        ended = {"stop_reason": _word_of(finish), "stop_sequence": None}
        usage = encode_usage(finish.usage, ended=True)
        return self._close() + _event("message_delta", delta=ended, usage=usage) + _event("message_stop")


def encode_response(
    response: Response,
    *,
    model: str | None = None,
    id: str | None = None,  # noqa: A002
    losses: Losses | None = None,
) -> bytes:
    """A whole answer. `model` is what it says served it, where its `Finish` does not."""
    finish, calls = response.finish, CallIds(_CALL)
    losses = Losses() if losses is None else losses
    content = [block for part in response.parts if (block := _block(part, calls, losses)) is not None]
    name = finish.served_model or model or ""
    return encode_json(_message(id or _made_id(), name, content, _word_of(finish), encode_usage(finish.usage)))


_EMPTY: dict[str, dict[str, Any]] = {
    "text": {"type": "text", "text": ""},
    "thinking": {"type": "thinking", "thinking": "", "signature": ""},
}

_WORDS: dict[FinishReason, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "content_filter": "refusal",
    "tool_call": "tool_use",
    "other": "end_turn",
}

_PAUSED = "pause_turn"
_CALL = "toolu_01"

_HEAD = b"""event: content_block_delta
data: {"type":"content_block_delta","index":%d,"delta":{"type":"text_delta","text":"""
"""What comes before the text of nearly all events there are."""


def _event(kind: str, **fields: Any) -> bytes:
    return encode_event(encode_json({"type": kind, **fields}), kind)


def _made_id() -> str:
    """An id like Anthropic's own."""
    return f"msg_01{secrets.token_hex(11)}"


def _message(
    message_id: str,
    model: str,
    content: list[dict[str, Any]],
    reason: str | None,
    usage: dict[str, Any],
) -> dict[str, Any]:
    return {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": usage,
    }


def _block(part: Part, calls: CallIds, losses: Losses) -> dict[str, Any] | None:
    match part:
        case Text(text):
            return {"type": "text", "text": text}
        case Thought(text, signature, redacted):
            if redacted:
                return {"type": "redacted_thinking", "data": signature or ""}
            return {"type": "thinking", "thinking": text, "signature": signature or ""}
        case ToolCall():
            return _call(part, part.arguments, calls)
        case Media():
            losses.add("media in answers")
    return None


def _call(call: ToolCall, arguments: Any, calls: CallIds) -> dict[str, Any]:
    return {"type": "tool_use", "id": calls.of(call.id), "name": call.name, "input": arguments}


def _word_of(finish: Finish) -> str:
    """The provider's own word, where it is one of this dialect's."""
    word = finish.provider_reason
    if word == _PAUSED or (reason_of(word) == finish.reason != "other" and word is not None):
        return word
    return _WORDS[finish.reason]
