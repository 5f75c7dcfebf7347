"""Anthropic's requests and streamed answers as they are passed on, byte for byte, between those who both speak so."""

from typing import Any, Final

import msgspec

from boticelli_cli.messages import Finish, Usage
from boticelli_cli.wire.anthropic_answer import StreamReader, reason_of
from boticelli_cli.wire.anthropic_blocks import Struct
from boticelli_cli.wire.anthropic_errors import PROVIDER, decode_error
from boticelli_cli.wire.anthropic_usage import usage_of
from boticelli_cli.wire.failure import malformed
from boticelli_cli.wire.forward import Forwarding, Said, is_ambiguous, with_replaced

__all__ = ["FORWARDING"]

_Any = msgspec.Raw | msgspec.UnsetType


class _Asked(Struct):
    """What a request says that others have a say in."""

    model: str | None = None
    stream: bool | None = None


class _Block(Struct):
    """A block that begins, or more of one."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    stop_reason: str | None = None


class _Event(Struct):
    type: str
    delta: _Block | None = None
    content_block: _Block | None = None
    message: _Any = msgspec.UNSET
    usage: _Any = msgspec.UNSET


class _Message(Struct):
    model: str | None = None
    usage: _Any = msgspec.UNSET


_read_asked: Final = msgspec.json.Decoder(_Asked).decode
_read_event: Final = msgspec.json.Decoder(_Event).decode
_read_message: Final = msgspec.json.Decoder(_Message).decode


class SideReader:
    """Reads on the side what a streamed answer used and how it ended."""

    __slots__ = ("_begun", "_ending", "_model", "_reason", "_stopped", "_usage")

    def __init__(self) -> None:
        self._begun = False
        self._stopped = False
        self._ending = b""
        self._reason: str | None = None
        self._model: str | None = None
        self._usage: list[msgspec.Raw] = []

    @property
    def is_over(self) -> bool:
        return self._stopped

    @property
    def usage(self) -> Usage:
        return usage_of(self._usage)

    def read(self, data: bytes) -> Said:
        """What an event says. Raises the error that it holds, and ProviderError for what is not an event."""
        try:
            event = _read_event(data)
            if event.type != "content_block_delta":
                self._look(event, data)
            elif not self._begun and event.delta is not None:
                self._begun = _says_more(event.delta)
        except (ValueError, RecursionError) as exc:
            raise malformed(data, exc, PROVIDER) from exc
        if event.type == "error":
            raise decode_error(200, data)
        return "more" if self._begun else "frame"

    def finish(self, *, given: bool) -> Finish | None:
        """Why it ended, and what it used; `None` for an answer that was cut. Raises RefusedError."""
        if not self._stopped:
            return None
        if self._reason == "refusal" and not given:
            reader = StreamReader()  # which has the words for it
            for event in (self._ending, b'{"type":"message_stop"}'):
                reader.read(event)
            return reader.finish()
        return Finish(reason_of(self._reason), self.usage, self._model, self._reason)

    def _look(self, event: _Event, data: bytes) -> None:
        match event.type:
            case "content_block_start" if event.content_block is not None:
                self._begun = self._begun or _says_more(event.content_block)
            case "message_start" if event.message is not msgspec.UNSET:
                message = _read_message(event.message)
                self._model = message.model
                self._count(message.usage)
            case "message_delta":
                self._count(event.usage)
                if event.delta is not None and event.delta.stop_reason:
                    self._reason, self._ending = event.delta.stop_reason, data
            case "message_stop":
                self._stopped = True

    def _count(self, usage: _Any) -> None:
        if usage is not msgspec.UNSET:
            self._usage.append(usage)


def _says_more(block: _Block) -> bool:
    """Whether there is anything in it: texts and thoughts begin empty, and nothing else does."""
    match block.type:
        case "text" | "text_delta":
            return bool(block.text)
        case "thinking" | "thinking_delta":
            return bool(block.thinking)
        case _:
            return True


def _forwarded_body(body: bytes, model: str, streamed: bool) -> bytes | None:
    try:
        asked = _read_asked(body)
        words: dict[str, Any] = {} if asked.model == model else {"model": model}
        if bool(asked.stream) != streamed:
            words["stream"] = streamed
        if is_ambiguous(body):
            words |= {"model": model, "stream": streamed or None}
        return with_replaced(body, words) if words else body
    except (ValueError, RecursionError):
        return None


FORWARDING: Final = Forwarding(PROVIDER, _forwarded_body, SideReader)
