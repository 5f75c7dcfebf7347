"""OpenAI's requests and streamed answers as they are passed on, byte for byte, between those who both speak so."""

from typing import Any, Final

import msgspec

from boticelli_cli.messages import Finish, Usage
from boticelli_cli.wire.failure import malformed
from boticelli_cli.wire.forward import Said, is_ambiguous, is_something, with_replaced
from boticelli_cli.wire.openai_answer import is_failure, reason_of
from boticelli_cli.wire.openai_errors import PROVIDER, decode_error
from boticelli_cli.wire.openai_usage import usage_of

__all__ = ["SideReader", "forwarded_body"]

_Any = msgspec.Raw | msgspec.UnsetType


class _Asked(msgspec.Struct, gc=False):
    """What a request says that others have a say in."""

    model: str | None = None
    stream: bool | None = None
    stream_options: _Any = msgspec.UNSET
    max_tokens: _Any = msgspec.UNSET
    max_completion_tokens: _Any = msgspec.UNSET


class _Delta(msgspec.Struct, gc=False):
    """What makes more of an answer, in the words of whatever server."""

    content: _Any = msgspec.UNSET
    reasoning_content: _Any = msgspec.UNSET
    reasoning: _Any = msgspec.UNSET
    reasoning_details: _Any = msgspec.UNSET
    refusal: _Any = msgspec.UNSET
    tool_calls: _Any = msgspec.UNSET
    function_call: _Any = msgspec.UNSET
    images: _Any = msgspec.UNSET
    audio: _Any = msgspec.UNSET


class _Choice(msgspec.Struct, gc=False):
    delta: _Delta | None = None
    message: _Delta | None = None
    finish_reason: str | None = None
    index: int | None = None
    usage: _Any = msgspec.UNSET


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: _Any = msgspec.UNSET
    model: str | None = None
    error: _Any = msgspec.UNSET


_read_asked: Final = msgspec.json.Decoder(_Asked).decode
_read_chunk: Final = msgspec.json.Decoder(_Chunk).decode
_NULL: Final = msgspec.Raw(b"null")


def forwarded_body(
    body: bytes, model: str, streamed: bool, *, max_tokens_name: str | None = None, renames: bool = False
) -> bytes | None:
    """A request's body as it came, for a model, streamed or not; of a stream the counts are always asked for.

    With `renames`, a limit of tokens by the old name is called as `max_tokens_name` says, since the model is known to
    refuse the old one. Nothing, where it is for another model than the one asked for, which calls it otherwise.
    """
    try:
        asked = _read_asked(body)
        words: dict[str, Any] = {}
        wrong = [name for name in _LIMITS if max_tokens_name not in (None, name) and is_something(getattr(asked, name))]
        if renames and wrong == ["max_tokens"] and not is_something(asked.max_completion_tokens):
            words |= {"max_tokens": None, "max_completion_tokens": asked.max_tokens}
        elif wrong and asked.model != model:
            return None
        if asked.model != model:
            words["model"] = model
        if bool(asked.stream) != streamed:
            words["stream"] = streamed
        if (options := _options(asked.stream_options, streamed)) != asked.stream_options:
            words["stream_options"] = None if options is msgspec.UNSET else options
        if is_ambiguous(body):
            words |= {"model": model, "stream": streamed or None}
        return with_replaced(body, words) if words else body
    except (ValueError, RecursionError):
        return None


class SideReader:
    """Reads on the side what a streamed answer used and how it ended."""

    __slots__ = ("_begun", "_called", "_done", "_model", "_reason", "_refused", "_usage")

    def __init__(self) -> None:
        self._begun = False
        self._called = False
        self._refused = False
        self._done = False
        self._reason: str | None = None
        self._model: str | None = None
        self._usage: msgspec.Raw | None = None

    @property
    def is_over(self) -> bool:
        return self._done

    @property
    def usage(self) -> Usage:
        return usage_of(self._usage)

    def read(self, data: bytes) -> Said:
        """What an event says. Raises the error that it holds, and ProviderError for what is not an event."""
        try:
            chunk = _read_chunk(data)
            counted = chunk.usage is not msgspec.UNSET and chunk.usage != _NULL
            if (chunk.error is not msgspec.UNSET and chunk.error != _NULL) or (
                not chunk.choices and not counted and is_failure(data)
            ):
                raise decode_error(200, data)
        except (ValueError, RecursionError) as exc:
            return self._unread(data, exc)
        for choice in chunk.choices or ():
            self._look(choice, data)
        if chunk.model:
            self._model = chunk.model
        if counted and isinstance(chunk.usage, msgspec.Raw):
            self._usage = chunk.usage
            if chunk.choices == []:
                return "count"
        return "more" if self._begun else "frame"

    def finish(self, *, given: bool) -> Finish | None:
        """Why it ended, and what it used; `None` for an answer that was cut, or that says only that it is done."""
        if self._reason is None and not (self._done and self._begun):
            return None
        word, reason = self._reason, reason_of(self._reason)
        if self._refused and reason == "stop":
            word, reason = "refusal", "content_filter"
        elif self._called and reason == "stop":
            reason = "tool_call"
        return Finish(reason, self.usage, self._model, word)

    def _look(self, choice: _Choice, data: bytes) -> None:
        said = choice.delta or choice.message
        if said is not None and not self._begun:
            self._begun = any(is_something(getattr(said, name)) for name in _Delta.__struct_fields__)
        if choice.index:  # of several, the first counts
            return
        if said is not None and said.tool_calls is not msgspec.UNSET:
            self._called = self._called or is_something(said.tool_calls)
        if said is not None and said.refusal is not msgspec.UNSET:
            self._refused = self._refused or is_something(said.refusal)
        if choice.finish_reason:
            self._reason = choice.finish_reason
            if self._reason == "error":
                raise decode_error(200, data)
        if isinstance(choice.usage, msgspec.Raw) and choice.usage != _NULL:
            self._usage = choice.usage

    def _unread(self, data: bytes, exc: Exception) -> Said:
        match data.strip():
            case b"[DONE]":
                self._done = True
            case b"":
                pass
            case _:
                raise malformed(data, exc, PROVIDER) from exc
        return "frame"


_LIMITS: Final = ("max_tokens", "max_completion_tokens")


def _options(said: _Any, streamed: bool) -> _Any:
    """A request's `stream_options`, as they are to be sent. Raises ValueError."""
    if not streamed:
        return said if said == _NULL else msgspec.UNSET
    if not isinstance(said, msgspec.Raw) or said == _NULL:
        return msgspec.Raw(b'{"include_usage":true}')
    options = msgspec.json.decode(said)
    if isinstance(options, dict) and options.get("include_usage") is True:
        return said
    return msgspec.Raw(with_replaced(bytes(said), {"include_usage": True}))
