"""Gemini's answers as they are read: streamed, as one event a chunk, and whole.

https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse. Of several candidates the first counts.
"""

from typing import Final

import msgspec

from boticelli_cli.errors import ProviderError, RefusedError, StreamError
from boticelli_cli.messages import (
    Delta,
    Finish,
    FinishReason,
    Media,
    MediaDelta,
    Response,
    TextDelta,
    ThinkingDelta,
    Thought,
    ToolCall,
    ToolCallDelta,
    Usage,
    parts_of,
)
from boticelli_cli.wire.failure import break_off, malformed
from boticelli_cli.wire.gemini_errors import PROVIDER, decode_error
from boticelli_cli.wire.gemini_parts import Struct, WireContent, WirePart, part_of
from boticelli_cli.wire.gemini_usage import usage_of

__all__ = ["StreamReader", "decode_response", "reason_of"]


class _Candidate(Struct):
    content: WireContent | None = None
    finish_reason: str | None = None
    index: int | None = None


class _Chunk(Struct):
    """One event of a stream, or a whole answer. What is read once at most, or only at the end, stays raw."""

    candidates: list[_Candidate] | None = None
    usage_metadata: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    model_version: str | None = None
    prompt_feedback: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Rating(Struct):
    category: str = ""
    probability: str = ""
    blocked: bool = False


class _Feedback(Struct):
    block_reason: str = ""
    block_reason_message: str = ""
    safety_ratings: tuple[_Rating, ...] = ()


_read_chunk: Final = msgspec.json.Decoder(_Chunk).decode
_read_feedback: Final = msgspec.json.Decoder(_Feedback | None).decode


class StreamReader:
    """One streamed answer: each event's data becomes deltas, and its end a `Finish`.

    What Gemini seals (`thoughtSignature`) is kept for tool calls only; of code that it ran itself nothing is said.
    """

    __slots__ = ("_called", "_feedback", "_given", "_model", "_reason", "_usage")

    is_over = False

    def __init__(self) -> None:
        self._given = False
        self._called = False
        self._reason: str | None = None
        self._model: str | None = None
        self._usage: msgspec.Raw | None = None
        self._feedback: _Feedback | None = None

    @property
    def usage(self) -> Usage:
        """What has been counted so far: totals that grow."""
        return usage_of(self._usage)

    def read(self, data: bytes) -> list[Delta]:
        """The deltas of one event.

        Raises the error that an event holds, as `decode_error` does, and ProviderError for what is not an event;
        both as StreamError when any delta has been given out.
        """
        try:
            chunk = _read_chunk(data)
            deltas: list[Delta] = []
            for candidate in chunk.candidates or ():
                if candidate.index:
                    continue
                if candidate.finish_reason:
                    self._reason = candidate.finish_reason
                if candidate.content is not None and candidate.content.parts:
                    for part in candidate.content.parts:
                        if part.text and not part.thought:
                            deltas.append(TextDelta(part.text))
                        else:
                            self._add_rare(part, deltas)
            if chunk.prompt_feedback is not msgspec.UNSET:
                self._feedback = _read_feedback(chunk.prompt_feedback) or self._feedback
        except (ValueError, RecursionError) as exc:
            break_off(malformed(data, exc, PROVIDER), given=self._given)
        if chunk.usage_metadata is not msgspec.UNSET:
            self._usage = chunk.usage_metadata
        if chunk.model_version:
            self._model = chunk.model_version
        if chunk.error is not msgspec.UNSET:
            break_off(decode_error(200, data), given=self._given)
        if deltas:
            self._given = True
        return deltas

    def finish(self) -> Finish:
        """The last delta, once the stream is over.

        Raises RefusedError for a prompt that was blocked, StreamError for a stream that was cut.
        """
        reason = self._reason
        if reason is None or reason == _UNSPECIFIED:
            blocked = self._feedback.block_reason if self._feedback is not None else ""
            if not blocked:
                hint = StreamError.HINT if self._given else "run it again"
                raise StreamError("the stream broke off before the answer was finished", provider=PROVIDER, hint=hint)
            if not self._given:
                raise self._blocked()
            return Finish("content_filter", self.usage, self._model, blocked)
        return self._finish(reason)

    def whole(self, body: bytes) -> tuple[list[Delta], Finish]:
        """The deltas and the end of an answer that is one body.

        Raises ProviderError for one that was cut: where no reason is said, "the model has not stopped generating"
        (https://ai.google.dev/api/generate-content#candidate).
        """
        deltas = self.read(body)
        if self._reason is not None and self._reason != _UNSPECIFIED:
            return deltas, self._finish(self._reason)
        if self._feedback is not None and self._feedback.block_reason:
            return deltas, self.finish()
        message = (
            "the answer was cut: it has no finishReason" if deltas else "the answer is empty: it has no candidates"
        )
        raise ProviderError(message, provider=PROVIDER, hint="run it again")

    def _add_rare(self, part: WirePart, deltas: list[Delta]) -> None:
        match part_of(part):
            case Thought(text) if text:
                deltas.append(ThinkingDelta(text))
            case Media() as media:
                deltas.append(MediaDelta(media))
            case ToolCall() as call:
                self._called = True
                deltas.append(ToolCallDelta(call))
            case _:
                pass

    def _finish(self, reason: str) -> Finish:
        return Finish(reason_of(reason, self._called), self.usage, self._model, reason)

    def _blocked(self) -> RefusedError:
        feedback = self._feedback or _Feedback()
        message = f"the prompt was blocked ({feedback.block_reason})"
        if feedback.block_reason_message:
            message += f": {feedback.block_reason_message}"
        ratings = [each for each in feedback.safety_ratings if each.blocked]
        ratings = ratings or [each for each in feedback.safety_ratings if each.probability in ("MEDIUM", "HIGH")]
        if ratings:
            message += "; rated for " + ", ".join(f"{_category(each)} ({each.probability})" for each in ratings)
        hint = "reword it; what Google calls SAFETY can be set to block less with the option safetySettings"
        return RefusedError(message, provider=PROVIDER, hint=hint if feedback.block_reason == "SAFETY" else "reword it")


def decode_response(body: bytes) -> Response:
    """A whole answer. Raises what an answer that went wrong holds, and RefusedError for a prompt that was blocked."""
    deltas, finish = StreamReader().whole(body)
    return Response(parts_of(deltas), finish)


def reason_of(word: str | None, called: bool) -> FinishReason:
    """Why an answer ended, by Google's word, which is the same for one that has `called` tools."""
    reason = _REASONS.get(word or "", "other")
    if reason == "stop" and called:
        return "tool_call"
    return "content_filter" if word is not None and word.startswith("IMAGE_") else reason


_UNSPECIFIED = "FINISH_REASON_UNSPECIFIED"

_REASONS: dict[str, FinishReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "MODEL_ARMOR": "content_filter",
}
"""`CONTINUATION` ends what is longer than one request may decode: https://ai.google.dev/gemini-api/docs/latest-model."""


def _category(rating: _Rating) -> str:
    return rating.category.removeprefix("HARM_CATEGORY_").replace("_", " ").lower()
