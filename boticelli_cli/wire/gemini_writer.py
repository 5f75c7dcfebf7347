"""Gemini's answers as a server writes them: streamed, as one event a chunk, and whole.

https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse.
"""

import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from boticelli_cli.errors import ProviderError
from boticelli_cli.messages import (
    Delta,
    Finish,
    FinishReason,
    Forwarded,
    MediaDelta,
    Part,
    Response,
    TextDelta,
    ThinkingDelta,
    Thought,
    ToolCallDelta,
)
from boticelli_cli.wire.body import Losses, encode_json
from boticelli_cli.wire.gemini_answer import reason_of
from boticelli_cli.wire.gemini_errors import encode_error
from boticelli_cli.wire.gemini_parts import encode_parts
from boticelli_cli.wire.gemini_usage import encode_usage
from boticelli_cli.wire.sse import encode_event

__all__ = ["KEEP_ALIVE", "StreamWriter", "encode_response"]

KEEP_ALIVE = b"\r\n"
"""A blank line: google-genai fails on everything else that is no event."""


class StreamWriter:
    """A server's side of one streamed answer.

    `model` is what it says served it, where a `Finish` does not; `id` is made where it is not given. The seals of
    thoughts, which are other providers', go into `losses`; those of calls are written.
    """

    __slots__ = ("_forwarded", "_head", "_id", "_losses", "_model", "_tail")

    def __init__(
        self,
        model: str | None = None,
        *,
        id: str | None = None,  # noqa: A002
        losses: Losses | None = None,
    ) -> None:
        self._model = model
        self._id = id or _made_id()
        self._losses = Losses() if losses is None else losses
        self._forwarded = False
        self._head, _, self._tail = self._event([{"text": ""}]).partition(b'""')

    def write(self, delta: Delta) -> bytes:
        """One event, or nothing. A `Finish` becomes the closing one, which has to be the last."""
        match delta:
            case TextDelta(text):
                return b"%b%b%b" % (self._head, encode_json(text), self._tail)
            case ThinkingDelta(text, signature, redacted):
                parts = self._parts([Thought(text, signature, redacted)])
                return self._event(parts) if text and parts else b""
            case MediaDelta(media):
                return self._event(self._parts([media]))
            case ToolCallDelta(call):
                return self._event(self._parts([call]))
            case Forwarded(data):
                self._forwarded = True
                return data
            case Finish() if self._forwarded:
                return b""
            case Finish():
                # google-genai's Chat drops a whole turn when one of its chunks has no parts.
                return self._event([{"text": ""}], delta)

    def keep_alive(self) -> bytes:
        """A blank line, which says nothing."""
        return KEEP_ALIVE

    def error(self, error: ProviderError) -> bytes:
        """The event that ends a stream which failed."""
        return encode_event(encode_error(error)[1], newline=_NEWLINE)

    def _parts(self, parts: list[Part]) -> list[dict[str, Any]]:
        return encode_parts(map(_unsealed(self._losses), parts), self._losses)

    def _event(self, parts: list[dict[str, Any]], finish: Finish | None = None) -> bytes:
        return encode_event(encode_json(_chunk(parts, finish, self._model, self._id)), newline=_NEWLINE)


def encode_response(
    response: Response,
    *,
    model: str | None = None,
    id: str | None = None,  # noqa: A002
    losses: Losses | None = None,
) -> bytes:
    """A whole answer. `model` is what it says served it, where its `Finish` does not."""
    losses = Losses() if losses is None else losses
    parts = encode_parts(map(_unsealed(losses), response.parts), losses)
    return encode_json(_chunk(parts or [{"text": ""}], response.finish, model, id or _made_id()))


_NEWLINE = b"\r\n"

_WORDS: dict[FinishReason, str] = {
    "stop": "STOP",
    "tool_call": "STOP",
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
    "other": "OTHER",
}


def _made_id() -> str:
    return secrets.token_urlsafe(16)


def _unsealed(losses: Losses) -> Callable[[Part], Part]:
    """Makes parts of such that no client sends a seal to Google that is not Google's."""

    def unsealed(part: Part) -> Part:
        if not isinstance(part, Thought) or part.redacted or part.signature is None:
            return part
        losses.add("thought signatures")
        return replace(part, signature=None)

    return unsealed


def _word_of(finish: Finish) -> str:
    """The provider's own word, where it is one of this dialect's, which are in capitals."""
    word = finish.provider_reason
    if word is not None and word.isupper() and reason_of(word, finish.reason == "tool_call") == finish.reason:
        return word
    return _WORDS[finish.reason]


def _chunk(parts: list[dict[str, Any]], finish: Finish | None, model: str | None, response_id: str) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    chunk: dict[str, Any] = {"candidates": [candidate]}
    if finish is not None:
        candidate["finishReason"] = _word_of(finish)
        if usage := encode_usage(finish.usage):
            chunk["usageMetadata"] = usage
        model = finish.served_model or model
    if model is not None:
        chunk["modelVersion"] = model
    return {**chunk, "responseId": response_id}
