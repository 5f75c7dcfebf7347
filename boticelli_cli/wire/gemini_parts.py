"""The parts of Gemini's contents, both ways: what requests and answers have in common.

https://ai.google.dev/api/caching#Part. The structs are what is read; what is written are plain mappings, in
which bytes become standard base64.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from boticelli_cli.messages import CachePoint, Media, Part, Text, Thought, ToolCall, ToolResult, kind_of
from boticelli_cli.wire.body import Losses, decode_base64

__all__ = ["Struct", "WireContent", "WirePart", "encode_parts", "part_of"]


class Struct(msgspec.Struct, rename="camel", gc=False):
    """What all structs of this dialect are: camel case, and no matter what else is said."""


class WireBlob(Struct):
    data: str
    mime_type: str | None = None


class WireFile(Struct):
    file_uri: str
    mime_type: str | None = None


class WireCall(Struct):
    name: str
    args: dict[str, Any] | None = None
    id: str | None = None


class WireResult(Struct):
    name: str
    response: dict[str, Any] | None = None
    id: str | None = None


class WirePart(Struct):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    inline_data: WireBlob | None = None
    file_data: WireFile | None = None
    function_call: WireCall | None = None
    function_response: WireResult | None = None


class WireContent(Struct):
    parts: list[WirePart] | None = None
    role: str | None = None


def part_of(part: WirePart) -> Part | None:
    """A part as a value, or None for what no value says (code that was run, say). Raises ValueError for bad base64."""
    if part.text is not None:
        return Thought(part.text, part.thought_signature) if part.thought else Text(part.text)
    if (call := part.function_call) is not None:
        return ToolCall(call.name, call.args or {}, call.id, part.thought_signature)
    if (result := part.function_response) is not None:
        return _result(result)
    if (blob := part.inline_data) is not None:
        mime = blob.mime_type or _UNKNOWN_MIME
        return Media(kind_of(mime), mime, data=decode_base64(blob.data))
    if (file := part.file_data) is not None:
        mime = file.mime_type or _UNKNOWN_MIME
        return Media(kind_of(mime), mime, url=file.file_uri)
    return None


def encode_parts(parts: Iterable[Part], losses: Losses) -> list[dict[str, Any]]:
    """Parts as mappings to write. A medium's name stays behind: the Gemini API has no place for it.

    What a tool gave back in pictures and the like follows its result.
    """
    told: list[dict[str, Any]] = []
    for part in parts:
        match part:
            case Text(text):
                told.append({"text": text})
            case Thought(redacted=True):
                losses.add("redacted thoughts")
            case Thought(text, signature):
                told.append(_given({"text": text, "thought": True, "thoughtSignature": signature}))
            case Media():
                told.append(_media(part))
            case ToolCall():
                call = _given({"id": part.id, "name": part.name, "args": part.arguments})
                told.append(_given({"functionCall": call, "thoughtSignature": part.signature}))
            case ToolResult():
                result = _given({"id": part.id, "name": part.name, "response": _response(part)})
                told.append({"functionResponse": result})
                if isinstance(part.output, tuple):
                    told += [_media(piece) for piece in part.output if isinstance(piece, Media)]
            case CachePoint():
                losses.add("cache marks")
    return told


_UNKNOWN_MIME = "application/octet-stream"


def _result(result: WireResult) -> ToolResult:
    response = result.response or {}
    match list(response):
        case ["output"]:
            return ToolResult(result.name, response["output"], result.id)
        case ["error"]:
            return ToolResult(result.name, response["error"], result.id, is_error=True)
        case _:
            return ToolResult(result.name, response, result.id)


def _response(result: ToolResult) -> Mapping[str, Any]:
    """Google's rule: what has neither of the two keys is the output as a whole."""
    output = result.output
    if isinstance(output, tuple):
        output = "\n".join(piece.text for piece in output if isinstance(piece, Text))
    if result.is_error:
        return {"error": output}
    if isinstance(output, Mapping) and not output.keys() & {"output", "error"}:
        return output
    return {"output": output}


def _media(media: Media) -> dict[str, Any]:
    if media.data is not None:
        return {"inlineData": {"mimeType": media.mime, "data": media.data}}
    return {"fileData": {"mimeType": media.mime, "fileUri": media.url or ""}}


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}
