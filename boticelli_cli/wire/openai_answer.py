"""OpenAI's answers as they are read: streamed, as one chunk an event, and whole.

https://platform.openai.com/docs/api-reference/chat-streaming. Of several choices the first counts. What other servers
of this dialect say differently is read as well: thoughts (`reasoning_content`, `reasoning`, `reasoning_details`),
content in parts, pictures, usage anywhere, errors in every form, and no `[DONE]`.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from boticelli_cli.errors import ProviderError, StreamError
from boticelli_cli.messages import (
    Delta,
    Finish,
    FinishReason,
    MediaDelta,
    Response,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    Usage,
    parts_of,
)
from boticelli_cli.wire.failure import break_off, malformed
from boticelli_cli.wire.openai_calls import Calls, WireCall
from boticelli_cli.wire.openai_errors import PROVIDER, decode_error
from boticelli_cli.wire.openai_media import Audio, ImageAddress, media_of, sound_of
from boticelli_cli.wire.openai_usage import usage_of

__all__ = ["StreamReader", "decode_response", "is_failure", "reason_of"]


class _Piece(msgspec.Struct, gc=False):
    """A part of a content, or of what OpenRouter and Mistral tell of a thought."""

    text: str | None = None
    summary: str | None = None
    refusal: str | None = None
    thinking: str | list[msgspec.Raw] | None = None


class _Image(msgspec.Struct, gc=False):
    image_url: ImageAddress | None = None


class _Said(msgspec.Struct, gc=False):
    """A chunk's `delta`, or the `message` of a whole answer."""

    content: str | list[_Piece] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[_Piece] | None = None
    refusal: str | None = None
    tool_calls: list[WireCall] | None = None
    images: list[_Image] | None = None
    audio: Audio | None = None


class _Choice(msgspec.Struct, gc=False):
    delta: _Said | None = None
    message: _Said | None = None
    finish_reason: str | None = None
    index: int | None = None
    usage: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Chunk(msgspec.Struct, gc=False):
    """One event of a stream, or a whole answer. What is read once at most, or only at the end, stays raw."""

    choices: list[_Choice] | None = None
    usage: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    model: str | None = None
    error: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Failure(msgspec.Struct, gc=False):
    """What is an error without an `error` around it, as vLLM's and FastAPI's are."""

    object: str = ""
    message: str = ""
    detail: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_read_chunk: Final = msgspec.json.Decoder(_Chunk).decode
_read_failure: Final = msgspec.json.Decoder(_Failure, strict=False).decode
_read_piece: Final = msgspec.json.Decoder(_Piece).decode
_NULL: Final = msgspec.Raw(b"null")


class StreamReader:
    """One streamed answer: each event's data becomes deltas, and its end a `Finish`.

    A refusal is text, and ends as `content_filter`. Tool calls are given once they are whole, at the answer's end, and
    so is sound. What providers seal of their thoughts is not kept: this dialect has no words to give it back.
    """

    __slots__ = (
        "_called",
        "_calls",
        "_done",
        "_given",
        "_model",
        "_reason",
        "_refused",
        "_sound",
        "_streamed",
        "_usage",
    )

    def __init__(self) -> None:
        self._given = False
        self._done = False
        self._called = False
        self._refused = False
        self._streamed = True
        self._calls = Calls()
        self._sound: list[Audio] = []
        self._reason: str | None = None
        self._model: str | None = None
        self._usage: msgspec.Raw | None = None

    @property
    def is_over(self) -> bool:
        return self._done

    @property
    def usage(self) -> Usage:
        """What has been counted so far."""
        return usage_of(self._usage)

    def read(self, data: bytes) -> list[Delta]:
        """The deltas of one event.

        Raises the error that an event holds, as `decode_error` does, and ProviderError for what is not an event;
        both as StreamError when any delta has been given out.
        """
        deltas: list[Delta] = []
        try:
            chunk = _read_chunk(data)
            for choice in chunk.choices or ():
                if choice.index:
                    continue
                if (said := choice.delta or choice.message) is not None:
                    self._add(said, deltas)
                if choice.finish_reason:
                    self._reason = choice.finish_reason
                if choice.usage is not msgspec.UNSET and choice.usage != _NULL:  # where Moonshot has it
                    self._usage = choice.usage
            if chunk.usage is not msgspec.UNSET and chunk.usage != _NULL:
                self._usage = chunk.usage
            elif not chunk.choices and is_failure(data):
                break_off(decode_error(200, data), given=self._given)
        except (ValueError, RecursionError) as exc:
            return self._unread(data, exc)
        if chunk.model:
            self._model = chunk.model
        if (chunk.error is not msgspec.UNSET and chunk.error != _NULL) or self._reason == "error":
            break_off(decode_error(200, data), given=self._given)
        if self._reason is not None:
            self._close(deltas)
        if deltas:
            self._given = True
        return deltas

    def finish(self) -> Finish:
        """The last delta, once the stream is over. Raises StreamError for a stream that was cut, or that says nothing
        but that it is done: so end those that broke off behind a proxy."""
        if self._reason is None and not (self._done and self._given):
            hint = StreamError.HINT if self._given else "run it again"
            raise StreamError("the stream broke off before the answer was finished", provider=PROVIDER, hint=hint)
        return self._finish()

    def whole(self, body: bytes) -> tuple[list[Delta], Finish]:
        """The deltas and the end of an answer that is one body.

        One without a `finish_reason` is taken for whole: some gateways leave it out, and Ollama where it knows none.
        """
        self._streamed = False
        deltas = self.read(body)
        self._close(deltas)
        if self._reason is None and not deltas:
            raise ProviderError("the answer is empty: it has no choices", provider=PROVIDER, hint="run it again")
        return deltas, self._finish()

    def _add(self, said: _Said, deltas: list[Delta]) -> None:
        if thought := said.reasoning_content or said.reasoning or _thought_of(said.reasoning_details or ()):
            deltas.append(ThinkingDelta(thought))
        if content := said.content:
            if isinstance(content, str):
                deltas.append(TextDelta(content))
            else:
                self._add_pieces(content, deltas)
        if said.refusal or said.tool_calls or said.images or said.audio:
            self._add_rare(said, deltas)

    def _add_pieces(self, pieces: list[_Piece], deltas: list[Delta]) -> None:
        for piece in pieces:
            if thought := _thinking_of(piece):
                deltas.append(ThinkingDelta(thought))
            if text := piece.text or piece.refusal:
                deltas.append(TextDelta(text))
            self._refused = self._refused or bool(piece.refusal)

    def _add_rare(self, said: _Said, deltas: list[Delta]) -> None:
        if said.refusal:
            self._refused = True
            deltas.append(TextDelta(said.refusal))
        for image in said.images or ():
            if image.image_url is not None:
                deltas.append(MediaDelta(media_of(image.image_url.url)))
        for call in said.tool_calls or ():
            self._calls.add(call)
        if (audio := said.audio) is not None:
            if audio.transcript:
                deltas.append(TextDelta(audio.transcript))
            if audio.data:
                self._sound.append(audio)

    def _close(self, deltas: list[Delta]) -> None:
        """Give out what is whole only now that the answer is."""
        if self._sound:
            sound, self._sound = sound_of(self._sound, streamed=self._streamed), []
            deltas.append(MediaDelta(sound))
        if self._calls:
            self._called = True
            cut = reason_of(self._reason) in ("length", "content_filter")
            try:
                deltas += [ToolCallDelta(call) for call in self._calls.take(cut=cut)]
            except ValueError as exc:
                message = f"the answer asks for a tool in a way that cannot be read: {exc}"
                error = ProviderError(message, provider=PROVIDER, hint="run it again, or ask another model")
                break_off(error, given=self._given or bool(deltas))

    def _unread(self, data: bytes, exc: Exception) -> list[Delta]:
        """What an event is that is no chunk: the end mark, nothing at all, or an error."""
        deltas: list[Delta] = []
        match data.strip():
            case b"[DONE]":
                self._done = True
                self._close(deltas)
                self._given = self._given or bool(deltas)
            case b"" if self._streamed:
                pass
            case _:
                break_off(malformed(data, exc, PROVIDER), given=self._given)
        return deltas

    def _finish(self) -> Finish:
        word, reason = self._reason, reason_of(self._reason)
        if self._refused and reason == "stop":
            word, reason = "refusal", "content_filter"
        elif self._called and reason == "stop":
            reason = "tool_call"
        return Finish(reason, self.usage, self._model, word)


def decode_response(body: bytes) -> Response:
    """A whole answer. Raises what an answer that went wrong holds."""
    deltas, finish = StreamReader().whole(body)
    return Response(parts_of(deltas), finish)


def reason_of(word: str | None) -> FinishReason:
    """A `finish_reason`. A server that gives none and says that it is done has stopped by itself."""
    return "stop" if word is None else _REASONS.get(word.lower(), "other")


_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "content_filter": "content_filter",
    "safety": "content_filter",
    "tool_calls": "tool_call",
    "tool_use": "tool_call",
    "function_call": "tool_call",
}
"""OpenAI's five words, and those that others send in their place."""


def is_failure(data: bytes) -> bool:
    """Whether an event without choices is an error that has no `error` around it."""
    said = _read_failure(data)
    return said.object == "error" or said.detail is not msgspec.UNSET or bool(said.message)


def _thought_of(details: Iterable[_Piece]) -> str:
    return "".join(each.text or each.summary or "" for each in details)


def _thinking_of(piece: _Piece) -> str:
    if piece.thinking is None or isinstance(piece.thinking, str):
        return piece.thinking or ""
    return "".join(_read_piece(each).text or "" for each in piece.thinking)
