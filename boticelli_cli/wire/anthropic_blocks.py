"""The blocks of Anthropic's contents, both ways: what requests and answers have in common.

https://platform.claude.com/docs/en/api/messages. The structs are what is read; what is written are plain mappings, in
which bytes become standard base64.
"""

import base64
import mimetypes
import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from boticelli_cli.messages import CachePoint, Media, Part, Text, Thought, ToolCall, ToolResult
from boticelli_cli.wire.body import Losses, encode_json
from boticelli_cli.wire.tool_turns import IdRule

__all__ = ["IDS", "Block", "Struct", "cache_control", "cache_point", "encode_blocks", "part_of"]

IMAGES: Final = ("image/jpeg", "image/png", "image/gif", "image/webp")
"""Pictures that may be sent: https://platform.claude.com/docs/en/build-with-claude/vision."""

PDF: Final = "application/pdf"
PLAIN: Final = "text/plain"


class Struct(msgspec.Struct, gc=False):
    """What all structs of this dialect are: no matter what else is said."""


class Block(Struct):
    """A block of any kind; what only some kinds have, and not all in one form, is read when the kind is known."""

    type: str
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: dict[str, Any] | None = None
    tool_use_id: str | None = None
    content: Any = None
    is_error: bool = False
    source: Any = None
    title: str | None = None
    cache_control: Any = None


class _Source(Struct):
    type: str
    media_type: str = ""
    data: str = ""
    url: str = ""
    content: Any = None


def part_of(block: Block) -> Part | None:
    """A block as a value, or None for what no value says: a provider's own tools, say, or a file that it keeps.

    Raises ValueError for one that lacks what its kind has to have.
    """
    match block.type:
        case "text":
            return Text(_there(block.text, "text"))
        case "thinking":
            return Thought(_there(block.thinking, "thinking"), block.signature or None)
        case "redacted_thinking":
            return Thought("", _there(block.data, "data"), redacted=True)
        case "tool_use":
            return ToolCall(_there(block.name, "name"), block.input or {}, _there(block.id, "id"))
        case "tool_result":
            output = _output(block.content)
            return ToolResult("", output, _there(block.tool_use_id, "tool_use_id"), block.is_error)
        case "image" | "document":
            return _media_of(block)
        case "search_result":
            return _document(block.content, block.title)
        case _:
            return None


def cache_point(said: Any) -> CachePoint | None:
    """The mark that a `cache_control` is."""
    if not isinstance(said, dict):
        return None
    ttl = said.get("ttl")
    return CachePoint(ttl if ttl in ("5m", "1h") else None)


def cache_control(mark: CachePoint) -> dict[str, Any]:
    return {"type": "ephemeral"} if mark.ttl is None else {"type": "ephemeral", "ttl": mark.ttl}


IDS: Final = IdRule(re.compile(r"[^a-zA-Z0-9_-]"), 64)
"""What ids of calls have to be like: `^[a-zA-Z0-9_-]+$`. How long they may be, nobody says; its own have 30."""


def encode_blocks(parts: Iterable[Part], losses: Losses, *, answered: bool = False) -> list[dict[str, Any]]:
    """Parts as mappings to write; with `answered`, they are a model's, and hold no media.

    Calls and results have their ids. Texts of blanks alone, which Anthropic refuses, are left out.
    """
    told: list[dict[str, Any]] = []
    for part in parts:
        match part:
            case Text(text):
                if text and not text.isspace():
                    told.append({"type": "text", "text": text})
            case Thought():
                told += _thought(part, losses)
            case Media():
                if answered:
                    losses.add("media in answers")
                else:
                    told += _media(part, losses)
            case ToolCall():
                if part.signature is not None:
                    losses.add("thought signatures")
                told.append({"type": "tool_use", "id": part.id, "name": part.name, "input": part.arguments})
            case ToolResult():
                told.append(_result(part, losses))
            case CachePoint():
                if told and told[-1]["type"] not in _UNMARKED:
                    told[-1]["cache_control"] = cache_control(part)
                else:
                    losses.add("cache marks")
    return told


_UNMARKED = ("thinking", "redacted_thinking")
_UNKNOWN_IMAGE = "image/*"


def _there(value: str | None, name: str) -> str:
    if value is None:
        raise ValueError(f"a block lacks its {name}")
    return value


def _output(content: Any) -> Any:
    """What a tool gave back: a text, or pieces of text and media. Pieces of other kinds are no values."""
    if content is None or isinstance(content, str):
        return content or ""
    pieces = (part_of(block) for block in msgspec.convert(content, list[Block]))
    return tuple(piece for piece in pieces if isinstance(piece, Text | Media))


def _media_of(block: Block) -> Media | None:
    if not isinstance(block.source, dict):
        raise ValueError(f"a block of type '{block.type}' lacks its source")
    source = msgspec.convert(block.source, _Source)
    is_image = block.type == "image"
    match source.type:
        case "base64" if is_image:
            return Media("image", source.media_type, data=base64.b64decode(source.data, validate=True))
        case "base64":
            return Media("document", source.media_type, base64.b64decode(source.data, validate=True), name=block.title)
        case "text" if not is_image:
            return Media("document", PLAIN, source.data.encode(errors="replace"), name=block.title)
        case "content" if not is_image:
            return _document(source.content, block.title)
        case "url" if is_image:
            return Media("image", _image_type(source.url), url=source.url)
        case "url":
            return Media("document", PDF, url=source.url, name=block.title)
        case _:
            return None


def _document(content: Any, title: str | None) -> Media | None:
    """The texts of a document that is given in pieces, if there are any."""
    blocks = [{"text": content}] if isinstance(content, str) else content if isinstance(content, list) else []
    texts = [block["text"] for block in blocks if isinstance(block, dict) and isinstance(block.get("text"), str)]
    text = "\n".join(texts)
    return Media("document", PLAIN, text.encode(errors="replace"), name=title) if text else None


def _image_type(url: str) -> str:
    """What a picture somewhere seems to be; its address is all that is said of it."""
    guess = mimetypes.guess_type(url.partition("?")[0])[0]
    return guess if guess in IMAGES else _UNKNOWN_IMAGE


def _thought(thought: Thought, losses: Losses) -> list[dict[str, Any]]:
    """Only sealed thoughts can be said: Anthropic knows its own by their signatures, and refuses others."""
    if not thought.signature:
        losses.add("unsigned thoughts")
        return []
    if thought.redacted:
        return [{"type": "redacted_thinking", "data": thought.signature}]
    return [{"type": "thinking", "thinking": thought.text, "signature": thought.signature}]


def _media(media: Media, losses: Losses) -> list[dict[str, Any]]:
    if media.kind not in ("image", "document"):
        losses.add(media.kind)
        return []
    source = _source(media)
    if source is None:
        losses.add(media.mime)
        return []
    block: dict[str, Any] = {"type": media.kind, "source": source}
    if media.kind == "document" and media.name:
        block["title"] = media.name
    return [block]


def _source(media: Media) -> dict[str, Any] | None:
    """Where a medium is, or None for a type that Anthropic does not take. Texts of all types are plain texts to it."""
    if media.data is None:
        return {"type": "url", "url": media.url or ""}
    if media.mime in IMAGES if media.kind == "image" else media.mime == PDF:
        return {"type": "base64", "media_type": media.mime, "data": media.data}
    if media.kind == "document" and b"\0" not in media.data:
        try:
            return {"type": "text", "media_type": PLAIN, "data": media.data.decode()}
        except UnicodeDecodeError:
            return None
    return None


def _result(result: ToolResult, losses: Losses) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": result.id}
    content = _content(result.output, losses)
    if result.is_error:
        block["is_error"] = True
        content = content or _NO_WORD  # Anthropic refuses errors that say nothing
    if content:
        block["content"] = content
    return block


_NO_WORD = "It failed, and did not say why."


def _content(output: Any, losses: Losses) -> str | list[dict[str, Any]]:
    if isinstance(output, str):
        return output
    if not isinstance(output, tuple):
        return encode_json(output).decode()
    told: list[dict[str, Any]] = []
    for piece in output:
        if isinstance(piece, Media):
            told += _media(piece, losses)
        elif piece.text and not piece.text.isspace():
            told.append({"type": "text", "text": piece.text})
    return told
