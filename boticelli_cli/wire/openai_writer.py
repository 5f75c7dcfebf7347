"""OpenAI's answers as a server writes them, streamed and whole.

What a model thinks is told as `reasoning_content`, DeepSeek's word, which most clients know, and the pictures that it
makes as `images`, OpenRouter's; OpenAI itself tells neither in this dialect.
"""

import secrets
import time
from collections.abc import Iterable
from typing import Any, assert_never

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
from boticelli_cli.wire.body import Losses, encode_json
from boticelli_cli.wire.call_ids import CallIds
from boticelli_cli.wire.failure import status_of
from boticelli_cli.wire.openai_answer import reason_of
from boticelli_cli.wire.openai_errors import error_of
from boticelli_cli.wire.openai_media import encode_medium
from boticelli_cli.wire.openai_usage import encode_usage
from boticelli_cli.wire.sse import encode_event

__all__ = ["KEEP_ALIVE", "StreamWriter", "encode_response"]

KEEP_ALIVE = b": keep-alive\n\n"
"""What may be sent at any time between two events, so that nothing in between takes the connection for dead."""


class StreamWriter:
    """A server's side of one streamed answer.

    `model` is what it says served it, where a `Finish` does not; `id` and `created`, in seconds of the epoch, are made
    where they are not given. With `include_usage` the counts of tokens follow the end, in a chunk of their own. The
    seals of thoughts, and media but for pictures, go into `losses`; the seals of calls are for whoever translates to
    remember by the calls' ids.
    """

    __slots__ = (
        *("_begun", "_calls", "_created", "_forwarded", "_head", "_id", "_ids", "_include_usage", "_losses", "_model"),
    )

    def __init__(
        self,
        model: str | None = None,
        *,
        include_usage: bool = False,
        id: str | None = None,  # noqa: A002
        created: int | None = None,
        losses: Losses | None = None,
    ) -> None:
        self._id = id or _answer_id()
        self._created = int(time.time()) if created is None else created
        self._model = model or ""
        self._include_usage = include_usage
        self._begun = False
        self._forwarded = False
        self._calls = 0
        self._ids = CallIds(_CALL)
        self._losses = Losses() if losses is None else losses
        empty = self._event({"content": ""})
        self._head = empty[: empty.index(b'"delta":{"content":') + len(b'"delta":{"content":')]

    def write(self, delta: Delta) -> bytes:
        """Its events: one, several, or none. A `Finish` becomes the closing ones, which have to be the last."""
        if self._begun and isinstance(delta, TextDelta):
            return b"%b%b%b" % (self._head, encode_json(delta.text), _TAIL)
        if isinstance(delta, Forwarded):
            self._forwarded = True
            return delta.data
        if self._forwarded:
            return b""
        begun, self._begun = self._begun, True
        return (b"" if begun else self._event({"role": "assistant", "content": ""})) + self._rest(delta)

    def keep_alive(self) -> bytes:
        """A comment, which says nothing."""
        return KEEP_ALIVE

    def error(self, error: ProviderError) -> bytes:
        """The event that ends a stream which failed. Beside OpenAI's fields it says the status it would have had."""
        status = status_of(error)
        return encode_event(encode_json({"error": {**error_of(error, status), "status": status}}))

    def _rest(self, delta: TextDelta | ThinkingDelta | MediaDelta | ToolCallDelta | Finish) -> bytes:
        match delta:
            case TextDelta(text):
                return self._event({"content": text})
            case ThinkingDelta(text, signature, redacted):
                _name_seals(signature, redacted, self._losses)
                return self._event({"reasoning_content": text}) if text else b""
            case MediaDelta(media):
                images = _images([media], self._losses)
                return self._event({"images": images}) if images else b""
            case ToolCallDelta(call):
                index, self._calls = self._calls, self._calls + 1
                return self._event({"tool_calls": [{"index": index, **_call(call, self._ids)}]})
            case Finish():
                return self._end(delta)
            case _:
                assert_never(delta)

    def _end(self, finish: Finish) -> bytes:
        if finish.served_model is not None:
            self._model = finish.served_model
        usage = encode_usage(finish.usage)
        closing = self._event({}, _word_of(finish))
        if self._include_usage and usage:
            closing += encode_event(encode_json({**self._chunk(), "choices": [], "usage": usage}))
        return closing + b"data: [DONE]\n\n"

    def _event(self, delta: dict[str, Any], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return encode_event(encode_json({**self._chunk(), "choices": [choice]}))

    def _chunk(self) -> dict[str, Any]:
        kind = "chat.completion.chunk"
        return {"id": self._id, "object": kind, "created": self._created, "model": self._model}


def encode_response(
    response: Response,
    *,
    model: str | None = None,
    id: str | None = None,  # noqa: A002
    created: int | None = None,
    losses: Losses | None = None,
) -> bytes:
    """A whole answer. `model` is what it says served it, where its `Finish` does not."""
    message = _message(response.parts, Losses() if losses is None else losses)
    body = {
        "id": id or _answer_id(),
        "object": "chat.completion",
        "created": int(time.time()) if created is None else created,
        "model": response.finish.served_model or model or "",
        "choices": [{"index": 0, "message": message, "finish_reason": _word_of(response.finish)}],
    }
    if response.finish.usage != Usage():
        body["usage"] = encode_usage(response.finish.usage)
    return encode_json(body)


_TAIL = b'},"finish_reason":null}]}\n\n'

_WORDS: dict[FinishReason, str] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content_filter",
    "tool_call": "tool_calls",
    "other": "stop",
}
"""This dialect has no word for other ends."""


def _word_of(finish: Finish) -> str:
    """The provider's own word, where it is one of OpenAI's."""
    word = finish.provider_reason
    if word in _WORDS.values() and reason_of(word) == finish.reason:
        return word or ""
    return _WORDS[finish.reason]


def _answer_id() -> str:
    return f"chatcmpl-{secrets.token_urlsafe(16)}"


def _call(call: ToolCall, ids: CallIds) -> dict[str, Any]:
    function = {"name": call.name, "arguments": encode_json(call.arguments).decode()}
    return {"id": ids.of(call.id), "type": "function", "function": function}


_CALL = "call_"


def _name_seals(signature: str | None, redacted: bool, losses: Losses) -> None:
    if redacted:
        losses.add("redacted thoughts")
    elif signature is not None:
        losses.add("thought signatures")


def _images(parts: Iterable[Part], losses: Losses) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = []
    for part in parts:
        if isinstance(part, Media) and part.kind != "image":
            losses.add(f"{part.kind} in answers")
        elif isinstance(part, Media) and (said := encode_medium(part, losses)) is not None:
            told.append(said)
    return told


def _message(parts: Iterable[Part], losses: Losses) -> dict[str, Any]:
    parts = tuple(parts)
    text = "".join(part.text for part in parts if isinstance(part, Text))
    thoughts = [part for part in parts if isinstance(part, Thought)]
    for each in thoughts:
        _name_seals(each.signature, each.redacted, losses)
    thought, ids = "".join(each.text for each in thoughts), CallIds(_CALL)
    calls = [_call(part, ids) for part in parts if isinstance(part, ToolCall)]
    message: dict[str, Any] = {"role": "assistant", "content": text or (None if calls else ""), "refusal": None}
    if thought:
        message["reasoning_content"] = thought
    if images := _images(parts, losses):
        message["images"] = images
    if calls:
        message["tool_calls"] = calls
    return message
