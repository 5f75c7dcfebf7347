"""Converse's streamed answers, both ways: an event a frame.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStreamOutput.html. Blocks of text and of
thinking begin with their first delta; those of tools and pictures with a start. What was used comes after the end.
"""

import base64
import secrets
from typing import Any, Final

import msgspec

from boticelli_cli.errors import ProviderError
from boticelli_cli.messages import (
    Delta,
    Finish,
    Forwarded,
    Media,
    MediaDelta,
    TextDelta,
    ThinkingDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from boticelli_cli.wire.bedrock_converse_answer import WireTrace, encode_end, finish_of, word_of
from boticelli_cli.wire.bedrock_converse_media import Struct, WireMedia, WireSource, encode_media, media_of
from boticelli_cli.wire.bedrock_converse_usage import usage_of
from boticelli_cli.wire.bedrock_errors import PROVIDER, encode_exception
from boticelli_cli.wire.bedrock_frames import Frame, encode_event_frame, encode_exception_frame
from boticelli_cli.wire.bedrock_stream import FrameBody, broke_off
from boticelli_cli.wire.body import Losses, encode_json
from boticelli_cli.wire.failure import malformed

__all__ = ["ConverseBody", "StreamReader", "StreamWriter"]


class _Reasoning(Struct):
    text: str | None = None
    signature: str | None = None
    redacted_content: str | None = None


class _CallDelta(Struct):
    input: str = ""


class _ImageDelta(Struct):
    source: WireSource = msgspec.field(default_factory=WireSource)


class _Delta(Struct):
    text: str | None = None
    tool_use: _CallDelta | None = None
    reasoning_content: _Reasoning | None = None
    image: _ImageDelta | None = None


class _BlockDelta(Struct):
    delta: _Delta


class _CallStart(Struct):
    tool_use_id: str
    name: str
    type: str | None = None


class _ImageStart(Struct):
    format: str | None = None


class _Start(Struct):
    tool_use: _CallStart | None = None
    image: _ImageStart | None = None


class _BlockStart(Struct):
    start: _Start = msgspec.field(default_factory=_Start)


class _Stop(Struct):
    stop_reason: str | None = None


class _Metadata(Struct):
    usage: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    trace: WireTrace | None = None


_read_delta: Final = msgspec.json.Decoder(_BlockDelta).decode
_read_start: Final = msgspec.json.Decoder(_BlockStart).decode
_read_stop: Final = msgspec.json.Decoder(_Stop).decode
_read_input: Final = msgspec.json.Decoder(dict[str, Any]).decode
_read_metadata: Final = msgspec.json.Decoder(_Metadata).decode


class StreamReader:
    """One streamed answer: each event becomes deltas, and its end a `Finish`.

    Tools that Bedrock runs itself, what they give back, and citations are passed over.
    """

    __slots__ = ("_broken", "_called", "_metadata", "_opened", "_pieces", "_reason")

    def __init__(self) -> None:
        self._opened: _Start | None = None
        self._pieces: list[str] = []
        self._called = False
        self._broken: ValueError | None = None
        self._reason: str | None = None
        self._metadata = _Metadata()

    @property
    def usage(self) -> Usage:
        """What has been counted, which is told after the end only."""
        return usage_of(self._metadata.usage)

    def read(self, frame: Frame) -> list[Delta]:
        """The deltas of one event. Raises ProviderError for one that cannot be read."""
        try:
            if frame.name == "contentBlockDelta":
                delta = _read_delta(frame.payload).delta
                return [TextDelta(delta.text)] if delta.text else self._rare(delta)
            return self._around(frame)
        except (ValueError, RecursionError) as exc:
            raise malformed(frame.payload, exc, PROVIDER) from exc

    def finish(self) -> Finish:
        """The last delta, once the stream is over. Raises StreamError for one that was cut."""
        if self._reason is None:
            raise broke_off(given=True)
        return finish_of(self._reason, self._metadata.usage, self._metadata.trace, called=self._called)

    def _around(self, frame: Frame) -> list[Delta]:
        match frame.name:
            case "contentBlockStart":
                self._opened = _read_start(frame.payload).start
                self._pieces = []
            case "contentBlockStop":
                return self._close()
            case "messageStop":
                self._end(_read_stop(frame.payload).stop_reason or "end_turn")
            case "metadata":
                self._metadata = _metadata(frame.payload)
        return []

    def _rare(self, delta: _Delta) -> list[Delta]:
        if delta.tool_use is not None:
            self._pieces.append(delta.tool_use.input)
        elif (reasoning := delta.reasoning_content) is not None:
            if reasoning.redacted_content is not None:
                return [ThinkingDelta("", reasoning.redacted_content, redacted=True)]
            if reasoning.text or reasoning.signature:
                return [ThinkingDelta(reasoning.text or "", reasoning.signature or None)]
        elif delta.image is not None:
            if delta.image.source.s3_location is not None:
                self._opened = None
                return _picture(WireMedia(delta.image.source))
            self._pieces.append(delta.image.source.bytes or "")
        return []

    def _close(self) -> list[Delta]:
        opened, self._opened = self._opened, None
        pieces, self._pieces = self._pieces, []
        if opened is None:
            return []
        if opened.image is not None:
            return _picture(WireMedia(WireSource(_joined(pieces)), opened.image.format)) if pieces else []
        if opened.tool_use is None or opened.tool_use.type == "server_tool_use":
            return []
        try:
            arguments = _read_input("".join(pieces) or "{}")
        except ValueError as exc:
            self._broken = exc
            return []
        self._called = True
        return [ToolCallDelta(ToolCall(opened.tool_use.name, arguments, opened.tool_use.tool_use_id))]

    def _end(self, reason: str) -> None:
        """A call that was cut is left out when the answer as a whole was, for want of tokens say."""
        self._reason = reason
        if self._broken is not None and reason in ("end_turn", "tool_use"):
            raise self._broken


class ConverseBody(FrameBody):
    """A streamed answer's body: its frames, its exceptions, and the end that it has to have."""

    def __init__(self) -> None:
        super().__init__(StreamReader())


class StreamWriter:
    """A server's side of one streamed answer. Sounds, films and documents, which no event can say, are left out."""

    __slots__ = ("_begun", "_index", "_open")

    def __init__(self) -> None:
        self._begun = False
        self._index = 0
        self._open: str | None = None

    def begin(self) -> bytes:
        """The event before all others, if it has not been written: the first delta writes it too."""
        if self._begun:
            return b""
        self._begun = True
        return _event("messageStart", {"role": "assistant"})

    def keep_alive(self) -> bytes:
        """An event that no client knows, and every client passes over."""
        return _event("ping", {})

    def write(self, delta: Delta) -> bytes:
        """The events of one delta. A `Finish` becomes the closing ones, which have to be the last."""
        if isinstance(delta, Forwarded):
            return delta.data
        begin = self.begin()
        match delta:
            case TextDelta(text):
                return begin + self._within("text", {"text": text})
            case ThinkingDelta(_, signature, redacted=True):
                said = self._within("redacted", {"reasoningContent": {"redactedContent": signature or ""}})
                return begin + said + self._close()
            case ThinkingDelta():
                return begin + self._thought(delta)
            case ToolCallDelta(call):
                return begin + self._call(call)
            case MediaDelta(media):
                return begin + self._media(media)
            case Finish():
                end = _event("messageStop", {"stopReason": word_of(delta)})
                return begin + self._close() + end + _event("metadata", encode_end(delta))

    def error(self, error: ProviderError) -> bytes:
        """The exception that ends a stream which failed."""
        return encode_exception_frame(*encode_exception(error))

    def _thought(self, delta: ThinkingDelta) -> bytes:
        told = self._within("thought", {"reasoningContent": {"text": delta.text}}) if delta.text else b""
        if delta.signature is None:
            return told
        told += self._within("thought", {"reasoningContent": {"signature": delta.signature}})
        return told + self._close()

    def _call(self, call: ToolCall) -> bytes:
        start = {"toolUseId": call.id or f"tooluse_{secrets.token_urlsafe(16)}", "name": call.name}
        given = {"toolUse": {"input": encode_json(call.arguments).decode()}}
        return self._started({"toolUse": start}, given)

    def _media(self, media: Media) -> bytes:
        block = encode_media(media, Losses(), set()) if media.kind == "image" else None
        if block is None:
            return b""
        image = block["image"]
        return self._started({"image": {"format": image["format"]}}, {"image": {"source": image["source"]}})

    def _started(self, start: dict[str, Any], delta: dict[str, Any]) -> bytes:
        """A block that begins with a start, whole."""
        closed = self._close()
        opened = _event("contentBlockStart", {"start": start, "contentBlockIndex": self._index})
        return closed + opened + self._within("started", delta, opened=True) + self._close()

    def _within(self, kind: str, delta: dict[str, Any], *, opened: bool = False) -> bytes:
        """A delta in a block of this kind, which it opens unless it is open."""
        closed = b"" if opened or self._open == kind else self._close()
        self._open = kind
        return closed + _event("contentBlockDelta", {"delta": delta, "contentBlockIndex": self._index})

    def _close(self) -> bytes:
        if self._open is None:
            return b""
        self._open = None
        self._index += 1
        return _event("contentBlockStop", {"contentBlockIndex": self._index - 1})


def _metadata(payload: bytes) -> _Metadata:
    """What comes after an answer. If it cannot be read, the answer is whole nevertheless."""
    try:
        return _read_metadata(payload)
    except (ValueError, RecursionError):
        return _Metadata()


def _picture(said: WireMedia) -> list[Delta]:
    media = media_of("image", said)
    return [] if media is None else [MediaDelta(media)]


def _joined(pieces: list[str]) -> str:
    """Base64 of which each piece may be padded by itself."""
    if len(pieces) == 1:
        return pieces[0]
    return base64.b64encode(b"".join(base64.b64decode(piece, validate=True) for piece in pieces)).decode()


def _event(name: str, payload: dict[str, Any]) -> bytes:
    return encode_event_frame(name, encode_json(payload))
