"""Gemini's requests and streamed answers as they are passed on, byte for byte, between those who both speak so."""

from typing import Final

import msgspec

from boticelli_cli.messages import Finish, Usage
from boticelli_cli.wire.failure import malformed
from boticelli_cli.wire.forward import Forwarding, Said
from boticelli_cli.wire.gemini_answer import StreamReader, reason_of
from boticelli_cli.wire.gemini_errors import PROVIDER, decode_error
from boticelli_cli.wire.gemini_parts import Struct
from boticelli_cli.wire.gemini_usage import usage_of

__all__ = ["FORWARDING"]

_Any = msgspec.Raw | msgspec.UnsetType


class _Part(Struct):
    text: str | None = None
    function_call: _Any = msgspec.UNSET


class _Content(Struct):
    parts: list[_Part] | None = None


class _Candidate(Struct):
    content: _Content | None = None
    finish_reason: str | None = None
    index: int | None = None


class _Chunk(Struct):
    candidates: list[_Candidate] | None = None
    usage_metadata: _Any = msgspec.UNSET
    model_version: str | None = None
    prompt_feedback: _Any = msgspec.UNSET
    error: _Any = msgspec.UNSET


class _Feedback(Struct):
    block_reason: str = ""


_read_chunk: Final = msgspec.json.Decoder(_Chunk).decode
_read_feedback: Final = msgspec.json.Decoder(_Feedback | None).decode


class SideReader:
    """Reads on the side what a streamed answer used and how it ended."""

    __slots__ = ("_begun", "_blocked", "_blocking", "_called", "_model", "_reason", "_usage")

    is_over = False

    def __init__(self) -> None:
        self._begun = False
        self._called = False
        self._blocked = ""
        self._blocking = b""
        self._reason: str | None = None
        self._model: str | None = None
        self._usage: msgspec.Raw | None = None

    @property
    def usage(self) -> Usage:
        return usage_of(self._usage)

    def read(self, data: bytes) -> Said:
        """What an event says. Raises the error that it holds, and ProviderError for what is not an event."""
        try:
            chunk = _read_chunk(data)
            if isinstance(chunk.prompt_feedback, msgspec.Raw) and (said := _read_feedback(chunk.prompt_feedback)):
                self._blocked, self._blocking = said.block_reason, data
        except (ValueError, RecursionError) as exc:
            raise malformed(data, exc, PROVIDER) from exc
        if chunk.error is not msgspec.UNSET:
            raise decode_error(200, data)
        for candidate in chunk.candidates or ():
            self._look(candidate)
        if isinstance(chunk.usage_metadata, msgspec.Raw):
            self._usage = chunk.usage_metadata
        if chunk.model_version:
            self._model = chunk.model_version
        return "more" if self._begun else "frame"

    def finish(self, *, given: bool) -> Finish | None:
        """Why it ended, and what it used; `None` for an answer that was cut. Raises RefusedError."""
        if self._reason is not None and self._reason != "FINISH_REASON_UNSPECIFIED":
            return Finish(reason_of(self._reason, self._called), self.usage, self._model, self._reason)
        if not self._blocked:
            return None
        if given:
            return Finish("content_filter", self.usage, self._model, self._blocked)
        reader = StreamReader()  # which has the words for it
        reader.read(self._blocking)
        return reader.finish()

    def _look(self, candidate: _Candidate) -> None:
        parts = candidate.content.parts if candidate.content is not None else None
        for part in parts or ():
            if part.text != "":  # a part that is no text has none
                self._begun = True
            if part.function_call is not msgspec.UNSET and not candidate.index:
                self._called = True
        if candidate.finish_reason and not candidate.index:  # of several, the first counts
            self._reason = candidate.finish_reason


def _forwarded_body(body: bytes, model: str, streamed: bool) -> bytes:
    """As it came: the address says the rest."""
    return body


FORWARDING: Final = Forwarding(PROVIDER, _forwarded_body, SideReader)
