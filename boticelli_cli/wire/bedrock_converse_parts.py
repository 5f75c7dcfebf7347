"""The blocks of Converse's messages, both ways: what requests and answers have in common.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html. The structs are what is read;
what is written are plain mappings, in which bytes become base64.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from boticelli_cli.messages import CachePoint, Media, Part, Text, Thought, ToolCall, ToolResult
from boticelli_cli.wire.bedrock_converse_media import Struct, WireMedia, encode_media, media_of
from boticelli_cli.wire.body import Losses, encode_json
from boticelli_cli.wire.tool_turns import IdRule

__all__ = ["IDS", "BlockWriter", "WireBlock", "WireCachePoint", "cache_block", "mark_of", "part_of"]


IDS: Final = IdRule(re.compile(r"[^a-zA-Z0-9_.:-]"), 64)
"""What ids of calls have to be like: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolUseBlock.html."""


class WireCachePoint(Struct):
    ttl: str | None = None


class WireReasoningText(Struct):
    text: str
    signature: str | None = None


class WireReasoning(Struct):
    reasoning_text: WireReasoningText | None = None
    redacted_content: str | None = None


class WireCall(Struct):
    tool_use_id: str
    name: str
    input: Any = None
    type: str | None = None


class WirePiece(Struct):
    """A piece of what a tool gave back."""

    text: str | None = None
    json: Any = None
    image: WireMedia | None = None
    document: WireMedia | None = None
    video: WireMedia | None = None


class WireResult(Struct):
    tool_use_id: str
    content: list[WirePiece]
    status: str | None = None
    type: str | None = None


class WireCitations(Struct):
    """What a model says of documents; where it stands there, is passed over, as it is in streams."""

    content: list[WirePiece] = msgspec.field(default_factory=list)


class WireBlock(Struct):
    text: str | None = None
    image: WireMedia | None = None
    document: WireMedia | None = None
    video: WireMedia | None = None
    audio: WireMedia | None = None
    tool_use: WireCall | None = None
    tool_result: WireResult | None = None
    reasoning_content: WireReasoning | None = None
    cache_point: WireCachePoint | None = None
    citations_content: WireCitations | None = None


def part_of(block: WireBlock) -> Part | None:
    """A block as a value, or None for what no value says: guarded content, say, or a tool that Bedrock runs itself.

    Raises ValueError for bad base64.
    """
    if block.text is not None:
        return Text(block.text)
    if (cited := block.citations_content) is not None:
        return Text("".join(piece.text or "" for piece in cited.content))
    if (call := block.tool_use) is not None:
        if call.type is not None:
            return None
        return ToolCall(call.name, call.input if isinstance(call.input, dict) else {}, call.tool_use_id)
    if (result := block.tool_result) is not None:
        if result.type is not None:
            return None
        return ToolResult("", _output(result.content), result.tool_use_id, is_error=result.status == "error")
    if (reasoning := block.reasoning_content) is not None:
        if (said := reasoning.reasoning_text) is not None:
            return Thought(said.text, said.signature)
        return Thought("", reasoning.redacted_content, redacted=True)
    if (mark := block.cache_point) is not None:
        return mark_of(mark)
    return _media(block)


def mark_of(mark: WireCachePoint) -> CachePoint:
    return CachePoint("1h" if mark.ttl == "1h" else "5m" if mark.ttl == "5m" else None)


def cache_block(mark: CachePoint) -> dict[str, Any]:
    return {"cachePoint": {"type": "default"} if mark.ttl is None else {"type": "default", "ttl": mark.ttl}}


class BlockWriter:
    """Writes the parts of one request or answer, in their order. Calls have their ids, and so have results."""

    def __init__(self, losses: Losses) -> None:
        self._losses = losses
        self._names: set[str] = set()

    def blocks(self, parts: Iterable[Part]) -> list[dict[str, Any]]:
        """Blocks as mappings to write. Texts of nothing but blanks, which Converse refuses, are left out."""
        return [block for part in parts if (block := self._block(part)) is not None]

    def _block(self, part: Part) -> dict[str, Any] | None:
        match part:
            case Text(text):
                return {"text": text} if text.strip() else None
            case Media():
                return encode_media(part, self._losses, self._names)
            case Thought(redacted=True):
                if not part.signature:
                    self._losses.add("redacted thoughts")
                    return None
                return {"reasoningContent": {"redactedContent": part.signature}}
            case Thought(text, signature):
                said = {"text": text} if signature is None else {"text": text, "signature": signature}
                return {"reasoningContent": {"reasoningText": said}}
            case ToolCall():
                if part.signature is not None:
                    self._losses.add("thought signatures")
                return {"toolUse": {"toolUseId": part.id, "name": part.name, "input": part.arguments}}
            case ToolResult():
                return {"toolResult": self._result(part)}
            case CachePoint():
                return cache_block(part)

    def _result(self, result: ToolResult) -> dict[str, Any]:
        said = {"toolUseId": result.id, "content": self._pieces(result.output)}
        return {**said, "status": "error"} if result.is_error else said

    def _pieces(self, output: Any) -> list[dict[str, Any]]:
        """Converse takes objects as JSON; other data are told as its text."""
        match output:
            case tuple():
                return [block for piece in output if (block := self._piece(piece)) is not None]
            case "":
                return []
            case str():
                return [{"text": output}]
            case Mapping():
                return [{"json": output}]
            case _:
                return [{"text": encode_json(output).decode()}]

    def _piece(self, piece: Text | Media) -> dict[str, Any] | None:
        if isinstance(piece, Text):
            return {"text": piece.text} if piece.text else None
        if piece.kind == "audio":
            self._losses.add("tool result media")
            return None
        return encode_media(piece, self._losses, self._names)


def _media(block: WireBlock | WirePiece) -> Media | None:
    if block.image is not None:
        return media_of("image", block.image)
    if block.document is not None:
        return media_of("document", block.document)
    if block.video is not None:
        return media_of("video", block.video)
    if isinstance(block, WireBlock) and block.audio is not None:
        return media_of("audio", block.audio)
    return None


def _output(pieces: list[WirePiece]) -> Any:
    """One text, or one value, is what a tool gave back; more are its pieces, values among them as their text."""
    match pieces:
        case []:
            return ""
        case [WirePiece(text=str(text))]:
            return text
        case [WirePiece(json=dict(value))]:
            return value
    told: list[Text | Media] = []
    for piece in pieces:
        if (media := _media(piece)) is not None:
            told.append(media)
        elif piece.text is not None or piece.json is not None:
            told.append(Text(encode_json(piece.json).decode() if piece.text is None else piece.text))
    return tuple(told)
