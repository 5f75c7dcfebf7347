"""Anthropic's answers as they are read: streamed, and whole.

https://platform.claude.com/docs/en/build-with-claude/streaming. What its own tools do and find, and what it cites, is
passed over.
"""

from typing import Any, Final

import msgspec

from boticelli_cli.errors import ProviderError, RefusedError, StreamError
from boticelli_cli.messages import (
    Delta,
    Finish,
    FinishReason,
    Response,
    Text,
    TextDelta,
    ThinkingDelta,
    Thought,
    ToolCall,
    ToolCallDelta,
    Usage,
    parts_of,
)
from boticelli_cli.wire.anthropic_blocks import Block, Struct, part_of
from boticelli_cli.wire.anthropic_errors import PROVIDER, decode_error
from boticelli_cli.wire.anthropic_usage import usage_of
from boticelli_cli.wire.failure import break_off, malformed

__all__ = ["StreamReader", "decode_response", "reason_of"]


class _Delta(Struct):
    type: str | None = None
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    signature: str | None = None
    stop_reason: str | None = None
    stop_details: Any = None


class _Event(Struct):
    """One event of a stream. What is read once at most, or only at the end, stays raw."""

    type: str
    index: int = 0
    delta: _Delta | None = None
    content_block: Block | None = None
    message: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    usage: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Message(Struct):
    """A whole answer, or what the first event of a stream says of one."""

    type: str = ""
    model: str | None = None
    content: list[Block] | None = None
    stop_reason: str | None = None
    stop_details: Any = None
    usage: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_read_event: Final = msgspec.json.Decoder(_Event).decode
_read_message: Final = msgspec.json.Decoder(_Message).decode
_read_input: Final = msgspec.json.Decoder(dict[str, Any]).decode


class _OpenCall:
    """A tool call whose arguments are still coming in."""

    __slots__ = ("_block", "pieces")

    def __init__(self, block: Block) -> None:
        self._block = block
        self.pieces: list[str] = []

    def close(self) -> ToolCall:
        """Raises ValueError for arguments that are not whole."""
        said = "".join(self.pieces)
        arguments = _read_input(said) if said else self._block.input or {}
        return ToolCall(self._block.name or "", arguments, self._block.id)


class StreamReader:
    """One streamed answer: each event's data becomes deltas, and its end a `Finish`."""

    __slots__ = ("_broken", "_calls", "_details", "_given", "_model", "_reason", "_stopped", "_usage")

    def __init__(self) -> None:
        self._given = False
        self._stopped = False
        self._reason: str | None = None
        self._details: Any = None
        self._model: str | None = None
        self._usage: list[msgspec.Raw] = []
        self._calls: dict[int, _OpenCall] = {}
        self._broken: ValueError | None = None

    @property
    def is_over(self) -> bool:
        return self._stopped

    @property
    def usage(self) -> Usage:
        """What has been counted so far: of the input at the beginning, of the output mostly at the end."""
        return usage_of(self._usage)

    def read(self, data: bytes) -> list[Delta]:
        """The deltas of one event.

        Raises the error that an event holds, as `decode_error` does, and ProviderError for what is not an event;
        both as StreamError when any delta has been given out.
        """
        try:
            event = _read_event(data)
            delta = event.delta
            if delta is not None and delta.type == "text_delta":
                deltas: list[Delta] = [TextDelta(delta.text)] if delta.text else []
            else:
                deltas = self._read_rare(event)
        except (ValueError, RecursionError) as exc:
            break_off(malformed(data, exc, PROVIDER), given=self._given)
        if event.type == "error":
            break_off(decode_error(200, data), given=self._given)
        if deltas:
            self._given = True
        return deltas

    def finish(self) -> Finish:
        """The last delta, once the stream is over.

        Raises RefusedError for an answer that was refused before it began, StreamError for a stream that was cut.
        """
        if not self._stopped:
            hint = StreamError.HINT if self._given else "run it again"
            raise StreamError("the stream broke off before the answer was finished", provider=PROVIDER, hint=hint)
        if self._reason == _REFUSAL and not self._given:
            raise _refused(self._details)
        return Finish(reason_of(self._reason), self.usage, self._model, self._reason)

    def _read_rare(self, event: _Event) -> list[Delta]:
        match event.type:
            case "content_block_delta" if event.delta is not None:
                return self._read_delta(event.index, event.delta)
            case "content_block_start" if event.content_block is not None:
                return self._open(event.index, event.content_block)
            case "content_block_stop":
                return self._close(event.index)
            case "message_start" if event.message is not msgspec.UNSET:
                message = _read_message(event.message)
                self._model = message.model
                self._count(message.usage)
            case "message_delta":
                self._count(event.usage)
                self._end(event.delta or _Delta())
            case "message_stop":
                self._stopped = True
        return []

    def _read_delta(self, index: int, delta: _Delta) -> list[Delta]:
        if delta.type == "thinking_delta" and delta.thinking:
            return [ThinkingDelta(delta.thinking)]
        if delta.type == "signature_delta" and delta.signature:
            return [ThinkingDelta("", delta.signature)]
        if delta.type == "input_json_delta" and delta.partial_json and (call := self._calls.get(index)) is not None:
            call.pieces.append(delta.partial_json)
        return []

    def _open(self, index: int, block: Block) -> list[Delta]:
        """Most blocks begin empty; of a redacted thought that is all there is."""
        if block.type == "tool_use":
            part_of(block)
            self._calls[index] = _OpenCall(block)
            return []
        return _deltas_of(block)

    def _close(self, index: int) -> list[Delta]:
        call = self._calls.pop(index, None)
        if call is None:
            return []
        try:
            return [ToolCallDelta(call.close())]
        except ValueError as exc:
            self._broken = exc
            return []

    def _end(self, delta: _Delta) -> None:
        """A call that was cut is left out when the answer as a whole was, for want of tokens say."""
        self._reason = delta.stop_reason or self._reason
        self._details = delta.stop_details or self._details
        if self._broken is not None and reason_of(self._reason) in ("stop", "tool_call"):
            raise self._broken

    def _count(self, usage: msgspec.Raw | msgspec.UnsetType) -> None:
        if usage is not msgspec.UNSET:
            self._usage.append(usage)


def decode_response(body: bytes) -> Response:
    """A whole answer. Raises what an answer that went wrong holds, and RefusedError for one that was refused.

    One without a `stop_reason` was cut: "in non-streaming mode this value is always non-null"
    (https://platform.claude.com/docs/en/api/messages/create).
    """
    try:
        message = _read_message(body)
        deltas = [delta for block in message.content or () for delta in _deltas_of(block)]
    except (ValueError, RecursionError) as exc:
        raise malformed(body, exc, PROVIDER) from exc
    if message.type == "error":
        raise decode_error(200, body)
    if message.stop_reason == _REFUSAL and not deltas:
        raise _refused(message.stop_details)
    if message.stop_reason is None:
        said = "the answer was cut: it has no stop_reason" if deltas else "the answer is empty: it has no content"
        raise ProviderError(said, provider=PROVIDER, hint="run it again")
    usage = usage_of([] if message.usage is msgspec.UNSET else [message.usage])
    finish = Finish(reason_of(message.stop_reason), usage, message.model, message.stop_reason)
    return Response(parts_of(deltas), finish)


def reason_of(word: str | None) -> FinishReason:
    """Why an answer ended, by the provider's word. A turn of its own tools may pause: that is no end we know."""
    return _REASONS.get(word or "", "other")


_REFUSAL = "refusal"

_REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_call",
    "refusal": "content_filter",
}


def _deltas_of(block: Block) -> list[Delta]:
    match part_of(block) if block.type in _TOLD else None:
        case Text(text) if text:
            return [TextDelta(text)]
        case Thought(text, signature, redacted) if text or signature:
            return [ThinkingDelta(text, signature, redacted)]
        case ToolCall() as call:
            return [ToolCallDelta(call)]
        case _:
            return []


_TOLD = ("text", "thinking", "redacted_thinking", "tool_use")


class _Refusal(Struct):
    category: str | None = None
    explanation: str | None = None


def _refused(details: Any) -> RefusedError:
    """https://platform.claude.com/docs/en/test-and-evaluate/strengthen-guardrails/handle-streaming-refusals."""
    try:
        said = msgspec.convert(details or {}, _Refusal, strict=False)
    except ValueError:
        said = _Refusal()
    message = "the model refused to answer"
    message += f" ({said.category.replace('_', ' ')})" if said.category else ""
    message += f": {said.explanation}" if said.explanation else ""
    return RefusedError(message, provider=PROVIDER, hint="reword it, or ask another model")
